"""Batches of training samples, made by worker processes ahead of the training loop."""

import signal
import sys
from collections.abc import Iterator
from types import TracebackType

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from ranet.config import DataConfig
from ranet.datasets.sampling import TrainingSamples
from ranet.errors import RANetError
from ranet.structures import TrainingBatch


class BatchLoader:
    """The batches that a training run sees, in order.

    Batch s holds samples s·B … s·B + B − 1, whatever the number of workers. Epochs are no
    boundary: the workers go on until the last step.

    Attributes:
        steps: the numbers s; a run that goes on may set others before it takes the first batch.

    Args:
        config: sources, augmentation, and the number of workers.
        seed: of the run.
        batch_size: samples a step, of all processes together; a multiple of their number.
        steps: see above; those of a new run begin at 0.
        pin_memory: put them in page-locked memory, for a GPU.
        process: number of this process, from 0.
        processes: how many share each batch; each makes an equal part of it, in order.
        instances: batches have labels of all that is annotated, beside those of the objects.

    Raises:
        DataError: a source is not there or holds nothing to train on.
    """

    def __init__(
        self,
        config: DataConfig,
        *,
        seed: int,
        batch_size: int,
        steps: range,
        pin_memory: bool = False,
        process: int = 0,
        processes: int = 1,
        instances: bool = False,
    ) -> None:
        samples = TrainingSamples(config, seed=seed, instances=instances)
        self.steps = steps
        self._batches = _Batches(samples, batch_size, process, processes)
        self._workers, self._pin_memory = config.workers, pin_memory

    def __len__(self) -> int:
        """Number of steps."""
        return len(self.steps)

    def __iter__(self) -> Iterator[TrainingBatch]:
        """Start the workers, which end with the iterator.

        Raises:
            DataError: a sample could not be made; where in the row of batches it is due.
        """
        loader = DataLoader(
            self._batches,
            batch_size=None,  # an item is a batch already
            sampler=self.steps,
            num_workers=self._workers,
            worker_init_fn=_start_worker,
            generator=torch.Generator(),  # leave the global one as it is
            pin_memory=self._pin_memory,
        )
        for batch in loader:
            if isinstance(batch, RANetError):
                raise batch
            yield batch


class _Batches(Dataset):
    """A process's part of batch s; errors of the input are returned, not raised.

    A ``DataLoader`` buries what a worker raises in the text of its traceback.
    """

    def __init__(
        self, samples: TrainingSamples, batch_size: int, process: int, processes: int
    ) -> None:
        self._samples = samples
        self._batch_size = batch_size
        self._part = batch_size // processes
        self._offset = process * self._part

    def __getitem__(self, step: int) -> TrainingBatch | RANetError:
        start = step * self._batch_size + self._offset
        try:
            return TrainingBatch.collate(
                [self._samples[n] for n in range(start, start + self._part)]
            )
        except RANetError as error:
            return error


def _start_worker(_: int) -> None:
    """Workers are many, so each has one thread.

    Ctrl-C, and the SIGTERM of a scheduler, reach all processes, but what to do is the main
    process's to decide: it may want another batch before it ends, and with it its workers.
    """
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.excepthook = _show_unless_disconnected


def _show_unless_disconnected(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Say nothing of a main process that ended while a batch was on its way to it."""
    if not issubclass(kind, ConnectionError):
        sys.__excepthook__(kind, error, traceback)
