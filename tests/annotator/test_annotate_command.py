"""``ranet annotate``: how it starts, how it ends, and what is there when it starts again."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest
from annotated_squares import SIZE
from scripts_in_process import SCRIPTS, as_in_the_foreground

from ranet.annotator.journal import journal_path
from ranet.annotator.server import TOKEN_HEADER
from ranet.datasets.image_io import read_labels, write_labels
from ranet.methods.checkpoints import save_checkpoint

BOX = {"frame": 1, "object": 1, "kind": "box", "box": [2, 4, 22, 24]}
SMALL = f"input_size=[{SIZE[0]},{SIZE[1]}]"


@pytest.fixture
def temporary(tmp_path):
    """Where the process keeps what is not exported."""
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"


@pytest.fixture
def start(squares, network, tmp_path, temporary):
    """Starts the command; gives the process, and what asks it."""
    save_checkpoint(tmp_path / "tiny.pt", network)
    words = [tmp_path / "frames", "--checkpoint", tmp_path / "tiny.pt", "--out", tmp_path / "out"]
    words += [SMALL, "device=cpu"]
    processes = []

    def started(*more):
        process = subprocess.Popen(
            [sys.executable, SCRIPTS / "annotate.py", *words, *more, "--no-browser"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(temporary)},
            preexec_fn=as_in_the_foreground,
        )
        processes.append(process)
        address = re.fullmatch(
            r"Open (http://127\.0\.0\.1:\d+)/#(\S+)\n", process.stdout.readline()
        )
        headers = {TOKEN_HEADER: address[2], "Content-Type": "application/json"}

        def ask(path, body=None):
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(f"{address[1]}/api/{path}", data, headers)
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)

        return process, ask

    yield started
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_whatever_ends_it_the_next_one_goes_on(start, tmp_path, temporary):
    """Killed; hung up, as by a closed terminal; terminated."""
    process, ask = start()
    assert not ask("state")["resumed"]
    ask("edit", BOX)
    process.kill()
    process.wait()

    process, ask = start()
    told = ask("state")
    assert (told["resumed"], told["marked"], told["can_undo"]) == (True, [1], True)
    ask("add_object", {"frame": 4})
    ask("edit", {**BOX, "frame": 4, "object": 2})
    process.send_signal(signal.SIGHUP)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert "going on with the marks" in said
    assert len(list((tmp_path / "out" / "annotations").iterdir())) == 2

    process, ask = start()
    assert [each["frames"] for each in ask("state")["objects"]] == [[1], [4]]
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    assert not (tmp_path / "out-2").exists()  # they are saved already


@pytest.mark.slow
def test_ctrl_c_ends_it_cleanly_and_saves_the_marks(start, tmp_path, temporary):
    journal = journal_path(tmp_path / "out", str(tmp_path / "frames"))
    journal.write_bytes(b"damaged\n")
    process, ask = start("--fresh")
    ask("edit", BOX)
    ask("segment", {"backward": True})
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert f"saved in {tmp_path / 'out'}" in said
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["annotations"]
    assert (read_labels(tmp_path / "out" / "annotations" / "01.png") == 1).sum() == 20 * 20
    assert not list(temporary.iterdir())
    assert not list(tmp_path.glob(".*"))
    assert journal.with_suffix(".2.journal").read_bytes() == b"damaged\n"


def test_a_damaged_journal_is_told(run_script, squares, tmp_path):
    journal = journal_path(tmp_path / "out", str(tmp_path / "frames"))
    journal.write_bytes(b"damaged\n")
    done = run_script(
        *("annotate.py", tmp_path / "frames", "--out", tmp_path / "out", "--no-browser")
    )
    assert done.status == 1
    assert f"{journal} is damaged" in done.error
    assert journal.read_bytes() == b"damaged\n"


def test_a_missing_extra_is_told(run_script, squares, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "ranet.annotator.server")
    done = run_script("annotate.py", tmp_path / "frames", "--no-browser")
    assert done.status == 1
    assert "[annotator]" in done.error


def test_what_cannot_be_annotated_is_told(run_script, squares, tmp_path):
    write_labels(tmp_path / "marks" / "99.png", squares[0][1])
    for words, told in (
        ([tmp_path / "nowhere.mp4"], "No video"),
        (["0"], "camera 0"),
        ([tmp_path / "frames", "--masks", tmp_path / "marks"], "No frame is named"),
    ):
        done = run_script("annotate.py", *words, "--no-browser")
        assert done.status == 1
        assert told in done.error


def test_a_wrong_port_is_told(run_script, tmp_path):
    done = run_script("annotate.py", tmp_path, "--port", "70000")
    assert done.status == 2
    assert "65535" in done.error
