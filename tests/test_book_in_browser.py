"""The book as its readers meet it: built once, opened in a real browser without a network."""

import ast
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
import torch
import torch.nn.functional as F
from bs4 import BeautifulSoup

from tests.course_text import COURSE
from tools.book import pack
from tools.book.browser import CHROMIUM, Browser, served
from tools.book.build import home
from tools.book.gallery import entries
from tools.book.page_weight import with_formulas
from tools.book.pages import APART
from tools.book.pdf import NAME, combined
from tools.course import ROOT, Course, read_notebook

EXERCISES = [
    f"{chapter.entry}{APART}.html"
    for chapter in COURSE.chapters()
    if "## Exercises" in chapter.pair.read_text(encoding="utf-8")
]
PAGES = [*(f"{entry}.html" for entry in COURSE.entries), *EXERCISES, "index.html", "search.html"]
LONGEST = 25_000  # pixels of a page, at 1280
HEAVIEST = 2_000_000  # bytes, uncompressed, with everything that a page loads before one scrolls
HEAVIEST_LIVE = 16_500_000  # the program that runs networks has 14 MB
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
needs_browser = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium or Chrome")


class _Page(HTMLParser):
    """What a page links to, and what on it can be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.canonical: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.anchors |= {known[key] for key in ("id", "name") if known.get(key)}
        if tag == "link" and known.get("rel") == "canonical":
            self.canonical.append(known["href"] or "")
        elif tag in ("a", "link", "script", "img", "form"):
            self.links += [known[key] for key in ("href", "src", "action") if known.get(key)]


def page_of(chapter: int, part: str = "") -> str:
    return f"{COURSE.chapters(str(chapter))[0].entry}{part}.html"


@pytest.fixture(scope="module")
def server(book: Path) -> Iterator[str]:
    with served(book) as address:
        yield address


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


def test_every_link_and_anchor_leads_somewhere(book: Path) -> None:
    pages = {path: _Page(path) for path in book.rglob("*.html") if "_static" not in path.parts}
    root = "/" + home(COURSE).split("/", 3)[3]
    dead = []
    for path, page in pages.items():
        for link in page.links:
            if re.match(r"(?:https?|mailto|data):", link):
                continue
            address, anchor = urldefrag(link)
            address = unquote(address.split("?")[0])
            place = book / address.removeprefix(root) if address.startswith("/") else path
            target = place if address.startswith("/") else (path.parent / address).resolve()
            if not address:
                target = path
            known = pages.get(target)
            if not target.exists() or (anchor and known and unquote(anchor) not in known.anchors):
                dead.append((path.relative_to(book).as_posix(), link))
    assert len(pages) > len(COURSE.entries) and dead == []


def test_every_page_says_where_it_is_published(book: Path) -> None:
    for entry in COURSE.entries[1:]:
        assert _Page(book / f"{entry}.html").canonical == [f"{home(COURSE)}{entry}.html"]
    for first in ("index", COURSE.entries[0]):
        assert _Page(book / f"{first}.html").canonical == [home(COURSE)]


def test_downloads_are_the_notebooks_themselves(book: Path) -> None:
    for chapter in COURSE.chapters():
        stored = book / "_sources" / f"{chapter.entry}.ipynb"
        assert stored.read_bytes() == chapter.notebook.read_bytes()


def test_exercises_and_quiz_stand_on_a_page_that_opens_the_notebook(book: Path) -> None:
    for page in EXERCISES:
        apart = (book / page).read_text(encoding="utf-8")
        chapter = (book / page.replace(APART, "")).read_text(encoding="utf-8")
        assert 'id="exercises"' in apart and 'id="exercises"' not in chapter
        assert "<summary>Solution" in apart and "<summary>Solution" not in chapter
        # "Open in Colab" and the like: from both pages to the one notebook that there is.
        assert re.findall(r"[\w/]+\.ipynb", apart) and f"{APART}.ipynb" not in apart + chapter
        assert f'href="{Path(page).name}"' in chapter and 'id="takeaways"' in chapter


def test_every_formula_is_mathml_and_says_what_its_tex_says(book: Path) -> None:
    made = with_formulas(
        r'<div class="math notranslate nohighlight">\[L = -\frac{1}{N} &lt; \log p_n\]</div>'
    )
    text = unescape(re.sub(r"<[^>]+>", "", made))
    assert made.startswith('<div class="math"><math') and "<mfrac>" in made and "<msub>" in made
    assert text == "L=−1N<logpn"
    for page in PAGES:
        assert r'class="math notranslate' not in (book / page).read_text(encoding="utf-8")
    assert (book / "_static" / "math.woff").stat().st_size < 100_000


def test_the_first_page_has_a_card_with_a_picture_for_every_chapter(book: Path) -> None:
    text = (book / "index.html").read_text(encoding="utf-8")
    cards = re.findall(r'<div class="course-card">(.*?)</div>', text, re.DOTALL)
    linked = [re.findall(r'href="(notebooks/\w+)\.html"', card) for card in cards]
    assert linked == [[chapter.entry] for chapter in COURSE.chapters()]
    assert [links for links, card in zip(linked, cards, strict=True) if "<img" not in card] == []


def test_the_page_to_print_has_all_its_anchors_and_solutions_at_the_end(book: Path) -> None:
    course = Course()
    course.html = book
    page = BeautifulSoup(
        combined(course, ["notebooks/00_tensors", "book/notation"], {}), "html.parser"
    )
    anchors = {element["id"] for element in page.select("[id]")}
    links = [element["href"] for element in page.select("a[href]")]
    assert {link[1:] for link in links if link.startswith("#")} <= anchors
    assert [link for link in links if not re.match(r"#|https?:", link)] == []
    assert all((book / image["src"]).exists() for image in page.select("img"))
    told = [heading.get_text() for heading in page.select(".answers h3")]
    assert len([t for t in told if t.startswith("Exercise 0.")]) == 6 and "details" not in str(page)
    toc = [link["href"] for link in page.select(".toc a")]
    assert "#notebooks/00_tensors:pick-out-by-position" in toc and toc[-1] == "#book/notation:"
    assert page.select("math") and "book/notation:notation" in anchors


def test_the_classroom_zip_is_a_course_that_runs(
    tmp_path: Path,
) -> None:
    course = Course()
    course.build, course.html = tmp_path, tmp_path / "html"
    course.html.mkdir()
    (course.html / "index.html").write_text("the book")
    if subprocess.run(["git", "rev-parse"], cwd=ROOT, capture_output=True).returncode:
        pytest.skip("not a git working copy")
    pack.main(course)
    with zipfile.ZipFile(tmp_path / f"{NAME}.zip") as packed:
        packed.extractall(tmp_path)
    room = tmp_path / NAME
    assert (room / "html" / "index.html").exists() and (room / "CLASSROOM.md").exists()
    wanted = (room / "requirements.txt").read_text().splitlines()
    pinned = (room / "wheels.txt").read_text().lower().splitlines()
    for requirement in wanted:
        name = re.match(r"[\w-]+", requirement)[0].lower()
        assert any(line.startswith(f"{name}==") for line in pinned), name
    said = "from helpers.data import load; print(load('mnist').train.images.shape[1:])"
    done = subprocess.run(
        [sys.executable, "-c", said],
        cwd=room,
        env=os.environ | {"COURSE_DATA": "sample"},
        capture_output=True,
        encoding="utf-8",
    )
    assert "28, 28" in done.stdout, done.stderr


@needs_browser
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_clean_light_and_needs_nobody_else(
    page: str, browser: Browser, server: str
) -> None:
    browser.open(server + page)
    assert browser.errors() == []
    assert [a for a in browser.requests() if not a.startswith((server, "data:"))] == []
    assert browser.weight() <= (HEAVIEST_LIVE if page == "book/live.html" else HEAVIEST)
    if page.startswith("notebooks/"):
        assert browser.run("document.documentElement.scrollHeight") <= LONGEST
    # Formulas are set, no code is cut, and nothing is wider than the window.
    assert not browser.run(r"/\\\(|\\\[/.test(document.querySelector('article')?.innerText ?? '')")
    cut = "[...document.querySelectorAll('.cell_input pre')].filter(pre => pre.offsetWidth"
    assert browser.run(f"{cut} && pre.scrollWidth > pre.clientWidth).length") == 0
    browser.resize(390)
    assert browser.run("document.documentElement.scrollWidth") <= 390


@needs_browser
@pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: npm install --no-save axe-core")
@pytest.mark.parametrize(
    ("page", "width", "dark"),
    [
        ("index.html", 1280, False),
        (page_of(0), 390, True),
        (page_of(2, APART), 1280, True),
        ("search.html", 390, False),
    ],
)
def test_axe_finds_no_barrier(
    page: str, width: int, dark: bool, browser: Browser, server: str
) -> None:
    browser.dark(dark)
    try:
        browser.open(server + page, width)
        browser.run(AXE.read_text(encoding="utf-8") + "; null")
        found = browser.run(
            f"axe.run(document, {{runOnly: {WCAG}}}).then((told) => told.violations"
            ".map((rule) => [rule.id, rule.impact, rule.nodes.map((node) => node.html)]))"
        )
    finally:
        browser.dark(False)
    assert found == []


@needs_browser
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_menus_open(width: int, browser: Browser, server: str) -> None:
    browser.open(f"{server}{page_of(2)}", width)
    link = "document.querySelector('.bd-links a[href*=\"03_cnn\"]').checkVisibility"
    seen = f"{link}({{visibilityProperty: true}})"
    before = browser.run(seen)
    assert before == (width >= 1200)
    browser.run("document.querySelector('.primary-toggle').click()")
    browser.wait_for(f"{seen} !== {str(before).lower()}")


@needs_browser
def test_search_shows_sentences_and_the_glossary_first(browser: Browser, server: str) -> None:
    browser.open(f"{server}search.html?q=softmax")
    found = "[...document.querySelectorAll('#search-results li')]"
    browser.wait_for("/finished/.test(document.querySelector('.search-summary')?.textContent)")
    browser.wait_for(f"{found}.every((item) => item.querySelector('p.context'))")
    results = browser.run(
        f"{found}.map((item) => ({{"
        "page: item.querySelector('a').getAttribute('href'),"
        "section: item.querySelector('p a')?.getAttribute('href') ?? null,"
        "said: item.querySelector('p').textContent}))"
    )
    assert results[0]["page"] == "book/glossary.html#softmax"
    assert "probabilities" in results[0]["said"]
    for result in results:
        told = f"{result['page']} {result['said']}".lower()  # the title has it, or the sentence
        assert "softmax" in told, result
        assert "Contents" not in result["said"] and len(result["said"]) < 450
        if result["section"]:
            browser.open(server + result["section"])
            assert browser.run("Boolean(document.querySelector(location.hash))")
    assert sum(bool(result["section"]) for result in results) >= 3


@needs_browser
def test_the_quiz_works_by_keyboard_and_remembers(browser: Browser, server: str) -> None:
    address = f"{server}{page_of(2, APART)}"
    browser.open(address)
    score = "document.querySelector('.quiz-score').textContent"
    assert "0 of 0 answered" in browser.run(score)
    browser.run("document.querySelector('details.quiz-right summary').focus()")
    browser.press("Enter")
    browser.wait_for(f"{score}.includes('1 of 1 answered')")
    browser.open(address)
    assert "1 of 1 answered" in browser.run(score)
    browser.run("document.querySelector('.quiz-score button').focus()")
    browser.press("Enter")
    browser.wait_for(f"{score}.includes('0 of 0 answered')")


@needs_browser
def test_the_glossary_is_filtered_and_whole_without_scripts(browser: Browser, server: str) -> None:
    browser.open(f"{server}book/glossary.html")
    shown = (
        "[...document.querySelectorAll('#glossary section section')]"
        ".filter((term) => term.checkVisibility()).map((term) => term.id)"
    )
    everything = browser.run(shown)
    browser.run("document.getElementById('filter').focus()")
    browser.type("batch size")
    few = browser.run(shown)
    assert "batch-size" in few and 0 < len(few) < len(everything) / 3
    assert f"{len(few)} of {len(everything)} terms" in browser.run(
        "document.querySelector('.glossary-filter').textContent"
    )
    browser.press("Enter")
    assert browser.run("location.hash") == "#batch-size"
    browser.scripts(False)
    try:
        browser.open(f"{server}book/glossary.html")
    finally:
        browser.scripts(True)
    assert browser.run(shown) == everything
    assert browser.run("document.querySelectorAll('nav.letters a').length") > 15


@needs_browser
def test_pictures_stay_as_they_are_in_the_dark(browser: Browser, server: str) -> None:
    browser.dark(True)
    try:
        browser.open(f"{server}{page_of(3)}")
        assert browser.run("document.documentElement.dataset.theme") == "dark"
        paper = browser.run("getComputedStyle(document.body).backgroundColor")
        assert max(map(int, re.findall(r"\d+", paper)[:3])) < 60
        for kind in ("img", ".demo canvas"):
            style = f"getComputedStyle(document.querySelector('.bd-article {kind}'))"
            assert browser.run(f"{style}.filter") == "none"
            assert browser.run(f"{style}.backgroundColor") == "rgb(255, 255, 255)"
    finally:
        browser.dark(False)


def defined(chapter: int, names: set[str]) -> dict:
    """Functions and constants of a notebook, as its code cells define them."""
    found: dict = {"torch": torch, "F": F}
    for cell in read_notebook(COURSE.chapters(str(chapter))[0].notebook).cells:
        if cell.cell_type != "code":
            continue
        for node in ast.parse(re.sub(r"^[%!].*$", "", cell.source, flags=re.M)).body:
            targets = [t.id for t in getattr(node, "targets", []) if isinstance(t, ast.Name)]
            if ({getattr(node, "name", ""), *targets}) & (names - set(found)):
                exec(compile(ast.Module([node], []), "notebook", "exec"), found)
    assert names <= set(found)
    return found


@needs_browser
def test_the_kernel_is_slid_by_the_formula_of_chapter_3(browser: Browser, server: str) -> None:
    chapter = defined(3, {"convolve", "sobel"})
    browser.open(f"{server}{page_of(3)}")
    image = torch.tensor(browser.run("digit")).view(28, 28)
    kernels = {
        "vertical edges": chapter["sobel"],
        "horizontal edges": chapter["sobel"].T,
        "blur": torch.full((3, 3), 1 / 9),
    }
    for name, kernel in kernels.items():
        shown = browser.run(f"convolve(digit, KERNELS['{name}'])")
        expected = chapter["convolve"](image, kernel)
        torch.testing.assert_close(torch.tensor(shown).view(26, 26), expected, atol=1e-5, rtol=0)
    # By keyboard: one step to the right, and the sum of that place is said.
    browser.run("document.getElementById('kernel-column').focus()")
    browser.press("ArrowRight")
    row, column = (
        int(browser.run(f"document.getElementById('kernel-{name}').value"))
        for name in ("row", "column")
    )
    assert column == 9
    expected = chapter["convolve"](image, chapter["sobel"])[row, column]
    said = browser.run("document.querySelector('#demo-kernel output').textContent")
    assert said.startswith(f"Row {row}, column {column}:")
    assert float(re.findall(r"-?[\d.]+\d", said)[-1]) == pytest.approx(expected.item(), abs=0.0051)
    # A kernel of one's own: nine times the pixel itself.
    browser.run(
        "numbers.forEach((field, place) => { field.value = place === 4 ? 9 : 0;"
        "field.dispatchEvent(new Event('input')); })"
    )
    said = browser.run("document.querySelector('#demo-kernel output').textContent")
    pixel = 9 * image[row + 1, column + 1].item()
    assert float(re.findall(r"-?[\d.]+\d", said)[-1]) == pytest.approx(pixel, abs=0.0051)


@needs_browser
def test_the_valley_is_walked_by_the_rules_of_chapter_4(browser: Browser, server: str) -> None:
    names = {"curvature", "START", "valley", "gradient", "descent", "walk", "momentum"}
    chapter = defined(4, names)
    browser.open(f"{server}{page_of(4)}")
    for lr, mu in ((0.01, 0), (0.05, 0), (0.095, 0), (0.02, 0.9), (0.15, 0.9)):

        def rule(w, g, memory, lr, mu=mu):
            return chapter["momentum"](w, g, memory, lr, mu)

        expected = chapter["walk"](rule if mu else chapter["descent"], lr)
        shown = torch.tensor(browser.run(f"walk({lr}, {mu})"))
        torch.testing.assert_close(shown, expected, atol=1e-3, rtol=1e-4)
    assert browser.run("loss([-4, 1])") == pytest.approx(chapter["valley"](chapter["START"]).item())
    browser.run("document.getElementById('valley-lr').focus()")
    browser.press("ArrowRight")
    assert browser.run("document.getElementById('valley-lr').value") == "0.021"
    end = chapter["valley"](chapter["walk"](chapter["descent"], 0.021)[-1]).item()
    said = browser.run("document.querySelector('#demo-valley output').textContent")
    assert float(re.search(r"loss (\S+)\.", said)[1]) == pytest.approx(end, abs=0.002)


@needs_browser
def test_the_gallery_shows_what_is_recorded_and_works_by_keyboard(
    browser: Browser, server: str
) -> None:
    rows = {row.letter: row for row in entries(COURSE)}
    address = f"{server}book/gallery.html"
    browser.open(address)
    places = browser.run("points.map((p) => [p.dataset.letter, p.getAttribute('href')])")
    expected = [
        (row.letter, row.page)
        for row in rows.values()
        for number in (row.seconds, row.parameters)
        if row.val and number
    ]
    assert sorted(map(tuple, places)) == sorted(expected)
    for seconds in (1, 8, 60, 200, 4000):
        fit = [r for r in rows.values() if r.val and r.seconds and r.seconds <= seconds]
        best = {row.data: row for row in sorted(fit, key=lambda row: row.val)}
        found = browser.run(f"Object.values(best({seconds})).map(letterOf)")
        assert sorted(found) == sorted(row.letter for row in best.values())
    output = "document.querySelector('#gallery output').textContent"
    browser.run("document.getElementById('gallery-seconds').focus()")
    for _ in range(3):
        browser.press("ArrowLeft")
    faded = set(browser.run("models.filter((m) => m.matches('.too-long')).map(letterOf)"))
    budget = 10 ** float(browser.run("budget.value"))
    assert budget < 3000 and faded == {
        row.letter for row in rows.values() if row.seconds and row.seconds > budget
    }
    browser.run("points[0].focus()")
    row = rows[places[0][0]]
    assert row.name in browser.run(output) and f"{100 * row.val:.2f} %" in browser.run(output)
    browser.scripts(False)
    try:
        browser.open(address)
    finally:
        browser.scripts(True)
    assert browser.run("document.querySelectorAll('.gallery-table tbody tr').length") == len(rows)
    assert browser.run("document.querySelectorAll('.gallery-panels svg a').length") == len(places)
