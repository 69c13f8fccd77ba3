import json
import logging
from pathlib import Path

import pytest

from ranet.training.log import TrainingLog, read_log

FIGURES = {"total": 2.0, "data_time": 0.1, "step_time": 0.5}


def test_lines_average_the_steps_between_them(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path / "log.jsonl", first_step=0, steps=5, every=2)
    for step in range(1, 6):
        log.add(step, FIGURES | {"total": float(step)})
    records = read_log(tmp_path / "log.jsonl")
    assert [(r["step"], r["total"]) for r in records] == [(2, 1.5), (4, 3.5), (5, 5.0)]


def test_console_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    TrainingLog(tmp_path / "log.jsonl", 0, 10, 1).add(1, FIGURES)
    line = caplog.messages[-1]
    assert line.startswith("step  1/10  total 2  0.50 s/step (data 0.10)  left ")


def test_resuming_drops_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    lines = [json.dumps({"step": s, "total": 1.0}) for s in (2, 4, 6)]
    path.write_text("\n".join(lines) + '\n{"step": 8, "to')  # killed while writing
    log = TrainingLog(path, first_step=4, steps=6, every=2)
    log.add(5, FIGURES)
    log.add(6, FIGURES)
    assert [r["step"] for r in read_log(path)] == [2, 4, 6]
    assert read_log(path)[-1]["total"] == 2.0


def test_a_skipped_step_is_counted_and_is_no_part_of_the_mean(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path / "log.jsonl", first_step=0, steps=6, every=3)
    for step in range(1, 7):
        skipped = step in (1, 2)
        log.add(step, FIGURES | ({"skipped_steps": 1} if skipped else {"gradient_norm": 4.0}))
    first, second = read_log(tmp_path / "log.jsonl")
    assert (first["gradient_norm"], first["skipped_steps"]) == (4.0, 2)
    assert (second["gradient_norm"], "skipped_steps" in second) == (4.0, False)


def test_what_json_cannot_say_is_not_written(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path / "log.jsonl", first_step=0, steps=2, every=1)
    with pytest.raises(ValueError, match="JSON"):
        log.add(1, FIGURES | {"total": float("nan")})
    assert read_log(tmp_path / "log.jsonl") == []


def test_a_line_is_gone_on_with(tmp_path: Path) -> None:
    before = TrainingLog(tmp_path / "log.jsonl", first_step=0, steps=4, every=4)
    before.add(1, FIGURES | {"skipped_steps": 1})
    before.add(2, FIGURES | {"total": 4.0})
    log = TrainingLog(tmp_path / "log.jsonl", 2, steps=4, every=4, noted=before.noted)
    log.add(3, FIGURES | {"skipped_steps": 1})
    log.add(4, FIGURES | {"total": 4.0})
    (record,) = read_log(tmp_path / "log.jsonl")
    assert record == {"step": 4, "skipped_steps": 2} | FIGURES | {"total": 3.0}
