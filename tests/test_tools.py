"""The programs behind the make targets, on a small course of their own."""

import base64
import io
import json
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from helpers.notebook import add_numbers
from helpers.plots import COLOURS
from helpers.support.errors import UserError
from helpers.support.progress import Progress
from tools import fill_numbers, generate, render, reproduce, run_colab, run_fast
from tools.book import build, chart, page_weight, pages
from tools.course import ROOT, Course, code_digest, read_notebook, run_tool

CHAPTER = """\
# %% [markdown]
# # 1. A small chapter
#
# <!-- badges -->
# <!-- /badges -->
#
# It takes <!-- result:chapters.01.full_seconds|seconds -->?<!-- /result -->, and
# the answer is <!-- result:answer.small.value|plain -->?<!-- /result -->; $x^2$.

# %% tags=["course-setup"]
# set-up

# %%
import os

from tqdm import tqdm

print(os.environ.get("COURSE_FAST"), os.environ.get("COURSE_DATA"))
for _ in tqdm(range(2), desc="half"):
    pass
"""
GLOSSARY = (
    "# Glossary\n\n### Batch size\n\nHow many.\n\n### Epoch\n\nOne pass.\n\n"
    "First used in [somewhere](else.md)\n\n## N\n\n### Never\n\nNot used.\n"
)


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """A course of one chapter, with the settings of this one."""
    for name in ("pyproject.toml", "book/_config.yml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "book" / "_static", tmp_path / "book" / "_static")
    for name in ("helpers/exercises/grading.py", "train.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01_small.py").write_text(CHAPTER, encoding="utf-8")
    toc = "format: jb-book\nroot: book/index\nchapters:\n  - file: notebooks/01_small\n"
    (tmp_path / "book" / "_toc.yml").write_text(toc)
    (tmp_path / "book" / "index.md").write_text("# A book\n\n[one](../notebooks/01_small)\n")
    small = Course(tmp_path)
    generate.main([], small)
    return small


def add_page(course: Course, name: str, text: str | None) -> None:
    """One more notebook in the table of contents, and its .py unless `text` is None."""
    with (course.book / "_toc.yml").open("a") as file:
        file.write(f"  - file: notebooks/{name}\n")
    if text is not None:
        (course.root / "notebooks" / f"{name}.py").write_text(text, encoding="utf-8")


def output_of(path: Path) -> str:
    return "".join(output.text for output in read_notebook(path).cells[2].outputs)


def test_frame_writes_badges_set_up_and_numbers_once(course: Course) -> None:
    readme = course.root / "README.md"
    readme.write_text("<!-- colab:01_small -->\n\n<!-- open:01_small -->")
    add_numbers(course.results, "answer.small", value=42)
    add_numbers(course.results, "chapters.01", full_seconds=1)
    generate.main([], course)
    pair = course.chapters()[0].pair
    text = pair.read_text(encoding="utf-8")
    assert f"{course.repository}/raw/{course.branch}/notebooks/01_small.ipynb" in text
    assert f'url = "{course.repository}"' in text
    assert "-->42<!--" in text
    assert readme.read_text().count("/blob/main/notebooks/01_small.ipynb)") == 2
    assert "<!-- open:01_small -->[Open in Colab](" in readme.read_text()
    assert generate.main(["--check"], course) == 0
    pair.write_text(text.replace("range(2)", "range(3)"), encoding="utf-8")
    assert [line.split()[0] for line in generate.problems(course)] == ["notebooks/01_small.ipynb"]
    assert generate.main(["--check"], course) == 1


def test_the_glossary_says_where_a_term_is_linked_first_or_else_named(course: Course) -> None:
    page, one = course.book / "glossary.md", course.chapters()[0].pair
    page.write_text(GLOSSARY, encoding="utf-8")
    one.write_text(CHAPTER.replace("small chapter", "Batch size, an epoch"), encoding="utf-8")
    title = "# More: [it](../book/glossary.md#batch-size)"
    add_page(course, "more", CHAPTER.replace("# 1. A small chapter", title))
    generate.main([], course)
    batch, epoch, never = page.read_text(encoding="utf-8").split("### ")[1:]
    assert "First used in [More" in batch and "(../notebooks/more.ipynb)" in batch
    assert epoch.startswith("Epoch\n\nOne pass.\n\nFirst used in [chapter 1](../notebooks/01_s")
    assert "else.md" not in epoch
    assert never == "Never\n\nNot used.\n"


@pytest.mark.parametrize("place", ["badges", "course-setup"])
def test_frame_needs_a_place(course: Course, place: str) -> None:
    course.chapters()[0].pair.write_text(CHAPTER.replace(place, "other"), encoding="utf-8")
    with pytest.raises(UserError, match=place):
        generate.main([], course)


def test_render_stores_outputs_digest_and_numbers_which_come_out_again(
    course: Course, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COURSE_DATA", raising=False)
    chapter = course.chapters()[0]
    recording = (
        f"import sys\n\nsys.path.append({str(ROOT)!r})\nfrom helpers.notebook import record\n\n"
        'record("answer.small", value=42, val_accuracy=0.9)\n'
    )
    with chapter.pair.open("a", encoding="utf-8") as file:
        file.write(recording)
    add_numbers(course.results, "answer.gone", value=1, chapter="01")
    add_numbers(course.results, "answer.of_another", value=2, chapter="02")
    assert render.main(["--chapter", "1"], course) == 0
    notebook = read_notebook(chapter.notebook)
    assert output_of(chapter.notebook) == "None full\n"
    assert notebook.metadata["course"]["code_digest"] == code_digest(notebook)
    stored = json.loads(course.results.read_text())
    assert stored["answer.small"] == {"value": 42, "val_accuracy": 0.9, "chapter": "01"}
    assert "answer.gone" not in stored and stored["answer.of_another"]["value"] == 2
    made = stored["chapters.01"]
    assert made["full_seconds"] > 0 and made["threads"] >= 1 and len(made["code"]) == 64
    assert set(made) >= {"date", "data", "device"} and "torch" in made["versions"]
    assert generate.main(["--check"], course) == 0, "the numbers are in the text"
    add_numbers(course.results, "answer.small", value=43, val_accuracy=0.8)
    assert generate.main(["--check"], course) == 1
    before, seen = course.results.read_bytes(), chapter.notebook.read_bytes()
    monkeypatch.setenv("COLUMNS", "120")  # wide enough for rows of one line
    capsys.readouterr()
    assert reproduce.main(["--chapter", "1"], course) == 1
    said = capsys.readouterr().out
    assert re.search(r"answer.small.value +│ +43 +│ +42 +│ +± 4.3 +│ +yes", said), said
    assert re.search(r"val_accuracy +│ +80.00 % +│ +90.00 % +│.+│ +NO", said), said
    assert "1 do not agree" in said and "code has changed" not in said
    assert reproduce.main(["--chapter", "1", "--record"], course) == 1
    assert (course.results.read_bytes(), chapter.notebook.read_bytes()) == (before, seen)
    add_numbers(course.results, "answer.small", value=42, val_accuracy=0.9)
    assert reproduce.main(["--chapter", "1", "--record"], course) == 0
    stored = json.loads(course.results.read_text())
    assert stored["reproduced.01"] == {k: v for k, v in made.items() if k != "full_seconds"}


def test_each_number_has_its_own_tolerance() -> None:
    recorded = {"a.b": {"test_accuracy": 0.98, "seconds": 10, "parameters": 7, "points": 2.0}}
    cases = [
        ("test_accuracy", 0.9855, 0.9865),
        ("seconds", 19, 21),
        ("parameters", 7, 8),
        ("points", 2.19, 2.3),
    ]
    for field, near, far in cases:
        assert reproduce.agrees(field, recorded["a.b"], near)
        assert not reproduce.agrees(field, recorded["a.b"], far)
    assert not reproduce.agrees("test_accuracy", recorded["a.b"] | {"runs": 9}, 0.9855)
    for numbers, wrong in (({"points": 2.1}, 0), ({"seconds": 99}, 0), ({"points": 3, "x": 1}, 2)):
        assert reproduce.compared(recorded, {"a.b": numbers})[1] == wrong


def test_a_cell_that_fails_stores_nothing(course: Course) -> None:
    chapter = course.chapters()[0]
    text = chapter.pair.read_text(encoding="utf-8") + "\nraise ValueError('on purpose')\n"
    chapter.pair.write_text(text, encoding="utf-8")
    generate.main([], course)
    before = chapter.notebook.read_bytes()
    with pytest.raises(UserError, match="on purpose"):
        render.main([], course)
    assert chapter.notebook.read_bytes() == before
    assert not course.results.exists()


def test_stored_results_that_a_chapter_reads_count_as_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.course.ROOT", tmp_path)
    (tmp_path / "benchmarks").mkdir()
    (stored := tmp_path / "benchmarks" / "runs.json").write_text("[1]")
    reading = new_notebook(cells=[new_code_cell('open(root / "benchmarks" / "runs.json")')])
    before, other = code_digest(reading), code_digest(new_notebook())
    stored.write_text("[2]")
    assert code_digest(reading) != before and code_digest(new_notebook()) == other


def test_fast_run_goes_into_copies_and_into_a_book_that_says_so(course: Course) -> None:
    with pytest.raises(UserError, match="no fast run"):
        build.main(["--fast"], course)
    before = course.chapters()[0].notebook.read_bytes()
    run_fast.main(["--record"], course)
    assert course.chapters()[0].notebook.read_bytes() == before
    assert output_of(course.fast / "notebooks" / "01_small.ipynb") == "1 sample\n"
    assert json.loads(course.results.read_text())["chapters.01"]["fast_seconds"] > 0
    build.main(["--fast"], course)
    first = (course.html / "index.html").read_text(encoding="utf-8")
    assert 'http-equiv="refresh"' not in first and '<meta name="description"' in first
    for link in re.findall(r"""(?:href|src)="(?!https?:|#|data:)([^"?#]+)""", first):
        assert (course.html / link).exists(), link
    for unneeded in ("thebe.js", "fontawesome.js", "tex-svg.js"):
        assert unneeded not in first
    assert "searchindex.js" not in first and f'href="{build.home(course)}"' in first
    lost = (course.html / "404.html").read_text(encoding="utf-8")
    assert f'<a href="/{course.repository.split("/")[-1]}/notebooks/01_small.html">1. A sm' in lost
    assert "1 sample" in (course.html / "notebooks" / "01_small.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("home", "pages"),
    [("Some/course", "some.github.io/course/"), ("Some/some.github.io", "some.github.io/")],
)
def test_the_book_stands_where_github_puts_it(home: str, pages: str) -> None:
    course = SimpleNamespace(repository=f"https://github.com/{home}")
    assert build.home(course) == f"https://{pages}"


def test_a_reader_without_the_data_is_imitated(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_fast.main(["--full", "--chapter", "1"], course)
    assert output_of(course.fast / "notebooks" / "01_small.ipynb") == "0 sample\n"
    with pytest.raises(SystemExit):
        run_fast.main(["--full", "--record"], course)
    monkeypatch.setenv("COURSE_DATA", "full")
    run_fast.main([], course)
    assert output_of(course.fast / "notebooks" / "01_small.ipynb") == "1 full\n"


def test_colab_is_imitated_and_what_it_has_must_stay(
    course: Course, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in ("init -q", "add -A", "commit -q -m all"):
        run_colab.git(
            "-C", course.root, *"-c user.name=a -c user.email=b".split(), *arguments.split()
        )
    said = iter([{"numpy": "1", "torch": "2"}, {"numpy": "1", "torch": "3"}])
    monkeypatch.setattr(run_colab, "packages", lambda python: next(said))
    with pytest.raises(UserError, match="01_small"):
        run_colab.main([sys.executable], course)
    told = capsys.readouterr().out
    assert "No GPU is on" in told or "A GPU is on" in told, "the set-up cell fetched the course"
    assert told.endswith("changed what was installed: torch\n")


def test_a_warning_ends_the_build_and_keeps_the_old_book(
    course: Course, capfd: pytest.CaptureFixture[str]
) -> None:
    course.html.mkdir(parents=True)
    (course.html / "index.html").write_text("old")
    with (course.book / "index.md").open("a") as file:
        file.write("\n[nowhere](missing.md)\n")
    with pytest.raises(UserError, match="Jupyter Book"):
        build.main([], course)
    assert "missing.md" in capfd.readouterr().err
    assert (course.html / "index.html").read_text() == "old"


def test_pages_are_looked_at(course: Course) -> None:
    course.html.mkdir(parents=True)
    page = course.html / "book" / "index.html"
    page.parent.mkdir()
    page.write_text(f'<img src="https://elsewhere/a.png" alt="a cat"> {course.root}/x')
    found = "\n".join(build.faults(course.html, course, fast=True))
    parts = ("01_small is in", "fast run", "path of this machine", "https://elsewhere/a.png")
    for part in (*parts, "button for the side bar", "field to search in"):
        assert part in found


def test_every_picture_of_a_page_has_a_text(course: Course) -> None:
    page = course.html / "book" / "index.html"
    page.parent.mkdir(parents=True)
    good = ('<img src="a.png" alt="a cat">', "<img alt='a cat' src='a.png'>")
    bad = ("", ' alt=""', ' alt=" "', ' data-alt-text="x"')
    page.write_text("".join(good) + "".join(f'<img src="{n}.png"{b}>' for n, b in enumerate(bad)))
    found = [line for line in build.faults(course.html, course, fast=False) if "text:" in line]
    assert len(found) == len(bad)


def test_links_to_the_words_lead_there_from_everywhere(course: Course) -> None:
    """Written short, stored with an address, and short again in the book."""
    pair = course.root / "notebooks" / "01_small.py"
    text = pair.read_text(encoding="utf-8")
    more = "\n# %% [markdown]\n# A [word](../book/words.md#word), a [loss](@loss).\n"
    pair.write_text(text + more, "utf-8")
    generate.main([], course)
    address = f"[word]({course.repository}/blob/{course.branch}/book/words.md#word)"
    for path in (pair, pair.with_suffix(".ipynb")):
        stored = path.read_text(encoding="utf-8")
        assert address in stored and "/book/glossary.md#loss)" in stored
    course.repository = course.repository.replace("//github.com/", "//github.com/moved-")
    generate.main([], course)
    assert address not in pair.read_text(encoding="utf-8")
    staged = build.stage(course, fast=False) / "notebooks" / "01_small.ipynb"
    assert "[word](../book/words.md#word)" in staged.read_text(encoding="utf-8")


def test_an_appendix_is_a_page_with_a_name_and_no_number(course: Course) -> None:
    text = CHAPTER.replace("# 1. A small chapter", "# More").replace("chapters.01", "chapters.more")
    add_page(course, "more", text)
    assert [(c.number, c.key) for c in course.chapters()] == [("01", "01"), ("", "more")]
    assert render.main(["--chapter", "more"], course) == 0
    assert json.loads(course.results.read_text())["chapters.more"]["full_seconds"] > 0
    assert "no number for answer.small.value" in "".join(generate.problems(course))
    assert "no number for chapters.more" not in "".join(generate.problems(course))
    with pytest.raises(UserError, match="no chapter 2; there are 01, more"):
        course.chapters("2")


def test_a_chapter_without_a_file_is_named_in_one_line(course: Course) -> None:
    add_page(course, "02_gone", None)
    with pytest.raises(SystemExit, match="^error: .*02_gone"):
        run_tool(lambda: run_fast.main([], course))


def test_a_question_to_think_about_becomes_a_box_in_the_book() -> None:
    said = pages.boxed(
        "One.\n\nTwo. **Think first**: how many $x$?\n\n**Think first**: why?\n\nEnd."
    )
    box = ":::{admonition} Think first\n:class: think-first\n"
    assert said == f"One.\n\nTwo.\n\n{box}How many $x$?\n:::\n\n{box}Why?\n:::\n\nEnd."


def drawing(alt: str) -> NotebookNode:
    """A cell whose stored output is a picture of 900 by 300 pixels."""
    stored = io.BytesIO()
    Image.new("RGB", (900, 300)).save(stored, "png")
    data = {"image/png": base64.b64encode(stored.getvalue()).decode()}
    metadata = {"mystnb": {"image": {"alt": alt}}}
    return new_code_cell("draw()", metadata=metadata, outputs=[new_output("display_data", data)])


def test_what_nobody_tried_says_nothing_and_a_demo_stands_below_its_figure() -> None:
    said = "⬜ exercise 3.1: not tried yet\n"
    cells = [
        new_code_cell("grade()", outputs=[new_output("stream", text=said)]),
        new_code_cell("both()", outputs=[new_output("stream", text=f"{said}kept\n")]),
        drawing("A digit and three filtered copies: edges"),
    ]
    notebook = new_notebook(cells=cells)
    pages.as_page(notebook, "03_cnn")
    assert [cell.cell_type for cell in notebook.cells] == ["code", "code", "code", "markdown"]
    assert notebook.cells[0].outputs == []
    assert notebook.cells[1].outputs[0].text == "kept\n"
    data = re.search(r'data-image="([0-9a-f]+)"', notebook.cells[3].source)
    assert data and len(data[1]) == 2 * 28 * 28 and len(set(data[1])) > 2
    with pytest.raises(UserError, match="04_.* has no figure"):
        pages.as_page(notebook, "04_optimizer_comparison")


def test_the_first_page_gets_small_pictures_of_figures(tmp_path: Path) -> None:
    cells = [drawing("Other"), drawing('A "cat": black')]
    cells.append(new_code_cell(metadata={"mystnb": {"image": {"alt": "Not drawn yet"}}}))
    notebooks = {"one": new_notebook(cells=cells)}

    def page(marker: str) -> str:
        return pages.with_thumbnails(f"<!-- figure:{marker} -->", notebooks, tmp_path / "small")

    assert ':alt: "A \\"cat\\": black"' in page('one|A "cat')
    assert Image.open(tmp_path / "small" / "one.png").width == pages.THUMBNAIL[0]
    assert page("one|Not drawn") == ""
    for marker in ("one|A dog", "two|A cat"):
        with pytest.raises(UserError, match="figure"):
            page(marker)


def test_a_page_has_the_files_that_it_needs_and_small_pictures_of_the_same_pixels(
    tmp_path: Path,
) -> None:
    course = '<link href="../_static/course.css?v=1"/>'
    quiz = '<script src="_static/quiz.js"></script>'
    copy = '<script src="_static/clipboard.min.js?v=2"></script>'
    assert page_weight.without_idle_files(copy + course + quiz) == course
    for idle, serves in ((copy, '<details name="quiz-2-1">'), (quiz, '<div class="highlight">')):
        page = copy + course + quiz + serves
        assert page_weight.without_idle_files(page) == page.replace(idle, "")
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = page_weight.lazy(
        '<img src="a.png" alt="x"><img src="a.png" alt="y">', tmp_path / "page.html"
    )
    first = '<img width="7" height="9" src="a.webp" alt="x">'
    assert found == first + first.replace("<img", '<img loading="lazy"').replace('"x"', '"y"')
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.webp")), pixels)


def test_the_chart_follows_from_the_numbers(course: Course) -> None:
    assert chart.chart({}) == ""
    add_numbers(course.results, "linear.mnist", test_accuracy=0.5, seconds=7)
    generate.main([], course)
    path = course.book / "_static" / "results.svg"
    drawn = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    bars = [e for e in drawn.findall(".//{*}rect") if e.get("x")]
    assert [float(bar.get("width", 0)) for bar in bars] == [chart.BAR / 2]
    assert "50.0 %" in path.read_text("utf-8") and "7 s" in path.read_text("utf-8")
    assert COLOURS[:2] == (chart.BLUE, chart.ORANGE)
    path.write_text("old")
    stale = [line.split()[0] for line in generate.problems(course) if "out of step" in line]
    assert stale == ["book/_static/results.svg"]


@pytest.mark.parametrize(
    ("style", "value", "written"),
    [
        ("percent", 0.97916, "97.92 %"),
        ("percent1", 0.97951, "98.0 %"),
        ("seconds", 82.6, "83 s"),
        ("minutes", 371, "6 minutes"),
        ("minutes", 20, "1 minute"),
        ("thousands", 1234, "1,234"),
        ("plain", 0.5, "0.5"),
    ],
)
def test_formats(style: str, value: float, written: str) -> None:
    for bar in ("|", "\\|"):
        text = f"<!-- result:a.b.c{bar}{style} -->?<!-- /result -->"
        filled = fill_numbers.fill(text, {"a.b": {"c": value}})
        assert filled == text.replace("?", written) and fill_numbers.missing(filled) == []


def test_a_missing_number_and_an_unknown_format() -> None:
    marker = "<!-- result:a.b.c|percent -->1 %<!-- /result -->"
    filled = fill_numbers.fill(marker, {})
    assert filled == marker.replace("1 %", "?") and fill_numbers.missing(filled) == ["a.b.c"]
    with pytest.raises(UserError, match="furlongs"):
        fill_numbers.fill(marker.replace("percent", "furlongs"), {})


def test_no_bar_is_drawn_on_a_rendered_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helpers.support.progress.bars_are_drawn", lambda: True)
    assert Progress(1, enabled=True).bars
    monkeypatch.setenv("TQDM_DISABLE", "1")
    quiet = Progress(1, enabled=True)
    assert not quiet.bars and not quiet.lines
