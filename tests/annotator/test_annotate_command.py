"""``ranet annotate``: how it starts and how it ends."""

import os
import re
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from annotated_squares import SIZE
from annotator_client import Client
from scripts_in_process import SCRIPTS

from ranet.datasets.image_io import read_labels, write_labels
from ranet.model.weights import save_checkpoint

BOX = {"frame": 1, "edit": {"kind": "box", "object": 1, "box": [2, 4, 22, 24]}}
SMALL = f"input_size=[{SIZE[0]},{SIZE[1]}]"


@pytest.fixture
def checkpoint(network, tmp_path):
    save_checkpoint(tmp_path / "tiny.pt", network)
    return tmp_path / "tiny.pt"


@pytest.fixture
def temporary(tmp_path):
    """Where the process keeps what is not exported."""
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"


@pytest.fixture
def started(squares, checkpoint, tmp_path, temporary):
    """The running command, and what asks it."""
    words = [tmp_path / "frames", "--checkpoint", checkpoint, "--out", tmp_path / "out"]
    process = subprocess.Popen(
        [sys.executable, SCRIPTS / "annotate.py", *words, "--no-browser", SMALL, "device=cpu"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    url = re.fullmatch(r"Open http://127\.0\.0\.1:(\d+)/#(\S+)\n", process.stdout.readline())
    yield process, Client(SimpleNamespace(server_port=int(url[1]), token=url[2]))
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_it_ends_cleanly_and_saves_the_marks(started, tmp_path, temporary, number, status):
    process, client = started
    client.get("/api/edit", BOX)
    client.get("/api/segment", {"backward": True})
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == status, said
    assert "Traceback" not in said
    assert f"marks that were not exported are saved in {tmp_path / 'out'}" in said
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["annotations"]
    assert (read_labels(tmp_path / "out" / "annotations" / "01.png") == 1).sum() == 20 * 20
    assert not list(temporary.iterdir())
    assert not list(tmp_path.glob(".*"))


def test_a_missing_video_is_told(run_script, tmp_path):
    done = run_script("annotate.py", tmp_path / "nowhere.mp4", "--no-browser")
    assert done.status == 1
    assert "No video" in done.error


def test_a_camera_is_told(run_script):
    done = run_script("annotate.py", "0", "--no-browser")
    assert done.status == 1
    assert "camera 0 cannot be annotated" in done.error


def test_masks_of_no_frame_are_told(run_script, squares, tmp_path):
    write_labels(tmp_path / "marks" / "99.png", squares[0][1])
    done = run_script(
        *("annotate.py", tmp_path / "frames", "--masks", tmp_path / "marks", "--no-browser")
    )
    assert done.status == 1
    assert "No frame is named as 1 mask" in done.error


def test_a_wrong_port_is_told(run_script, tmp_path):
    done = run_script("annotate.py", tmp_path, "--port", "70000")
    assert done.status == 2
    assert "from 0 to 65535" in done.error
