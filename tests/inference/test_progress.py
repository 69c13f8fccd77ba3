"""How far a run is: a bar for people, lines for logs."""

import logging
import re

import pytest

from ranet.inference import running
from ranet.inference.running import progress_bar


@pytest.mark.parametrize(
    ("total", "line"),
    [
        (130, r"segmenting: 30 of 130 frames, .*frame.*, .* left$"),
        (None, r"segmenting: 30 frames, .*frame\S*$"),
    ],
)
def test_a_log_gets_a_line_now_and_then(total, line, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    with progress_bar("segmenting", total, done=10) as counted:
        counted.update(20)
    assert counted.n == 30
    assert not caplog.messages
    monkeypatch.setattr(running, "_SECONDS", 0.0)
    with progress_bar("segmenting", total, done=10) as counted:
        counted.update(20)
        assert re.match(line, caplog.messages[-1])


def test_a_terminal_gets_a_bar(monkeypatch, capsys, caplog):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with progress_bar("segmenting", 2) as counted:
        counted.update()
        counted.update()
    assert "2/2" in capsys.readouterr().err
    assert not caplog.messages
