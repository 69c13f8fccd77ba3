"""Run a script of the project as its command line would, without starting another Python."""

import logging
import runpy
import signal
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


def as_in_the_foreground() -> None:
    """``preexec_fn`` of processes that get signals: tests in the background ignore some of them."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@dataclass
class Outcome:
    status: int
    out: str
    error: str


class ScriptRunner:
    """Calls a script with arguments; gives status, standard output and standard error."""

    def __init__(self, capsys, monkeypatch):
        self.capsys, self.monkeypatch = capsys, monkeypatch

    def __call__(self, name, *arguments):
        self.monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        self.monkeypatch.setattr(logging.root, "handlers", [])  # as in a new Python
        self.capsys.readouterr()
        status = 0
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            try:
                runpy.run_path(str(SCRIPTS / name), run_name="__main__")
            except SystemExit as leaving:
                status = leaving.code or 0
        captured = self.capsys.readouterr()
        return Outcome(status, captured.out, captured.err)
