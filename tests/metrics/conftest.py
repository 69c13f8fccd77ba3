import pytest
from mask_tree import write_tree

from ranet.metrics import evaluate_davis


@pytest.fixture
def trees(tmp_path):
    """Writes annotations and predictions, and scores them."""

    def evaluate(annotations, predictions, *, year=2017, **options):
        return evaluate_davis(
            write_tree(tmp_path / "annotations", annotations),
            write_tree(tmp_path / "predictions", predictions),
            year=year,
            **options,
        )

    return evaluate
