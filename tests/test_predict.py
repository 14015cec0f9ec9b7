"""predict.py: pictures of every kind in, valid probabilities or one clear line out."""

import io
import json
import os
import struct
import subprocess
import sys
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps, __version__
from sklearn.datasets import load_digits

import predict
from commands.predictor import load_predictor
from commands.run_folder import description, load_checkpoint, save_checkpoint
from helpers.data import pictures
from helpers.data.digits import centre_like_mnist, is_dark_on_light, read_digit
from helpers.data.load import load
from helpers.data.pictures import eight_bits, read_image, squeeze
from helpers.models import build_model
from helpers.recipes import TrainingConfig
from helpers.support.errors import DataError, RunError, printable
from helpers.training import evaluate, fit

ROOT = Path(__file__).resolve().parent.parent
# Before 13, Pillow does not read this mode in the TIFF that it writes.
YCBCR = ["YCbCr"] if int(__version__.split(".")[0]) >= 13 else []
ROTATED = {1: (), 2: (Image.Transpose.FLIP_LEFT_RIGHT,), 3: (Image.Transpose.ROTATE_180,)}
ROTATED |= {4: (Image.Transpose.FLIP_TOP_BOTTOM,), 5: (Image.Transpose.TRANSPOSE,)}
ROTATED |= {6: (Image.Transpose.ROTATE_90,), 7: (Image.Transpose.TRANSVERSE,)}
ROTATED |= {8: (Image.Transpose.ROTATE_270,)}


def train_small(name, path):
    """A checkpoint of a small model, trained for a second or two on the sample."""
    data = load(name, mode="sample")
    config = TrainingConfig(epochs=2, lr=2e-3)
    model = build_model("linear", data.image_shape, data.num_classes)
    fit(model, data, config, device="cpu", progress=False)
    said = description("linear", "small", data, asdict(config))
    save_checkpoint(path, said | {"model": model.state_dict(), "epoch": 2})
    return path


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return train_small("mnist", tmp_path_factory.mktemp("digits") / "best.pt")


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    return train_small("cifar10", tmp_path_factory.mktemp("objects") / "best.pt")


@pytest.fixture(scope="module")
def mnist():
    return load("mnist", mode="sample")


@pytest.fixture(scope="module")
def seven(mnist):
    """A real 7, 28 x 28, white on black."""
    return mnist.test.images[(mnist.test.labels == 7).nonzero()[0, 0], 0].numpy()


def ask(capsys, checkpoint, *arguments):
    """Status, standard output, lines of standard error."""
    try:
        status = predict.main(["--checkpoint", str(checkpoint), *map(str, arguments)])
    except SystemExit as stop:
        status = stop.code
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return status, captured.out, captured.err.splitlines()


def script(*arguments, **environment):
    return subprocess.run(
        [sys.executable, str(ROOT / "predict.py"), *map(str, arguments)],
        capture_output=True, env=os.environ | environment, timeout=120,
    )  # fmt: skip


def check_answers(answers, paths, count=3):
    """Exactly the promised form: keys, order, probabilities."""
    assert [answer["path"] for answer in answers] == [str(path) for path in paths]
    for answer in answers:
        assert list(answer) == ["path", "read_as", "unsure", "predictions"]
        values = [guess["probability"] for guess in answer["predictions"]]
        assert all(list(guess) == ["class", "probability"] for guess in answer["predictions"])
        assert len(values) == (
            0 if "no digit" in answer["read_as"] else count
        ) and values == sorted(values, reverse=True)
        assert answer["unsure"] is (not values or values[0] < 0.5)
        assert all(0 <= value <= 1 for value in values) and sum(values) <= 1 + 1e-9


def on_paper(digit, size=(240, 180), scale=4, at=(20, 60), invert=True):
    """A digit, enlarged and somewhere on a larger sheet, black on white."""
    sheet = Image.new("L", size, 0)
    large = Image.fromarray(digit).resize((28 * scale, 28 * scale), Image.Resampling.NEAREST)
    sheet.paste(large, at)
    return ImageOps.invert(sheet) if invert else sheet


def png(width, height, *chunks):
    """A PNG that claims a size, with whatever follows."""

    def chunk(kind, content):
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *(chunk(*part) for part in chunks), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


BROKEN = {
    "zero.png": (b"", "empty"),
    "text.png": (b"only words\n", "not a picture"),
    "bomb.png": (png(50_000, 50_000, (b"IDAT", zlib.compress(bytes(9)))), "decompression bomb"),
    "warned.png": (png(20_000, 20_000, (b"IDAT", zlib.compress(bytes(9)))), "decompression bomb"),
    "headless.png": (png(20, 20), "damaged"),
    "comment.png": (png(8, 8, (b"zTXt", b"k\0\0" + zlib.compress(bytes(2**26)))), "damaged"),
    "noise.jpg": (b"\xff\xd8\xff\xe0" + bytes(range(256)), "cannot read"),
}


@pytest.fixture
def broken(tmp_path, seven):
    """A folder of broken files beside one good picture."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, (content, _) in BROKEN.items():
        (folder / name).write_bytes(content)
    for kind in ("png", "jpg", "gif", "tif", "webp", "bmp"):
        whole = io.BytesIO()
        options = {"compression": "tiff_lzw"} if kind == "tif" else {}
        on_paper(seven).save(whole, {"jpg": "jpeg", "tif": "tiff"}.get(kind, kind), **options)
        half = whole.getvalue()[: len(whole.getvalue()) // 2]
        (folder / f"half.{kind}").write_bytes(half)
    on_paper(seven).save(folder / "good.png")
    return folder


# The promise about MNIST itself


def test_mnist_through_png_files_and_predict_loses_nothing(tmp_path, capsys, digits, mnist):
    for number, image in enumerate(mnist.test.images[:, 0].numpy()):
        Image.fromarray(image).save(tmp_path / f"{number:04d}.png")
    status, out, _ = ask(capsys, digits, tmp_path, "--json", "--device", "cpu")
    answers = json.loads(out)
    assert status == 0 and len(answers) == len(mnist.test)
    guesses = [int(answer["predictions"][0]["class"]) for answer in answers]
    right = (torch.tensor(guesses) == mnist.test.labels).double().mean().item()
    predictor = load_predictor(digits, "cpu")
    measured = evaluate(predictor.model, mnist.batches("test", 500))
    assert right == pytest.approx(measured.accuracy, abs=1e-6)
    assert measured.accuracy > 0.8


def test_mnist_passes_through_unchanged_and_comes_back_from_its_negative(mnist):
    for image in mnist.test.images[:200, 0].numpy():
        assert np.array_equal(read_digit(Image.fromarray(image)).pixels, image)
        assert np.array_equal(read_digit(Image.fromarray(255 - image)).pixels, image)


def test_mnist_digits_are_put_back_where_they_were(mnist):
    """On a larger sheet, off its middle: size and place are found again, to the pixel."""
    images = mnist.test.images[:200, 0].numpy()
    for image in images:
        centred = centre_like_mnist(np.pad(image, ((3, 40), (25, 0))).astype(float))
        rows, columns = (np.flatnonzero(image.any(axis=a)) for a in (1, 0))
        side = max(np.ptp(rows), np.ptp(columns)) + 1
        assert side != 20 or np.abs(centred - image * (255 / image.max())).max() < 1


def test_a_digit_fits_into_20_pixels_with_its_proportions_and_its_mass_in_the_middle():
    ink = np.zeros((300, 500))
    ink[50:250, 400:450] = 1
    field = centre_like_mnist(ink)
    rows, columns = np.flatnonzero(field.any(axis=1)), np.flatnonzero(field.any(axis=0))
    assert len(rows) == 20 and len(columns) == 5 and field.max() == 255
    assert np.average(np.arange(28), weights=field.sum(axis=1)) == pytest.approx(14, abs=0.5)
    assert np.average(np.arange(28), weights=field.sum(axis=0)) == pytest.approx(14, abs=0.5)
    heavy_foot = np.zeros((100, 100))
    heavy_foot[:, 45:55], heavy_foot[90:, 35:65] = 1, 1
    field = centre_like_mnist(heavy_foot)
    assert np.average(np.arange(28), weights=field.sum(axis=1)) == pytest.approx(14, abs=0.5)
    assert np.flatnonzero(field.any(axis=1)).mean() < 13


def test_large_digits_anywhere_on_paper_are_recognised(mnist, digits):
    rng = np.random.default_rng(0)
    predictor = load_predictor(digits, "cpu")
    sheets = []
    for image in mnist.test.images[:200, 0].numpy():
        size = tuple(int(n) for n in rng.integers(200, 300, 2))
        sheet = on_paper(image, size, scale=int(rng.integers(2, 7)), at=(5, 12))
        paper = 170 + np.linspace(-25, 25, size[0]) + rng.normal(0, 4, size[::-1])
        light = np.asarray(sheet) / 255 * paper + 20
        sheets.append(predictor.prepare(Image.fromarray(light.clip(0, 255).astype(np.uint8)))[0])
    found = predictor.probabilities(torch.from_numpy(np.stack(sheets))).argmax(dim=1)
    plain = predictor.probabilities(mnist.test.images[:200]).argmax(dim=1)
    labels = mnist.test.labels[:200]
    assert (found == labels).float().mean() > (plain == labels).float().mean() - 0.1


def test_black_on_white_equals_white_on_black(seven):
    for scale, at in ((2, (3, 90)), (4, (20, 60)), (6, (2, 1))):
        dark = on_paper(seven, scale=scale, at=at)
        light = on_paper(seven, scale=scale, at=at, invert=False)
        assert is_dark_on_light(dark) and not is_dark_on_light(light)
        one, two = read_digit(dark), read_digit(light)
        assert np.array_equal(one.pixels, two.pixels) and one.pixels[0].max() == 0
        assert "inverted" in one.read_as and "inverted" not in two.read_as


def test_dim_paper_is_still_paper(seven):
    dim = Image.fromarray((np.asarray(on_paper(seven)) // 4 + 20).astype(np.uint8))
    assert dim.getextrema()[1] < 128 and is_dark_on_light(dim)
    difference = read_digit(dim).pixels.astype(int) - read_digit(on_paper(seven)).pixels
    assert np.abs(difference).mean() < 1


def test_a_picture_of_one_colour_holds_no_digit():
    for grey in (0, 128, 255):
        digit = read_digit(Image.new("L", (50, 40), grey))
        assert digit.pixels is None and "no digit" in digit.read_as


def test_a_frame_alone_is_no_digit():
    sheet = np.full((60, 60), 200, np.uint8)
    sheet[[0, -1]] = sheet[:, [0, -1]] = 0
    assert read_digit(Image.fromarray(sheet)).pixels is None


def test_a_picture_without_a_digit_says_so_and_the_others_are_answered(
    capsys, digits, tmp_path, seven
):
    blank, seventh = tmp_path / "blank.png", tmp_path / "seven.png"
    Image.new("L", (99, 99), 255).save(blank)
    on_paper(seven).save(seventh)
    status, out, err = ask(capsys, digits, blank, seventh, "--json")
    assert (status, err) == (1, [])
    first, second = json.loads(out)
    assert first["predictions"] == [] and "no digit" in first["read_as"] and first["unsure"]
    assert second["predictions"][0]["class"] == "7"
    status, out, _ = ask(capsys, digits, blank)
    assert status == 1 and "no digit" in " ".join(out.split())


@pytest.fixture(scope="module")
def others():
    """Digits of other writers, 8 x 8 pixels, up to the edge of the picture; and what they are."""
    digits = load_digits()
    return np.rint(digits.images[:120] * (255 / 16)).astype(np.uint8), digits.target[:120]


@pytest.mark.parametrize("light", [True, False])
@pytest.mark.parametrize("way", [None, *Image.Resampling][:5])
def test_digits_of_few_pixels_are_read_however_they_were_enlarged(way, light, digits, others):
    """The network is a small linear one; a preparation that loses a class costs a tenth."""
    predictor, (images, labels), seen = load_predictor(digits, "cpu"), others, []
    for pixels in images:
        picture = Image.fromarray(pixels if light else 255 - pixels)
        picture = picture if way is None else picture.resize((200, 200), way)
        seen.append(predictor.prepare(picture)[0])
    found = predictor.probabilities(torch.from_numpy(np.stack(seen))).argmax(dim=1)
    assert (found.numpy() == labels).mean() > 0.64


@pytest.mark.parametrize("side", [28, 60, 100, 115, 200, 333])
def test_squares_become_pixels_again(side, others, seven):
    for pixels in others[0][:20]:
        large = Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST)
        assert np.array_equal(read_digit(large).pixels, read_digit(Image.fromarray(pixels)).pixels)
    squares = np.kron(seven, np.ones((side // 9, side // 9), np.uint8))
    assert np.array_equal(read_digit(Image.fromarray(squares)).pixels, seven)


def test_ink_that_crosses_the_border_is_no_paper(others):
    for pixels in others[0]:
        picture = Image.fromarray(pixels).resize((120, 120), Image.Resampling.BICUBIC)
        one, two = read_digit(picture), read_digit(ImageOps.invert(picture))
        assert "inverted" not in one.read_as and "inverted" in two.read_as
        assert np.abs(one.pixels.astype(int) - two.pixels).max() <= 2


def test_thin_strokes_grow_and_thick_ones_are_worn_to_the_width_of_mnists():
    widths = []
    for stroke in (3, 8, 24, 40, 60):
        sheet = Image.new("L", (300, 300), 255)
        ImageDraw.Draw(sheet).arc((30, 30, 270, 270), 0, 300, fill=0, width=stroke)
        field = read_digit(sheet).pixels
        widths.append(field[14].sum() / 255 / 2)  # its middle row crosses two strokes
    assert min(widths) > 1.1 and max(widths) < 4.2 and widths[2] > widths[0] + 0.5


def boxed(image):
    """A digit without the black around it."""
    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def in_a_corner(image, side=28):
    sheet = np.zeros((side, side), np.uint8)
    digit = boxed(image)
    sheet[: digit.shape[0], : digit.shape[1]] = digit
    return Image.fromarray(sheet)


def framed(image):
    sheet = np.full((120, 120), 250, np.uint8)
    sheet[30:86, 30:86] = 250 - np.kron(image, np.ones((2, 2))).astype(np.uint8) // 2
    sheet[[0, 1, -1, -2]] = sheet[:, [0, 1, -1, -2]] = 20
    return Image.fromarray(sheet)


def dusty(image):
    sheet = np.asarray(on_paper(image, size=(200, 200), scale=4, at=(40, 40))).copy()
    sheet[3:5, 5:8] = sheet[190:192, 180:182] = 0
    return Image.fromarray(sheet)


def white_on_nothing(image):
    large = Image.fromarray(image).resize((112, 112))
    picture = Image.new("RGBA", large.size, (255, 255, 255, 0))
    picture.putalpha(large)
    return picture


def blue_on_yellow(image):
    ink = np.kron(image, np.ones((3, 3)))[..., None] / 255
    paper, pen = np.array([250, 240, 150]), np.array([30, 40, 160])
    return Image.fromarray((paper * (1 - ink) + pen * ink).astype(np.uint8))


WAYS = {
    "as MNIST has them": (Image.fromarray, 0),
    "28 x 28, in a corner": (in_a_corner, 3),
    "28 x 28, inverted": (lambda image: Image.fromarray(255 - image), 0),
    "in a dark frame": (framed, 5),
    "with dust": (dusty, 5),
    "white on nothing": (white_on_nothing, 5),
    "blue on yellow": (blue_on_yellow, 5),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_same_digit_gives_the_same_answer_however_it_is_drawn(way, mnist, digits, tmp_path):
    draw, most_lost = WAYS[way]
    predictor = load_predictor(digits, "cpu")
    images, labels = mnist.test.images[:100], mnist.test.labels[:100]
    seen = []
    for image in images[:, 0].numpy():
        draw(image).save(tmp_path / "digit.png")
        seen.append(predictor.prepare(read_image(tmp_path / "digit.png"))[0])
    plain = predictor.probabilities(images).argmax(dim=1) == labels
    found = predictor.probabilities(torch.from_numpy(np.stack(seen))).argmax(dim=1) == labels
    assert found.sum() >= plain.sum() - most_lost


@st.composite
def sheets(draw) -> dict[str, Any]:
    """How digits are put on paper: size, place, paper, ink, shadow, frame, mode, format, turn."""
    side = draw(st.integers(28, 160))
    width, height = (side + draw(st.integers(20 + side // 5, 120 + side)) for _ in "wh")
    margin = max(3, round(0.07 * min(width, height)))
    return {
        "side": side,
        "size": (width, height),
        "at": [draw(st.integers(margin, free - margin - side)) for free in (width, height)],
        "paper": draw(st.integers(170, 255)),
        "ink": draw(st.integers(0, 90)),
        "shadow": draw(st.integers(0, 40)),
        "frame": draw(st.booleans()),
        "light": draw(st.booleans()),
        "mode": draw(st.sampled_from(["L", "RGB", "RGBA", "P"])),
        "turned": draw(st.integers(1, 8)),
    }


def put_on(sheet: dict[str, Any], image: np.ndarray) -> io.BytesIO:
    """The file of a picture of that digit; how it is turned stands in its EXIF data."""
    (width, height), (left, top), side = sheet["size"], sheet["at"], sheet["side"]
    large = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
    cover = np.zeros((height, width))
    cover[top : top + side, left : left + side] = np.asarray(large) / 255
    ground = sheet["paper"] - sheet["shadow"] * np.linspace(0, 1, width)
    pixels = ground * (1 - cover) + sheet["ink"] * cover
    pixels = 255 - pixels if sheet["light"] else pixels
    if sheet["frame"]:
        inside = slice(2, -2), slice(2, -2)
        framed = np.full_like(pixels, 0 if pixels.mean() > 127 else 255)
        framed[inside] = pixels[inside]
        pixels = framed
    picture = Image.fromarray(pixels.round().astype(np.uint8)).convert(sheet["mode"])
    for step in ROTATED[sheet["turned"]]:
        picture = picture.transpose(step)
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = sheet["turned"]
    picture.save(file, "png", exif=exif)
    file.seek(0)
    return file


@settings(max_examples=10, deadline=None)
@given(sheet=sheets())
def test_digits_on_any_paper_cost_little_accuracy(sheet, mnist, digits):
    predictor = load_predictor(digits, "cpu")
    images, labels = mnist.test.images[:60], mnist.test.labels[:60]
    seen = [
        predictor.prepare(read_image(put_on(sheet, image)))[0] for image in images[:, 0].numpy()
    ]
    assert all(pixels is not None for pixels in seen)
    plain = predictor.probabilities(images).argmax(dim=1) == labels
    found = predictor.probabilities(torch.from_numpy(np.stack(seen))).argmax(dim=1) == labels
    assert found.sum() >= plain.sum() - 4


def test_an_answer_does_not_depend_on_the_pictures_beside_it(mnist, tmp_path):
    """Batch normalisation in training mode would take its means from the batch."""
    model = build_model("cnn", mnist.image_shape, 10, "small")
    said = description("cnn", "small", mnist, {})
    save_checkpoint(tmp_path / "best.pt", said | {"model": model.state_dict()})
    predictor = load_predictor(tmp_path, "cpu")
    alone = predictor.probabilities(mnist.test.images[:1])
    assert torch.allclose(alone, predictor.probabilities(mnist.test.images[:9])[:1], atol=1e-6)


# Reading: modes, formats, orientation, transparency


def modes(image):
    """The same grey picture in every mode that a file may have."""
    rgb = image.convert("RGB")
    wide = np.asarray(image).astype(np.uint16) * 257
    yield from (image, rgb, rgb.convert("RGBA"), rgb.convert("CMYK"), *map(rgb.convert, YCBCR))
    yield from (image.convert("LA"), rgb.convert("HSV"), image.convert("P"), rgb.convert("RGBX"))
    yield from (rgb.convert("RGBA").convert("RGBa"), image.convert("LA").convert("La"))
    yield Image.fromarray(wide)
    yield Image.frombytes("I;16B", image.size, wide.astype(">u2").tobytes())
    yield Image.fromarray(wide.astype(np.int32))
    yield Image.fromarray(np.asarray(image).astype(np.int32))
    yield Image.fromarray(np.asarray(image).astype(np.float32))
    yield Image.fromarray(np.asarray(image).astype(np.float32) / 255)
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    yield ImageCms.profileToProfile(rgb, srgb, lab, outputMode="LAB")


def test_every_mode_shows_the_same_picture(seven, tmp_path):
    picture = on_paper(seven)
    seen = set()
    for number, image in enumerate(modes(picture)):
        path = tmp_path / f"{number}.tif"
        try:
            image.save(path)
        except (OSError, KeyError):  # a mode that TIFF does not have
            continue
        read = read_image(path)
        seen.add(image.mode)
        assert read.mode in ("L", "RGB") and read.size == picture.size
        difference = np.asarray(read.convert("L")).astype(int) - np.asarray(picture)
        assert np.abs(difference).max() <= 3, image.mode
    assert seen >= {"L", "RGB", "RGBA", "CMYK", *YCBCR, "LA", "P", "I;16", "I", "F", "LAB"}


FORMATS = ["png", "bmp", "gif", "tiff", "webp", "ppm", "tga", "jpeg", "ico", "jpeg2000", "avif"]


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_read(kind, seven):
    picture, file = on_paper(seven), io.BytesIO()
    Image.init()
    if kind.upper() not in Image.SAVE:
        pytest.skip(f"this Pillow cannot write {kind}")
    picture.convert("RGB").save(file, kind)
    file.seek(0)
    read = read_image(file)
    assert kind == "ico" or read.size == picture.size
    seen = np.abs(read_digit(read).pixels.astype(int) - read_digit(picture).pixels)
    assert seen.mean() < 12


def test_a_large_photograph_is_read_smaller_and_a_bomb_is_not_read(monkeypatch):
    def read(large, largest=10**8):
        monkeypatch.setattr(pictures, "LARGE", large)
        monkeypatch.setattr(pictures, "LARGEST", largest)
        file.seek(0)
        return read_image(file).size

    with io.BytesIO() as file:
        Image.new("L", (4000, 4800)).save(file, "JPEG")
        pixels = 4000 * 4800
        assert read(pixels) == (4000, 4800) and read(pixels - 1) == (2000, 2400)
        with pytest.raises(DataError, match=f"{pixels - 1:,} pixels.* bomb"):
            read(pixels, pixels - 1)


def test_one_bit_pictures_palettes_and_the_first_frame(seven, tmp_path):
    bits = on_paper(seven).point(lambda value: 255 * (value > 127))
    bits.convert("1").save(tmp_path / "bits.png")
    assert np.array_equal(np.asarray(read_image(tmp_path / "bits.png")), np.asarray(bits))
    frames = [bits.convert("P"), Image.new("P", bits.size, 0), Image.new("P", bits.size, 255)]
    frames[0].save(tmp_path / "moves.gif", save_all=True, append_images=frames[1:])
    first = read_image(tmp_path / "moves.gif")
    assert np.array_equal(np.asarray(first.convert("L")), np.asarray(bits))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "P bytes", "RGB", "RGBA", "PA"])
def test_transparent_parts_are_white(mode, tmp_path):
    """A black square on a transparent ground, whose hidden colour is another."""
    path, options = tmp_path / "clear.png", {}
    if mode in ("LA", "RGBA", "PA"):
        picture = Image.new("RGBA", (30, 20), (9, 9, 9, 0))
        picture.paste((0, 0, 0, 255), (5, 5, 15, 15))
        picture = picture.convert(mode)
        if picture.getpixel((0, 0))[-1]:
            pytest.skip("before Pillow 12, this conversion loses what is transparent")
    else:
        picture = Image.new("RGB", (30, 20), (255, 0, 0) if mode == "RGB" else "white")
        picture.paste((0, 0, 0), (5, 5, 15, 15))
        if mode == "P bytes":
            picture = Image.new("P", (30, 20), 1)
            picture.putpalette([0, 0, 0, 0, 200, 0])
            picture.paste(0, (5, 5, 15, 15))
            options["transparency"] = bytes([255, 0])
        else:
            picture = picture.convert(mode)
            clear = {"RGB": (255, 0, 0), "P": picture.getpixel((0, 0)) if mode == "P" else 0}
            options["transparency"] = clear.get(mode, 255 if mode == "L" else 1)
    if mode == "PA":
        path = tmp_path / "clear.tif"
        picture = picture.convert("RGBA")
    picture.save(path, **options)
    read = np.asarray(read_image(path).convert("L"))
    assert read[0, 0] == 255 and read[10, 10] == 0 and set(np.unique(read)) == {0, 255}


def test_what_is_transparent_all_over_is_taken_as_it_is(tmp_path):
    """As in TGA files of 32 bits whose writer has left the opacity at 0."""
    picture = Image.new("RGBA", (30, 20), (200, 0, 0, 0))
    picture.paste((0, 0, 200, 0), (5, 5, 15, 15))
    picture.save(tmp_path / "clear.tga")
    read = read_image(tmp_path / "clear.tga")
    assert read.getpixel((0, 0)) == (200, 0, 0) and read.getpixel((9, 9)) == (0, 0, 200)


@pytest.mark.parametrize(("bits", "brightest"), [(8, 255), (16, 65535)])
def test_a_tiff_whose_white_is_zero_is_no_negative(bits, brightest, tmp_path):
    path = tmp_path / "negative.tif"
    values = np.array([[0, brightest]], {8: np.uint8, 16: np.uint16}[bits])
    Image.fromarray(values).save(path)
    tag = struct.pack("<HHL", 262, 3, 1)  # PhotometricInterpretation, one short number
    whole = path.read_bytes()
    assert whole.count(tag + b"\1") == 1
    path.write_bytes(whole.replace(tag + b"\1", tag + b"\0"))
    assert np.asarray(read_image(path)).tolist() == [[255, 0]]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg", "png", "tiff"])
def test_all_eight_orientations_give_the_same_input(orientation, kind, seven, digits, objects):
    picture, file = on_paper(seven), io.BytesIO()
    turned = picture
    for step in ROTATED[orientation]:
        turned = turned.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned.save(file, kind, exif=exif, **({"quality": 100} if kind == "jpeg" else {}))
    file.seek(0)
    read = read_image(file)
    assert read.size == picture.size
    for checkpoint in (digits, objects):
        predictor = load_predictor(checkpoint, "cpu")
        upright, seen = predictor.prepare(picture)[0], predictor.prepare(read)[0]
        assert np.abs(upright.astype(int) - seen).max() <= (4 if kind == "jpeg" else 0)


def test_a_damaged_orientation_does_not_spoil_the_picture(seven, tmp_path):
    path = tmp_path / "odd.jpg"
    on_paper(seven).save(path, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\xff\x01\x12")
    assert read_image(path).size == on_paper(seven).size


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 0.5, 1], [0, 128, 255]),
        ([0, 128.0, 255], [0, 128, 255]),
        ([0, 2048, 4095], [0, 128, 255]),
        ([0, 32768, 65535], [0, 128, 255]),
        ([-10, 0, 10], [0, 128, 255]),
        ([np.nan, 0.5, np.inf], [0, 128, 0]),
        ([1e30, 1e30, 1e30], [0, 0, 0]),
    ],
)
def test_numbers_of_any_range_become_eight_bits(values, expected):
    assert eight_bits(np.array(values, dtype=np.float64)).tolist() == expected


def test_sixteen_bits_keep_their_range_and_colour_is_resized_as_in_training():
    assert eight_bits(np.array([0, 255, 257, 65535], np.uint16), of_16=True).tolist() == [
        0, 1, 1, 255,
    ]  # fmt: skip
    assert eight_bits(np.array([0, 255, 4095], np.uint16), of_16=True).tolist() == [0, 16, 255]
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert np.array_equal(squeeze(Image.fromarray(pixels), 32, 32), pixels)
    assert squeeze(Image.new("L", (7, 300)), 32, 24).shape == (32, 24, 3)


def test_a_colour_model_sees_what_it_was_trained_on(objects):
    data, predictor = load("cifar10", mode="sample"), load_predictor(objects, "cpu")
    image = data.test.images[0]
    seen = predictor.prepare(Image.fromarray(image.permute(1, 2, 0).numpy()))[0]
    assert np.array_equal(seen, image.numpy())
    logits = predictor.model(data.normalise(data.test.images[:8]))
    expected = logits.detach().double().softmax(dim=1)
    assert torch.equal(predictor.probabilities(data.test.images[:8]), expected)


# The command line


def test_json_has_exactly_the_promised_form(capsys, digits, tmp_path, seven):
    paths = [tmp_path / "a seven.png", tmp_path / "sieben – ħ七.png"]
    for path in paths:
        on_paper(seven).save(path)
    status, out, err = ask(capsys, digits, *paths, "--json")
    assert (status, err) == (0, [])
    check_answers(json.loads(out), paths)
    assert json.loads(out)[0]["predictions"][0]["class"] == "7"
    for top, count in ((1, 1), (10, 10), (99, 10)):
        status, out, _ = ask(capsys, digits, paths[0], "--json", "--top", top)
        check_answers(json.loads(out), paths[:1], count)
    assert sum(guess["probability"] for guess in json.loads(out)[0]["predictions"]) > 0.999999


def test_the_table_shows_classes_probabilities_and_how_the_picture_was_read(
    capsys, digits, objects, tmp_path, seven, monkeypatch
):
    path = tmp_path / "[red]7.png"
    on_paper(seven).save(path)
    monkeypatch.chdir(tmp_path)
    status, out, err = ask(capsys, digits, path.name)
    assert (status, err) == (0, []) and out.count("%") == 3
    assert "[red]7.png" in out and "dark on light, inverted" in out.replace("\n", " ")
    out = ask(capsys, objects, path)[1]
    assert "read as" not in out and "resized" not in out and out.count("%") == 3
    assert ask(capsys, digits, "--help")[0] == 0


def test_broken_files_are_one_line_each_and_the_rest_is_predicted(capsys, digits, broken):
    status, out, err = ask(capsys, digits, broken, "--json")
    names = {path.name for path in broken.iterdir()}
    answered = {Path(answer["path"]).name for answer in json.loads(out)}
    assert status == 1 and "good.png" in answered
    assert len(answered) + len(err) == len(names)
    for name, (_, why) in BROKEN.items():
        (line,) = [line for line in err if f"{name}:" in line]
        assert line.startswith("predict.py: cannot read") and why in line
    for kind in ("png", "jpg", "tif", "webp"):
        assert any(f"half.{kind}:" in line for line in err)


def test_a_name_that_begins_with_a_tilde_is_a_name(capsys, digits, broken, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~backup.png").write_bytes((broken / "good.png").read_bytes())
    status, out, err = ask(capsys, digits, "~backup.png", "--json")
    assert status == 0 and not err and len(json.loads(out)) == 1


def test_only_broken_files_give_an_empty_list_and_status_1(capsys, digits, broken):
    status, out, err = ask(capsys, digits, broken / "zero.png", "--json")
    assert status == 1 and json.loads(out) == [] and len(err) == 1
    status, out, err = ask(capsys, digits, broken / "zero.png")
    assert status == 1 and out == "" and len(err) == 1


def test_a_missing_picture_among_others_is_one_line_and_status_1(capsys, digits, broken):
    status, out, err = ask(capsys, digits, broken / "gone.png", broken / "good.png", "--json")
    assert status == 1 and len(err) == 1 and "gone.png: no such file" in err[0]
    check_answers(json.loads(out), [broken / "good.png"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no image given"),
        (["gone.png"], "gone.png: no such file"),
        (["empty"], "no picture in the folder empty"),
        (["x.png"], "no picture in the folder x.png"),
        (["a.png", "--tip", "3"], "unrecognized arguments: --tip"),
        (["a.png", "--top", "0"], "--top 0"),
        (["a.png", "--top", "many"], "invalid int value"),
        (["a.png", "--device", "abacus"], "device 'abacus'"),
        (["n" * 300], "no such file"),
        ([""], "empty"),
    ],
)
def test_a_mistake_of_the_whole_command_is_one_line_and_status_2(
    arguments, message, capsys, digits, tmp_path, monkeypatch
):
    for name in ("empty", "x.png"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    status, out, err = ask(capsys, digits, *arguments, "--json")
    assert status == 2 and out == "" and len(err) == 1 and message in err[0]


def test_what_a_folder_holds_beside_pictures_is_said(tmp_path, capsys, digits, seven):
    (tmp_path / "@eaDir").mkdir()
    on_paper(seven).save(tmp_path / "seven.png")
    status, out, err = ask(capsys, digits, tmp_path, "--json")
    assert status == 0 and len(err) == 1 and "(@eaDir)" in err[0]
    assert [answer["path"] for answer in json.loads(out)] == [str(tmp_path / "seven.png")]
    os.mkfifo(tmp_path / "pipe.png")
    status, out, err = ask(capsys, digits, tmp_path, "--json")
    assert status == 1 and len(err) == 1 and "(pipe.png)" in err[0]
    assert [answer["path"] for answer in json.loads(out)] == [str(tmp_path / "seven.png")]


@pytest.mark.parametrize("whole", [True, False])
def test_standard_input_is_read_from_a_pipe(whole, capsys, digits, seven, monkeypatch):
    file, (end, start) = io.BytesIO(), os.pipe()
    on_paper(seven).save(file, "png")
    with open(start, "wb") as writer:
        writer.write(file.getvalue() if whole else b"")
    with open(end, encoding="utf-8") as reader:
        monkeypatch.setattr(sys, "stdin", reader)
        status, out, err = ask(capsys, digits, "-", "--json")
    if whole:
        assert (status, err) == (0, [])
        check_answers(json.loads(out), ["-"])
    else:
        assert (status, json.loads(out)) == (1, [])
        assert err == ["predict.py: cannot read standard input: the file is empty"]


def test_closed_standard_input_is_one_line(capsys, digits, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    status, out, err = ask(capsys, digits, "-", "--json")
    assert status in (1, 2) and len(err) == 1 and "standard input" in err[0]


def test_the_script_keeps_to_its_promises_in_a_poor_terminal(digits, broken, tmp_path, seven):
    """Pure ASCII; libraries in C that complain by themselves would show as further lines."""
    on_paper(seven).save(broken / "sieben – ħ七.png")
    done = script(
        "--checkpoint", digits, broken, PYTHONIOENCODING="ascii", LC_ALL="C", COLUMNS="500"
    )
    lines = done.stderr.decode("ascii").splitlines()
    assert done.returncode == 1 and b"sieben" in done.stdout
    assert all(line.startswith("predict.py: cannot read") for line in lines)


@pytest.mark.skipif(os.name == "nt", reason="file names there cannot be such")
def test_a_name_with_a_line_break_or_broken_bytes_stays_on_one_line(capsys, digits, tmp_path):
    name = tmp_path / "two\nlines\udcff.png"
    try:
        name.write_bytes(b"")
    except (OSError, UnicodeEncodeError):
        pytest.skip("not a name on this file system")
    status, out, err = ask(capsys, digits, name, "--json")
    assert status == 1 and len(err) == 1 and r"two\nlines\udcff.png" in err[0]
    assert printable("a\tb é") == r"a\tb é"


# Checkpoints


def change(checkpoint, path, **changes):
    save_checkpoint(path, load_checkpoint(checkpoint) | changes)
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": "small", "model_name": "cnn"}, "do not fit"),
        ({"model_name": "mlp"}, "do not fit"),
        ({"model_name": 3}, "do not fit"),
        ({"model": {"layers.1.weight": torch.zeros(2)}}, "do not fit"),
        ({"model": [1, 2]}, "do not fit"),
        ({"classes": ["a", "b"]}, "do not fit"),
        ({"classes": ["only"]}, "at least two classes"),
        ({"classes": "0123456789"}, "at least two classes"),
        ({"classes": list(range(10))}, "not text"),
        ({"image_shape": [3, 28, 28]}, "mean is not one number"),
        ({"image_shape": [1, 28.0, 28.0]}, "image shape"),
        ({"image_shape": [1, 10**9, 10**9]}, "image shape"),
        ({"image_shape": None}, "image shape"),
        ({"mean": []}, "mean is not one number"),
        ({"std": [0.0]}, "std is not above 0"),
        ({"std": [float("nan")]}, "std is not one number"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_one_clear_line(
    changes, message, capsys, digits, tmp_path
):
    path = change(digits, tmp_path / "odd.pt", **changes)
    status, out, err = ask(capsys, path, "x.png", "--json")
    assert status == 2 and out == "" and len(err) == 1
    assert message in err[0] and "odd.pt" in err[0]


def test_missing_damaged_and_foreign_checkpoints_are_one_line(capsys, digits, tmp_path):
    whole = digits.read_bytes()
    cases = {"empty.pt": b"", "text.pt": b"words", "half.pt": whole[: len(whole) // 2]}
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
    torch.save({"weights": torch.zeros(3)}, tmp_path / "foreign.pt")
    torch.save(Path("x"), tmp_path / "code.pt")
    content = load_checkpoint(digits)
    weights = {key: value * float("nan") for key, value in content["model"].items()}
    save_checkpoint(tmp_path / "nan.pt", content | {"model": weights})
    del content["std"]
    save_checkpoint(tmp_path / "part.pt", content)
    (tmp_path / "folder.pt").mkdir()
    for name in (*cases, "foreign.pt", "code.pt", "nan.pt", "part.pt", "folder.pt", "gone.pt"):
        status, out, err = ask(capsys, tmp_path / name, "x.png")
        assert status == 2 and out == "" and len(err) == 1 and name in err[0], name


def test_weights_so_large_that_the_answer_overflows_are_refused(capsys, digits, tmp_path, seven):
    weights = {key: value * 1e30 for key, value in load_checkpoint(digits)["model"].items()}
    path = change(digits, tmp_path / "huge.pt", model=weights)
    on_paper(seven).save(tmp_path / "7.png")
    status, out, err = ask(capsys, path, tmp_path / "7.png", "--json")
    assert status == 2 and out == "" and len(err) == 1 and "not finite" in err[0]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_checkpoint_with_flipped_bytes_loads_or_is_refused(data, digits, tmp_path_factory):
    content = bytearray(digits.read_bytes())
    ends = st.integers(0, 3000) | st.integers(len(content) - 2000, len(content) - 1)
    for place in data.draw(st.lists(ends, min_size=1, max_size=4)):
        content[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / "flipped.pt"
    path.write_bytes(content)
    try:
        assert load_predictor(path, "cpu").classes
    except RunError as error:
        assert "\n" not in str(error)


# Any picture at all


@settings(max_examples=80, deadline=None)
@given(
    width=st.integers(1, 70),
    height=st.integers(1, 70),
    mode=st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F", *YCBCR]),
    seed=st.integers(0, 2**16),
    flat=st.booleans(),
)
def test_any_picture_gives_valid_probabilities(
    width, height, mode, seed, flat, digits, objects, tmp_path_factory
):
    rng = np.random.default_rng(seed)
    shape = {"I;16": (np.uint16,), "I": (np.int32,), "F": (np.float32,)}.get(mode)
    if shape:
        values = rng.normal(0, 10.0 ** rng.integers(0, 6), (height, width)).astype(shape[0])
        image = Image.fromarray(np.zeros_like(values) if flat else values)
    else:
        channels = 3 if mode == "P" else len(Image.new(mode, (1, 1)).getbands())
        noise = rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
        first = Image.fromarray(noise.squeeze(2) if channels == 1 else noise[..., :3].copy())
        image = (Image.new("L", (width, height), seed % 256) if flat else first).convert(
            "RGB" if mode == "P" else "L" if mode == "LA" else first.mode
        )
        image = image.convert(mode)
    path = tmp_path_factory.getbasetemp() / "any.tif"
    image.save(path)
    for checkpoint in (digits, objects):
        predictor = load_predictor(checkpoint, "cpu")
        pictures = predict.Pictures([str(path)])
        answers = [predict.as_json(a) for a in predict.predict(predictor, pictures, 3)]
        check_answers(answers, [path])
        assert pictures.failed == (not answers[0]["predictions"])


@settings(max_examples=80, deadline=None)
@given(
    kind=st.sampled_from(["png", "jpeg", "gif", "tiff", "webp", "bmp", "ico", "ppm", "tga"]),
    data=st.data(),
)
def test_damaged_bytes_are_a_picture_or_one_line(kind, data):
    picture, file = Image.new("RGB", (24, 20), "white"), io.BytesIO()
    ImageDraw.Draw(picture).ellipse((5, 5, 15, 15), fill=(0, 90, 200))
    picture.save(file, kind)
    content = bytearray(file.getvalue())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=5)):
        content[place] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    try:
        assert read_image(io.BytesIO(content), "it").mode in ("L", "RGB")
    except DataError as error:
        assert str(error).startswith("cannot read it: ") and "\n" not in str(error)


def test_a_picture_may_come_through_a_pipe():
    buffer = io.BytesIO()
    Image.new("RGB", (5, 4), "red").save(buffer, "PNG")
    reading, writing = os.pipe()
    os.write(writing, buffer.getvalue())
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert np.array_equal(read_image(pipe, "a pipe"), Image.new("RGB", (5, 4), "red"))


def test_a_huge_jpeg_is_decoded_smaller(tmp_path):
    Image.new("L", (5200, 4000)).save(tmp_path / "huge.jpg")
    assert read_image(tmp_path / "huge.jpg").size == (2600, 2000)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (PermissionError(13, "Permission denied"), "permission denied"),
        (MemoryError(), "not enough memory for it"),
        (SyntaxError("broken\nPNG"), "the picture is damaged (broken PNG)"),
        (KeyError(), "the picture is damaged (KeyError)"),
    ],
)
def test_whatever_a_decoder_raises_is_a_reason_in_one_line(error, told, tmp_path, monkeypatch):
    def fail(file):
        raise error

    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    monkeypatch.setattr(pictures, "_decode", fail)
    with pytest.raises(DataError) as raised:
        read_image(tmp_path / "a.png")
    assert str(raised.value).endswith(f"a.png: {told}")
