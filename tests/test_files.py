import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ranet.datasets.video_writer import VideoWriter
from ranet.errors import OutputError
from ranet.files import (
    abandon,
    atomic_folder,
    atomic_path,
    atomic_write,
    check_outside,
    check_writable,
    make_folder,
    output_errors,
    read_path,
    remove_leftovers,
    stored_path,
    write_csv,
    write_json,
    write_text,
)


def opened(kind, path):
    """A writer that has filled what is to become ``path`` when it is closed."""
    stack = contextlib.ExitStack()
    if kind == "folder":
        (stack.enter_context(atomic_folder(path)) / "a").write_text("whole")
    elif kind == "video":
        video = stack.enter_context(VideoWriter(path, frame_rate=25))
        video.write(np.zeros((16, 16, 3), np.uint8))
    else:
        stack.enter_context(atomic_path(path)).write_text("whole")
    return stack


@pytest.mark.parametrize("kind", ["file", "folder", "video"])
@pytest.mark.parametrize("names", [("a.v2", "a"), ("a", "a")])
def test_two_writers_leave_each_others_work_alone(tmp_path, kind, names):
    ending = {"file": ".txt", "folder": "", "video": ".mp4"}[kind]
    paths = [tmp_path / f"{name}{ending}" for name in names]
    first, second = (opened(kind, path) for path in paths)
    second.close()
    # What a folder would replace is another one's work.
    refused = kind == "folder" and paths[0] == paths[1]
    with pytest.raises(OutputError) if refused else contextlib.nullcontext():
        first.close()
    assert set(tmp_path.iterdir()) == set(paths)
    assert all((path / "a" if kind == "folder" else path).stat().st_size for path in paths)


def test_only_ones_own_leftovers_are_removed(tmp_path):
    written = [("file", "a.txt"), ("file", "b.v2.txt"), ("folder", "c")]
    writers = [opened(kind, tmp_path / name) for kind, name in written]  # as killed ones leave it
    (tmp_path / ".notes.12345678.txt").touch()
    assert len(os.listdir(tmp_path)) == 4
    remove_leftovers(tmp_path, "v2.txt", "a.txt")
    assert len(os.listdir(tmp_path)) == 3
    remove_leftovers(tmp_path)
    assert os.listdir(tmp_path) == [".notes.12345678.txt"]
    remove_leftovers(tmp_path / "new")
    for writer in writers:
        abandon(writer)


def write_in_two_parts(path: Path, error: BaseException | None = None) -> None:
    with atomic_write(path) as file:
        file.write(b"first half, ")
        if error is not None:
            raise error
        file.write(b"second half")


def raise_error(code: int):
    def call(*_, **__):
        raise OSError(code, os.strerror(code))

    return call


def test_the_file_appears_whole(tmp_path):
    write_in_two_parts(tmp_path / "new" / "folder" / "file.txt")
    assert (tmp_path / "new" / "folder" / "file.txt").read_bytes() == b"first half, second half"
    assert os.listdir(tmp_path / "new" / "folder") == ["file.txt"]


def test_the_file_is_not_there_before_the_end(tmp_path):
    path = tmp_path / "file.txt"
    with atomic_write(path) as file:
        file.write(b"x")
        file.flush()
        assert not path.exists()
    assert path.exists()


def test_paths_may_be_strings_and_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_text("file.txt", "ä")
    assert (tmp_path / "file.txt").read_bytes() == "ä".encode()


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), SystemExit(3)])
@pytest.mark.parametrize("old", [None, b"old"])
def test_an_interrupted_write_leaves_what_was_there(tmp_path, error, old):
    path = tmp_path / "file.txt"
    if old is not None:
        path.write_bytes(old)
    with pytest.raises(type(error)) as caught:
        write_in_two_parts(path, error)
    assert caught.value is error
    assert os.listdir(tmp_path) == ([] if old is None else ["file.txt"])
    assert old is None or path.read_bytes() == old


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EIO])
def test_errors_of_the_disk(tmp_path, monkeypatch, call, code):
    path = tmp_path / "file.txt"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, call, raise_error(code))
    with pytest.raises(OutputError) as caught:
        write_in_two_parts(path)
    assert str(path) in str(caught.value)
    assert os.strerror(code) in str(caught.value)
    assert os.listdir(tmp_path) == ["file.txt"]
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_device_that_is_full():
    no_space = pytest.raises(OutputError, match=r"result: No space left on device")
    with no_space, output_errors(Path("result")), open("/dev/full", "wb", buffering=0) as file:
        file.write(b"x")


def test_a_file_too_large_leaves_nothing(tmp_path):
    """The system refuses in the middle of a write, as it does when a disk is full."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"file\.txt: File too large"):
            write_text(tmp_path / "file.txt", "x" * 20_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert os.listdir(tmp_path) == []


def test_a_killed_process_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    path.write_bytes(b"old")
    code = (
        "import os, signal, sys\n"
        "from ranet.files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as file:\n"
        "    file.write(b'half'); file.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    (left,) = set(os.listdir(tmp_path)) - {"file.txt"}
    assert left.startswith(".file.")  # hidden: no index takes it for a frame


def test_a_file_in_place_of_a_folder(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for write in (write_in_two_parts, make_folder):
        with pytest.raises(OutputError, match=r"Cannot write .*file"):
            write(tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_folder_in_place_of_a_file(tmp_path):
    (tmp_path / "result").mkdir()
    with pytest.raises(OutputError, match="result"):
        write_in_two_parts(tmp_path / "result")
    assert os.listdir(tmp_path) == ["result"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    for write in (write_in_two_parts, make_folder):
        with pytest.raises(OutputError, match="Permission denied"):
            write(tmp_path / "new")


def test_a_folder_that_exists_but_cannot_be_written_to(tmp_path, monkeypatch):
    denied = raise_error(errno.EACCES)  # tests may run as root
    monkeypatch.setattr("ranet.files.tempfile.NamedTemporaryFile", denied)
    for check in (make_folder, check_writable):
        with pytest.raises(OutputError, match=f"Cannot write {tmp_path}: Permission denied"):
            check(tmp_path)


def test_make_folder(tmp_path):
    assert make_folder(str(tmp_path / "a" / "b")) == tmp_path / "a" / "b"
    assert make_folder(tmp_path / "a" / "b").is_dir()  # again


def test_libraries_that_open_files_themselves(tmp_path):
    with atomic_path(tmp_path / "plot.svg") as temporary:
        assert temporary.suffix == ".svg"
        assert temporary.parent == tmp_path
        assert not (tmp_path / "plot.svg").exists()
        temporary.write_text("<svg/>")
    assert os.listdir(tmp_path) == ["plot.svg"]


def test_a_library_that_writes_nothing(tmp_path):
    with pytest.raises(OutputError, match=r"plot\.svg"), atomic_path(tmp_path / "plot.svg"):
        pass
    assert os.listdir(tmp_path) == []


def test_json(tmp_path):
    value = {"name": "camel", "J": [0.1, None, 1 / 3], "nested": {"a": 1}}
    write_json(tmp_path / "r.json", value)
    assert json.loads((tmp_path / "r.json").read_text()) == value
    assert (tmp_path / "r.json").read_text().endswith("}\n")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}])
def test_what_is_no_json_leaves_nothing(tmp_path, value):
    with pytest.raises((ValueError, TypeError)):
        write_json(tmp_path / "r.json", {"value": value})
    assert os.listdir(tmp_path) == []


def test_csv(tmp_path):
    write_csv(tmp_path / "t.csv", ["Sequence", "J&F-Mean"], [["a,b", 0.5], ['say "x"', 1]])
    text = (tmp_path / "t.csv").read_bytes().decode()
    assert text == 'Sequence,J&F-Mean\n"a,b",0.5\n"say ""x""",1\n'


def test_results_do_not_go_among_data(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "link").symlink_to(data)
    for folder in (data, data / "new" / "results", tmp_path / "link", data / "x" / ".."):
        with pytest.raises(OutputError, match=r"is part of the data in .*data"):
            check_outside(folder, [tmp_path / "other", data])
    for folder in (tmp_path, tmp_path / "data2", data / ".." / "results"):
        check_outside(folder, [data])


def test_paths_inside_a_folder_move_with_it(tmp_path, monkeypatch):
    folder = tmp_path / "out"
    (folder / "masks").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert stored_path("out/masks", folder) == "masks"
    assert stored_path("data", folder) == str(tmp_path / "data")
    assert read_path("masks", folder) == folder / "masks"
    assert read_path(str(tmp_path / "data"), folder) == tmp_path / "data"
    assert read_path("out/masks", folder) == Path("out/masks")  # as it was written once


@pytest.fixture
def flushed(monkeypatch):
    """Paths in the order in which they are flushed."""
    paths, opened, real_open = [], {}, os.open

    def note(path, *arguments):
        descriptor = real_open(path, *arguments)
        opened[descriptor] = Path(path)
        return descriptor

    def fsync(descriptor):
        paths.append(opened[descriptor])
        if paths[-1].is_dir():
            raise OSError(errno.EINVAL, "a file system that cannot")

    monkeypatch.setattr(os, "open", note)
    monkeypatch.setattr(os, "fsync", fsync)
    return paths


def test_the_file_then_its_name_are_flushed_to_the_disk(tmp_path, flushed):
    write_text(tmp_path / "file.txt", "text")
    file, folder = flushed
    assert file.parent == folder == tmp_path
    assert file.name.startswith(".file.")


def test_a_folder_is_flushed_once_when_it_is_whole(tmp_path, flushed):
    with atomic_folder(tmp_path / "masks") as folder:
        for name in ("a.txt", "inner/b.txt"):
            write_text(folder / name, "text")
        assert flushed == []
    assert sorted(path.relative_to(folder).name for path in flushed[:-1]) == [
        "",
        "a.txt",
        "b.txt",
        "inner",
    ]
    assert flushed[-1] == tmp_path


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_older_folder_stays_if_the_new_one_fails(tmp_path, error):
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "old.png").touch()

    def fill():
        with atomic_folder(tmp_path / "masks", replace=True) as folder:
            (folder / "new.png").touch()
            raise error

    with pytest.raises(error):
        fill()
    assert [path.name for path in tmp_path.rglob("*")] == ["masks", "old.png"]
    with atomic_folder(tmp_path / "masks", replace=True) as folder:
        (folder / "new.png").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["masks", "new.png"]


def test_an_older_folder_comes_back_if_the_disk_is_full(tmp_path, monkeypatch):
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "old.png").touch()
    monkeypatch.setattr(os, "fsync", raise_error(errno.ENOSPC))
    with (
        pytest.raises(OutputError, match="masks"),
        atomic_folder(tmp_path / "masks", replace=True) as folder,
    ):
        (folder / "new.png").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["masks", "old.png"]


def test_a_folder_that_cannot_be_is_told_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    check_writable(tmp_path / "new" / "deeper")
    monkeypatch.chdir(tmp_path)
    check_writable("new")
    with pytest.raises(OutputError, match="file is not a folder"):
        check_writable(tmp_path / "file" / "out")
    assert os.listdir(tmp_path) == ["file"]
