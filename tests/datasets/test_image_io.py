import errno
import io
import os
import warnings
from pathlib import Path

import cv2
import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageDraw, ImageFilter, ImageOps, features

from ranet.datasets.image_io import (
    image_size,
    label_reader,
    picture_count,
    read_binary_mask,
    read_image,
    read_labels,
    read_marks,
    read_pictures,
    read_saliency,
    write_image,
    write_labels,
)
from ranet.errors import DataError, OutputError
from ranet.palette import PALETTE

IDS = np.kron(np.array([[0, 1, 2], [3, 0, 255]], np.uint8), np.ones((4, 5), np.uint8))
BINARY = np.kron(np.array([[0, 1, 0], [1, 1, 0]], np.uint8), np.ones((4, 5), np.uint8))


def saved(path: Path, pixels: np.ndarray | Image.Image, mode: str | None = None, **options) -> Path:
    """``pixels`` as the file ``path``, of Pillow's mode ``mode``, without any conversion of ids."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    if mode == "P":
        image = image.copy()
        image.putpalette(PALETTE.tobytes())
    elif mode is not None:
        image = image.convert(mode)
    image.save(path, **options)
    with Image.open(path) as stored:
        assert mode is None or stored.mode == mode
    return path


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (height, width, channels), dtype=np.uint8)


def with_alpha(pixels: np.ndarray, alpha: np.ndarray | int = 255) -> np.ndarray:
    """``pixels`` with a transparency; the same everywhere, it must not matter."""
    return np.dstack([pixels, np.broadcast_to(np.uint8(alpha), pixels.shape[:2])])


def rgb(grey: np.ndarray) -> np.ndarray:
    return np.dstack([grey] * 3)


# --- masks as ids ---------------------------------------------------------------------------------


def test_indexed_masks_keep_their_indices(tmp_path):
    assert np.array_equal(read_labels(saved(tmp_path / "m.png", IDS, "P")), IDS)


def test_indexed_masks_of_the_davis_palette_hold_void_where_it_is_255(tmp_path):
    path = saved(tmp_path / "m.png", BINARY * 255, "P")
    assert np.array_equal(read_labels(path), BINARY * 255)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_indexed_masks_of_few_bits(tmp_path, bits):
    labels = np.arange(2**bits, dtype=np.uint8).repeat(5)[None].repeat(3, axis=0)
    path = saved(tmp_path / "m.png", labels, "P", bits=bits)
    assert np.array_equal(read_labels(path), labels)


@pytest.mark.parametrize(
    "stored",
    [
        BINARY * 255,
        with_alpha(BINARY * 255),
        rgb(BINARY * 255),
        with_alpha(rgb(BINARY * 255)),
        BINARY.astype(np.uint16) * 65535,
        BINARY.astype(np.uint16) * 255,
    ],
    ids=["L", "LA", "RGB", "RGBA", "I;16", "I;16 of 8 bits"],
)
def test_black_and_white_is_0_and_1(tmp_path, stored):
    labels = read_labels(saved(tmp_path / "m.png", stored))
    assert labels.dtype == np.uint8
    assert np.array_equal(labels, BINARY)


@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_mask_of_one_colour(tmp_path, mode, value):
    path = saved(tmp_path / "m.png", np.full((3, 4), value, np.uint8), mode)
    assert np.array_equal(read_labels(path), np.full((3, 4), value // 255))


@pytest.mark.parametrize(
    "stored",
    [IDS, with_alpha(IDS), rgb(IDS), with_alpha(rgb(IDS)), IDS.astype(np.uint16)],
    ids=["L", "LA", "RGB", "RGBA", "I;16"],
)
def test_grey_values_are_ids_and_255_is_void(tmp_path, stored):
    assert np.array_equal(read_labels(saved(tmp_path / "m.png", stored)), IDS)


@pytest.mark.parametrize("alpha", [False, True])
def test_palette_colours_are_ids(tmp_path, alpha):
    """However small the areas: colours of the palette do not come from smoothing."""
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    colours = PALETTE[labels]
    path = saved(tmp_path / "m.png", with_alpha(colours) if alpha else colours)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(read_labels(path), labels)


def test_the_palette_goes_before_grey_values(tmp_path):
    labels = np.zeros((4, 4), np.uint8)
    labels[1:3, 1:3] = 7  # (128, 128, 128)
    assert np.array_equal(read_labels(saved(tmp_path / "m.png", PALETTE[labels])), labels)


@pytest.mark.parametrize(
    ("stored", "value", "read", "message"),
    [
        (PALETTE[BINARY], (12, 34, 56), read_labels, r"row 5, column 2 is \(12, 34, 56\)"),
        (IDS.astype(np.uint16), 300, read_labels, "row 5, column 2 is 300"),
        (rgb(BINARY * 255), "CMYK", read_labels, "CMYK"),
        (rgb(BINARY * 255), "CMYK", read_binary_mask, "CMYK"),
        (IDS.astype(np.uint16), 300, read_saliency, "I;16"),
    ],
)
def test_what_is_no_mask_is_told_with_its_place(tmp_path, stored, value, read, message):
    stored = stored.copy()
    if value == "CMYK":
        path = saved(tmp_path / "m.tif", stored, value)
    else:
        stored[5, 2] = value
        path = saved(tmp_path / "m.png", stored)
    with pytest.raises(DataError, match=rf"{path.name} is no mask.*{message}"):
        read(path)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (854, 480)])
@pytest.mark.parametrize("mode", ["P", "L", "RGB", "1"])
def test_masks_of_any_size(tmp_path, mode, shape):
    labels = np.zeros(shape, np.uint8)
    labels[: shape[0] // 2 + 1, : shape[1] // 2 + 1] = 1
    path = saved(
        tmp_path / "m.png", labels if mode == "P" else labels * 255, mode, compress_level=1
    )
    found = read_labels(path)
    assert np.array_equal(found, labels)
    assert image_size(path) == shape
    found[0, 0] = 9  # raises if the array is read-only


# --- palettes, transparency, orientation ----------------------------------------------------------

WHITE, DARK_RED, GREEN, BLUE = (255, 255, 255), (128, 0, 0), (0, 128, 0), (31, 119, 180)
BLACK, OLIVE, NAVY, ORANGE = (0, 0, 0), (128, 128, 0), (0, 0, 128), (255, 127, 14)
TWO = np.kron(np.array([[0, 1, 0], [2, 2, 0]], np.uint8), np.ones((4, 5), np.uint8))


def indexed(path: Path, indices: np.ndarray, *colours: tuple[int, int, int], **options) -> Path:
    image = Image.fromarray(indices.astype(np.uint8))
    image.putpalette([value for colour in colours for value in colour])
    image.save(path, **options)
    return path


@pytest.mark.parametrize(
    ("indices", "colours", "expected"),
    [
        (1 - BINARY, [WHITE, BLACK], BINARY),
        (BINARY, [BLACK, WHITE], BINARY),
        (TWO, [BLACK, GREEN, DARK_RED], np.array([0, 2, 1])[TWO]),
        (2 - TWO, [GREEN, DARK_RED, BLACK], TWO),
        (BINARY, [BLACK, GREEN], BINARY * 2),  # of object 2 alone, with what else there was cut off
        (BINARY * 9, list(map(tuple, np.where(PALETTE == 192, 191, PALETTE))), BINARY * 9),
        (BINARY * 255, [*map(tuple, PALETTE[:22]), *((i,) * 3 for i in range(22, 256))], None),
        (BINARY * 3, list(map(tuple, PALETTE[:, ::-1])), BINARY * 3),  # the colours are BGR
        (TWO, [WHITE, BLUE, ORANGE], TWO),  # one's own colours
        (BINARY * 0, [WHITE, BLUE, ORANGE], BINARY * 0),  # and a frame without objects
        (BINARY * 2, [BLACK, BLUE, WHITE], BINARY * 2),  # and one in which no other is left
        (BINARY * 2, [BLACK, BLUE, OLIVE], BINARY * 2),
        (BINARY * 255, [(i,) * 3 for i in range(256)], BINARY),  # a grey file made indexed
    ],
)
def test_the_colours_of_a_palette_decide_where_they_are_known(tmp_path, indices, colours, expected):
    expected = indices if expected is None else expected
    path = indexed(tmp_path / "m.png", indices, *colours)
    with warnings.catch_warnings(action="error"):
        assert np.array_equal(read_labels(path), expected)


@pytest.mark.parametrize(
    ("indices", "colours"),
    [
        (2 - TWO, [BLUE, ORANGE, BLACK]),  # the background is an object
        (1 - BINARY, [WHITE, BLACK, BLUE]),  # reordered, or a black object before white
        (TWO, [BLACK, GREEN, DARK_RED, BLUE]),
        (np.minimum(IDS, 3), [BLACK, GREEN, WHITE, DARK_RED]),
    ],
)
def test_palettes_that_can_be_understood_in_two_ways_are_refused(tmp_path, indices, colours):
    with pytest.raises(DataError, match="palette"):
        read_labels(indexed(tmp_path / "m.png", indices, *colours))


@pytest.mark.parametrize("save", [
    lambda image, path: image.quantize(8).save(path.with_suffix(".png")),
    lambda image, path: image.convert("P", palette=1).save(path.with_suffix(".png")),  # adaptive
    lambda image, path: image.save(path.with_suffix(".gif")),
])  # fmt: skip
def test_what_tools_make_of_masks(tmp_path, save):
    save(Image.fromarray(rgb(BINARY * 255)), tmp_path / "white")
    save(Image.fromarray(PALETTE[TWO]), tmp_path / "davis")
    for path in tmp_path.iterdir():
        expected = BINARY if path.stem == "white" else TWO
        assert np.array_equal(read_labels(path), expected)
        assert np.array_equal(read_binary_mask(path), expected != 0)


def test_a_quantised_mask_with_soft_edges(tmp_path):
    grey = SMOOTHED["blurred"]()
    path = saved(tmp_path / "m.png", grey.convert("RGB").quantize(16))
    with pytest.warns(UserWarning, match="soft"):
        found = read_labels(path)
    assert np.count_nonzero(found != (np.array(grey) >= 128)) < 30


@pytest.mark.parametrize("read", [read_labels, read_binary_mask, read_saliency])
@pytest.mark.parametrize("colour", [WHITE, BLACK, BLUE], ids=str)
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_a_shape_in_the_transparency(tmp_path, read, colour, mode):
    pixels = with_alpha(np.full((*BINARY.shape, 3), colour, np.uint8), BINARY * 255)
    image = Image.fromarray(pixels)
    image = image.quantize(4) if mode == "P" else image.convert(mode)
    path = saved(tmp_path / "m.png", image)
    if mode == "P" and colour == BLUE:
        return  # a palette of one's own; its background has index 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert np.array_equal(read(path), BINARY)
    assert mode == "P" or "transparency" in str(caught[0].message)


def test_ids_on_a_transparent_ground(tmp_path):
    """White lies under what is transparent, as paint programs have it."""
    colours = np.where((TWO > 0)[..., None], PALETTE[TWO], 255).astype(np.uint8)
    path = saved(tmp_path / "m.png", with_alpha(colours, (TWO > 0) * 255))
    assert np.array_equal(read_labels(path), TWO)


def test_a_photograph_that_was_cut_out(tmp_path):
    shape = np.array(ellipse())
    path = saved(tmp_path / "m.png", with_alpha(noise(*shape.shape), shape))
    with pytest.warns(UserWarning, match="transparency"):
        assert np.array_equal(read_labels(path), shape > 0)
    path = saved(
        tmp_path / "n.png", with_alpha((rgb(shape) > 0) * np.uint8(BLUE), shape // 2 + 128)
    )
    with pytest.raises(DataError, match="DAVIS palette"):
        read_labels(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_masks_are_turned_as_their_images(tmp_path, suffix):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    stored = Image.new("L", (24, 16))
    stored.paste(255, (0, 0, 8, 8))
    path = saved(tmp_path / f"m{suffix}", stored, exif=exif)
    for read in (read_labels, read_binary_mask, read_saliency):
        labels = read(path)
        assert labels.shape == (24, 16)
        assert labels[:8, 8:].all()
        assert labels.sum() == 64
    with pytest.raises(DataError, match="orientation"):
        read_labels(saved(tmp_path / "m.tif", stored, exif=exif))


@pytest.mark.parametrize("make", [
    lambda ids: Image.fromarray(PALETTE[ids][..., ::-1]),
    lambda ids: Image.fromarray(PALETTE[ids][..., ::-1]).quantize(4),
])  # fmt: skip
def test_davis_colours_in_bgr_mark_nothing(tmp_path, make):
    path = saved(tmp_path / "m.png", make(TWO))
    with pytest.raises(DataError, match="BGR"):
        read_marks(path)
    assert np.array_equal(read_labels(path), np.array([0, 4, 2])[TWO])  # a later frame may


def test_marks_have_no_void(tmp_path):
    assert np.array_equal(
        read_marks(saved(tmp_path / "m.png", IDS, "P")), np.where(IDS == 255, 0, IDS)
    )


# --- masks of DAVIS 2016 --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stored",
    [
        (IDS, "P"),
        (IDS, "L"),
        (IDS != 0, "1"),
        (with_alpha(IDS), "LA"),
        (PALETTE[IDS], "RGB"),
        (with_alpha(PALETTE[IDS]), "RGBA"),
        (IDS.astype(np.uint16) * 257, None),
    ],
    ids=["P", "L", "1", "LA", "RGB", "RGBA", "I;16"],
)
def test_every_colour_but_black_is_the_object(tmp_path, stored):
    mask = read_binary_mask(saved(tmp_path / "m.png", *stored))
    assert mask.dtype == bool
    assert np.array_equal(mask, IDS != 0)


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_a_colour_in_one_channel_is_the_object(tmp_path, channel):
    colours = np.zeros((6, 6, 3), np.uint8)
    colours[2:4, 2:4, channel] = 1
    mask = read_binary_mask(saved(tmp_path / "m.png", colours))
    assert mask.sum() == 4
    assert mask[2:4, 2:4].all()


# --- smoothed masks -------------------------------------------------------------------------------


def ellipse(size: tuple[int, int] = (60, 90)) -> Image.Image:
    image = Image.new("L", size[::-1])
    ImageDraw.Draw(image).ellipse((20, 10, 70, 50), fill=255)
    return image


def as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


SMOOTHED = {
    "turned": lambda: ellipse().rotate(13, resample=Image.Resampling.BICUBIC),
    "reduced": lambda: ellipse().resize((45, 30), Image.Resampling.BILINEAR),
    "enlarged": lambda: ellipse().resize((180, 120), Image.Resampling.BICUBIC),
    "blurred": lambda: ellipse().filter(ImageFilter.GaussianBlur(2)),
    "jpeg": lambda: as_jpeg(ellipse(), 75),
    "good jpeg": lambda: as_jpeg(ellipse(), 95),
}


@pytest.mark.parametrize("make", SMOOTHED.values(), ids=SMOOTHED.keys())
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_smoothed_masks_of_an_object_are_reported(tmp_path, mode, make):
    path = saved(tmp_path / "m.png", make().convert("L"), mode)
    with pytest.warns(UserWarning, match=r"m\.png looks smoothed: \d+ of its \d+ ids"):
        read_binary_mask(path)


@pytest.mark.parametrize("kind", SMOOTHED)
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_soft_black_and_white_is_parted_at_half_white(tmp_path, mode, kind):
    grey = SMOOTHED[kind]().convert("L")
    with pytest.warns(UserWarning, match=r"m\.png looks black and white with soft edges"):
        labels = read_labels(saved(tmp_path / "m.png", grey.convert(mode)))
    assert np.array_equal(labels, np.array(grey) >= 128)


def test_a_jpeg_holds_no_ids(tmp_path):
    path = saved(tmp_path / "m.jpg", ellipse(), quality=60)
    with pytest.warns(UserWarning, match="soft edges"):
        assert np.array_equal(read_labels(path), np.array(ellipse()) >= 128)


@pytest.mark.parametrize("greys", [[127], [127, 90, 40], [254], [1, 3]], ids=str)
def test_stray_greys_do_not_make_void_of_white(tmp_path, greys):
    pixels = np.array(ellipse())
    pixels[25, 30 : 30 + 2 * len(greys) : 2] = greys
    with pytest.warns(UserWarning, match="black and white"):
        labels = read_labels(saved(tmp_path / "m.png", pixels))
    assert np.array_equal(labels, pixels >= 128)


@pytest.mark.parametrize("levels", [[127, 255], [128, 255], [85, 170, 255], [20, 255]], ids=str)
@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_white_beside_areas_of_grey_is_refused(tmp_path, levels, mode):
    pixels = np.kron(np.array([[0, *levels]], np.uint8), np.ones((4, 4), np.uint8))
    path = tmp_path / "m.png"
    Image.fromarray(pixels).convert(mode).save(path)  # P: a palette of greys
    with pytest.raises(DataError, match="white"):
        read_labels(path)


def test_smoothed_ids_in_void_are_refused(tmp_path):
    small = Image.fromarray(IDS).resize((30, 16), Image.Resampling.BILINEAR)
    with pytest.raises(DataError, match="smoothing"):
        read_labels(saved(tmp_path / "m.png", small))


def ids_in_void(*sides: int) -> np.ndarray:
    """Squares with these sides in a large void, with ids from 1 on."""
    labels = np.full((40, 8 * len(sides)), 255, np.uint8)
    for number, side in enumerate(sides):
        labels[:side, 8 * number : 8 * number + side] = number + 1
    labels[30:] = 0
    return labels


@pytest.mark.parametrize("sides", [[2] * 15, [1] * 5 + [2] * 10], ids=str)
def test_small_objects_in_a_large_void_are_ids(tmp_path, sides):
    labels = ids_in_void(*sides)
    with warnings.catch_warnings(action="ignore"):
        assert np.array_equal(read_labels(saved(tmp_path / "m.png", labels, "L")), labels)


def test_sharp_masks_are_not_reported(tmp_path):
    many = np.kron(np.arange(1, 255, dtype=np.uint8).reshape(2, 127), np.ones((2, 2), np.uint8))
    one_tiny_object = IDS.copy()
    one_tiny_object[0, 0] = 9
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for labels in (IDS, many, one_tiny_object, np.eye(9, dtype=np.uint8)):
            assert np.array_equal(read_labels(saved(tmp_path / "m.png", labels, "L")), labels)
            read_binary_mask(saved(tmp_path / "m.png", labels, "L"))


def test_indexed_masks_of_the_davis_palette_are_never_reported(tmp_path):
    path = saved(tmp_path / "m.png", np.arange(256, dtype=np.uint8).reshape(16, 16), "P")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_labels(path)


# --- images ---------------------------------------------------------------------------------------


def test_images_of_8_bit_modes(tmp_path):
    pixels = noise(6, 9)
    grey = pixels[..., 0]
    cases = [
        (pixels, pixels),
        (np.dstack([pixels, noise(6, 9, 1, seed=1)]), pixels),
        (grey, rgb(grey)),
        (np.dstack([grey, pixels[..., 1]]), rgb(grey)),
        ((grey > 99) * np.uint8(255) > 0, rgb((grey > 99) * np.uint8(255))),
    ]
    for stored, expected in cases:
        image = read_image(saved(tmp_path / "i.png", stored))
        assert image.dtype == np.uint8
        assert np.array_equal(image, expected)


def test_indexed_images_show_their_colours(tmp_path):
    indices = noise(6, 9, 1)[..., 0]
    assert np.array_equal(read_image(saved(tmp_path / "i.png", indices, "P")), PALETTE[indices])


def test_16_bit_images_keep_their_upper_bits(tmp_path):
    grey = noise(6, 9, 1)[..., 0]
    deep = grey.astype(np.uint16) << 8 | 200
    assert np.array_equal(read_image(saved(tmp_path / "i.png", deep)), rgb(grey))
    colours = noise(6, 9)
    cv2.imwrite(str(tmp_path / "c.png"), colours[..., ::-1].astype(np.uint16) << 8 | 200)
    assert np.array_equal(read_image(tmp_path / "c.png"), colours)


def test_32_bit_images(tmp_path):
    deep = noise(4, 4, 1)[..., 0].astype(np.int32) * 256
    assert np.array_equal(read_image(saved(tmp_path / "i.tif", deep)), rgb(deep >> 8))
    path = saved(tmp_path / "i.tif", deep * 65536 // 2)
    with pytest.raises(DataError, match=r"i\.tif.*found 32"):
        read_image(path)
    path = saved(tmp_path / "i.tif", deep.astype(np.float32))
    with pytest.raises(DataError, match=r"i\.tif.*floating-point"):
        read_image(path)


def test_cmyk_jpegs(tmp_path):
    path = saved(tmp_path / "i.jpg", np.full((16, 16, 3), (200, 60, 10), np.uint8), "CMYK")
    assert np.abs(read_image(path).astype(int) - (200, 60, 10)).max() <= 3


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tif"])
def test_images_of_any_format(tmp_path, suffix):
    image = read_image(saved(tmp_path / f"i{suffix}", np.full((20, 30, 3), 99, np.uint8)))
    assert image.shape == (20, 30, 3)
    assert np.abs(image.astype(int) - 99).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_images_stand_upright(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = saved(tmp_path / f"i{suffix}", noise(6, 9), exif=exif)
    with Image.open(path) as image:
        expected = np.array(ImageOps.exif_transpose(image))
    assert np.array_equal(read_image(path), expected)
    assert image_size(path) == ((6, 9) if orientation < 5 else (9, 6))


def test_damaged_exif_is_reported_and_ignored(tmp_path):
    path = saved(tmp_path / "i.png", noise(6, 9), exif=b"Exif\0\0garbage!!")
    for read, expected in ((read_image, (6, 9, 3)), (image_size, None)):
        with pytest.warns(UserWarning, match=r"i\.png has damaged EXIF"):
            result = read(path)
        assert (result if expected is None else result.shape) == (expected or (6, 9))


def test_the_size_is_read_from_the_header_alone(tmp_path):
    for suffix in (".jpg", ".png"):
        path = saved(tmp_path / f"i{suffix}", noise(64, 90))
        path.write_bytes(path.read_bytes()[:700])
        assert image_size(path) == (64, 90)


# --- files that are no images ---------------------------------------------------------------------

READERS = [read_image, read_labels, read_binary_mask]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_truncated_files(tmp_path, read, suffix, share):
    path = saved(tmp_path / f"frame{suffix}", noise(100, 120, 1)[..., 0])
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=rf"frame\{suffix}.*truncated or corrupt"):
        read(path)


@pytest.mark.parametrize("read", READERS)
def test_corrupt_png(tmp_path, read):
    path = saved(tmp_path / "frame.png", noise(100, 120, 1)[..., 0])
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"frame\.png.*corrupt"):
        read(path)


@pytest.mark.parametrize("read", [*READERS, image_size])
def test_what_is_no_image(tmp_path, read):
    (tmp_path / "text.png").write_text("not an image")
    (tmp_path / "empty.png").write_bytes(b"")
    for name, message in {
        "text.png": "not an image",
        "empty.png": "0 bytes",
        "missing.png": "No such file",
        ".": "directory",
    }.items():
        with pytest.raises(DataError, match=message) as caught:
            read(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)


def test_unreadable_file(tmp_path, monkeypatch):
    path = saved(tmp_path / "frame.png", IDS)

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)  # tests may run as root, who may read everything
    with pytest.raises(DataError, match=r"frame\.png: Permission denied"):
        read_image(path)


def test_decompression_bomb(tmp_path, monkeypatch):
    path = saved(tmp_path / "frame.png", IDS)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(DataError, match=r"frame\.png"):
        read_image(path)


# --- writing --------------------------------------------------------------------------------------

label_maps = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(labels=label_maps)
def test_labels_come_back_exactly(tmp_path, labels):
    path = tmp_path / "labels.png"
    write_labels(path, labels)
    assert np.array_equal(read_labels(path), labels)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_images_come_back_exactly(tmp_path, data):
    shape = data.draw(st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3)))
    image = data.draw(hnp.arrays(np.uint8, shape))
    write_image(tmp_path / "image.png", image)
    assert np.array_equal(read_image(tmp_path / "image.png"), image)


def test_written_labels_are_indexed_with_the_davis_palette(tmp_path):
    path = tmp_path / "new" / "folder" / "labels.png"
    write_labels(path, IDS[:, ::-1])  # not contiguous
    with Image.open(path) as image:
        assert (image.format, image.mode) == ("PNG", "P")
        assert image.getpalette() == PALETTE.ravel().tolist()
    assert np.array_equal(read_image(path), PALETTE[IDS[:, ::-1]])


def test_transparent_images(tmp_path):
    pixels = noise(6, 9, 4)
    write_image(tmp_path / "i.png", pixels)
    with Image.open(tmp_path / "i.png") as image:
        assert image.mode == "RGBA"
        assert np.array_equal(np.array(image), pixels)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG"])
def test_jpegs(tmp_path, suffix):
    ramp = np.dstack(np.meshgrid(np.arange(64), np.arange(48), [90])).astype(np.uint8)[:, :, :3]
    sizes = []
    for quality in (95, 30):
        write_image(tmp_path / f"i{suffix}", ramp, jpeg_quality=quality)
        sizes.append((tmp_path / f"i{suffix}").stat().st_size)
        assert np.abs(read_image(tmp_path / f"i{suffix}").astype(int) - ramp).max() < 25
    assert sizes[0] > sizes[1]


def test_unknown_ending(tmp_path):
    with pytest.raises(OutputError, match=r"i\.gif"):
        write_image(tmp_path / "i.gif", noise(4, 4))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "labels",
    [np.zeros((3, 3), np.int64), np.zeros((3, 3, 1), np.uint8), np.zeros((0, 3), np.uint8)],
)
def test_what_is_no_label_map(tmp_path, labels):
    with pytest.raises(ValueError, match="H×W uint8"):
        write_labels(tmp_path / "m.png", labels)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("i.jpg", np.zeros((3, 3, 4), np.uint8)),
        ("i.png", np.zeros((3, 3, 3))),
        ("i.png", np.zeros((3, 3), np.uint8)),
    ],
)
def test_what_is_no_image_to_write(tmp_path, name, image):
    with pytest.raises(ValueError, match="uint8"):
        write_image(tmp_path / name, image)
    assert os.listdir(tmp_path) == []


# --- real files -----------------------------------------------------------------------------------


def test_real_masks(shared_data):
    folder = shared_data / "DAVIS" / "Annotations" / "480p" / "camel"
    labels = read_labels(folder / "00000.png")  # mode L, 0 and 255
    assert labels.shape == (480, 854)
    assert set(np.unique(labels)) == {0, 1}
    assert np.array_equal(labels != 0, read_binary_mask(folder / "00000.png"))
    dogs = shared_data / "DAVIS2017-240p" / "Annotations" / "240p" / "dogs-jump" / "00000.png"
    assert set(np.unique(read_labels(dogs))) == {0, 1, 2, 3}


def test_a_real_image_as_opencv_sees_it(shared_data):
    path = shared_data / "DAVIS" / "JPEGImages" / "480p" / "camel" / "00000.jpg"
    difference = read_image(path).astype(int) - cv2.imread(str(path))[..., ::-1]
    assert np.abs(difference).mean() < 1


def test_a_year_of_davis_tells_how_masks_are_read(tmp_path):
    path = tmp_path / "m.png"
    write_labels(path, np.array([[0, 1, 3, 255]], np.uint8))
    assert label_reader(2016)(path).tolist() == [[0, 1, 1, 1]]
    assert label_reader(2016)(path).dtype == np.uint8
    assert label_reader(2017)(path).tolist() == [[0, 1, 3, 255]]


# --- files of several pictures --------------------------------------------------------------------


def pictures(count: int = 3) -> list[Image.Image]:
    return [Image.fromarray(np.full((8, 12, 3), 60 * n, np.uint8)) for n in range(count)]


SEVERAL = {
    "animated.png": {"duration": 100},
    "animated.webp": {"duration": 100, "lossless": True},
    "animated.gif": {"duration": 100},
    "animated.avif": {"duration": 100},
    "pages.tif": {},
    "views.jpg": {"format": "MPO"},
}


@pytest.mark.parametrize("name", SEVERAL)
def test_a_file_of_several_pictures(tmp_path, name):
    if name.endswith("avif") and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    first, *more = pictures()
    first.save(tmp_path / name, save_all=True, append_images=more, **SEVERAL[name])
    for read in (read_image, image_size, read_labels, read_binary_mask, read_saliency):
        with pytest.raises(DataError, match="3 pictures"):
            read(tmp_path / name)
    assert picture_count(tmp_path / name) == 3
    came = list(read_pictures(tmp_path / name))
    for (image, seconds), expected in zip(came, pictures(), strict=True):
        assert np.abs(image.astype(int) - np.array(expected)).max() <= 4
        assert seconds == (0.1 if "duration" in SEVERAL[name] else None)
    (second, _), *_ = read_pictures(tmp_path / name, first=1)
    assert np.array_equal(second, came[1][0])


def test_previews_and_overviews_are_no_further_pictures(tmp_path):
    for name, options in (("photo.jpg", {"format": "MPO"}), ("map.tif", {})):
        small = Image.new("RGB", (6, 4))
        pictures()[1].save(tmp_path / name, save_all=True, append_images=[small], **options)
        assert picture_count(tmp_path / name) == 1
        assert (read_image(tmp_path / name).mean(axis=(0, 1)) - 60).max() < 2


def test_the_still_image_of_an_animated_png_is_not_part_of_it(tmp_path):
    first, *more = pictures(4)
    first.save(tmp_path / "a.png", save_all=True, append_images=more, default_image=True)
    assert [image.max() for image, _ in read_pictures(tmp_path / "a.png")] == [60, 120, 180]


def test_a_damaged_animation(tmp_path):
    first, *more = pictures()
    first.save(tmp_path / "a.gif", save_all=True, append_images=more)
    data = (tmp_path / "a.gif").read_bytes()
    (tmp_path / "a.gif").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"a\.gif"):
        list(read_pictures(tmp_path / "a.gif"))
