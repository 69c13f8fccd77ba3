import os

import pytest

from ranet.errors import OutputError
from ranet.files import atomic_folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_when_it_is_whole(tmp_path):
    with atomic_folder(tmp_path / "new" / "masks") as folder:
        (folder / "a.png").write_text("a")
        assert not (tmp_path / "new" / "masks").exists()
        assert folder.name.startswith(".")
    assert names(tmp_path / "new") == ["masks"]
    assert names(tmp_path / "new" / "masks") == ["a.png"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_of_a_folder_that_fails(tmp_path, error):
    def fill():
        with atomic_folder(tmp_path / "masks") as folder:
            (folder / "a.png").write_text("a")
            raise error

    with pytest.raises(error):
        fill()
    assert names(tmp_path) == []


def test_an_older_folder_stays_if_the_new_one_fails(tmp_path):
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "old.png").write_text("old")

    def fill():
        with atomic_folder(tmp_path / "masks"):
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        fill()
    assert names(tmp_path / "masks") == ["old.png"]


def test_an_older_folder_is_replaced_as_a_whole(tmp_path):
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "old.png").write_text("old")
    with atomic_folder(tmp_path / "masks") as folder:
        (folder / "new.png").write_text("new")
    assert names(tmp_path) == ["masks"]
    assert names(tmp_path / "masks") == ["new.png"]


def test_leftovers_of_a_killed_run_are_removed(tmp_path):
    (tmp_path / ".masks.0123abcd.partial").mkdir()
    (tmp_path / ".masks.0123abcd.partial" / "a.png").write_text("a")
    (tmp_path / ".masks2.0123abcd.partial").mkdir()
    with atomic_folder(tmp_path / "masks"):
        pass
    assert names(tmp_path) == [".masks2.0123abcd.partial", "masks"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Cannot write"), atomic_folder(tmp_path / "masks"):
        pass


def test_a_file_in_the_way_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Cannot write"), atomic_folder(tmp_path / "file" / "x"):
        pass
