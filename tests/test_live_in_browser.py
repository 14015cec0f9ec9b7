"""The live page in a real browser: drawn on, given photographs and networks, and cut off."""

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import numpy as np
import onnx
import onnxruntime
import pytest
import yaml
from nbformat.v4 import new_markdown_cell, new_notebook
from PIL import Image, ImageDraw
from scipy.special import softmax

from helpers.data.digits import read_digit
from helpers.data.load import SAMPLE
from helpers.data.pictures import squeeze
from tools.book import build, live_runtime
from tools.book.browser import CHROMIUM, Browser, served
from tools.course import ROOT, Course
from tools.stored.drawings import skeletons

HAS_RUNTIME = live_runtime.is_there()
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium or Chrome")
needs_runtime = pytest.mark.skipif(
    not HAS_RUNTIME, reason="needs onnxruntime-web: python -m tools.book.live_runtime"
)
SIDE = 280  # of the paper, in its own pixels
SAID = {kind: f"document.querySelector('#live-{kind} output').textContent" for kind in
        ("digits", "pictures")}  # fmt: skip
OWN = "document.getElementById('live-own-said').textContent"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The live page, built as the whole book is, with two pages beside it."""
    root = tmp_path_factory.mktemp("course")
    for name in ("pyproject.toml", "book/_config.yml", "book/live.md"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    shutil.copytree(ROOT / "book" / "_static", root / "book" / "_static")
    (root / "book" / "index.md").write_text("# Small\n", encoding="utf-8")
    (root / "notebooks").mkdir()
    chapter = new_notebook(cells=[new_markdown_cell("# 8. Small", id="a")])
    nbformat.write(chapter, root / "notebooks" / "08_ship_it.ipynb")
    pages = [{"file": "notebooks/08_ship_it"}, {"file": "book/live"}]
    toc = {"format": "jb-book", "root": "book/index", "chapters": pages}
    (root / "book" / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")
    course = Course(root)
    build.main([], course)
    return course.html


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def address(site: Path, browser: Browser) -> Iterator[str]:
    """The page, opened once for most tests; what they ask for and complain of is looked at last."""
    with served(site) as server:
        address = f"{server}book/live.html"
        browser.open(address)
        if HAS_RUNTIME:
            browser.wait_for("document.documentElement.dataset.live")
        yield address
        assert browser.errors() == []
        asked = {a for a in browser.requests() if not a.startswith((server, "data:"))}
        assert asked <= {a for a in asked if a.startswith("blob:http://127.0.0.1")}


@pytest.fixture
def page(browser: Browser, address: str) -> Browser:
    """The page with empty paper."""
    browser.run("document.getElementById('live-clear').click()")
    settle(browser)
    return browser


def settle(browser: Browser) -> None:
    """Wait until nothing is being answered."""
    browser.wait_for("!document.querySelector('.live[aria-busy=true]')")


def draw(browser: Browser, lines: list[np.ndarray], touch: bool = False) -> str:
    """Draw lines (x, y in pixels of the paper) as a hand does; return what the page says."""
    browser.run("document.getElementById('live-drawing').scrollIntoView({block: 'center'})")
    left, top, width = browser.run(
        "(({left, top, width}) => [left, top, width])"
        "(document.getElementById('live-drawing').getBoundingClientRect())"
    )
    kinds = ("touchStart", "touchMove", "touchEnd")
    if not touch:
        kinds = ("mousePressed", "mouseMoved", "mouseReleased")
    for line in lines:
        points = [(left + x * width / SIDE, top + y * width / SIDE) for x, y in line]
        order = [(kinds[0], points[0]), *((kinds[1], p) for p in points), (kinds[2], points[-1])]
        for kind, (x, y) in order:
            if touch:
                fingers = [] if kind == "touchEnd" else [{"x": x, "y": y}]
                how, known = "Input.dispatchTouchEvent", {"touchPoints": fingers}
            else:
                how = "Input.dispatchMouseEvent"
                known = {"x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1}
            # A hand does not wait for each pixel to be drawn.
            give = browser.send if kind == kinds[2] else browser.post
            give(how, type=kind, **known)
    settle(browser)
    return browser.run(SAID["digits"])


def strokes(image: np.ndarray) -> list[np.ndarray]:
    """The lines of a digit, `28 x 28`, as somebody might draw them on the paper."""
    large = np.asarray(Image.fromarray(image).resize((112, 112), Image.Resampling.BILINEAR))
    left = set(map(tuple, np.argwhere(skeletons(large[None] > 100)[0]).tolist()))
    lines, walked = [], set()

    def near(place: tuple[int, int], among: set) -> list[tuple[int, int]]:
        row, column = place
        steps = ((0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, -1), (-1, 1))
        return [(row + a, column + b) for a, b in steps if (row + a, column + b) in among]

    while left:
        ends = [place for place in sorted(left) if len(near(place, left)) < 2]
        place = (ends or sorted(left))[0]
        line = [*near(place, walked)[:1], place]  # a branch begins where it leaves its line
        left.discard(place)
        while following := near(place, left):
            place = following[0]
            left.discard(place)
            line.append(place)
        line += near(place, walked - set(line))[:1]  # and a loop is closed
        walked |= set(line)
        if len(line) > 4 or not lines:
            points = np.array([*line[:-1:4], line[-1]])[:, ::-1]
            lines.append(10 + points * (SIDE - 20) / 112)
    return lines


def test_the_page_prepares_pictures_as_python_does(page: Browser) -> None:
    """Fifty of them, drawn, photographed, framed, noisy, tiny, large, and no digit.

    Within one grey level: versions of Pillow differ in what they round first.
    """
    random, digits = np.random.default_rng(0), np.load(SAMPLE / "mnist.npz")["x_test"]
    pictures = [Image.fromarray(digit) for digit in digits[:10]]
    for number, digit in enumerate(map(Image.fromarray, digits[10:40])):
        large = digit.resize(tuple(random.integers(40, 420, 2)))
        if number % 3 == 0:
            noise = random.normal(0, 6, (large.height, large.width))
            shade = np.linspace(190, 240, large.width) - np.asarray(large) * 0.6 + noise
            large = Image.fromarray(shade.clip(0, 255).astype(np.uint8))
        elif number % 3 == 1:
            large = Image.eval(large, lambda value: 255 - value).convert("RGB")
            edge = (0, 0, large.width - 1, large.height - 1)
            ImageDraw.Draw(large).rectangle(edge, outline=(200, 30, 60), width=9)
        pictures.append(large)
    for side in (2, 9, 33, 70, 90):
        noise = random.integers(0, 256, (side, 2 * side, 3), dtype=np.uint8)
        pictures += [Image.fromarray(noise), Image.new("RGB", (side, side), (9, 200, 70))]
    assert len(pictures) == 50
    pictures[10] = pictures[10].resize((1100, 2050))
    kept = 0
    for picture in pictures:
        colours = base64.b64encode(picture.convert("RGBA").tobytes()).decode()
        got = page.run(
            f"(() => {{ const pixels = Uint8Array.from(atob('{colours}'), (c) => c.charCodeAt(0));"
            f"const picture = {{pixels, width: {picture.width}, height: {picture.height}}};"
            "const digit = readDigit(picture);"
            "return [digit.readAs, digit.pixels && [...digit.pixels],"
            "[...squeeze(picture, 32, 32)]]; })()"
        )
        digit = read_digit(picture)
        kept += digit.pixels is not None
        assert got[0] == digit.read_as and (got[1] is None) == (digit.pixels is None)
        pairs = [(got[2], squeeze(picture, 32, 32).ravel())]
        if digit.pixels is not None:
            pairs.append((got[1], digit.pixels.ravel()))
        for mine, wanted in pairs:
            assert np.abs(np.subtract(mine, wanted, dtype=int)).max() <= 1
    assert 40 <= kept < 50


@needs_runtime
def test_thirty_test_digits_drawn_with_a_mouse_are_read(page: Browser) -> None:
    sample = np.load(SAMPLE / "mnist.npz")
    chosen = [n for digit in range(10) for n in np.flatnonzero(sample["y_test"] == digit)[:3]]
    page.run("performance.clearMeasures()")
    wrong = []
    for number in chosen:
        said = draw(page, strokes(sample["x_test"][number]))
        if not said.startswith(f"{sample['y_test'][number]} ("):
            wrong.append((int(number), said))
        page.run("document.getElementById('live-clear').click()")
    assert len(wrong) <= 3, wrong
    assert page.run("performance.getEntriesByName('live-answer').length") > 60  # while drawing
    page.wait_for("/The last answer took [0-9.]+ ms/.test(digits.place.textContent)")


@needs_runtime
def test_what_is_no_digit_is_called_so(page: Browser) -> None:
    assert page.run(SAID["digits"]) == "Draw a digit."
    house = np.array([(70, 240), (70, 120), (140, 40), (210, 120), (210, 240), (70, 240)])
    star = np.array([(140 + 110 * np.sin(t), 140 - 110 * np.cos(t)) for t in 2.513 * np.arange(6)])
    for figure in (house, star):
        assert draw(page, [figure.astype(float)]).startswith("This is no digit (")
        page.run("document.getElementById('live-undo').click()")
    page.run("document.getElementById('live-width').value = 24")
    all_over = np.array([(x, y) for y in range(30, 260, 15) for x in (30, 250)])
    assert draw(page, [all_over]) == "This is no digit: ink all over."
    page.run("document.getElementById('live-width').value = 18")


@needs_runtime
def test_undo_clear_keys_and_fingers(page: Browser) -> None:
    down, across = np.array([(140, 50), (140, 230)]), np.array([(60, 140), (220, 140)])
    draw(page, [across], touch=True)
    one = draw(page, [down], touch=True)
    page.run("document.getElementById('live-undo').click()")
    settle(page)
    assert page.run("strokes.length") == 1 and page.run(SAID["digits"]) != one
    page.run("document.getElementById('live-clear').click()")
    settle(page)
    assert page.run(SAID["digits"]) == "Draw a digit."
    assert draw(page, [down], touch=True).startswith("1 (")
    assert page.run("scrollY") == page.run("(draw => scrollY)()")
    # A seven by keys: right, then down; space sets the pen down and lifts it.
    page.run("document.getElementById('live-clear').click()")
    page.run("document.getElementById('live-drawing').focus()")
    for key in ["ArrowLeft"] * 8 + [" "] + ["ArrowRight"] * 14 + ["ArrowDown"] * 22 + [" "]:
        page.press(key)
    settle(page)
    assert page.run(SAID["digits"]).startswith("7 (")
    page.press("Backspace")
    settle(page)
    assert page.run(SAID["digits"]) == "Draw a digit."


def answers(path: Path, pixels: np.ndarray) -> np.ndarray:
    """What onnxruntime says of uint8 pixels `C x H x W`: probabilities."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    images = pixels[None].astype(np.float32) / 255
    return softmax(session.run(["logits"], {"images": images})[0][0])


@needs_runtime
def test_a_photograph_is_answered_as_by_onnxruntime(page: Browser, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    path = tmp_path / "photo.png"
    small = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    photo = small.resize((640, 480), Image.Resampling.BICUBIC)
    photo.save(path)
    page.choose("#live-photo-file", path)
    page.wait_for("pictures.shares")
    settle(page)
    pixels = squeeze(photo, 32, 32).transpose(2, 0, 1)
    wanted = answers(ROOT / "book" / "_static" / "live" / "pictures.onnx", pixels)
    np.testing.assert_allclose(page.run("pictures.shares"), wanted, atol=1e-4)
    # The same, dropped; then a file that is no picture.
    drop = (
        "((bytes, name) => { const dropped = new DataTransfer();"
        "dropped.items.add(new File([bytes], name));"
        "window.dispatchEvent(new DragEvent('drop', {dataTransfer: dropped})); })"
    )
    page.run("pictures.showNothing()")
    data = base64.b64encode(path.read_bytes()).decode()
    page.run(f"{drop}(Uint8Array.from(atob('{data}'), (c) => c.charCodeAt(0)), 'photo.png')")
    page.wait_for("pictures.shares")
    np.testing.assert_allclose(page.run("pictures.shares"), wanted, atol=1e-4)
    page.run(f"{drop}('words', 'letter.txt')")
    page.wait_for(f"{SAID['pictures']}.includes('letter.txt is not a picture')")


def network(path: Path, *, shape: tuple[int, ...] = (1, 28, 28), **changed: object) -> Path:
    """A network of one layer, as `helpers.export` writes it but for what is changed."""
    names = {"input": "images", "output": "logits", "classes": json.dumps(["dark", "light"])}
    names |= changed
    weights = np.zeros((int(np.prod(shape)), 2), np.float32)
    weights[:, 1], bias = 100 / len(weights), np.array([10, 0], np.float32)
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", [names["input"]], ["flat"]),
            helper.make_node("Gemm", ["flat", "weights", "bias"], [names["output"]]),
        ],
        "small",
        [helper.make_tensor_value_info(names["input"], kind, ["N", *shape])],
        [helper.make_tensor_value_info(names["output"], kind, ["N", 2])],
        [onnx.numpy_helper.from_array(weights, "weights"),
         onnx.numpy_helper.from_array(bias, "bias")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    if names["classes"]:
        helper.set_model_props(model, {"classes": names["classes"], "title": "Dark or light"})
    path.write_bytes(model.SerializeToString())
    return path


@needs_runtime
def test_a_network_of_ones_own_is_used_or_refused_in_one_line(
    page: Browser, tmp_path: Path
) -> None:
    wrong = {
        "no ONNX file": (tmp_path / "text.onnx"),
        "called images": network(tmp_path / "names.onnx", input="pixels"),
        "an output logits": network(tmp_path / "output.onnx", output="scores"),
        "no list of names": network(tmp_path / "classes.onnx", classes=""),
        "3 names for 2 answers": network(tmp_path / "three.onnx", classes='["a", "b", "c"]'),
        "N x 1 x 28 x 28": network(tmp_path / "shape.onnx", shape=(1, 32, 32)),
    }
    (tmp_path / "text.onnx").write_text("no network", encoding="utf-8")
    for why, path in wrong.items():
        page.choose("#live-own-file", path)
        page.wait_for(f"{OWN}.startsWith({json.dumps(path.name)})")
        said = page.run(OWN)
        assert why in said and "chapter 8" in said and "\n" not in said
    page.choose("#live-own-file", network(tmp_path / "mine.onnx"))
    page.wait_for(f"{OWN}.startsWith('mine.onnx now reads the drawing')")
    draw(page, [np.array([(100, 100), (180, 180)])])
    names = "[...document.querySelectorAll('#live-digits .live-name')].map((n) => n.textContent)"
    assert page.run(names) == ["dark", "light"]
    seen = np.array(page.run("[...readDigit({pixels: ink.getImageData(0, 0, PAGE, PAGE).data,"
                             "width: PAGE, height: PAGE}).pixels]"))  # fmt: skip
    wanted = answers(tmp_path / "mine.onnx", seen.reshape(1, 28, 28))
    np.testing.assert_allclose(page.run("digits.shares"), wanted, atol=1e-4)
    page.choose("#live-own-file", network(tmp_path / "colour.onnx", shape=(3, 24, 40)))
    page.wait_for(f"{OWN}.startsWith('colour.onnx now reads the photograph')")
    page.run("document.getElementById('live-back').click()")
    page.wait_for(f"{OWN}.includes('are back')")
    assert len(page.run(names)) == 11


@needs_runtime
def test_it_fits_a_narrow_dark_screen(page: Browser) -> None:
    page.dark(True)
    try:
        draw(page, [np.array([(140, 50), (140, 230)])])
        page.resize(360)
        assert page.run("document.documentElement.scrollWidth") <= 360
        paper = "getComputedStyle(document.getElementById('live-drawing'))"
        assert page.run(f"{paper}.filter") == "none"
    finally:
        page.dark(False)
        page.resize(1280)


def test_opened_as_a_file_it_says_what_to_do(site: Path, tmp_path: Path) -> None:
    opened = Browser(tmp_path)
    try:
        opened.open((site / "book" / "live.html").as_uri())
        assert "python -m http.server" in opened.run(SAID["digits"])
        assert opened.errors() == []
    finally:
        opened.close()


@needs_runtime
def test_it_starts_again_without_a_network(site: Path, tmp_path: Path) -> None:
    opened = Browser(tmp_path)
    line = [np.array([(140, 50), (140, 230)])]
    try:
        with served(site) as server:
            address = f"{server}book/live.html"
            opened.open(address)
            opened.wait_for("document.documentElement.dataset.live")
            assert draw(opened, line).startswith("1 (")
            opened.wait_for("document.documentElement.dataset.live === 'kept'")
        # Nobody answers at this address any more.
        opened.open(address)
        opened.wait_for("document.documentElement.dataset.live")
        assert draw(opened, line).startswith("1 (")
    finally:
        opened.close()
