"""Notices questions to the device, on a machine that has no device but its CPU.

A question is whatever makes the host wait for values: ``.item()``, ``.cpu()``, a mask as an index.
There are two nets. :class:`NoQuestions` watches operators as they compute, and sees copies from the
host, too; but inference mode hides some from it, and conversions such as ``.tolist()`` hide always.
On the meta device, where tensors have no values, nothing can be asked in any mode: code that runs
there (:func:`on_meta`) asks nothing.
"""

import contextlib
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode

WAITS_FOR_VALUES = {
    "_local_scalar_dense",  # .item(), bool(), int(), a tensor as a Python index
    "nonzero",
    "nonzero_static",
    "masked_select",
    "unique_dim",
    "_unique2",
    "unique_consecutive",
    "bincount",
    "repeat_interleave.Tensor",
    "is_nonzero",
    "equal",
    "lift_fresh",  # torch.tensor(...): values of the host, which are copied to the device
}
"""Operators that make the host wait, or give a result whose shape depends on values."""

NOTICED = "makes the host wait|depends on values|[Mm]eta (device|tensor)|register_meta function"
"""Matches what either net says."""


class NoQuestions(TorchDispatchMode):
    """Fails on any operator for which the host has to wait for the device."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        assert not torch.is_inference_mode_enabled(), "inference mode hides questions: use no_grad"
        name = str(function).removeprefix("aten.")
        if name in WAITS_FOR_VALUES or name.split(".")[0] in WAITS_FOR_VALUES - {name}:
            raise AssertionError(f"{function} makes the host wait for the device")
        indices = args[1] if name.startswith(("index.", "index_put")) else ()
        if any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in indices):
            raise AssertionError(f"{function} with a mask has a shape that depends on values")
        return function(*args, **(kwargs or {}))


@contextlib.contextmanager
def on_meta():
    """Lets a step run on the meta device, which knows no autocast."""
    with (
        mock.patch("torch.autocast", return_value=contextlib.nullcontext()),
        mock.patch("torch.is_autocast_enabled", return_value=False),
    ):
        yield


@contextlib.contextmanager
def downloads_from_meta():
    """As :func:`on_meta`, but ``.cpu()`` gives ones; yields the shapes of what it was called on."""
    shapes = []

    def download(tensor):
        shapes.append(tuple(tensor.shape))
        return torch.ones(tensor.shape, dtype=tensor.dtype)

    with on_meta(), mock.patch.object(torch.Tensor, "cpu", download):
        yield shapes


QUESTIONS = {
    "item": lambda x: x.sum().item(),
    "int": lambda x: int(x.sum()),
    "bool": lambda x: bool((x > 0).any()),
    "if": lambda x: x if x.max() > 0 else -x,
    "index": lambda x: x[int(x.argmax()) :],
    "tolist": lambda x: x.tolist(),
    "cpu": lambda x: x.cpu(),
    "there and back": lambda x: x.cpu().to(x.device),
    "to": lambda x: x.to("cpu", copy=True),
    "numpy": lambda x: x.cpu().numpy(),
    "numpy as it is": lambda x: x.numpy(),
    "nonzero": lambda x: x.nonzero(),
    "where": lambda x: torch.where(x > 0),
    "mask": lambda x: x[x > 0],
    "masked_select": lambda x: x.masked_select(x > 0),
    "set mask": lambda x: x.clone().__setitem__(x > 0, x[:1]),
    "unique": lambda x: x.unique(),
    "bincount": lambda x: x.long().clamp(min=0).bincount(),
    "repeat_interleave": lambda x: x.repeat_interleave(x.long().clamp(min=0, max=2)),
    "equal": lambda x: torch.equal(x, x + 1),
    "values of the host": lambda x: x + torch.tensor(1.0, device=x.device),
}
"""By name; each takes a tensor of floats with one dimension."""

SHOWN_BY_OPERATORS_ALONE = {"set mask", "values of the host"}
"""Those that the meta device has nothing against."""


@contextlib.contextmanager
def asked_in_the_step(question):
    """Inserts a question about the box into every frame step."""
    from ranet.methods.ranet import network

    paste_back = network.paste_back

    def asking(probabilities, box, size):
        question(box.flatten().float())
        return paste_back(probabilities, box, size)

    with mock.patch.object(network, "paste_back", asking):
        yield
