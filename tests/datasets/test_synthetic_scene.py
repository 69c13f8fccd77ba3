"""Synthetic scenes: exact masks, who hides whom, and the movements."""

import dataclasses

import numpy as np
import pytest

from ranet.datasets.synthetic.materials import (
    PATTERNS,
    Style,
    distance,
    distinct_palette,
    noise,
    ramp,
    random_palette,
)
from ranet.datasets.synthetic.motion import Placement, drift, spline, walk, wander
from ranet.datasets.synthetic.random_scene import draw_scene
from ranet.datasets.synthetic.scene import CameraEffects, Layer, Scene, footprint
from ranet.datasets.synthetic.shapes import SHAPES, Part, bar
from ranet.datasets.synthetic.sprites import Sprite, content_box, lay_over

SIZE = (80, 120)
SQUARE = Part((np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]),))


def flat(colour: tuple[int, int, int]) -> Style:
    """A material of one colour."""
    return Style("clouds", 5.0, np.array([colour, colour], np.float32), grain=0.0)


def square(colour: tuple[int, int, int], side: float) -> Sprite:
    style = flat(colour)
    rng = np.random.default_rng(0)
    return Sprite(rng, [SQUARE], (style, style), area=side**2, frames=1)


def held(*points: tuple[float, float]) -> Placement:
    """At these (x, y) in the exposures of one frame."""
    exposures = len(points)
    return Placement(np.array([points]), np.zeros((1, exposures)), np.ones((1, exposures, 2)))


def scene_of(*layers: Layer) -> Scene:
    """Layers upon a black backdrop."""
    exposures = layers[0].placement.angle.shape[1]
    middle = [(SIZE[1] / 2, SIZE[0] / 2)] * exposures
    return Scene(SIZE, np.zeros((*SIZE, 3), np.uint8), held(*middle), layers)


def drawn(seed: int, frames: int = 12) -> Scene:
    return draw_scene(np.random.default_rng(seed), frames=frames, size=SIZE, max_objects=3)


def objects_of(scene: Scene) -> int:
    return max(layer.label for layer in scene.layers)


class TestMasks:
    def test_mask_is_where_the_object_is_seen(self):
        scene = scene_of(Layer(square((200, 0, 0), 30), held((50.3, 40.6)), label=1))
        image, labels = scene.render(0)
        assert np.array_equal(labels == 1, image[..., 0] > 100)
        assert np.count_nonzero(labels) == pytest.approx(30 * 30, abs=62)
        rows, columns = np.nonzero(labels)
        assert (columns.mean(), rows.mean()) == pytest.approx((50.3, 40.6), abs=0.6)

    def test_nearer_things_take_the_pixels_they_cover(self):
        back = Layer(square((200, 0, 0), 40), held((50, 40)), label=1)
        middle = Layer(square((0, 200, 0), 20), held((60, 40)), label=2)
        front = Layer(square((0, 0, 200), 10), held((60, 40)), label=0)
        image, labels = scene_of(back, middle, front).render(0)
        assert np.array_equal(labels == 1, image[..., 0] > 100)
        assert np.array_equal(labels == 2, image[..., 1] > 100)
        assert labels[40, 60] == 0
        assert labels[40, 53] == 2

    def test_mask_of_a_blurred_frame_is_that_of_its_middle(self):
        sprite = square((200, 0, 0), 20)
        moving = scene_of(Layer(sprite, held((44, 40), (50, 40), (56, 40)), label=1))
        still = scene_of(Layer(sprite, held((50, 40)), label=1))
        image, labels = moving.render(0)
        assert np.array_equal(labels, still.render(0)[1])
        # Seen in all, two, one and none of the three exposures.
        assert image[40, [50, 43, 37, 20], 0].tolist() == pytest.approx([200, 133, 67, 0], abs=2)

    def test_a_shadow_darkens_but_takes_no_pixel(self):
        behind = Layer(square((200, 200, 200), 60), held((60, 40)), label=1)
        front = Layer(square((200, 0, 0), 20), held((50, 40)), label=2)
        lit_image, lit = scene_of(behind, front).render(0)
        front = dataclasses.replace(front, shadow=(18.0, 0.0))
        shaded_image, shaded = scene_of(behind, front).render(0)
        assert np.array_equal(lit, shaded)
        assert shaded_image[40, 68, 0] < 0.7 * lit_image[40, 68, 0]

    def test_a_layer_outside_the_frame_is_not_seen(self):
        outside = Layer(square((200, 0, 0), 20), held((-200, 40)), label=1)
        image, labels = scene_of(outside).render(0)
        assert not image.any()
        assert not labels.any()

    def test_a_hole_is_not_part_of_the_mask(self):
        ring = Part((SQUARE.outlines[0], SQUARE.outlines[0] * 0.5))
        sprite = Sprite(
            np.random.default_rng(0),
            [ring],
            (flat((200, 0, 0)),) * 2,
            area=1200,
            frames=1,
        )
        _, labels = scene_of(Layer(sprite, held((60, 40)), label=1)).render(0)
        assert labels[40, 60] == 0
        assert np.count_nonzero(labels) == pytest.approx(1200, rel=0.05)


class TestDrawnScenes:
    def test_first_frame_shows_most_of_every_object(self):
        for seed in range(12):
            scene = drawn(seed, frames=2)
            labels = scene.render(0)[1]
            objects = [layer for layer in scene.layers if layer.label]
            assert sorted(layer.label for layer in objects) == list(range(1, objects_of(scene) + 1))
            for layer in objects:
                whole = np.count_nonzero(footprint(layer, 0, SIZE))
                assert np.count_nonzero(labels == layer.label) >= 2 / 3 * whole

    def test_objects_get_hidden_and_hide_each_other(self):
        most_hidden, by_others = 0.0, 0
        for seed in range(6):
            scene = drawn(seed)
            for frame in range(0, 12, 3):
                labels = scene.render(frame)[1]
                for layer in scene.layers:
                    if layer.label:
                        whole = footprint(layer, frame, SIZE)
                        seen = np.count_nonzero(labels == layer.label)
                        most_hidden = max(most_hidden, 1 - seen / max(whole.sum(), 1))
                        by_others += np.count_nonzero(whole & (labels > 0)) > seen
        assert most_hidden > 0.4
        assert by_others > 0

    def test_things_that_are_no_objects_move_too(self):
        """Otherwise finding what moves would do."""
        for seed in range(6):
            scene = drawn(seed)
            others = [layer for layer in scene.layers if not layer.label]
            own_ways = [
                layer for layer in others if layer.placement.angle is not scene.camera.angle
            ]
            assert own_ways
            paths = [layer.placement.position[:, 0] for layer in own_ways]
            assert all(np.ptp(path, axis=0).max() > 1 for path in paths)

    def test_two_objects_of_a_video_do_not_look_the_same(self):
        means = []
        scene = next(s for s in map(drawn, range(20)) if objects_of(s) == 3)
        image, labels = scene.render(0)
        means = [image[labels == label].mean(axis=0) for label in (1, 2, 3)]
        gaps = [np.abs(means[a] - means[b]).max() for a, b in ((0, 1), (0, 2), (1, 2))]
        assert min(gaps) > 8

    @pytest.mark.parametrize(("size", "objects"), [((48, 300), 4), ((300, 48), 4), ((48, 48), 20)])
    def test_odd_sizes_and_crowds(self, size, objects):
        for seed in range(2):
            scene = draw_scene(
                np.random.default_rng(seed), frames=2, size=size, max_objects=objects
            )
            image, labels = scene.render(1)
            assert image.shape == (*size, 3)
            assert labels.shape == size
            first = np.unique(scene.render(0)[1])
            assert first.tolist() == list(range(objects_of(scene) + 1))


class TestCameraEffects:
    def test_changes_the_picture_without_moving_it(self):
        effects = CameraEffects(np.random.default_rng(0), frames=3, size=SIZE)
        grey = np.full((*SIZE, 3), 120, np.uint8)
        pictures = [effects.apply(grey, frame) for frame in range(3)]
        assert all(p.dtype == np.uint8 and p.shape == grey.shape for p in pictures)
        assert not np.array_equal(pictures[0], pictures[1])
        assert np.array_equal(pictures[2], effects.apply(grey, 2))
        assert 60 < np.mean(pictures) < 190


class TestMaterials:
    @pytest.mark.parametrize("pattern", PATTERNS)
    @pytest.mark.parametrize("shape", [(60, 90), (3, 5), (1, 40)])
    def test_patterns_fill_any_shape_with_values_from_0_to_1(self, pattern, shape):
        field = PATTERNS[pattern](np.random.default_rng(1), shape, 8.0)
        assert field.shape == shape
        assert field.min() >= 0
        assert field.max() <= 1 + 1e-6
        if min(shape) > 50:
            assert np.ptp(field) > 0.2

    def test_noise_is_finer_with_a_smaller_cell(self):
        rng = np.random.default_rng(2)
        fine, coarse = (noise(rng, (100, 100), cell, octaves=1) for cell in (5, 40))
        assert np.abs(np.diff(fine)).mean() > 3 * np.abs(np.diff(coarse)).mean()

    def test_distinct_palettes_are_apart(self):
        rng = np.random.default_rng(3)
        for _ in range(20):
            first = random_palette(rng)
            assert distance(first, distinct_palette(rng, [first])) > 20

    def test_ramp_ends_with_the_palettes_colours(self):
        palette = np.array([[10, 20, 30], [250, 0, 128]], np.float32)
        colours = ramp(palette)
        assert colours[0].tolist() == [10, 20, 30]
        assert colours[-1].tolist() == [250, 0, 128]

    @pytest.mark.parametrize("kind", SHAPES)
    def test_shapes_are_closed_and_of_bounded_size(self, kind):
        for seed in range(10):
            for part in SHAPES[kind](np.random.default_rng(seed)):
                for outline in part.outlines:
                    assert len(outline) >= 3
                    assert np.abs(outline).max() < 1.6

    def test_a_bar_is_long(self):
        (part,) = bar(np.random.default_rng(0))
        extent = np.ptp(part.outlines[0], axis=0)
        assert extent[1] > 5 * extent[0]


class TestSprites:
    @pytest.mark.parametrize("kind", SHAPES)
    def test_covers_the_area_asked_for_at_rest(self, kind):
        rng = np.random.default_rng(4)
        parts = [dataclasses.replace(part, swing=0.0) for part in SHAPES[kind](rng)]
        styles = (flat((100, 100, 100)),) * 2
        sprite = Sprite(rng, parts, styles, area=900, frames=1)
        mask = footprint(Layer(sprite, held((60, 40)), label=1), 0, SIZE)
        assert np.count_nonzero(mask) == pytest.approx(900, rel=0.06)

    def test_bending_moves_the_outline_and_rolling_only_the_surface(self):
        styles = (
            dataclasses.replace(flat((0, 0, 0)), palette=np.float32([[0] * 3, [255] * 3])),
        ) * 2

        def poses(**movement: float) -> list[np.ndarray]:
            rng = np.random.default_rng(5)
            sprite = Sprite(rng, [SQUARE], styles, area=900, frames=9, **movement)
            return [sprite.pose(frame)[0] for frame in (0, 8)]

        first, last = poses(roll=0.5)
        assert np.array_equal(first[..., 3], last[..., 3])
        assert np.abs(first[..., :3].astype(int) - last[..., :3]).mean() > 5
        first, last = poses(bend=0.1)
        assert first.shape != last.shape or not np.array_equal(first[..., 3], last[..., 3])


class TestCompositing:
    def test_coverage_mixes_the_colours(self):
        image = np.full((4, 6, 3), 100, np.uint8)
        piece = np.zeros((2, 3, 4), np.uint8)
        piece[0, :, :] = (200, 0, 50, 255)
        piece[1, :, :] = (60, 0, 0, 51)  # a fifth, of colour (300, 0, 0) / 5 premultiplied
        lay_over(image, piece, np.s_[1:3, 2:5])
        assert image[1, 3].tolist() == [200, 0, 50]
        assert image[2, 3].tolist() == [140, 80, 80]
        assert (image[0] == 100).all()

    def test_content_box_is_tight(self):
        piece = np.zeros((10, 12, 4), np.uint8)
        piece[3:5, 6:9, 3] = 1
        assert content_box(piece) == np.s_[3:5, 6:9]
        assert piece[content_box(np.zeros_like(piece))].size == 0


class TestMotion:
    def test_a_spline_passes_its_knots(self):
        knots = np.array([5.0, 1.0, 4.0, -2.0, 0.0])
        assert spline(knots, 3.0, np.array([0.0, 3.0, 6.0])) == pytest.approx([1.0, 4.0, -2.0])
        line = np.arange(5.0)
        assert spline(line, 2.0, np.array([-1.0, 1.0, 3.3])) == pytest.approx([0.5, 1.5, 2.65])

    def test_a_drift_starts_at_nothing(self):
        times = np.arange(10.0)[:, None] + [-0.2, 0.0, 0.2]
        values = drift(np.random.default_rng(0), times, spacing=4, step=0.1)
        assert values.shape == (10, 3)
        assert values[0, 1] == pytest.approx(0)
        assert np.abs(values).max() > 0.1

    def test_wandering_stays_about_its_range(self):
        values = wander(np.random.default_rng(0), np.arange(200.0), spacing=3, amount=2, shape=(2,))
        assert values.shape == (200, 2)
        assert 1 < np.abs(values).max() < 2.6

    def test_a_walk_passes_its_point_at_its_speed_within_bounds(self):
        times = np.arange(60.0)
        bounds = np.array([[0.0, 0.0], [100.0, 60.0]])
        for seed in range(5):
            path = walk(
                np.random.default_rng(seed),
                times,
                spacing=5,
                speed=2.0,
                through=np.array([40.0, 30.0]),
                at=20,
                bounds=bounds,
            )
            assert path[20] == pytest.approx([40, 30])
            steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
            assert 1 < steps.mean() < 3
            assert (path > -10).all()
            assert (path < [110, 70]).all()
