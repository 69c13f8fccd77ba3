"""Which code a network says it is of."""

from collections.abc import Iterator

import pytest
import torch

from ranet import provenance
from ranet.config import TrainConfig
from ranet.training import loop
from ranet.training.run import train


@pytest.fixture
def asked_anew() -> Iterator[None]:
    provenance.revision.cache_clear()
    yield
    provenance.revision.cache_clear()


@pytest.mark.usefixtures("asked_anew")
def test_a_commit_made_during_the_training_is_not_what_ran(
    tiny_run: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = ["before"]
    compute = loop.learning_rate

    def somebody_commits(*arguments: object) -> float:
        commit[0] = "after"
        return compute(*arguments)

    monkeypatch.setattr(provenance, "_git", lambda *_, **__: commit[0])
    monkeypatch.setattr(loop, "learning_rate", somebody_commits)
    final = train(tiny_run.model_copy(update={"steps": 1}))
    assert torch.load(final, weights_only=True)["revision"] == "before"
