"""The masks of a run that has not ended, and what it needs to go on exactly as if it had.

They lie in a hidden folder beside the one that they become: ``.NAME.unfinished``. A run that ends
before it has saved its state leaves nothing; any other can be continued, whatever ended it.
"""

import contextlib
import logging
import pickle
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from ranet.errors import OutputError
from ranet.files import atomic_write, make_folder, move, output_errors, remove_leftovers
from ranet.inference.tracker import FollowedVideo
from ranet.wording import bullets, differences

_logger = logging.getLogger(__name__)


def remembered(video: FollowedVideo) -> dict[str, Any]:
    """All that the next step of a video needs of those before, the network apart, on the CPU."""
    return {
        "ids": video.ids,
        "labels": torch.from_numpy(np.ascontiguousarray(video.labels)),
        # A view would be written with all that it is a part of.
        "state": pytree.tree_map(lambda tensor: tensor.cpu().clone(), video.state),
    }


def recall(video: FollowedVideo, memory: dict[str, Any]) -> None:
    """Let a video, which has been started anew, go on from what was :func:`remembered` of it."""
    device = video.image.device
    video.ids, video.labels = memory["ids"], memory["labels"].numpy()
    video.state = pytree.tree_map(lambda tensor: tensor.to(device), memory["state"])


@dataclass(frozen=True)
class Position:
    """How far a run is: so many ways are done, and so many frames of the next one."""

    ways: int = 0
    frames: int = 0
    memory: dict[str, Any] | None = None
    """:func:`remembered` behind the last of these frames; None: before the first."""


class UnfinishedRun:
    """Such a folder; made by :func:`unfinished_run`.

    Args:
        folder: exists.
        settings: what decides the masks, as JSON holds it.
        position: where the run begins.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], position: Position) -> None:
        self.masks = make_folder(folder / "masks")
        self.laid_down = folder / "frames"
        """For frames that are to be read backwards."""
        self.position = position
        """As it was saved last."""
        self._folder, self._settings = folder, settings

    def save(self, position: Position) -> None:
        """From here on the run can be continued at ``position``.

        Raises:
            OutputError: it cannot be written.
        """
        with atomic_write(_state_file(self._folder)) as file:
            torch.save({"settings": self._settings, **vars(position)}, file)
        self.position = position

    def finish(self, out: Path) -> None:
        """Let the masks appear as ``out``, new or empty.

        Raises:
            OutputError: they cannot.
        """
        with output_errors(out):
            if out.exists():
                out.rmdir()
            move(self.masks, out)
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
    begun = _state_file(folder).exists() and not restart
    if not begun:
        with output_errors(folder), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)
    position = _position(folder, settings, state_types) if begun else Position()
    run = UnfinishedRun(make_folder(folder), settings, position)
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


def _position(folder: Path, settings: dict[str, Any], state_types: Sequence[type]) -> Position:
    """Where an earlier run with the same settings has saved that it was."""
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
    if changed := list(differences(saved.pop("settings"), settings)):
        lines = [f"{name}: {before!r} then, {now!r} now" for name, before, now in changed]
        raise OutputError(
            f"An unfinished run in {folder}, which --restart would forget, was made with other "
            f"settings:\n{bullets(lines)}"
        )
    return Position(**saved)
