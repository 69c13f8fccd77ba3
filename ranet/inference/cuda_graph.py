"""Recording what a GPU is told to do, as CUDA graphs, and replaying it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor

Replay = Callable[[], Tensor]
"""Computes the step anew from what its arguments hold now; the result is overwritten next time."""


class CudaGraphRecorder:
    """Records what a GPU is told to do as CUDA graphs, which share their memory.

    They may, as they are replayed one at a time, and each result is copied before the next replay.
    While it records, other threads may upload, but one that waits for the GPU gets an error: torch
    forbids that to all of them at once.
    """

    def __init__(self) -> None:
        self._pool: Any = None

    def __call__(self, compute: Callable[[], Tensor], device: torch.device) -> Replay:
        """Record ``compute``.

        Raises:
            RuntimeError: something in it waits for the device.
        """
        with _one_recording, torch.cuda.device(device):
            stream = _recording_stream(device)
            self._warm_up(compute, stream)
            graph, result = self._recorded(compute, stream)

        def replay() -> Tensor:
            with torch.cuda.device(device):
                graph.replay()
            return result

        return replay

    def _recorded(
        self, compute: Callable[[], Tensor], stream: torch.cuda.Stream
    ) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        graph = torch.cuda.CUDAGraph()
        pool = torch.cuda.graph_pool_handle() if self._pool is None else self._pool
        self._pool = None  # what was in use when recording failed takes no further recording
        before = torch.cuda.current_stream()
        try:
            # Other threads may go on uploading frames meanwhile.
            with torch.cuda.graph(
                graph, pool=pool, stream=stream, capture_error_mode="thread_local"
            ):
                result = compute()
        finally:
            torch.cuda.set_stream(before)  # which torch does not, where recording fails
        self._pool = pool
        return graph, result

    @staticmethod
    def _warm_up(compute: Callable[[], Tensor], stream: torch.cuda.Stream) -> None:
        """Libraries are loaded, plans made and code compiled before recording.

        What waits for the device is found here: a recording that fails leaves torch in disorder.
        """
        current = torch.cuda.current_stream()
        stream.wait_stream(current)
        try:
            with torch.cuda.stream(stream):
                for _ in range(2):
                    compute()
                with _no_waiting():
                    compute()
        finally:  # what it reads may be gone soon
            current.wait_stream(stream)


_one_recording = threading.Lock()
"""Held while recording: all recordings use one stream of a GPU, and what forbids waiting is one."""


@cache
def _recording_stream(device: torch.device) -> torch.cuda.Stream:
    """The stream of a GPU in which steps are recorded, one for all.

    That of torch belongs to the GPU that was first recorded on; and each further one would take
    memory of its own, for good, as matrix products have some in every stream.
    """
    return torch.cuda.Stream(device)


@contextmanager
def _no_waiting() -> Iterator[None]:
    """In here, to wait for a GPU is a RuntimeError in any thread, as far as torch knows of it."""
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)
