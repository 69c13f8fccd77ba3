from unittest.mock import Mock

import numpy as np
import pytest
from image_set_trees import NAMES, PLACES, SALIENT, write_image_set
from training_data import (
    HEIGHT,
    WIDTH,
    data_config,
    textured,
    two_objects,
    write_pairs,
    write_videos,
)
from youtube_vos_tree import write_youtube_vos

from ranet.config import (
    DataConfig,
    DavisSource,
    ImageSource,
    StaticConfig,
    VideoConfig,
    YouTubeVOSSource,
)
from ranet.datasets.image_io import write_image, write_labels
from ranet.datasets.pasting import unused_labels
from ranet.datasets.sampling import TrainingSamples
from ranet.datasets.sources import open_source
from ranet.datasets.views import Frame
from ranet.errors import DataError


def generator(seed=0):
    return np.random.default_rng(seed)


def video_source(root, year=2017, **config):
    source = DavisSource(kind="davis", root=root, year=year)
    return open_source(source, DataConfig(sources=(source,), video=VideoConfig(**config)))


def static_source(root, names="*", **config):
    source = ImageSource(kind="pairs", root=root, names=names)
    return open_source(source, DataConfig(sources=(source,), static=StaticConfig(**config)))


def frame_index(labels):
    """Objects of frame i begin in column i (see write_videos)."""
    return int(np.nonzero(labels)[1].min())


def test_two_frames_and_a_mask_near_the_second(tmp_path):
    source = video_source(write_videos(tmp_path), max_previous_gap=3)
    gaps, distances, videos = set(), set(), set()
    for seed in range(150):
        raw = source.draw(1, generator(seed))
        template = frame_index(raw.template.labels)
        current = frame_index(raw.current[0].labels)
        previous = frame_index(raw.previous_labels)
        np.testing.assert_array_equal(raw.template.image, textured(template))
        np.testing.assert_array_equal(raw.current[0].image, textured(current))
        assert raw.name[1:] == (
            f": template {template:05d}, current {current:05d}, previous {previous:05d}"
        )
        gaps.add(previous - current)
        distances.add(current - template)
        videos.add(raw.name[0])
    assert gaps == {-3, -2, -1, 1, 2, 3}
    assert 0 not in distances
    assert min(distances) < -8 < 8 < max(distances)
    assert videos == {"a", "b"}


def test_a_clip_with_its_template_in_front_runs_either_way(tmp_path):
    source = DavisSource(kind="davis", root=write_videos(tmp_path, names=("a",)))
    video = VideoConfig(max_clip_stride=2)
    opened = open_source(source, DataConfig(sources=(source,), video=video, crop_clips="patch"))
    steps = []
    for seed in range(60):
        raw = opened.draw(2, generator(seed))
        frames = [raw.template, *raw.current]
        first, *_ = numbers = [frame_index(frame.labels) for frame in frames]
        for frame, number in zip(frames, numbers, strict=True):  # ids stay with their objects
            np.testing.assert_array_equal(frame.labels, two_objects(number))
            np.testing.assert_array_equal(frame.image, textured(number))
        np.testing.assert_array_equal(raw.previous_labels, two_objects(first))
        steps.append(numbers[1] - first)
    assert set(steps) - {0} == {-2, -1, 1, 2}  # 0: beside an end, two steps lead back
    assert 0.3 < np.mean(np.array(steps) < 0) < 0.7


def test_no_more_is_drawn_than_is_shown(tmp_path):
    """With the template in front: which frame that is, and which way the clip runs."""
    source = DavisSource(kind="davis", root=write_videos(tmp_path))
    rng = Mock(wraps=generator())
    open_source(source, DataConfig(sources=(source,), crop_clips="patch")).draw(2, rng)
    assert rng.choice.call_count == 2


def test_only_annotated_frames_are_drawn_and_gaps_count_all_frames(tmp_path):
    root = write_videos(tmp_path, names=("a",))
    for i in range(16):
        if i % 4:
            (root / f"Annotations/480p/a/{i:05d}.png").unlink()
    for gap, allowed in ((4, {-4, 4}), (3, {0})):  # none within 3: the current mask itself
        source = video_source(root, max_previous_gap=gap)
        for seed in range(20):
            raw = source.draw(1, generator(seed))
            current = frame_index(raw.current[0].labels)
            assert current % 4 == frame_index(raw.template.labels) % 4 == 0
            assert frame_index(raw.previous_labels) - current in allowed


def test_gaps_are_those_of_the_numbers_in_names(tmp_path):
    root = write_youtube_vos(tmp_path, {"v": {1: 0}})
    source = YouTubeVOSSource(kind="youtube_vos", root=root)
    for gap, allowed in ((4, {0}), (5, {-5, 5}), (10, {-10, -5, 5, 10})):
        video = VideoConfig(max_previous_gap=gap)
        opened = open_source(source, DataConfig(sources=(source,), video=video))
        gaps = set()
        for seed in range(40):
            raw = opened.draw(1, generator(seed))
            gaps.add(frame_index(raw.previous_labels) - frame_index(raw.current[0].labels))
        assert gaps == allowed


def test_an_object_that_appears_later_is_not_a_template_before(tmp_path):
    root = write_youtube_vos(tmp_path, {"v": {3: 2}})
    source = {"kind": "youtube_vos", "root": root}
    samples = TrainingSamples(data_config(source, smallest_crop=8), seed=0)
    for n in range(12):
        assert samples[n].name.startswith(("v: template 00010", "v: template 00015"))
        assert samples[n].template_labels.any()


@pytest.mark.parametrize("kind", PLACES)
def test_a_source_of_every_kind(tmp_path, kind):
    source = {"kind": kind, "root": write_image_set(tmp_path, kind)}
    samples = TrainingSamples(data_config(source, max_objects=3, smallest_crop=8), seed=0)
    made = [samples[n] for n in range(8)]
    assert {sample.name for sample in made} == set(NAMES)
    assert {sample.objects for sample in made} == {1 if kind in SALIENT else 2}


def test_a_list_of_images(tmp_path):
    root = write_image_set(tmp_path, "ilso")
    source = {"kind": "ilso", "root": root, "set_file": root / "ImageSets/train_id_1000.txt"}
    samples = TrainingSamples(data_config(source), seed=0)
    assert {samples[n].name for n in range(6)} == {"a10"}


def test_davis_2016_makes_one_object_of_all(tmp_path):
    root = write_videos(tmp_path)
    assert set(np.unique(video_source(root).draw(1, generator()).template.labels)) == {0, 3, 7}
    (root / "ImageSets/2017").rename(root / "ImageSets/2016")
    raw = video_source(root, year=2016).draw(1, generator())
    assert set(np.unique(raw.template.labels)) == {0, 1}
    assert raw.template.labels.dtype == np.uint8


def test_void_is_background(tmp_path):
    root = write_pairs(tmp_path, count=1)
    labels = two_objects()
    labels[:5] = 255
    write_labels(root / "masks/p0.png", labels)
    raw = static_source(root).draw(1, generator())
    assert set(np.unique(raw.template.labels)) == {0, 3, 7}


def test_a_still_image_is_drawn_unchanged(tmp_path):
    source = static_source(write_pairs(tmp_path))
    names = set()
    for seed in range(20):
        raw = source.draw(1, generator(seed))
        number = int(raw.name[1:])
        for frame in (raw.template, *raw.current):
            np.testing.assert_array_equal(frame.image, textured(number))
            np.testing.assert_array_equal(frame.labels, two_objects(5 * number))
        np.testing.assert_array_equal(raw.previous_labels, raw.current[0].labels)
        names.add(raw.name)
    assert names == {"p0", "p1", "p2"}


def test_a_pattern_takes_a_part_of_the_pairs(tmp_path):
    source = static_source(write_pairs(tmp_path), names="p[12]")
    assert {source.draw(1, generator(seed)).name for seed in range(20)} == {"p1", "p2"}


def test_backgrounds_of_a_folder(tmp_path):
    write_image(tmp_path / "skies/s.png", np.full((10, 10, 3), 200, dtype=np.uint8))
    source = static_source(
        write_pairs(tmp_path), new_background=1.0, backgrounds=tmp_path / "skies", feather=0
    )
    raw = source.draw(1, generator())
    for frame in (raw.template, *raw.current):
        assert (frame.image[frame.labels == 0] == 200).all()
        number = int(raw.name[1:])
        inside = frame.labels > 0
        np.testing.assert_array_equal(frame.image[inside], textured(number)[inside])


@pytest.mark.parametrize("option", ["new_background", "distractor"])
def test_pasting_has_its_probability_in_each_view(tmp_path, option):
    source = static_source(write_pairs(tmp_path), **{option: 0.5})
    changed = []
    for seed in range(60):
        raw = source.draw(1, generator(seed))
        original = textured(int(raw.name[1:]))
        changed.append(
            [not np.array_equal(frame.image, original) for frame in (raw.template, *raw.current)]
        )
    # An image may be pasted over itself, and a distractor be hidden: somewhat less than a half.
    assert 0.2 < np.mean(changed) < 0.65
    assert {tuple(pair) for pair in changed} == {
        (a, b) for a in (True, False) for b in (True, False)
    }


def test_added_objects_are_objects_of_both_views(tmp_path):
    source = static_source(write_pairs(tmp_path), added_objects=3, feather=0)
    added = []
    for seed in range(40):
        raw = source.draw(1, generator(seed))
        (current,) = raw.current
        own = set(np.unique(two_objects()))
        new = [set(np.unique(frame.labels)) - own for frame in (raw.template, current)]
        added.append(len(new[0] | new[1]))
        for frame in (raw.template, current):
            changed = (frame.image != textured(int(raw.name[1:]))).any(axis=-1)
            # Blocks of one colour each: those of other images are rarely the same.
            assert frame.labels[changed].all()
        if new[0] and new[1]:
            assert not np.array_equal(raw.template.labels, current.labels)
    assert set(added) == {0, 1, 2, 3}


def test_an_added_object_that_gets_too_small_leaves_the_others_their_labels(tmp_path):
    source = static_source(write_pairs(tmp_path), new_background=1.0, own_size=(0.3, 0.3))
    frame, speck = Frame(textured(0), two_objects()), np.zeros((HEIGHT, WIDTH), np.uint8)
    speck[1, 1] = 1
    added = [Frame(textured(1), speck), Frame(textured(2), two_objects())]
    lost, kept = (int(label) for label in unused_labels(frame.labels)[:2])
    views = [source._altered(frame, added, generator(seed)).labels for seed in range(8)]
    assert not any(lost in view for view in views)
    assert any(kept in view for view in views)


def test_the_previous_mask_knows_what_hides_the_object(tmp_path):
    source = static_source(write_pairs(tmp_path), distractor=1.0)
    for seed in range(10):
        raw = source.draw(1, generator(seed))
        np.testing.assert_array_equal(raw.previous_labels, raw.current[0].labels)


def test_an_image_without_objects_is_drawn_as_it_is(tmp_path):
    root = write_pairs(tmp_path, count=1)
    write_labels(root / "masks/p0.png", np.zeros((HEIGHT, WIDTH), dtype=np.uint8))
    raw = static_source(root, new_background=1.0, distractor=1.0).draw(1, generator())
    np.testing.assert_array_equal(raw.current[0].image, textured(0))


def test_a_mask_of_another_size(tmp_path):
    root = write_pairs(tmp_path, count=1)
    write_labels(root / "masks/p0.png", two_objects()[:30])
    with pytest.raises(DataError, match=r"p0\.png is 30×80, but.* 48×80"):
        static_source(root).draw(1, generator())


def clips(root, length, **config):
    source = video_source(root, **config)
    for seed in range(150):
        raw = source.draw(length, generator(seed))
        yield raw, [frame_index(frame.labels) for frame in raw.current]


def test_the_frames_of_a_clip_are_equally_far_apart(tmp_path):
    strides = set()
    for raw, numbers in clips(write_videos(tmp_path, names=("a",)), 3, max_clip_stride=2):
        assert raw.name.split("current ")[1].startswith(" ".join(f"{n:05d}" for n in numbers))
        for frame, number in zip(raw.current, numbers, strict=True):
            np.testing.assert_array_equal(frame.image, textured(number))
        assert abs(frame_index(raw.previous_labels) - numbers[0]) <= 5
        if 4 <= numbers[0] < 12:  # no end in reach
            first, second = np.diff(numbers)
            assert first == second
            strides.add(int(first))
    assert strides == {-2, -1, 1, 2}


def test_a_stride_is_that_of_the_numbers_but_at_least_one_annotation(tmp_path):
    root = write_youtube_vos(tmp_path, {"v": {1: 0}}, frames=6)
    source = YouTubeVOSSource(kind="youtube_vos", root=root)
    for most, allowed in ((3, {5}), (10, {5, 10})):
        config = DataConfig(sources=(source,), video=VideoConfig(max_clip_stride=most))
        opened = open_source(source, config)
        strides = set()
        for seed in range(40):
            first, second = opened.draw(2, generator(seed)).current
            strides.add(abs(frame_index(second.labels) - frame_index(first.labels)))
        assert strides - {0} == allowed  # 0 where it turns halfway


def test_a_clip_turns_where_the_video_ends(tmp_path):
    seen = {
        tuple(numbers)
        for _, numbers in clips(
            write_videos(tmp_path, frames=3, names=("a",)), 4, max_clip_stride=1
        )
    }
    assert seen == {(0, 1, 2, 1), (1, 2, 1, 0), (1, 0, 1, 2), (2, 1, 0, 1)}


def test_a_clip_of_one_annotated_frame(tmp_path):
    raw = video_source(write_videos(tmp_path, frames=1)).draw(3, generator())
    assert len(raw.current) == 3
    np.testing.assert_array_equal(raw.previous_labels, raw.template.labels)
    for frame in raw.current:
        np.testing.assert_array_equal(frame.labels, raw.template.labels)


def test_a_clip_of_a_still_image_repeats_it(tmp_path):
    source, differs = static_source(write_pairs(tmp_path), new_background=1.0), False
    for seed in range(5):
        raw = source.draw(3, generator(seed))
        assert len(raw.current) == 3
        for frame in raw.current:
            np.testing.assert_array_equal(frame.image, raw.current[0].image)
        differs |= not np.array_equal(raw.template.image, raw.current[0].image)
    assert differs


def test_a_look_alike_is_the_object_in_other_colours(tmp_path):
    pairs = write_pairs(tmp_path, count=2)
    alike = static_source(pairs, distractor=1.0, look_alike=1.0, feather=0)
    other = static_source(pairs, distractor=1.0, look_alike=0.0, feather=0)
    recoloured = static_source(
        pairs,
        distractor=1.0,
        look_alike=1.0,
        look_alike_colour={"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0},
        feather=0,
    )
    own = {tuple(colour) for colour in textured(0).reshape(-1, 3)}
    shares = {}
    for name, source in {"alike": alike, "other": other, "same colours": recoloured}.items():
        shares[name] = []
        for seed in range(30):
            raw = source.draw(1, generator(seed))
            if raw.name != "p0":
                continue
            changed = (raw.template.image != textured(0)).any(axis=-1)
            if changed.sum() > 30:
                colours = raw.template.image[changed]
                shares[name].append(np.mean([tuple(colour) in own for colour in colours]))
            assert not raw.template.labels[changed].any()  # a distractor is background
    # Blocks of one colour: but for mixed pixels at their seams, the object's colours are kept.
    assert np.mean(shares["same colours"]) > 0.4
    assert np.mean(shares["alike"]) < 0.05
    assert np.mean(shares["other"]) < 0.5
