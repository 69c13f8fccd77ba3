"""The fields of every configuration, typed and frozen, with what they mean.

:mod:`ranet.config_files` reads and checks the files:
``load_config(TrainConfig, path, ["optimizer.learning_rate=1e-4"])``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SerializeAsAny, model_validator

from ranet.config_files import BY_ITS_KEYS, DEFAULT_METHOD, Plugins, PositiveInt, Size
from ranet.config_files import Section as Section
from ranet.config_files import load_config as load_config
from ranet.config_files import parse_config as parse_config
from ranet.errors import ConfigError
from ranet.methods.registry import LOSSES, MethodConfig, loss_names, method_config

_COARSEST_STRIDE = 32

InputSize = tuple[
    Annotated[int, Field(gt=_COARSEST_STRIDE)], Annotated[int, Field(gt=_COARSEST_STRIDE)]
]
"""(height, width) in pixels of what the network is given; its coarsest stride is 32."""

Device = Annotated[
    str,
    Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto: CUDA, else MPS, else CPU"),
]
DType = Literal["float32", "bfloat16", "float16"]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]
LearningRate = Annotated[float, Field(gt=0, le=1)]
AtLeastTwo = Annotated[int, Field(ge=2)]
Degrees = Annotated[float, Field(ge=0, le=180, description="degrees, either way")]
Lightening = Annotated[Fraction, Field(description="added, relative to white, either way")]
RelativeChange = Annotated[Fraction, Field(description="largest relative change, either way")]
OfTheSide = Annotated[Fraction, Field(description="of the side, either way")]
OfAControlPoint = Annotated[Fraction, Field(description="of a control point: of the side")]
Seed = Annotated[int, Field(ge=0, description="of all random numbers")]


def _ascending(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"a range reads [low, high], but found {list(bounds)}")
    return bounds


PositiveRange = Annotated[tuple[Positive, Positive], AfterValidator(_ascending)]
"""(low, high), both above zero."""

Scale = Annotated[PositiveRange, Field(description="size over the size before, at random between")]


class DavisSource(Section):
    """Videos of a DAVIS tree; 2016 makes one object of all labels."""

    kind: Literal["davis"] = Field(description="the layout, here DAVIS's")
    root: Path = Field(description="the folder that holds JPEGImages and Annotations")
    year: Literal[2016, 2017] = Field(2017, description="2016: one object, of all labels")
    split: str = Field("train", description="which list below ImageSets/<year>")
    set_file: Path | None = Field(None, description="a list of sequences instead of the split's")
    resolution: str | None = Field(None, description="folder below JPEGImages; null: the only one")
    weight: Positive = Field(1.0, description="share of the samples, relative to other sources")


class YouTubeVOSSource(Section):
    """Videos of YouTube-VOS 2018 or 2019, which are annotated every fifth frame."""

    kind: Literal["youtube_vos"] = Field(description="the layout, here YouTube-VOS's")
    root: Path = Field(description="the folder that holds train")
    split: str = Field("train", description="folder below the root that holds meta.json")
    weight: Positive = Field(1.0, description="share of the samples, relative to other sources")


class ImageSource(Section):
    """Still images with masks, in the layout of a plain folder or of a known set."""

    kind: Literal["pairs", "msra10k", "ecssd", "hku_is", "soc", "ilso"] = Field(
        description="the layout: pairs is images/ and masks/; data/README.md shows all of them"
    )
    root: Path = Field(description="the folder that holds the folders of images and masks")
    names: str = Field(
        "*", description="shell pattern of the images to take; lets one folder be weighed by parts"
    )
    set_file: Path | None = Field(None, description="a list of the images to take; null: all")
    weight: Positive = Field(1.0, description="share of the samples, relative to other sources")


Source = Annotated[
    DavisSource | YouTubeVOSSource | ImageSource, Field(discriminator="kind"), BY_ITS_KEYS
]


class ColourConfig(Section):
    """Colour jitter of one view; the image only. Zero leaves a property as it is."""

    brightness: Lightening = 0.15
    contrast: RelativeChange = 0.15
    saturation: RelativeChange = 0.15
    hue: Degrees = 5.0


class LookAlikeColourConfig(ColourConfig):
    """A look-alike is another of its kind: like the object, yet to be told from it."""

    brightness: Lightening = 0.1
    contrast: RelativeChange = 0.2
    saturation: RelativeChange = 0.3
    hue: Degrees = 20.0


class AugmentConfig(Section):
    """One random view of a frame (§3.5): spline, rotation, scale, crop and flip, then colour."""

    spline_grid: tuple[AtLeastTwo, AtLeastTwo] = Field(
        (4, 4), description="rows and columns of the thin-plate spline's control points"
    )
    spline_shift: Fraction = Field(0.15, description="of a control point: of the image's side")
    rotation: Degrees = 30.0
    scale: PositiveRange = Field(
        (0.75, 1.25), description="size of the object over the size that the crop alone gives it"
    )
    crop_shift: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.1, description="of the crop's side, either way"
    )
    flip: Fraction = Field(0.5, description="probability that both views are mirrored")
    colour: ColourConfig = ColourConfig()
    attempts: PositiveInt = Field(
        5, description="views tried until all objects are in the template; then one unchanged"
    )


class MotionConfig(Section):
    """A random deformation; shifts are in units of the sides of what is deformed."""

    spline_shift: OfAControlPoint = 0.0
    rotation: Degrees = 0.0
    scale: Scale = (1.0, 1.0)
    shift: OfTheSide = 0.0


class StaticMotionConfig(MotionConfig):
    """A still image does not move by itself: a clip of it is made by mild deformations."""

    spline_shift: OfAControlPoint = 0.01
    rotation: Degrees = 3.0
    scale: Scale = (0.97, 1.03)
    shift: OfTheSide = 0.03


class PreviousMaskConfig(MotionConfig):
    """How the previous mask differs from the mask it is made of; relative to the objects' box."""

    empty: Fraction = Field(0.0, description="probability that there is no previous mask")


class StaticPreviousMaskConfig(PreviousMaskConfig):
    """A still image has no frame before it: its mask is deformed, mildly."""

    spline_shift: OfAControlPoint = 0.05
    rotation: Degrees = 5.0
    scale: Scale = (0.9, 1.1)
    shift: OfTheSide = 0.1


class FramesConfig(Section):
    """What videos and still images have in common."""

    previous: PreviousMaskConfig = Field(
        PreviousMaskConfig(), description="how the previous mask is deformed"
    )
    motion: MotionConfig = Field(
        MotionConfig(),
        description="from each frame of a clip to the next, relative to the frame: added to the "
        "video's own motion",
    )


class VideoConfig(FramesConfig):
    """Samples from videos: frames at random, and the mask of another near the current one."""

    max_previous_gap: PositiveInt = Field(
        5,
        description="frames of the video between the current frame and the previous mask's, by "
        "the numbers in their names",
    )
    max_clip_stride: PositiveInt = Field(
        3,
        description="frames of the video from one frame of a clip to the next, at most; but the "
        "next annotated one is never too far",
    )


class StaticConfig(FramesConfig):
    """Samples from still images: two views of one image, and its mask deformed once more."""

    previous: StaticPreviousMaskConfig = Field(
        StaticPreviousMaskConfig(), description="how the previous mask is deformed"
    )
    motion: StaticMotionConfig = Field(
        StaticMotionConfig(), description="from each frame of a clip to the next"
    )
    new_background: Fraction = Field(
        0.0, description="probability, a view, that the objects are pasted over another image"
    )
    backgrounds: Path | None = Field(
        None, description="folder of images to paste over; null: other images of the source"
    )
    own_size: PositiveRange = Field(
        (1.0, 1.0),
        description="factor on the sides of objects that are pasted over another image, which then "
        "lie anywhere in it; added objects are as much smaller",
    )
    distractor: Fraction = Field(
        0.0, description="probability, a view, that a distractor is pasted beside the objects"
    )
    added_objects: Annotated[int, Field(ge=0, le=8)] = Field(
        0,
        description="objects pasted beside the image's own, the same in both views, at most; each "
        "number is as likely; data.max_objects says how many of all are chosen",
    )
    look_alike: Fraction = Field(
        0.0,
        description="share of the distractors and added objects that are the object itself once "
        "more, in colours of its own; the others are objects of other images of the source",
    )
    look_alike_colour: LookAlikeColourConfig = Field(
        LookAlikeColourConfig(), description="how its colours differ from the object's"
    )
    feather: Annotated[float, Field(ge=0)] = Field(
        1.0, description="softness of pasted edges: deviation of the blur in pixels"
    )


def _earlier_names(**names: str) -> BeforeValidator:
    """Older files and checkpoints call some values otherwise: what is called how today."""
    return BeforeValidator(lambda name: names.get(name, name) if isinstance(name, str) else name)


Crop = Annotated[
    Literal["around_objects", "whole_frame"],
    _earlier_names(previous_mask="around_objects", previous_prediction="around_objects"),
]
"""What the network sees of a frame: a box around all objects of the frame before, or all of it."""


class SampleConfig(Section):
    """How two frames with masks become one training sample (§3.5)."""

    size: Size = Field((480, 864), description="height and width of a training sample")
    max_objects: PositiveInt = Field(1, description="objects of one sample, chosen at random")
    smallest_object: Annotated[float, Field(gt=0, le=1)] = Field(
        0.0005, description="smaller objects are background: share of the frame's pixels"
    )
    crop: Crop = Field(
        "around_objects", description="should be what inference does, see InferenceConfig.crop"
    )
    crop_scale: Annotated[float, Field(ge=1)] = Field(
        1.5, description="side of the crop over the side of the object's bounding box"
    )
    smallest_crop: PositiveInt = Field(32, description="a narrower crop becomes the whole frame")
    augment: AugmentConfig = AugmentConfig()
    crop_clips: Literal["once", "each_frame", "all_frames", "patch"] = Field(
        "once",
        description="once: all frames of a clip in the crop of the first; each_frame: anew around "
        "the network's own prediction of the frame before, with augment's scale and crop_shift; "
        "all_frames: the template is left to the network, too; patch: one part of the frames, "
        "anywhere and of exactly size, after augment's scale, the same for the template, which is "
        "the frame before the clip (DMN-AOA's supplement)",
    )
    clip_size: Size | None = Field(
        None,
        description="height and width of the frames that the network crops from; null: one and a "
        "half times size",
    )
    clip_context: PositiveRange = Field(
        (1.5, 3.0), description="side of those frames over the side of the first crop"
    )

    @property
    def network_crops(self) -> bool:
        """Whether samples are not the crops yet that the network sees."""
        return self.crop_clips in ("each_frame", "all_frames")


def _at_least_one_source(sources: tuple[Source, ...]) -> tuple[Source, ...]:
    if not sources:
        raise ValueError("without a source there are no samples: expected at least 1 item")
    return sources


class DataConfig(SampleConfig):
    """Where training samples come from and how they are made (§3.5)."""

    # pydantic's min_length counts the right ones alone, and tells a wrong one twice.
    sources: Annotated[tuple[Source, ...], AfterValidator(_at_least_one_source)] = Field(
        description="a mixture, by weight"
    )
    clip_length: PositiveInt = Field(
        1,
        description="T, frames a sample: above 1, the network is trained through its own "
        "predictions of the frames before",
    )
    video: VideoConfig = VideoConfig()
    static: StaticConfig = StaticConfig()
    samples_per_epoch: PositiveInt = Field(
        1000, description="length of an epoch: the random numbers are those of [seed, epoch, index]"
    )
    workers: Annotated[int, Field(ge=0)] = Field(2, description="processes that make samples")


def _at_least_one_loss(weights: dict[str, float]) -> dict[str, float]:
    weights = {name: weight for name, weight in weights.items() if weight > 0}
    if not weights:
        raise ValueError(
            "without a loss nothing is learned: name at least one, e.g. {cross_entropy: 1.0}"
        )
    return weights


def _known_loss(name: str) -> str:
    if name not in LOSSES and name not in loss_names():
        raise ValueError(f"a loss should be one of {', '.join(LOSSES)}, found {name!r}")
    return name


LossWeights = Annotated[
    dict[Annotated[str, AfterValidator(_known_loss)], NonNegative],
    AfterValidator(_at_least_one_loss),
]
"""Which losses are added up (ranet.training.losses), and how much each counts; 0 takes away one
that an extended file has."""


class OnlineLearning(Section):
    """Fine-tuning on the first frame of a video, before the rest of it (§4.1, Table 6).

    Samples are made as in static pre-training, of views of that one frame; they are cropped and
    sized as the inference section says. What the paper does not give is a choice made here: the
    number of samples a step, and which objects they hold.
    """

    steps: PositiveInt = Field(description="updates a video; more are better, and slower")
    lr: LearningRate = Field(1e-6, description="learning rate of Adam")
    parameters: Annotated[
        Literal["all", "decoder"], _earlier_names(decoder_and_ranking="decoder")
    ] = Field("all", description="what moves; decoder leaves the encoder as it is")
    batch_size: PositiveInt = Field(1, description="samples a step")
    max_objects: PositiveInt = Field(
        3, description="objects of one sample, chosen at random; 1 where they do not compete"
    )
    losses: LossWeights = Field({"cross_entropy": 1.0}, description="weight of each loss")
    augment: AugmentConfig = AugmentConfig()
    previous: StaticPreviousMaskConfig = StaticPreviousMaskConfig()
    seed: Seed = 0


class InferenceConfig(Section):
    """How a video is segmented (§4.1 and the released inference rules)."""

    plugins: Plugins = ()  # the first field: what follows may be checked by what they register

    input_size: InputSize | None = Field(
        None,
        description="height and width of what the network sees of a crop, turned where the frames "
        "are; null: what its weights are used to, 480×864 where they do not tell",
    )
    frame_size: Size | None = Field(
        (480, 864),
        description="frames are fitted into this size and padded, those of quite another shape "
        "(portrait, square) into one of their shape and this area; null: their own size",
    )
    crop: Crop = Field(
        "around_objects",
        description="around all objects of the last prediction together, or none",
    )
    crop_scale: Annotated[float, Field(ge=1)] = Field(
        1.5, description="side of the crop over the side of the object's bounding box"
    )
    smallest_crop: PositiveInt = Field(32, description="a narrower crop becomes the whole frame")
    crop_smoothing: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None,
        description="share of its sides that a crop keeps of the one before, so that it does not "
        "jump with the mask (DMVOS's supplement, Eq. 1, has 0.5); null: as the network's method "
        "has it, RANet none",
    )
    previous_mask: Literal["thresholded", "probability", "none"] = Field(
        "thresholded", description="what the network is told of the frame before; none: -PM"
    )
    fusion: Literal["auto", "softmax", "sigmoid"] = Field(
        "auto",
        description="objects to labels: softmax with a background logit (§3.3), or a sigmoid each "
        "and the largest above 0.5 (released); auto: as the network's weights are used to",
    )
    objects_at_once: PositiveInt | None = Field(
        None,
        description="objects decoded in one batch; more need more memory; null: 4 on a CPU, where "
        "more are slower, 16 elsewhere",
    )
    memory_limit: PositiveInt | None = Field(
        None,
        description="frames that a method with a memory remembers of each object: the one it was "
        "marked in, and the newest; null: all; methods whose memory does not grow refuse it",
    )
    source: str | None = Field(
        None,
        description="what proposes objects, for a method that goes by proposals (see its "
        "model.source); null: what its network was made with",
    )
    matching: str | None = Field(
        None,
        description="how proposals become objects, for such a method (see its model.matching); "
        "null: as its network was made",
    )
    device: Device = "auto"
    dtype: DType = Field(
        "float32",
        description="of convolutions, norms and resampling; similarities and ranking stay float32",
    )
    channels_last: bool = Field(
        False,
        description="memory layout; only with compile, as torch's own norms undo it on a GPU and "
        "are less exact with it on a CPU, see docs/performance.md",
    )
    compile: bool = Field(
        False,
        description="torch.compile: a minute at the start, or of each video with online learning; "
        "less time for every frame",
    )
    cuda_graph: bool = Field(
        False,
        description="on CUDA, record the step once and replay it; elsewhere without effect, as a "
        "warning says",
    )
    online: OnlineLearning | None = Field(
        None, description="fine-tune a copy of the network on each video's first frame; null: no"
    )


PLAIN_STEP: Mapping[str, str | bool] = {
    "dtype": "float32",
    "channels_last": False,
    "compile": False,
    "cuda_graph": False,
}
"""Fields of :class:`InferenceConfig` that say how a step is computed, for one as it is written."""


class EvalConfig(Section):
    """Segment and score a DAVIS split: ``scripts/eval_davis.py``."""

    plugins: Plugins = ()  # the first field: what follows may be checked by what they register
    year: Literal[2016, 2017] = Field(
        2016, description="whose rules hold: one object that is all but black, or ids"
    )
    split: str = Field("val", description="which list below ImageSets/<year>")
    resolution: str | None = Field(
        None, description="folder below JPEGImages; null: the only one, or 480p"
    )
    released_objects: Literal["single", "multi"] | None = Field(
        None,
        description="which of the authors' networks a released checkpoint holds; null: as its name "
        "says",
    )
    inference: InferenceConfig = InferenceConfig()


class OptimizerConfig(Section):
    """Adam (§3.5); weight decay above zero is decoupled (AdamW)."""

    learning_rate: LearningRate = Field(1e-5, description="the largest, after the warm-up")
    backbone_rate: Fraction = Field(
        1.0, description="factor on the learning rate of the backbone's parameters"
    )
    weight_decay: NonNegative = Field(
        0.0, description="of convolutions' weights; norms and biases have none"
    )
    betas: tuple[Decay, Decay] = Field(
        (0.9, 0.999), description="decay of Adam's averages of the gradient and of its square"
    )
    clip_norm: Positive | None = Field(None, description="largest gradient norm; null: any")
    schedule: Literal["constant", "poly", "cosine"] = Field(
        "constant", description="how the learning rate falls to zero over the run, if it does"
    )
    warmup_steps: Annotated[int, Field(ge=0)] = Field(
        0, description="steps over which the learning rate climbs"
    )


class ValidationConfig(Section):
    """Segment and score a DAVIS split every so often; the best network is kept."""

    every: PositiveInt = Field(1000, description="steps")
    davis: Path = Field(description="root of the DAVIS tree")
    set_file: Path | None = Field(None, description="list of sequences in place of the split's")
    evaluation: EvalConfig = EvalConfig()


def _yes_no_or_path(value: object) -> object:
    if not isinstance(value, bool | str | Path):
        raise ValueError(f"expected true, false, or the path of a file, but found {value!r}")
    return value


ImageNetWeights = Annotated[bool | Path, BeforeValidator(_yes_no_or_path)]


def _of_its_method(values: object) -> object:
    """Let the method that is named check its arguments."""
    if not isinstance(values, Mapping):
        return values
    try:
        config = method_config(str(values.get("name", DEFAULT_METHOD)))
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return config.model_validate(values)


Model = Annotated[SerializeAsAny[MethodConfig], BeforeValidator(_of_its_method)]


class TrainConfig(Section):
    """One training run: ``scripts/train.py``."""

    plugins: Plugins = ()  # the first field, as in EvalConfig
    name: str = Field(description="of the run, for logs and tables")
    output: Path = Field(description="folder of checkpoints, log and the final model.pt")
    seed: Seed = 0
    start_from: Path | None = Field(
        None,
        description="checkpoint of the stage before, ours or the authors', or the name of a "
        "network that comes with the project",
    )
    imagenet_weights: ImageNetWeights = Field(
        False,
        description="start the backbone from ImageNet weights: true takes them from an installed "
        "package (extra imagenet), else downloads them; or the path of a file",
    )
    model: Model = Field(
        default_factory=lambda: method_config().model_validate({}),
        description="the method, and its arguments",
    )
    data: DataConfig
    optimizer: OptimizerConfig = OptimizerConfig()
    losses: LossWeights = Field({"cross_entropy": 1.0}, description="weight of each loss")
    batch_size: PositiveInt = Field(
        4, description="samples a step, over all processes and parts together"
    )
    accumulate: PositiveInt = Field(
        1, description="parts that a process's share of the batch is computed in, to save memory"
    )
    average_decay: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="of the moving average of the weights (EMA), which is then the result"
    )
    steps: PositiveInt = Field(1000, description="updates of the whole run")
    checkpoint_every: PositiveInt = Field(500, description="steps")
    keep_checkpoints: PositiveInt = Field(2, description="older ones are removed")
    log_every: PositiveInt = Field(10, description="steps")
    pictures_every: PositiveInt = Field(
        500, description="steps between pictures and score histograms in TensorBoard"
    )
    validation: ValidationConfig | None = Field(None, description="null: none")
    device: Device = "auto"
    dtype: DType = Field("float32", description="of the forward pass; weights stay float32")
    channels_last: bool = Field(
        False,
        description="memory layout; may help on a GPU with compile, without which torch's norms "
        "undo it; slows a CPU down",
    )
    compile: bool = Field(False, description="torch.compile: slow to start, faster steps")
    recompute_activations: bool = Field(
        False, description="less memory, about a third more time: for small GPUs"
    )

    @model_validator(mode="after")
    def _what_goes_together(self) -> "TrainConfig":
        model, data = self.model, self.data
        if model.most_objects is not None and data.max_objects > model.most_objects:
            raise ValueError(
                f"the model ({model.summary}) takes samples of {model.most_objects} object, but "
                f"data.max_objects is {data.max_objects}: choose a model for several objects, "
                "such as RANet's with model.objects=multi, or lower data.max_objects"
            )
        if data.crop_clips == "all_frames" and not model.crops_templates:
            raise ValueError(
                f"data.crop_clips=all_frames leaves templates uncropped, but the method "
                f"{model.name!r} wants them cropped: use each_frame"
            )
        for name in self.losses:
            if LOSSES[name].compute is None and not model.gives_masks:
                raise ValueError(
                    f"the loss {name!r} is of masks, but what is trained of the method "
                    f"{model.name!r} gives none: set it to 0"
                )
            if missing := LOSSES[name].needs - model.aux:
                raise ValueError(
                    f"the loss {name!r} needs {', '.join(sorted(missing))} of a prediction, which "
                    f"the method {model.name!r} does not give"
                )
        if min(data.size) <= _COARSEST_STRIDE:
            raise ValueError(
                f"data.size should be above {_COARSEST_STRIDE} either way, the network's coarsest "
                f"stride, but found {list(data.size)}"
            )
        if self.start_from is not None and self.imagenet_weights:
            raise ValueError(
                "start_from and imagenet_weights exclude each other: the checkpoint holds the "
                "backbone already"
            )
        return self
