import os
import signal
import subprocess
import sys
import textwrap

import pytest
from scripts_in_process import as_in_the_foreground


def run(body):
    """Run a script whose ``main`` has this body."""
    script = "import os, signal, sys, time\nfrom ranet.cli import run_script\ndef main():\n"
    script += textwrap.indent(textwrap.dedent(body), "    ") + "\nrun_script(main)\n"
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=as_in_the_foreground,
    )


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_signals_unwind(number, status, word):
    ended = run(f"""
        try:
            os.kill(os.getpid(), {int(number)})
            time.sleep(60)
        finally:
            print("cleaned up")
    """)
    assert (ended.returncode, ended.stdout, ended.stderr) == (status, "cleaned up\n", f"{word}\n")


def test_a_held_back_sigterm_is_still_one():
    ended = run("""
        from ranet.interrupt import StopRequest
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            print("end of the step")
        if stop.requested:
            raise KeyboardInterrupt
    """)
    assert (ended.returncode, ended.stdout, ended.stderr) == (
        143,
        "end of the step\n",
        "terminated\n",
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_worker_ends_by_the_signal_itself():
    ended = run("""
        child = os.fork()
        if child == 0:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                print("unwound", flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """)
    assert (ended.returncode, ended.stdout) == (0, f"{-signal.SIGTERM}\n")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("DataError('unreadable')", "unreadable\n"),
        ("torch('OutOfMemoryError', 'CUDA out of memory.\\nMany figures')", "Memory does not"),
        ("RuntimeError('DefaultCPUAllocator: you tried to allocate 9 bytes')", "Memory does not"),
        ("MemoryError()", "Memory does not"),
        ("torch('_inductor.exc.InvalidCxxCompiler', 'No working C++ compiler')", "torch.compile"),
    ],
)
def test_an_error_in_the_input_is_one_message(error, told):
    """So is one that torch raises for want of memory, or of a compiler."""
    ended = run(f"""
        from ranet.errors import DataError
        def torch(name, message):
            module, _, name = f"torch.{{name}}".rpartition(".")
            return type(name, (RuntimeError,), {{"__module__": module}})(message)
        raise {error}
    """)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"error: {told}")
    assert ended.stderr.count("\n") == 1


def test_a_mistake_of_the_program_keeps_its_traceback():
    ended = run("raise RuntimeError('here')")
    assert ended.returncode == 1
    assert "Traceback" in ended.stderr
