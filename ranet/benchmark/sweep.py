"""Every combination of the settings that are to be compared."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ranet.benchmark.inference import PARTS, InferenceCase, measure_inference
from ranet.benchmark.networks import Network
from ranet.benchmark.rows import Row
from ranet.benchmark.timing import Effort
from ranet.benchmark.training import TrainingCase, measure_training
from ranet.config import InferenceConfig, TrainConfig, load_config
from ranet.device import resolve_device
from ranet.wording import size_text


@dataclass(frozen=True)
class Sweep:
    """The values of each setting; all combinations are measured.

    Attributes:
        devices: names in a configuration, ``"auto"`` included.
        dtypes: by name.
        sizes: (height, width) of the network's input, which the frames have, too.
        objects: numbers of objects, K.
        varied: further fields of the configuration by dotted name, with their values as in YAML.
        overrides: ``key=value`` of the configuration, for all.
    """

    devices: Sequence[str] = ("auto",)
    dtypes: Sequence[str] = ("float32",)
    sizes: Sequence[tuple[int, int]] = ((480, 864),)
    objects: Sequence[int] = (1,)
    varied: Mapping[str, Sequence[str]] | None = None
    overrides: Sequence[str] = ()

    def combinations(self) -> Iterator["Combination"]:
        """In the order of the table: what is named last changes first."""
        varied = self.varied or {}
        axes = (self.devices, self.dtypes, self.sizes, self.objects, *varied.values())
        for device, dtype, size, objects, *values in itertools.product(*axes):
            chosen = dict(zip(varied, values, strict=True))
            yield Combination(device, dtype, size, objects, chosen, self.overrides)


@dataclass(frozen=True)
class Combination:
    """One value of each setting."""

    device: str
    dtype: str
    size: tuple[int, int]
    objects: int
    varied: Mapping[str, str]
    overrides: Sequence[str]

    def config_overrides(self, *size_fields: str) -> list[str]:
        """All of it but the objects, for :func:`ranet.config.load_config`."""
        height, width = self.size
        return [
            *self.overrides,
            f"device={self.device}",
            f"dtype={self.dtype}",
            *(f"{field}=[{height}, {width}]" for field in size_fields),
            *(f"{name}={value}" for name, value in self.varied.items()),
        ]

    def settings(self) -> dict[str, str | int]:
        """By name, for tables; the device is the one that is meant, with the CPU's threads.

        Raises:
            ConfigError: the machine has no such device.
        """
        device = resolve_device(self.device)
        threads = {"threads": torch.get_num_threads()} if device.type == "cpu" else {}
        fixed = dict(override.split("=", 1) for override in self.overrides)
        return {
            "device": str(device),
            **threads,
            "dtype": self.dtype,
            "size": size_text(self.size),
            "objects": self.objects,
            **fixed,
            **self.varied,
        }


def inference_cases(
    sweep: Sweep, networks: Sequence[Network], videos: Sequence[int], *, config: Path, frames: int
) -> list[InferenceCase]:
    """Every combination with every network and number of videos.

    Args:
        sweep: fields of :class:`~ranet.config.InferenceConfig`.
        networks: to be timed.
        videos: numbers of videos, B, followed at once.
        config: the file that the sweep changes fields of.
        frames: of a video that is written.

    Raises:
        ConfigError: a field is unknown or has a wrong value, or a device is not there.
    """
    return [
        InferenceCase(
            network=network,
            config=load_config(
                InferenceConfig, config, chosen.config_overrides("input_size", "frame_size")
            ),
            settings={"network": network.name, **chosen.settings()},
            videos=count,
            objects=chosen.objects,
            frames=frames,
        )
        for network in networks
        for chosen in sweep.combinations()
        for count in videos
    ]


def training_cases(sweep: Sweep, batches: Sequence[int], *, config: Path) -> list[TrainingCase]:
    """Every combination with every batch size.

    Args:
        sweep: fields of :class:`~ranet.config.TrainConfig`.
        batches: numbers of samples a step.
        config: the file that the sweep changes fields of.

    Raises:
        ConfigError: a field is unknown or has a wrong value, or a device is not there.
    """
    cases = []
    for chosen, batch in itertools.product(sweep.combinations(), batches):
        overrides = [
            *chosen.config_overrides("data.size"),
            f"data.max_objects={chosen.objects}",
            f"batch_size={batch}",
            # Time depends on no weight, so that none has to be read.
            "start_from=null",
            "imagenet_weights=false",
        ]
        train_config = load_config(TrainConfig, config, overrides)
        model = train_config.model
        settings = {
            "network": f"{model.objects}-{model.backbone}",
            **chosen.settings(),
            "batch": batch,
        }
        cases.append(TrainingCase(train_config, settings))
    return cases


def measure_all(
    parts: Sequence[str], cases: Sequence[InferenceCase], effort: Effort
) -> Iterator[Row]:
    """Time parts of inference, one after the other, each case once in each.

    Cases that a part cannot tell apart, as one that follows a single video cannot tell numbers of
    videos, are the same to it.
    """
    for part in parts:
        seen: list[Mapping[str, str | int]] = []
        for case in cases:
            settings = {**case.settings, **PARTS[part].settings(case)}
            if settings not in seen:
                seen.append(settings)
                yield measure_inference(part, case, effort)


def measure_all_training(cases: Sequence[TrainingCase], effort: Effort) -> Iterator[Row]:
    """Time training steps, one case after the other."""
    for case in cases:
        yield measure_training(case, effort)
