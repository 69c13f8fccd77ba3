import contextlib
import errno
import fcntl
import os
import signal
import subprocess
import sys

import pytest

from ranet.errors import OutputError
from ranet.lock import only_writer

INSIDE = 'print("inside", flush=True)'

HOLDER = f"""
import sys, time
from pathlib import Path
from ranet.lock import only_writer
with only_writer(Path("results"), Path(sys.argv[1])):
    {INSIDE}
    time.sleep(60)
"""


FORKED = """
import os, sys
from pathlib import Path
from ranet.lock import only_writer
lock = Path(sys.argv[1])
try:
    with only_writer(Path("results"), lock):
        worker = os.fork()
        if worker == 0:
            raise KeyboardInterrupt
        assert os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) == 7
        assert lock.exists()
except KeyboardInterrupt:
    os._exit(7)
"""


def entered(place, lock):
    """Go in, where that is expected to fail."""
    with only_writer(place, lock):
        pytest.fail("nobody should be inside")


@pytest.fixture
def lock(tmp_path):
    return tmp_path / "results" / ".lock"


def test_one_after_the_other_may_enter_and_nothing_stays(lock):
    for _ in range(2):
        with only_writer(lock.parent, lock):
            assert lock.exists()
        assert list(lock.parent.iterdir()) == []


def test_the_lock_goes_with_an_error(lock):
    with pytest.raises(KeyError), only_writer(lock.parent, lock):
        raise KeyError
    assert not lock.exists()


def test_a_second_one_is_refused(lock):
    with only_writer(lock.parent, lock):
        for _ in range(2):  # the refused one has not opened it
            with pytest.raises(OutputError, match=f"process {os.getpid()} "):
                entered(lock.parent, lock)
            assert lock.exists()


def test_a_killed_process_holds_nothing(lock):
    command = [sys.executable, "-c", HOLDER, str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "inside\n"
            with pytest.raises(OutputError, match="Another run"):
                entered(lock.parent, lock)
        finally:
            holder.send_signal(signal.SIGKILL)
    assert lock.exists()
    with only_writer(lock.parent, lock):
        pass
    assert not lock.exists()


def test_a_worker_that_outlives_a_killed_process_holds_nothing(lock):
    # Each line in one piece, as both write them at the same time.
    told = 'os.write(1, b"worker\\n" if worker == 0 else b"%d\\n" % worker)'
    forks = f"import os; worker = os.fork(); {told}"
    command = [sys.executable, "-c", HOLDER.replace(INSIDE, forks), str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        said = {holder.stdout.readline().strip() for _ in range(2)}
        (worker,) = said - {"worker"}
        try:
            holder.kill()
            holder.wait()
            with only_writer(lock.parent, lock):
                pass
        finally:
            os.kill(int(worker), signal.SIGKILL)


def test_a_worker_that_unwinds_leaves_the_lock_to_its_parent(lock):
    ended = subprocess.run(
        [sys.executable, "-c", FORKED, str(lock)], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert not lock.exists()


def test_a_file_that_cannot_be_removed_does_not_hide_the_runs_error(lock, monkeypatch):
    def read_only(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patched:
        patched.setattr(type(lock), "unlink", read_only)
        with pytest.raises(KeyError), only_writer(lock.parent, lock):
            raise KeyError
    with only_writer(lock.parent, lock):  # the first has let go of it
        pass
    assert not lock.exists()


def test_a_lock_that_its_holder_removes_meanwhile_is_not_taken_for_one(lock, monkeypatch):
    """Otherwise two could hold the locks of two files that have had one name."""
    lock.parent.mkdir()
    real, opened = fcntl.flock, []

    def of_a_removed_file(descriptor, operation):
        real(descriptor, operation)
        if not opened:
            lock.unlink()
        opened.append(descriptor)

    monkeypatch.setattr(fcntl, "flock", of_a_removed_file)
    with contextlib.suppress(OutputError), only_writer(lock.parent, lock):
        assert lock.exists()
    assert opened


def test_a_file_system_without_locks_is_a_warning(lock, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.warns(UserWarning, match="cannot be locked"), only_writer(lock.parent, lock):
        pass


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "results"
    with pytest.raises(OutputError, match=r"Cannot write .*results"):
        entered(place, place / ".lock")
