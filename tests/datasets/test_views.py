import cv2
import numpy as np
import pytest
from box_rule import box_around
from training_data import HEIGHT, WIDTH, data_config, textured, two_objects

from ranet.config import MotionConfig, PreviousMaskConfig
from ranet.datasets.views import Frame, RawSample, choose_objects, make_sample, renumber

SOURCE = {"kind": "pairs", "root": "unused"}
SAME = PreviousMaskConfig()
STANDING = MotionConfig()
STILL = {
    "spline_shift": 0,
    "rotation": 0,
    "scale": (1, 1),
    "crop_shift": 0,
    "flip": 0,
    "colour": {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0},
}
"""Augmentation that leaves only the crop."""


def config(**values):
    return data_config(SOURCE, **{"max_objects": 2, "smallest_crop": 8, **values})


def raw_sample(template=None, current=None, previous=None):
    template = two_objects() if template is None else template
    current = two_objects(14) if current is None else current
    previous = two_objects(12) if previous is None else previous
    return RawSample(Frame(textured(1), template), (Frame(textured(2), current),), previous, "name")


def sample(seed=0, settings=None, of=None, previous=SAME, motion=STANDING):
    rng = np.random.default_rng(seed)
    return make_sample(of or raw_sample(), previous, settings or config(), rng, motion=motion)


def label_maps(made):
    return made.template_labels, made.current_labels[0], made.previous_labels


def arrays(made):
    return [
        made.template_image,
        made.template_labels,
        made.current_image,
        made.current_labels,
        made.previous_labels,
    ]


@pytest.mark.parametrize("size", [(32, 64), (57, 91)])
def test_shapes_and_types(size):
    made = sample(settings=config(size=size))
    assert made.template_image.shape == (*size, 3)
    assert made.current_image.shape == (1, *size, 3)
    assert made.template_labels.shape == made.previous_labels.shape == size
    assert made.current_labels.shape == (1, *size)
    assert all(array.dtype == np.uint8 and array.flags.c_contiguous for array in arrays(made))
    assert made.name == "name"
    assert made.objects == 2


def test_a_sample_is_a_function_of_the_generator():
    for one, other, third in zip(
        *(arrays(sample(seed)) for seed in (5, 5, 6)),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
        assert not np.array_equal(one, third)


@pytest.mark.parametrize("seed", range(20))
def test_objects_are_numbered_from_one_and_seen_in_the_template(seed):
    settings = config(smallest_object=0.01)
    made = sample(seed, settings)
    assert np.bincount(made.template_labels.ravel())[1:].min() >= 0.01 * HEIGHT * WIDTH
    for labels in label_maps(made):
        assert set(np.unique(labels)) <= {0, 1, 2}


def test_an_id_is_the_same_object_in_all_maps():
    # Object 3 is a square and object 7 a wide bar: without augmentation their shapes tell them.
    seen = set()
    for seed in range(10):
        made = sample(seed, config(augment=STILL))
        wide = set()
        for labels in label_maps(made):
            is_wide = [
                np.ptp(np.nonzero(labels == k)[1]) > np.ptp(np.nonzero(labels == k)[0])
                for k in (1, 2)
            ]
            assert sorted(is_wide) == [False, True]
            wide.add(tuple(is_wide))
        assert len(wide) == 1
        seen |= wide
    assert len(seen) == 2  # the order is random


def test_other_objects_are_background():
    sides = set()
    for seed in range(10):
        made = sample(seed, config(max_objects=1, augment=STILL, crop="whole_frame"))
        assert made.objects == 1
        assert set(np.unique(made.template_labels)) == {0, 1}
        sides.add(np.count_nonzero(made.template_labels))
    assert sides == {12 * 12, 8 * 20}


@pytest.mark.parametrize("seed", range(5))
def test_instances_are_all_that_is_annotated_and_change_nothing_else(seed):
    settings = config(max_objects=1, crop="whole_frame")
    made = sample(seed, settings)
    assert made.instance_labels is None
    rng = np.random.default_rng(seed)
    same = make_sample(raw_sample(), SAME, settings, rng, instances=True)
    for one, other in zip(arrays(made), arrays(same), strict=True):
        np.testing.assert_array_equal(one, other)
    chosen = np.where(same.instance_labels == 1, 1, 0)
    inside = same.instance_labels > 0  # but where the frame is mirrored beyond its border
    np.testing.assert_array_equal(chosen[inside], made.current_labels[inside])
    assert len(np.unique(same.instance_labels)) == 3


def test_a_distractor_is_an_instance():
    pasted = np.zeros((HEIGHT, WIDTH), np.uint8)
    pasted[40:46, 60:70] = 1
    frame = Frame(textured(2), two_objects(14), pasted)
    raw = RawSample(Frame(textured(1), two_objects()), (frame,), two_objects(12), "name")
    settings = config(augment=STILL, crop="whole_frame")
    made = make_sample(raw, SAME, settings, np.random.default_rng(0), instances=True)
    (instances,) = made.instance_labels
    np.testing.assert_array_equal(instances[instances < 3], made.current_labels[0][instances < 3])
    assert np.count_nonzero(instances == 3) == 60


def test_where_the_network_crops_all_frames_the_template_is_wide_as_well():
    values = {"size": (32, 64), "clip_size": (60, 100), "smallest_object": 1e-4}
    crops = [sample(1, config(**values, crop_clips=c)) for c in ("each_frame", "all_frames")]
    assert [c.template_labels.shape for c in crops] == [(32, 64), (60, 100)]
    assert [c.current_labels.shape[1:] for c in crops] == [(60, 100)] * 2
    keeping, stretching = (c.crop_jitter[0] for c in crops)
    assert keeping[0] == keeping[1]
    assert stretching[0] != stretching[1]


def test_void_and_small_objects_are_not_chosen():
    labels = two_objects()
    labels[0, 0:5] = 9
    rng = np.random.default_rng(0)
    assert set(choose_objects(labels, config(max_objects=9, smallest_object=0.002), rng)) == {3, 7}
    assert set(choose_objects(labels, config(max_objects=9, smallest_object=0.001), rng)) == {
        3,
        7,
        9,
    }


def test_renumbering_follows_the_order_of_the_choice():
    labels = np.array([[0, 3, 7, 9]], dtype=np.uint8)
    assert renumber(labels, np.array([7, 3])).tolist() == [[0, 2, 1, 0]]


def test_no_sample_without_objects():
    assert sample(of=raw_sample(template=np.zeros((HEIGHT, WIDTH), dtype=np.uint8))) is None


def test_no_sample_if_resizing_loses_the_object():
    thin = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    thin[0, 0] = 1  # nearest-neighbour sampling at a quarter of the size skips the corner
    settings = config(size=(12, 20), crop="whole_frame", augment=STILL, smallest_object=1e-9)
    assert sample(settings=settings, of=raw_sample(template=thin)) is None


def test_an_object_may_be_absent_from_the_current_frame():
    nothing = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    made = sample(of=raw_sample(current=nothing))
    assert made.objects == 2
    assert not made.current_labels.any()
    assert made.previous_labels.any()


def test_without_augmentation_views_are_the_crops_of_inference():
    def large(array):  # so that a pixel of the box counts for little
        return array.repeat(4, axis=0).repeat(4, axis=1)

    template, current = large(two_objects()), large(two_objects(14))
    previous = large(two_objects(22))
    made = sample(
        settings=config(augment={**STILL, "flip": 1.0}),
        of=RawSample(
            Frame(large(textured(1)), template), (Frame(large(textured(2)), current),), previous, ""
        ),
    )
    for seen, labels, around in (
        (made.template_labels, template, template),
        (made.current_labels[0], current, previous),
        (made.previous_labels, previous, previous),
    ):
        top, left, bottom, right = box_around(
            around[:, ::-1], aspect=(HEIGHT, WIDTH), scale=1.5, smallest=8
        )
        crop = np.ascontiguousarray(labels[:, ::-1][top:bottom, left:right])
        expected = cv2.resize(crop, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST) > 0
        assert np.count_nonzero(expected & (seen > 0)) > 0.9 * np.count_nonzero(
            expected | (seen > 0)
        )


def test_the_template_is_shown_unchanged_if_no_view_has_the_objects():
    corner = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    corner[:8, :8] = 1
    zoomed = {**STILL, "scale": (4, 4), "attempts": 3}
    made = sample(
        settings=config(crop="whole_frame", augment=zoomed), of=raw_sample(template=corner)
    )
    np.testing.assert_array_equal(made.template_labels, corner)
    np.testing.assert_array_equal(made.template_image, textured(1))


def test_views_are_augmented_independently():
    one = two_objects()
    same = RawSample(Frame(textured(1), one), (Frame(textured(1), one),), one, "name")
    made = sample(of=same)
    assert not np.array_equal(made.template_labels, made.current_labels[0])
    colourless = sample(of=same, settings=config(augment={"spline_shift": 0, "rotation": 0}))
    assert not np.array_equal(colourless.template_image, colourless.current_image[0])


def test_both_views_are_flipped_or_none():
    left = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    left[10:30, 5:25] = 1
    sides = []
    for seed in range(12):
        made = sample(
            seed,
            config(augment={**STILL, "flip": 0.5}, crop="whole_frame"),
            of=raw_sample(left, left, left),
        )
        sides.append({np.nonzero(labels)[1].mean() < WIDTH / 2 for labels in label_maps(made)})
    assert {True} in sides
    assert {False} in sides
    assert {True, False} not in sides


@pytest.mark.parametrize("seed", range(5))
def test_the_previous_mask_moves_with_the_current_view(seed):
    one = two_objects()
    made = sample(seed, of=raw_sample(current=one, previous=one))
    np.testing.assert_array_equal(made.previous_labels, made.current_labels[0])


def test_the_previous_mask_is_deformed_relative_to_its_objects():
    small = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    small[20:30, 30:40] = 1
    offsets = []
    for seed in range(40):
        made = sample(
            seed,
            config(augment=STILL, crop="whole_frame"),
            of=raw_sample(small, small, small),
            previous=PreviousMaskConfig(shift=0.5),
        )
        rows, columns = np.nonzero(made.previous_labels)
        offsets.append((rows.mean() - 24.5, columns.mean() - 34.5))
    assert 3 < np.abs(offsets).max() <= 5.5  # half of the object's side, not of the frame's


def test_an_empty_previous_mask_shows_the_whole_frame():
    one = two_objects()
    made = sample(
        settings=config(augment=STILL),
        of=raw_sample(one, one, one),
        previous=PreviousMaskConfig(empty=1.0),
    )
    assert not made.previous_labels.any()
    np.testing.assert_array_equal(made.current_image[0], textured(2))


@pytest.mark.parametrize("scale", [0.8, 1.25])
def test_scale_is_relative_to_the_crop(scale):
    areas = []
    square = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    square[19:29, 35:45] = 1
    for factor in (1, scale):
        settings = config(size=(96, 160), augment={**STILL, "scale": (factor, factor)})
        made = sample(settings=settings, of=raw_sample(square, square, square))
        areas.append(np.count_nonzero(made.template_labels))
    assert areas[1] / areas[0] == pytest.approx(scale**2, rel=0.12)


def test_the_crop_is_shifted():
    square = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    square[19:29, 35:45] = 1
    centres = []
    for seed in range(30):
        settings = config(augment={**STILL, "crop_shift": 0.2})
        made = sample(seed, settings, of=raw_sample(square, square, square))
        rows, columns = np.nonzero(made.template_labels)
        centres.append((rows.mean() / HEIGHT - 0.5, columns.mean() / WIDTH - 0.5))
    assert 0.12 < np.abs(centres).max() < 0.3


def still_clip(length):
    one = two_objects()
    return RawSample(Frame(textured(1), one), (Frame(textured(2), one),) * length, one, "clip")


@pytest.mark.parametrize("seed", range(4))
def test_the_first_frame_of_a_clip_is_that_of_the_pair(seed):
    pair, clip = (sample(seed, of=still_clip(length)) for length in (1, 3))
    assert clip.current_image.shape == (3, HEIGHT, WIDTH, 3)
    assert clip.current_labels.shape == (3, HEIGHT, WIDTH)
    np.testing.assert_array_equal(clip.current_image[:1], pair.current_image)
    np.testing.assert_array_equal(clip.current_labels[:1], pair.current_labels)
    np.testing.assert_array_equal(clip.previous_labels, pair.previous_labels)


def test_all_frames_of_a_clip_are_seen_in_one_view():
    for frame in (made := sample(3, of=still_clip(4))).current_image:
        np.testing.assert_array_equal(frame, made.current_image[0])
    labels = [two_objects(column) for column in (12, 13, 14)]
    moving = RawSample(
        Frame(textured(1), labels[0]), tuple(Frame(textured(2), m) for m in labels), labels[0], ""
    )
    made = sample(3, config(augment=STILL, crop="whole_frame", max_objects=9), of=moving)
    for seen, given in zip(made.current_labels, labels, strict=True):
        np.testing.assert_array_equal(seen > 0, given > 0)


def test_motion_adds_up_from_frame_to_frame():
    settings = config(augment=STILL, crop="whole_frame")
    small = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    small[20:30, 30:40] = 1
    of = RawSample(Frame(textured(1), small), (Frame(textured(2), small),) * 4, small, "")
    farthest = np.zeros(4)
    for seed in range(40):
        made = sample(seed, settings, of=of, motion=MotionConfig(shift=0.03))
        columns = np.array([np.nonzero(labels)[1].mean() for labels in made.current_labels])
        assert np.abs(np.diff(columns)).max() <= 0.03 * WIDTH + 1
        farthest = np.maximum(farthest, np.abs(columns - columns[0]))
    assert farthest[0] == 0
    assert 1.5 < farthest[1] < farthest[2] < farthest[3]


@pytest.mark.parametrize("seed", range(4))
def test_image_and_labels_of_a_clip_move_together(seed):
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    cv2.circle(mask, (40, 24), 14, 1, -1)
    painted = Frame(np.stack([mask * 255] * 3, axis=-1), mask)
    settings = config(size=(96, 160), augment={**STILL, "spline_shift": 0.1, "rotation": 30})
    made = sample(
        seed,
        settings,
        of=RawSample(painted, (painted,) * 3, mask, ""),
        motion=MotionConfig(spline_shift=0.02, rotation=10, scale=(0.8, 1.2), shift=0.1),
    )
    assert not np.array_equal(made.current_labels[0], made.current_labels[2])
    for image, labels in zip(made.current_image, made.current_labels, strict=True):
        bright = image[..., 0] > 127
        overlap = np.count_nonzero(bright & (labels > 0)) / np.count_nonzero(bright | (labels > 0))
        assert overlap > 0.93


# --- One part of all frames (DMN-AOA's supplement, §2)

PLACES = np.stack(
    [*np.mgrid[:HEIGHT, :WIDTH] * np.array([5, 3])[:, None, None], np.zeros((HEIGHT, WIDTH))],
    axis=-1,
).astype(np.uint8)
"""An image that says where each of its pixels is."""


def patch_of(seed, *, size=(32, 32), columns=(10, 12, 14), motion=STANDING, augment=None, **values):
    """A sample of a clip in which two objects move right, its template being its first frame."""
    frames = [Frame(PLACES, two_objects(column)) for column in columns]
    scaled = {**STILL, "scale": (1, 1.5), "flip": 0.5} if augment is None else augment
    settings = {"smallest_object": 0.001, **values}
    settings = config(crop_clips="patch", size=size, augment=scaled, **settings)
    of = RawSample(frames[0], tuple(frames[1:]), frames[0].labels, "clip")
    return sample(seed, settings, of=of, motion=motion)


def scale_of(image):
    """How much larger rows and columns are than in PLACES; columns below zero if it is mirrored."""
    rows, columns = (image[..., channel].astype(float) for channel in (0, 1))
    steps = np.diff(rows, axis=0).mean() / 5, np.diff(columns, axis=1).mean() / 3
    return 1 / steps[0], 1 / steps[1]


@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
def test_a_patch_is_of_exactly_the_size_and_the_same_in_all_frames(size):
    factors, corners, flips = [], set(), set()
    for seed in range(40):
        made = patch_of(seed, size=size)
        assert made.template_image.shape == (*size, 3)
        assert made.current_image.shape == (2, *size, 3)
        assert made.previous_labels.shape == size
        assert (made.crop_jitter == [1, 1, 0, 0]).all()
        for image in made.current_image:
            np.testing.assert_array_equal(image, made.template_image)
        np.testing.assert_array_equal(made.previous_labels, made.template_labels)
        down, across = scale_of(made.template_image)
        assert down == pytest.approx(abs(across), rel=0.06)
        factors.append(down)
        flips.add(across < 0)
        corners.add(tuple(made.template_image[0, 0]))
    assert 0.97 < min(factors) < 1.1
    assert 1.4 < max(factors) < 1.53
    assert flips == {True, False}
    assert len(corners) > 30


def test_small_frames_are_scaled_to_the_patch_first():
    for seed in range(10):
        down, _ = scale_of(patch_of(seed, size=(96, 96)).template_image)
        assert 2 * 0.97 < down < 2 * 1.5 * 1.03
    down, across = scale_of(
        patch_of(0, size=(96, 96), augment={**STILL, "scale": (0.2, 0.3)}).template_image
    )
    assert down == pytest.approx(2, rel=0.03)  # no smaller than the patch
    assert across == pytest.approx(2, rel=0.03)


def test_patches_are_drawn_until_the_first_frame_shows_an_object():
    shown = set()
    for seed in range(40):
        made = patch_of(seed, size=(16, 16))
        if made is None:
            continue
        areas = np.bincount(made.template_labels.ravel(), minlength=made.objects + 1)
        assert areas[1:].min() >= 0.001 * 16 * 16
        assert areas.size == made.objects + 1
        shown.add(made.objects)
    assert shown == {1, 2}
    once = [patch_of(s, size=(8, 8), augment={**STILL, "attempts": 1}) for s in range(60)]
    often = [patch_of(s, size=(8, 8), augment={**STILL, "attempts": 5}) for s in range(60)]
    assert sum(made is None for made in often) < 0.4 * sum(made is None for made in once)


def test_objects_move_inside_of_a_patch_that_stands():
    made = patch_of(0, size=(48, 80), augment=STILL)
    for labels, column in zip(
        (made.template_labels, *made.current_labels), (10, 12, 14), strict=True
    ):
        np.testing.assert_array_equal(labels > 0, two_objects(column) > 0)
    moving = patch_of(0, motion=MotionConfig(shift=0.2))
    assert not np.array_equal(moving.current_image[0], moving.current_image[1])
