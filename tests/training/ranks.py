"""Two processes of a training run, as ``torchrun`` starts them, but in a second."""

import faulthandler
import multiprocessing
import os
from collections.abc import Callable
from typing import Any

from torch.distributed import TCPStore

# Its processes are copies of one that has imported already what takes them seconds.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["ranet.training.run", "torch._dynamo"])


def in_two_ranks(function: Callable[..., None], *arguments: Any) -> list[int]:
    """Call ``function(rank, *arguments)`` in two processes.

    Args:
        function: of a test module, by its name.
        arguments: can be pickled.

    Returns:
        The exit status of each. One that would not end is ended, and has told where it was.
    """
    store = TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    ranks = [
        _context.Process(target=_join, args=(rank, store.port, function, *arguments))
        for rank in range(2)
    ]
    try:
        for rank in ranks:
            rank.start()
        for rank in ranks:
            rank.join()
    finally:
        for rank in ranks:
            rank.kill()
            rank.join()
    return [rank.exitcode for rank in ranks]


def _join(rank: int, port: int, function: Callable[..., None], *arguments: Any) -> None:
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # the store of the test, no further one
    }
    faulthandler.dump_traceback_later(120, exit=True)
    function(rank, *arguments)
