import logging

import pytest

from ranet.inference import progress
from ranet.inference.progress import Progress


@pytest.mark.parametrize(
    ("total", "line"),
    [
        (130, "segmenting: 30 of 130 frames, 50 ms a frame, 00:05 left"),
        (None, "segmenting: 30 frames, 50 ms a frame"),
    ],
)
def test_a_line(total, line):
    with Progress("segmenting", total, done=10) as counted:
        for _ in range(20):
            counted.update()
    assert counted.done == 30
    assert counted.line(seconds=1.0) == line


def test_a_log_gets_a_line_now_and_then(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    with Progress("segmenting", 3) as counted:
        counted.update()
        assert not caplog.messages
        monkeypatch.setattr(progress, "_SECONDS", 0.0)
        counted.update()
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("segmenting: 2 of 3 frames, ")


def test_a_terminal_gets_a_bar(monkeypatch, capsys, caplog):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with Progress("segmenting", 2) as counted:
        counted.update()
        counted.update()
    assert "2/2" in capsys.readouterr().err
    assert not caplog.messages
