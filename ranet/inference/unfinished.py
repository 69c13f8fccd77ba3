"""The masks of a run that has not ended, and what it needs to go on exactly as if it had.

They lie in a hidden folder beside the one that they become: ``.NAME.unfinished``. A run that ends
before it has saved its state leaves nothing; any other can be continued, whatever ended it.
"""

import contextlib
import logging
import os
import pickle
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ranet.datasets.image_io import write_labels
from ranet.errors import OutputError
from ranet.files import atomic_write, flush, make_folder, output_errors, remove_leftovers
from ranet.inference.segmenter import VideoSegmenter
from ranet.wording import bullets, differences

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Memory:
    """What a segmenter remembers of a video between two frames, the network apart."""

    ids: tuple[int, ...]
    labels: Tensor
    state: Any
    """Of the method, on the CPU."""

    @classmethod
    def of(cls, segmenter: VideoSegmenter) -> "Memory":
        """What it remembers now, on the CPU."""
        video = segmenter.video
        labels = torch.from_numpy(np.ascontiguousarray(video.labels))
        # A view would be written with all that it is a part of.
        state = pytree.tree_map(lambda tensor: tensor.cpu().clone(), video.state)
        return cls(video.ids, labels, state)

    def give_back(self, segmenter: VideoSegmenter) -> None:
        """Let ``segmenter``, which has been started with the same video, remember this.

        All that its next step needs; the last frame itself is not part of it.
        """
        video, device = segmenter.video, segmenter.device
        video.ids = self.ids
        video.labels = self.labels.numpy()
        video.state = pytree.tree_map(lambda tensor: tensor.to(device), self.state)


@dataclass(frozen=True)
class State:
    """How far a run is: so many ways are done, and so many frames of the next one."""

    ways: int = 0
    frames: int = 0
    memory: Memory | None = None
    """Behind the last of these frames; None: before the first."""


class UnfinishedRun:
    """Such a folder; made by :func:`unfinished_run`.

    Args:
        folder: exists.
        settings: what decides the masks, as JSON holds it.
        state: where the run begins.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], state: State) -> None:
        self.masks = make_folder(folder / "masks")
        self.laid_down = folder / "frames"
        """For frames that are to be read backwards."""
        self.state = state
        """As it was saved last."""
        self._folder, self._settings = folder, settings
        self._unflushed: set[Path] = set()  # masks

    def write_mask(self, name: str, labels: np.ndarray) -> None:
        """Write the mask H×W uint8 of the frame of a name.

        Raises:
            OutputError: it cannot be written.
        """
        path = self.masks / f"{name}.png"
        write_labels(path, labels)
        self._unflushed.add(path)

    def save(self, state: State) -> None:
        """From here on the run can be continued at ``state``.

        Raises:
            OutputError: it cannot be written.
        """
        memory = state.memory and vars(state.memory)
        with output_errors(self._folder):
            for mask in self._unflushed:  # all that the state counts as done
                flush(mask)
            self._unflushed.clear()
            with atomic_write(_state_file(self._folder)) as file:
                torch.save({"settings": self._settings, **vars(state), "memory": memory}, file)
                file.flush()
                os.fsync(file.fileno())
        self.state = state

    def finish(self, out: Path) -> None:
        """Let the masks appear as ``out``, new or empty.

        Raises:
            OutputError: they cannot.
        """
        with output_errors(out):
            if out.exists():
                out.rmdir()
            flush(self.masks)
            self.masks.rename(out)
        shutil.rmtree(self._folder, ignore_errors=True)


@contextlib.contextmanager
def unfinished_run(
    out: Path, settings: dict[str, Any], state_types: Sequence[type], *, restart: bool = False
) -> Iterator[UnfinishedRun]:
    """The run that is to become ``out``: one that was begun already, or a new one.

    Args:
        out: folder of the masks.
        settings: what decides the masks, as JSON holds it.
        state_types: what the method's states are made of.
        restart: forget what an earlier run has left.

    Raises:
        OutputError: an earlier run with other settings is unfinished; or the folder cannot be made.
    """
    place = out.resolve()
    folder = place.with_name(f".{place.name}.unfinished")
    if restart or not _state_file(folder).exists():
        with output_errors(folder), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)
    state = _begun(folder, settings, state_types) if folder.exists() else State()
    run = UnfinishedRun(make_folder(folder), settings, state)
    remove_leftovers(run.masks)
    try:
        yield run
    except BaseException as error:
        if _state_file(folder).exists():
            other = ", also with other outputs" if isinstance(error, OutputError) else ""
            _logger.info("stopped; the same command goes on where this one ended%s", other)
        elif isinstance(error, KeyboardInterrupt):
            _logger.info("stopped: nothing was kept, %s is as before", out)
        raise
    finally:
        shutil.rmtree(run.laid_down, ignore_errors=True)
        if not _state_file(folder).exists():
            shutil.rmtree(folder, ignore_errors=True)


def _state_file(folder: Path) -> Path:
    return folder / "state.pt"


def _begun(folder: Path, settings: dict[str, Any], state_types: Sequence[type]) -> State:
    """The state that an earlier run with the same settings has saved."""
    try:
        with torch.serialization.safe_globals(list(state_types)):
            saved = torch.load(_state_file(folder), map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        # What torch says of a damaged file advises to run the code in it.
        reason = error if isinstance(error, OSError) else "it is damaged"
        raise OutputError(
            f"The state of the unfinished run in {folder} cannot be read ({reason}); --restart "
            "begins anew."
        ) from error
    changed = [
        f"{name}: {before!r} then, {now!r} now"
        for name, before, now in differences(saved.pop("settings"), settings)
    ]
    if changed:
        raise OutputError(
            f"An unfinished run in {folder}, which --restart would forget, was made with other "
            f"settings:\n{bullets(changed)}"
        )
    memory = saved.pop("memory")
    return State(**saved, memory=memory and Memory(**memory))
