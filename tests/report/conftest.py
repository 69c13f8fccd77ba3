import pytest
from result_folders import write_copied, write_scored, write_tree


@pytest.fixture
def plots():
    """For a test that looks at plots: they take longer to draw than all else of a report."""


@pytest.fixture(autouse=True)
def _no_plots(request, monkeypatch):
    if "plots" not in request.fixturenames:
        monkeypatch.setattr("ranet.report.page.has_matplotlib", lambda: False)


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    return write_tree(tmp_path_factory.mktemp("report") / "DAVIS")


@pytest.fixture(scope="session")
def copied(tree):
    """Results with a configuration, times and masks."""
    return write_copied(tree, tree.parent / "copied")


@pytest.fixture(scope="session")
def scored(tree):
    """Scores alone, better ones."""
    return write_scored(tree, tree.parent / "scored")
