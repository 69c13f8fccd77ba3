"""Scripts that work for long ask first whether their results have a place."""

import os

import pytest

from ranet.errors import OutputError
from ranet.files import check_writable


def test_folder_that_can_be_made_is_not_made(tmp_path):
    check_writable(tmp_path)
    check_writable(tmp_path / "new" / "deeper")
    assert list(tmp_path.iterdir()) == []


def test_relative_folder_is_looked_up_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_writable("new")


def test_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=rf"Cannot write .*: {tmp_path}/file is not a folder"):
        check_writable(tmp_path / "file" / "out")


def test_folder_without_permission_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(OutputError, match=rf"no permission to write in {tmp_path}"):
        check_writable(tmp_path / "out")
