import numpy as np
import pytest
import torch
from moving_squares import moving
from PIL import Image
from tiny_ranet import tiny_ranet

import ranet.visual
from ranet.config import InferenceConfig
from ranet.datasets.image_io import write_image, write_labels
from ranet.errors import CheckpointError, DataError
from ranet.inference.explain import explain
from ranet.inference.segmenter import VideoSegmenter
from ranet.methods.checkpoints import save_checkpoint
from ranet.methods.ranet.figures import Explanation
from ranet.methods.ranet.network import RANet

SIZE = (96, 160)
CONFIG = InferenceConfig(input_size=(64, 96), frame_size=(112, 160), device="cpu")
FRAMES = 4
FIGURES = [
    "1_frames.png",
    "2_similarity_maps.png",
    "3_ranking_scores.png",
    "4_background_maps.png",
    "4_foreground_maps.png",
    "5_merged_features.png",
    "6_result.png",
    "7_video.png",
    "summary.png",
]


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """A folder of frames, and the labels of the first."""
    folder = tmp_path_factory.mktemp("frames")
    frames = moving(SIZE, FRAMES, {1: (30, 20), 5: (40, 90)})
    for number, (frame, _) in enumerate(frames):
        write_image(folder / f"{number:05d}.png", frame)
    return folder, frames[0][1]


@pytest.fixture(scope="module", params=["single", "multi"])
def network(request):
    return tiny_ranet(request.param)


def ablation():
    torch.manual_seed(0)
    return RANet(backbone="tiny", template_grid=(3, 4), width=0.25, matching="maximum").eval()


def test_the_explained_result_is_that_of_the_segmenter(video, network):
    folder, labels = video
    explanation = explain(folder, labels, FRAMES - 1, model=network, object_id=5, config=CONFIG)

    segmenter = VideoSegmenter(network, CONFIG)
    frames = [np.array(Image.open(path)) for path in sorted(folder.iterdir())]
    segmenter.start(frames[0], labels)
    for frame in frames[1:]:
        result = segmenter.step(frame)
    margin = (CONFIG.frame_size[0] - SIZE[0]) // 2  # of the canvas, above and below
    np.testing.assert_array_equal(explanation.labels[margin:-margin], result)
    np.testing.assert_array_equal(explanation.template.labels[margin:-margin], labels)
    assert explanation.object_id == 5
    assert explanation.probability.shape == CONFIG.input_size


def test_the_best_map_is_the_weighted_map_of_the_best_score(video, network):
    folder, labels = video
    explanation = explain(folder, labels, 1, model=network, config=CONFIG)
    for region in (explanation.foreground, explanation.background):
        best = np.unravel_index(region.scores.argmax(), region.scores.shape)
        expected = region.weights[best] * explanation.similarity[best]
        np.testing.assert_allclose(region.maps[0], expected, atol=1e-6)
        assert 0 < region.filled <= len(region.maps)


def test_chosen_pixels_lie_on_the_object_and_beside_it(video):
    folder, labels = video
    explanation = explain(folder, labels, 1, model=tiny_ranet(), config=CONFIG)
    assert any(pixel.of_object for pixel in explanation.pixels)
    assert not all(pixel.of_object for pixel in explanation.pixels)
    for pixel in explanation.pixels:
        region = explanation.foreground if pixel.of_object else explanation.background
        assert region.weights[pixel.row, pixel.column] > 0


def test_what_lies_beside_the_object_is_not_chosen_at_the_border(video):
    folder, labels = video
    network = tiny_ranet(template_grid=(5, 7))
    pixels = explain(folder, labels, 1, model=network, config=CONFIG).pixels
    beside = [(pixel.row, pixel.column) for pixel in pixels if not pixel.of_object]
    assert beside
    assert all(0 < row < 4 and 0 < column < 6 for row, column in beside)


def test_a_point_of_the_frame_finds_its_template_position(video):
    folder, labels = video
    whole = CONFIG.model_copy(update={"crop": "whole_frame", "frame_size": None})
    # Of a 3×4 grid over 96×160 pixels, a cell has 32×40.
    points = [(0, 0), (31, 39), (32, 40), (95, 159)]
    explanation = explain(folder, labels, 1, model=tiny_ranet(), points=points, config=whole)
    places = [(pixel.row, pixel.column) for pixel in explanation.pixels]
    assert places == [(0, 0), (0, 0), (1, 1), (2, 3)]


@pytest.fixture
def rows(monkeypatch):
    """The names of the networks whose results are drawn."""
    names = []
    monkeypatch.setattr(
        Explanation, "draw", lambda _, strips, out: names.extend(strip.network for strip in strips)
    )
    return names


def test_the_script_calls_networks_like_their_files(video, tmp_path, run_script, rows):
    folder, labels = video
    for name, network in {"tiny": tiny_ranet(), "maximum": ablation()}.items():
        save_checkpoint(tmp_path / name / "model.pt", network)
    write_labels(tmp_path / "first.png", labels)
    tiny, maximum = (tmp_path / name / "model.pt" for name in ("tiny", "maximum"))
    given = ["--video", folder, "--mask", tmp_path / "first.png", "--frame", 1]
    given += ["--checkpoint", tiny, "--out", tmp_path / "out", "input_size=[64,96]", "device=cpu"]
    assert run_script("explain.py", *given, "--compare", maximum).status == 0
    assert rows == ["tiny/model", "maximum/model"]
    done = run_script("explain.py", *given, "--compare", maximum, "--compare", maximum)
    assert done.status == 1
    assert f"{maximum} is given twice" in done.error


def test_a_network_without_ranking_cannot_be_explained(video):
    folder, labels = video
    with pytest.raises(CheckpointError, match="'maximum', an ablation that ranks no similarity"):
        explain(folder, labels, 1, model=ablation(), config=CONFIG)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame": 0}, "no frame 0 to explain"),
        ({"frame": FRAMES}, f"to {FRAMES - 1}, the last"),
        ({"object_id": 2}, "no object 2, but 1, 5"),
        ({"points": [(0, 159)]}, "outside of what the network saw"),
        ({"mask": np.zeros(SIZE, np.uint8)}, "mark no object"),
    ],
)
def test_what_cannot_be_explained_is_told(video, change, message):
    folder, labels = video
    given = {"video": folder, "mask": labels, "frame": 1, **change}
    small = CONFIG.model_copy(update={"crop_scale": 1.0})
    with pytest.raises(DataError, match=message):
        explain(**given, model=tiny_ranet(), config=small)


def test_the_room_of_pictures_has_it():
    assert ranet.visual.explain is explain
    with pytest.raises(AttributeError, match="no attribute 'explian'"):
        getattr(ranet.visual, "explian")  # noqa: B009


@pytest.mark.slow
def test_the_script_draws_every_figure_also_beside_an_ablation(video, tmp_path, run_script):
    folder, labels = video
    save_checkpoint(tmp_path / "tiny.pt", tiny_ranet())
    save_checkpoint(tmp_path / "maximum.pt", ablation())
    write_labels(tmp_path / "first.png", labels)
    given = ["--video", folder, "--mask", tmp_path / "first.png", "--frame", 2, "--object", 5]
    given += ["--checkpoint", tmp_path / "tiny.pt", "--compare", tmp_path / "maximum.pt"]
    small = ["input_size=[64,96]", "frame_size=null", "device=cpu"]
    out = tmp_path / "out"
    done = run_script("explain.py", *given, "--out", out, "--point", "50,100", *small)
    assert done.status == 0, done.error
    assert str(out / "summary.png") in done.out
    assert sorted(path.name for path in out.iterdir()) == FIGURES
    for path in out.iterdir():
        assert np.ptp(np.array(Image.open(path))) > 100, path  # it is no empty page


@pytest.mark.parametrize(("point", "told"), [("5;6", "a whole number"), ("5,6,7", "2 values")])
def test_the_script_refuses_a_point_that_is_none(run_script, point, told):
    done = run_script("explain.py", "--point", point)
    assert done.status == 2
    assert f"argument --point: expected {told}" in done.error
