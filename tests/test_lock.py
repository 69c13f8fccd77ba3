import errno
import os
import signal
import subprocess
import sys

import pytest

from ranet import lock as lock_module
from ranet.errors import OutputError
from ranet.lock import only_writer

HOLDER = """
import sys, time
from pathlib import Path
from ranet.lock import only_writer
with only_writer(Path("results"), Path(sys.argv[1])):
    print("inside", flush=True)
    time.sleep(60)
"""


def entered(place, lock):
    """Go in, where that is expected to fail."""
    with only_writer(place, lock):
        pytest.fail("nobody should be inside")


@pytest.fixture
def lock(tmp_path):
    return tmp_path / "results" / ".lock"


def test_one_after_the_other_may_enter_and_nothing_stays(lock):
    for _ in range(2):
        with only_writer(lock.parent, lock):
            assert lock.exists()
        assert list(lock.parent.iterdir()) == []


def test_the_lock_goes_with_an_error(lock):
    with pytest.raises(KeyError), only_writer(lock.parent, lock):
        raise KeyError
    assert not lock.exists()


def test_a_second_one_is_told_who_is_inside(lock):
    with only_writer(lock.parent, lock):
        with pytest.raises(OutputError, match=r"Another run is writing to .*results") as caught:
            entered(lock.parent, lock)
        assert f"process {os.getpid()} on " in str(caught.value)
        assert "Wait until it has ended" in str(caught.value)
        assert lock.exists()
        with pytest.raises(OutputError):  # the refused one has not opened it
            entered(lock.parent, lock)


def test_a_killed_process_holds_nothing(lock):
    command = [sys.executable, "-c", HOLDER, str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "inside\n"
            with pytest.raises(OutputError, match=f"process {holder.pid} "):
                entered(lock.parent, lock)
        finally:
            holder.send_signal(signal.SIGKILL)
    assert lock.exists()
    with only_writer(lock.parent, lock):
        assert f"process {os.getpid()} " in lock.read_text()
    assert not lock.exists()


def test_a_worker_that_outlives_a_killed_process_holds_nothing(lock):
    forks = HOLDER.replace("    print", "    import os; worker = os.fork()\n    print")
    forks = forks.replace('"inside"', '"worker" if worker == 0 else worker')
    command = [sys.executable, "-c", forks, str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        said = {holder.stdout.readline().strip() for _ in range(2)}
        (worker,) = said - {"worker"}
        try:
            holder.kill()
            holder.wait()
            with only_writer(lock.parent, lock):
                pass
        finally:
            os.kill(int(worker), signal.SIGKILL)


def test_a_lock_that_its_holder_removes_meanwhile_is_not_taken_for_one(lock, monkeypatch):
    """Otherwise two could hold the locks of two files that have had one name."""
    lock.parent.mkdir()
    real, opened = lock_module._lock, []

    def lock_of_a_removed_file(descriptor, place):
        opened.append(descriptor)
        if len(opened) == 1:
            lock.unlink()
        real(descriptor, place)

    monkeypatch.setattr(lock_module, "_lock", lock_of_a_removed_file)
    with only_writer(lock.parent, lock):
        assert len(opened) == 2
        assert lock.exists()


def test_a_file_system_without_locks_is_a_warning(lock, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock_module.fcntl, "flock", no_locks)
    with pytest.warns(UserWarning, match="cannot be locked"), only_writer(lock.parent, lock):
        pass


def test_a_system_without_locks_is_a_warning(lock, monkeypatch):
    monkeypatch.setattr(lock_module, "fcntl", None)
    warned = pytest.warns(UserWarning, match=r"cannot be locked \(Windows\)")
    with warned, only_writer(lock.parent, lock):
        assert not lock.exists()


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "results"
    with pytest.raises(OutputError, match=r"Cannot write .*results"):
        entered(place, place / ".lock")
