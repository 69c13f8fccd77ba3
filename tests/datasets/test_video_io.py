import os
import re
import struct
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image, features

from ranet.datasets import video_writer
from ranet.datasets.frames import FrameSource
from ranet.datasets.image_io import write_image
from ranet.datasets.random_access import FrameReader
from ranet.datasets.video_io import open_frames, position_of
from ranet.datasets.video_writer import VideoWriter
from ranet.errors import DataError, OutputError, RANetError

SIDE_BY_SIDE = ((200, 50, 10), (20, 160, 230))  # colours of the left and the right half


def frame(height: int = 48, width: int = 64, shift: int = 0) -> np.ndarray:
    """Two colours side by side; a white square moves with ``shift`` over the left one."""
    image = np.empty((height, width, 3), np.uint8)
    image[:, : width // 2], image[:, width // 2 :] = SIDE_BY_SIDE
    image[4:12, 2 + shift % 16 : 10 + shift % 16] = 255
    return image


def busy_frame(number: int) -> np.ndarray:
    """Noise, so that every frame takes room in a file."""
    return np.random.default_rng(number).integers(0, 256, (64, 96, 3), dtype=np.uint8)


def written(path: Path, frames, frame_rate=25, **options) -> Path:
    with VideoWriter(path, frame_rate=frame_rate, **options) as writer:
        for image in frames:
            writer.write(image)
    return path


FAST = {"libvpx": {"deadline": "realtime", "cpu-used": "8"}}


def encoded(path: Path, codec: str, count: int, **options) -> Path:
    """A video of ``count`` frames in any container, by PyAV alone; 25 frames a second."""
    with av.open(str(path), "w", **options) as container:
        stream = container.add_stream(codec, rate=25, options=FAST.get(codec, {}))
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(count):
            picture = av.VideoFrame.from_ndarray(busy_frame(number), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def shown(source: FrameSource) -> list[str]:
    return [name for name, _ in source]


# --- images ---------------------------------------------------------------------------------------


def test_a_folder_of_frames(tmp_path):
    for number in (10, 9, 2):
        write_image(tmp_path / f"{number}.png", frame(shift=number))
    source = open_frames(tmp_path)
    assert (source.size, source.frame_rate, source.count) == ((48, 64), None, 3)
    assert shown(source) == ["2", "9", "10"]
    assert shown(source) == ["2", "9", "10"]  # again
    assert np.array_equal(dict(source)["9"], frame(shift=9))


def test_skipped_numbers_are_a_warning(tmp_path):
    for number in (0, 1, 3, 4):
        write_image(tmp_path / f"{number:05d}.png", frame(shift=number))
    for source in (tmp_path, str(tmp_path / "*.png")):
        with pytest.warns(UserWarning, match=r"skips frame numbers: 2\."):
            assert len(shown(open_frames(source))) == 4


def test_a_pattern(tmp_path):
    for name in ("a10.png", "a9.png", "b1.png", "a3.txt"):
        write_image(tmp_path / "x.png", frame())
        (tmp_path / "x.png").rename(tmp_path / name)
    assert shown(open_frames(str(tmp_path / "a*"))) == ["a9", "a10"]
    with pytest.raises(DataError, match=r"No image matches .*c\*\.png"):
        open_frames(str(tmp_path / "c*.png"))


def test_brackets_in_a_real_name_are_no_pattern(tmp_path):
    write_image(tmp_path / "clip [1]" / "0.png", frame())
    assert shown(open_frames(tmp_path / "clip [1]")) == ["0"]


def test_a_single_image(tmp_path):
    write_image(tmp_path / "photo.png", frame())
    source = open_frames(tmp_path / "photo.png")
    assert (source.count, shown(source)) == (1, ["photo"])


def test_a_corrupt_frame_is_named_when_its_turn_comes(tmp_path):
    for number in range(3):
        write_image(tmp_path / f"{number}.jpg", busy_frame(number))
    middle = tmp_path / "1.jpg"
    middle.write_bytes(middle.read_bytes()[:900])
    frames = iter(open_frames(tmp_path))
    assert next(frames)[0] == "0"
    with pytest.raises(DataError, match=r"1\.jpg.*truncated or corrupt"):
        next(frames)


def test_frames_of_different_sizes(tmp_path):
    write_image(tmp_path / "0.png", frame(48, 64))
    write_image(tmp_path / "1.png", frame(64, 48))
    with pytest.raises(DataError, match=r"1\.png is 64×48, .* first frame is 48×64 "):
        list(open_frames(tmp_path))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.webp", {"duration": [100, 300, 200], "lossless": True}),
        ("a.png", {"duration": [100, 300, 200]}),
        ("a.gif", {"duration": [100, 300, 200]}),
        ("a.avif", {"duration": [100, 300, 200]}),
        ("a.tif", {}),
    ],
)
def test_animations_and_pages(tmp_path, name, options):
    if name == "a.avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    first, *more = (Image.fromarray(frame(shift=shift)) for shift in range(0, 9, 3))
    first.save(tmp_path / name, save_all=True, append_images=more, **options)
    source = open_frames(tmp_path / name)
    frames = dict(source)
    assert (list(frames), source.size) == (["00000", "00001", "00002"], (48, 64))
    reader = FrameReader(source)
    reader.count_frames()
    for number, image in enumerate(frames.values()):
        assert np.abs(image.astype(int) - frame(shift=3 * number)).mean() < 12
        assert np.array_equal(reader.read(number), image)
    reader.close()
    shown_at = [0, 0.1, 0.4, 0.6] if options else []
    assert [float(time) for time in source.times.values()] == pytest.approx(shown_at, abs=0.001)


def test_a_picture_without_a_duration_is_shown_as_long_as_the_one_before(tmp_path):
    first, *more = (Image.fromarray(frame(shift=shift)) for shift in range(0, 9, 3))
    first.save(tmp_path / "a.png", save_all=True, append_images=more, duration=[100, 0, 200])
    source = open_frames(tmp_path / "a.png")
    assert len(list(source)) == 3
    assert [float(time) for time in source.times.values()] == pytest.approx([0, 0.1, 0.2, 0.4])


def test_which_frame_a_number_means(tmp_path):
    for number in (1, 5, 9):
        write_image(tmp_path / f"img_{number:05d}.png", frame())
    source = open_frames(tmp_path)
    assert [position_of(source, number) for number in (1, 5, 9)] == [0, 1, 2]
    with pytest.raises(DataError, match=r"no frame 0: .*1…9"):
        position_of(source, 0)
    assert position_of(open_frames(str(tmp_path / "img_00001.png")), 1) == 0
    for number, path in enumerate(sorted(tmp_path.iterdir())):
        path.rename(tmp_path / f"{'abc'[number]}7.png")
    assert position_of(open_frames(tmp_path), 2) == 2


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match=r"No video .*film\.mp4: expected a folder of images"):
        open_frames(tmp_path / "film.mp4")
    with pytest.raises(DataError, match="No frames in"):
        open_frames(tmp_path)


# --- video files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [25, 23.976, Fraction(30000, 1001)])
def test_a_video_comes_back(tmp_path, rate):
    path = written(tmp_path / "v.mp4", (frame(shift=n) for n in range(12)), rate)
    source = open_frames(path)
    assert (source.size, source.count) == ((48, 64), 12)
    assert float(source.frame_rate) == pytest.approx(float(rate), abs=1e-4)
    frames = list(source)
    assert [name for name, _ in frames] == [f"{n:05d}" for n in range(12)]
    for number, (_, image) in enumerate(frames):
        assert image.dtype == np.uint8
        assert image.flags.c_contiguous
        assert np.abs(image.astype(int) - frame(shift=number)).mean() < 4


def test_colours_survive_in_every_player(tmp_path):
    path = written(tmp_path / "v.mp4", [frame()] * 3, crf=1)
    _, ours = next(iter(open_frames(path)))
    _, theirs = cv2.VideoCapture(str(path)).read()
    for image in (ours, theirs[..., ::-1]):
        assert np.abs(image[30, 8].astype(int) - SIDE_BY_SIDE[0]).max() <= 4
        assert np.abs(image[30, 56].astype(int) - SIDE_BY_SIDE[1]).max() <= 4
    with av.open(str(path)) as container:
        picture = next(container.decode(video=0))
        assert (int(picture.colorspace), picture.format.name) == (1, "yuv420p")  # 1: BT.709
        assert container.streams.video[0].codec_context.name == "h264"


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (33, 48), (47, 65)])
def test_odd_sides_are_padded_by_a_pixel(tmp_path, size):
    path = written(tmp_path / "v.mp4", [np.full((*size, 3), 120, np.uint8)] * 2, crf=1)
    _, image = next(iter(open_frames(path)))
    assert image.shape == (size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
    assert np.abs(image.astype(int) - 120).max() <= 4  # the padding repeats the border


@pytest.mark.parametrize("start", [0, 7])
def test_frames_are_shown_as_long_as_was_asked(tmp_path, start):
    times = [Fraction(t, 100) for t in (0, 10, 25, 130, 131, 500)]
    with VideoWriter(tmp_path / "v.mp4", frame_rate=25) as writer:
        for shift, time in enumerate(times):
            writer.write(frame(shift=shift), start + time)
        writer.end = start + Fraction(9)
    source = open_frames(tmp_path / "v.mp4")
    shown(source)
    assert np.array(list(source.times.values()), float) == pytest.approx(
        np.array([*times, 9], float), abs=0.001
    )


def test_crf_sets_the_quality(tmp_path):
    frames = [busy_frame(n) for n in range(5)]
    sizes = [written(tmp_path / f"{q}.mp4", frames, crf=q).stat().st_size for q in (10, 40)]
    assert sizes[0] > 2 * sizes[1]


ORIENTATIONS = {  # a, b, c, d of the display matrix, and what a player shows
    "clockwise": ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    "upside down": ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
    "anticlockwise": ((0, -1, 1, 0), lambda image: np.rot90(image)),
    "as stored": ((1, 0, 0, 1), lambda image: image),
    "mirrored": ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
    "mirrored upside down": ((1, 0, 0, -1), lambda image: image[::-1]),
    "transposed": ((0, 1, 1, 0), lambda image: image.swapaxes(0, 1)),
    "transposed the other way": ((0, -1, -1, 0), lambda image: np.rot90(image, 2).swapaxes(0, 1)),
    "of nothing": ((0, 0, 0, 0), lambda image: image),
    "scaled": ((0, 2, -2, 0), lambda image: np.rot90(image, -1)),
}


@pytest.mark.parametrize(("matrix", "as_shown"), ORIENTATIONS.values(), ids=ORIENTATIONS.keys())
def test_frames_are_turned_and_mirrored_as_players_show_them(tmp_path, matrix, as_shown):
    path = written(tmp_path / "v.mp4", [frame(48, 80)] * 2, crf=1)
    _, stored = next(iter(open_frames(path)))
    data = path.read_bytes()
    identity = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    position = data.index(identity, data.index(b"tkhd"))
    a, b, c, d = (value << 16 for value in matrix)
    turned = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data[:position] + turned + data[position + 36 :])
    source = open_frames(path)
    _, image = next(iter(source))
    assert source.size == image.shape[:2]
    assert np.array_equal(image, as_shown(stored))
    assert np.array_equal(random_access_to_first(source), image)


def random_access_to_first(source):
    reader = FrameReader(source)
    reader.count_frames()
    image = reader.read(0)
    reader.close()
    return image


def test_a_slanted_display_matrix(tmp_path):
    """FFmpeg turns the picture within its own size."""
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.set_display_rotation(-30)
        image = np.zeros((64, 64, 3), np.uint8)
        image[28:36, 8:56] = 255  # a bar
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    _, shown_image = next(iter(open_frames(path)))
    rows, columns = np.nonzero(shown_image[..., 0] > 128)
    slope = np.polyfit(columns, rows, 1)[0]
    assert np.degrees(np.arctan(slope)) == pytest.approx(30, abs=2)


def test_pixels_that_are_not_square(tmp_path):
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(frame(), format="rgb24")))
        container.mux(stream.encode(None))
    with pytest.warns(UserWarning, match=r"v\.mp4 are not square \(4:3\)"):
        assert open_frames(path).size == (48, 64)


def test_memory_does_not_grow_with_the_video(tmp_path):
    """40 frames of 240×320 are 9 MiB; a source that kept them would show it."""
    written(tmp_path / "v.mp4", (frame(240, 320, n) for n in range(40)))
    write_image(tmp_path / "frames" / "0.jpg", frame(240, 320))
    for number in range(1, 40):
        os.link(tmp_path / "frames" / "0.jpg", tmp_path / "frames" / f"{number}.jpg")
    for name in ("v.mp4", "frames"):
        source = open_frames(tmp_path / name)
        tracemalloc.start()
        count = sum(1 for _ in source)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert count == 40
        assert peak < 8 * 240 * 320 * 3


# --- damage ---------------------------------------------------------------------------------------

CONTAINERS = {
    "mp4": ("v.mp4", "h264", {}),
    "mp4, index first": ("v.mp4", "h264", {"options": {"movflags": "faststart"}}),
    "mkv": ("v.mkv", "h264", {}),
    "avi": ("v.avi", "mpeg4", {}),
    "ts": ("v.ts", "h264", {}),
    "webm": ("v.webm", "libvpx", {}),
}


def came_with_a_word(path: Path, *words: str) -> int:
    """Frames of a damaged file, whose damage a warning tells."""
    with pytest.warns(UserWarning, match=re.escape(path.name)) as told:
        number = len(shown(open_frames(path)))
    (message,) = (str(w.message) for w in told if path.name in str(w.message))
    for word in (*words, f"The {number} frame"):
        assert word in message
    return number


@pytest.mark.parametrize(("name", "codec", "options"), CONTAINERS.values(), ids=CONTAINERS.keys())
def test_truncated_videos(tmp_path, name, codec, options):
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {codec}")
    path = encoded(tmp_path / name, codec, 40, **options)
    assert len(shown(open_frames(path))) == 40
    data = path.read_bytes()
    for share in (0.3,) if name == "v.ts" else (0.3, 0.95):  # nothing tells how long those are
        path.write_bytes(data[: int(share * len(data)) // 188 * 188 - 90])
        if name == "v.mp4" and not options:  # what tells where the frames are is at the end
            with pytest.raises(DataError, match="Cannot open"):
                open_frames(path)
        else:
            assert 0 < came_with_a_word(path) < 40


def test_a_copy_that_broke_off_between_two_frames(tmp_path):
    """FFmpeg reads it without any complaint."""
    path = encoded(tmp_path / "v.mp4", "h264", 40, options={"movflags": "faststart", "bf": "0"})
    with av.open(str(path)) as container:
        positions = [packet.pos for packet in container.demux(video=0) if packet.pos]
    data = path.read_bytes()
    for left in (20, 39):
        path.write_bytes(data[: positions[left]])
        missing = "1 frame of" if left == 39 else f"{40 - left} frames of"
        assert came_with_a_word(path, f"ends before {missing}") == left


@pytest.mark.parametrize(("name", "codec"), [("v.mp4", "h264"), ("v.avi", "mpeg4")])
def test_corrupt_videos(tmp_path, name, codec):
    path = encoded(tmp_path / name, codec, 40)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 9000] = bytes(9000)
    path.write_bytes(data)
    assert 30 < came_with_a_word(path, "is damaged") <= 40


def test_damage_near_the_end_does_not_depend_on_threads(tmp_path):
    """Decoders that work on several frames at once lose sound frames around a damaged one."""
    options = {"g": "10", "bf": "2", "crf": "12"}
    path = timed(tmp_path / "v.mp4", range(40), options=options)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        damaged = [packet for packet in container.demux(video=0) if packet.size][-3]
    data[damaged.pos + 8 : damaged.pos + damaged.size] = bytes(damaged.size - 8)
    path.write_bytes(data)
    source = open_frames(path)
    with pytest.warns(UserWarning, match="1 frame could not be decoded.*The 39 frames"):
        assert len(shown(source)) == 39
    reader = FrameReader(source)
    with pytest.raises(DataError, match="1 frame could not be decoded"):
        reader.count_frames()
    assert reader.known == 39
    assert reader.read(38).shape == (64, 96, 3)
    reader.close()


def test_frames_that_a_tag_announces_and_that_are_not_there(tmp_path):
    path = timed(tmp_path / "v.mkv", range(40))
    data = path.read_bytes()
    assert data.count(b"00:00:01.600000000") == 1
    path.write_bytes(data.replace(b"00:00:01.600000000", b"00:00:03.600000000"))
    assert came_with_a_word(path, "may lack frames", "1.60 of the 3.60 s", "about 50") == 40


@pytest.mark.parametrize("name", ["v.ts", "v.h264", "v.mkv", "v.mpg"])
def test_videos_that_were_joined(tmp_path, name, recwarn):
    """As `cat` does; the times begin anew, and counters of the container jump."""
    codec = "mpeg2video" if name == "v.mpg" else "h264"
    path = timed(tmp_path / name, range(20), codec)
    path.write_bytes(path.read_bytes() * 2)
    source = open_frames(path)
    assert len(shown(source)) == 40
    assert not recwarn.list
    times = [source.times[number] for number in range(41)]
    assert np.diff(np.array(times, float)) == pytest.approx([1 / 25] * 40, abs=0.002)


@pytest.mark.parametrize(("name", "codec"), [("v.mkv", "h264"), ("v.webm", "libvpx")])
def test_frames_that_ffmpeg_skips_without_a_word(tmp_path, name, codec):
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {codec}")
    # FFmpeg goes on with the next cluster: so that there is one, each is 0.4 s here.
    # Without random identifiers, the same bytes are damaged each time.
    options = {"cluster_time_limit": "400", "fflags": "bitexact"}
    path = encoded(tmp_path / name, codec, 40, options=options)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 6000] = busy_frame(99).tobytes()[:6000]
    path.write_bytes(data)
    with av.open(str(path)) as container:
        times = [picture.time for picture in container.decode(video=0)]
    behind = int(np.diff(times).argmax()) + 1
    assert len(times) < 40  # this is what makes the test one
    words = (f"before frame {behind}", f"{40 - len(times)} missing")
    assert came_with_a_word(path, *words) == len(times)


def timed(path: Path, ticks, codec="h264", pixels="yuv420p", *, rate=25, options=None) -> Path:
    """A video whose frames are shown at multiples of 1/rate s, with transparency if it has any."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or FAST.get(codec, {}))
        stream.width, stream.height, stream.pix_fmt = 96, 64, pixels
        for tick in ticks:
            image = busy_frame(tick)
            picture = av.VideoFrame.from_ndarray(np.dstack([image, image[..., 0]]), format="rgba")
            picture.pts, picture.time_base = tick, Fraction(1, rate)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", ["v.mkv", "v.mp4"])
def test_a_long_pause_is_a_warning(tmp_path, name):
    path = timed(tmp_path / name, [*range(20), *range(26, 40)])
    message = r"no frame between 0\.76 and 1\.04 s, before frame 20 \(about 6 missing\)"
    with pytest.warns(UserWarning, match=message):
        assert len(shown(open_frames(path))) == 34


@pytest.mark.parametrize("name", ["v.mkv", "v.mp4"])
def test_a_variable_frame_rate_is_none_of_our_business(tmp_path, name, recwarn):
    ticks = np.cumsum(np.random.default_rng(1).integers(1, 9, 40)).tolist()
    assert len(shown(open_frames(timed(tmp_path / name, ticks)))) == 40
    assert not recwarn.list


def test_recorders_that_do_not_know_their_rate(tmp_path):
    """Browsers write times in milliseconds and claim 1000 frames a second."""
    ticks = np.cumsum([0, *np.random.default_rng(1).choice([16, 17, 33, 34, 50], 59)]).tolist()
    source = open_frames(timed(tmp_path / "v.webm", ticks, "libvpx", rate=1000))
    assert 20 < source.frame_rate < 40
    shown(source)
    assert [source.times[n] for n in range(60)] == [Fraction(tick, 1000) for tick in ticks]
    assert 0 < source.times[60] - source.times[59] <= Fraction(50, 1000)


def test_the_stream_that_players_show(tmp_path):
    """Not the first, nor a cover, but the default one."""
    with av.open(str(tmp_path / "v.mkv"), "w") as container:
        small, large = (container.add_stream("libx264", rate=25) for _ in range(2))
        for stream, side, default in ((small, 32, 0), (large, 64, 1)):
            stream.width = stream.height = side
            stream.pix_fmt = "yuv420p"
            stream.disposition = av.stream.Disposition(default)
        for stream in (small, large):
            image = np.zeros((stream.height, stream.width, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode(None))
    assert open_frames(tmp_path / "v.mkv").size == (64, 64)


def test_a_cover_is_no_video(tmp_path):
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        cover = container.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        image = np.zeros((32, 32, 3), np.uint8)
        container.mux(cover.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
    with pytest.raises(DataError, match=r"has no video.*a picture"):
        open_frames(path)


def test_a_colon_in_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = written(Path("12:30.mp4"), [frame()] * 3)
    assert len(shown(open_frames(path))) == 3


def test_what_is_no_video(tmp_path):
    (tmp_path / "text.mp4").write_text("not a video")
    (tmp_path / "empty.mp4").write_bytes(b"")
    for name, size in (("text.mp4", 11), ("empty.mp4", 0)):
        with pytest.raises(DataError, match=rf"{name} \({size} bytes\).*it is none, or damaged"):
            open_frames(tmp_path / name)


def test_sound_without_frames(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        silence = np.zeros((1, 1024), np.float32)
        sound = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        sound.rate = 44100
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(DataError, match=r"sound\.mp4 has no video.*\['audio'\]"):
        open_frames(path)


def test_pyav_without_an_encoder(tmp_path, monkeypatch):
    without = video_writer._OPAQUE._replace(encoder="libx264-left-out")
    monkeypatch.setattr(video_writer, "_OPAQUE", without)
    with pytest.raises(RANetError, match=r"libx264-left-out, which this build of PyAV .* lacks"):
        VideoWriter(tmp_path / "v.mp4", frame_rate=25)


# --- writing --------------------------------------------------------------------------------------


def test_a_file_too_large_leaves_nothing(tmp_path):
    """The operating system refuses in the middle of writing, in FFmpeg's own code."""
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"v\.mp4: File too large"):
            written(tmp_path / "v.mp4", map(busy_frame, range(60)), crf=10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert os.listdir(tmp_path) == []


def test_where_no_video_can_be_written(tmp_path):
    with pytest.raises(OutputError, match=r"written as \.mp4.*'\.avi'"):
        VideoWriter(tmp_path / "v.avi", frame_rate=25)
    with pytest.raises(OutputError, match="a frame or more"):
        written(tmp_path / "v.mp4", [])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
)
def test_what_is_no_frame(tmp_path, image):
    with pytest.raises(ValueError, match="H×W×3 uint8"):
        written(tmp_path / "v.mp4", [image])


def test_frames_of_two_sizes_are_not_written(tmp_path):
    with pytest.raises(ValueError, match=r"first frame is 48×64, this one 64×48"):
        written(tmp_path / "v.mp4", [frame(48, 64), frame(64, 48)])
    assert os.listdir(tmp_path) == []


# --- real data ------------------------------------------------------------------------------------


def test_real_frames(shared_data):
    source = open_frames(shared_data / "DAVIS" / "JPEGImages" / "480p" / "motocross-jump")
    assert (source.size, source.count) == ((480, 854), 40)
    names = shown(source)
    assert (names[0], names[-1]) == ("00000", "00039")
