"""Build the book at book/_build/html/index.html; a warning is an error.

    python -m tools.book.build          from the outputs stored in notebooks/: the one to publish
    python -m tools.book.build --fast   from the last fast run, with a line that says so on top

The sources are first put together in book/_build/stage/, where nothing else is: at the root,
Sphinx would read the pages of all packages in .venv too. What is changed there: tools/book/pages.py
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from html import escape as html_escape
from pathlib import Path

import yaml

from helpers.support.errors import UserError
from tools.book import live_runtime
from tools.book.gallery import with_gallery
from tools.book.page_weight import lazy, store_font, store_icons, with_formulas, without_idle_files
from tools.book.pages import (
    APART,
    as_page,
    exercises_of,
    with_letters,
    with_settings,
    with_thumbnails,
)
from tools.course import (
    Chapter,
    Course,
    notebook_text,
    read_notebook,
    run_tool,
    write_if_changed,
)
from tools.generate import files_address

BANNER = (
    "This copy shows a <strong>fast run on the small bundled data</strong>: less training, "
    "lower numbers. The published book shows the full runs."
)
# What a page would fetch from elsewhere when it is opened: <script src=…>, <img src=…> and so on.
REMOTE = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?P<src>(?:https?:)?//[^"'\s>]+)"""
    r"""|<link\b(?=[^>]*\brel=["']?stylesheet)[^>]*\bhref=["']?(?P<href>(?:https?:)?//[^"'\s>]+)"""
)
# Scripts that a page loads and does not need: all icons are drawn by a font that is loaded too,
# nothing on the page runs in Thebe, and formulas need no script.
ICONS = re.compile(r"""<(?:script|link)\b[^>]*fontawesome\.js[^>]*>(?:</script>)?""")
THEBE = re.compile(
    r"<script\b(?:(?!</script>).)*thebe(?:(?!</script>).)*</script>", re.DOTALL | re.IGNORECASE
)
FORMULAS = re.compile(
    r"""<script\b[^>]*mathjax[^>]*></script>|<script>window\.MathJax[^<]*</script>"""
)
# Nothing is looked for while one types, so only the page of the results needs the index.
INDEX = re.compile(
    r"""<script\b[^>]*(?:searchtools|language_data|searchindex)\.js[^>]*></script>\s*"""
)
UNNAMED = '<summary><span class="toctree-toggle"'  # the arrow beside a chapter in the side bar
TWICE = re.compile(r"<title>(?P<title>.+?) &#8212; (?P=title)</title>")  # the first page's title
TITLE = re.compile(r"<title>(.*?)(?: &#8212;.*?)?</title>", re.DOTALL)
CANONICAL = re.compile(r"""\s*<link rel="canonical"[^>]*>""")
QUESTION = re.compile(r"<strong>The question</strong>: (?P<said>.*?)</p>", re.DOTALL)
SUBTITLE = "Image classification with PyTorch and PyTorch Lightning: a free course in notebooks."
IMAGE = re.compile(r"<img\b[^>]*>")
ALT = re.compile(r"""\balt=(["'])(?=[^"']*\w)""")


def source(chapter: Chapter, course: Course, *, fast: bool) -> Path:
    """The notebook that a page is made from.

    Raises:
        UserError: there was no fast run.
    """
    path = course.fast / f"{chapter.entry}.ipynb" if fast else chapter.notebook
    if fast and not path.exists():
        raise UserError(f"no fast run of {chapter.entry}: python -m tools.run_fast first")
    return path


def stage(course: Course, *, fast: bool) -> Path:
    """Copy all sources of the book into one clean folder and return it.

    Raises:
        UserError: a page or a figure is missing, or there was no fast run.
    """
    folder = course.build / "stage"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(course.book, folder / "book", ignore=shutil.ignore_patterns("_build"))
    if fast:
        course.config.setdefault("html", {})["announcement"] = BANNER
        text = yaml.safe_dump(course.config, sort_keys=False, allow_unicode=True)
        (folder / "book" / "_config.yml").write_text(text, encoding="utf-8")
    notebooks = {}
    contents = yaml.safe_load((course.book / "_toc.yml").read_text("utf-8"))
    for chapter in course.chapters():
        notebook = read_notebook(source(chapter, course, fast=fast))
        as_page(notebook, chapter.notebook.stem)
        notebooks[chapter.notebook.stem] = notebook
        exercises = exercises_of(notebook, chapter.notebook.stem)
        for made, name in ((notebook, chapter.entry), (exercises, f"{chapter.entry}{APART}")):
            if made:
                # In the book, links to its own pages lead to these pages, and Sphinx looks after
                # them.
                text = notebook_text(made).replace(f"{files_address(course)}book/", "../book/")
                write_if_changed(folder / f"{name}.ipynb", text)
        if exercises:
            entry = next(e for e in contents["chapters"] if e["file"] == chapter.entry)
            entry["sections"] = [{"file": f"{chapter.entry}{APART}", "title": "Exercises and quiz"}]
    (folder / "book" / "_toc.yml").write_text(yaml.safe_dump(contents), encoding="utf-8")
    first = folder / f"{course.entries[0]}.md"
    text = with_thumbnails(first.read_text("utf-8"), notebooks, first.parent / "thumbnails")
    first.write_text(text, encoding="utf-8")
    glossary = folder / "book" / "glossary.md"
    if glossary.exists():
        glossary.write_text(with_letters(glossary.read_text("utf-8")), encoding="utf-8")
    gallery = folder / "book" / "gallery.md"
    if gallery.exists():
        gallery.write_text(with_gallery(gallery.read_text("utf-8"), course), encoding="utf-8")
    live = folder / "book" / "live.md"
    if live.exists():
        runs = live_runtime.is_there()
        if runs:
            shutil.copytree(live_runtime.FOLDER, live.parent / "_static" / live_runtime.FOLDER.name)
        else:
            print("the live page will not run networks: make runtime, then build again")
        text = with_settings(live.read_text("utf-8"), live_runtime.FOLDER.name if runs else None)
        live.write_text(text, encoding="utf-8")
    return folder


def build(folder: Path) -> Path:
    """Run Jupyter Book on the staged sources; return the folder with the pages.

    Raises:
        UserError: it failed, or it warned.
    """
    start = "from jupyter_book.cli.main import main; main()"  # it has no `python -m` of its own
    options = "build . --config book/_config.yml --toc book/_toc.yml --path-output . -q -W -n"
    done = subprocess.run(
        [sys.executable, "-c", start, *options.split(), "--keep-going"],
        cwd=folder,
        env=os.environ | {"PYTHONWARNINGS": "ignore", "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode != 0:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
        raise UserError(f"Jupyter Book ended with status {done.returncode}: see above")
    return folder / "_build" / "html"


def chromium() -> str:
    """The Chromium or Chrome of this machine; empty, if there is none."""
    on_a_mac = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
    names = ("chromium", "chromium-browser", "google-chrome", on_a_mac)
    return next(filter(None, map(shutil.which, names)), "")


def home(course: Course) -> str:
    """Where the book is published: on GitHub's pages of the repository."""
    owner, name = course.repository.removeprefix("https://github.com/").split("/")
    pages = f"{owner.lower()}.github.io"
    return f"https://{pages}/" if name.lower() == pages else f"https://{pages}/{name}/"


def finish(html: Path, course: Course) -> None:
    """Leave out of every page what it does not need now, and say what it is to who links to it.

    The first page then stands at index.html itself, which is a bare redirection otherwise.
    """
    start = course.entries[0]
    pages = list(html.rglob("*.html"))
    for page in pages:
        name = page.relative_to(html).as_posix()
        text = page.read_text(encoding="utf-8")
        text = TWICE.sub(r"<title>\g<title></title>", THEBE.sub("", ICONS.sub("", text)))
        text = lazy(without_idle_files(with_formulas(FORMULAS.sub("", text))), page)
        if name == "search.html":
            text = text.replace("</head>", '<script src="_static/search.js"></script>\n</head>', 1)
        else:
            text = INDEX.sub("", text)
        # The notebook of both is one.
        text = re.sub(rf"(?<=[\w]){APART}\.ipynb", ".ipynb", text)
        # Its label has to hold the words that can be seen on it.
        text = text.replace('aria-label="Color mode"', "")
        text = text.replace('title="Search" aria-label="Search"', 'title="Search"')
        text = text.replace(UNNAMED, UNNAMED.replace("<summary", '<summary aria-label="Its pages"'))
        text = text.replace('aria-label="Toggle hidden content"', "")
        asked = QUESTION.search(text)
        about = re.sub(r"<[^>]+>", "", asked["said"]) if asked else SUBTITLE
        about = html_escape(" ".join(about.split()))
        about = about[:1].upper() + about[1:]
        title = re.search(r"<title>(.*?)</title>", text, re.DOTALL)
        address = home(course) + ("" if name == f"{start}.html" else name)
        head = f"""<meta name="description" content="{about}">
<meta property="og:title" content="{" ".join(title[1].split()) if title else ""}">
<meta property="og:description" content="{about}">
<meta property="og:type" content="website">
<meta property="og:url" content="{address}">
<meta property="og:image" content="{home(course)}_static/overview.png">
<link rel="canonical" href="{address}">
</head>"""
        text = CANONICAL.sub("", text).replace("</head>", head, 1)
        page.write_text(text, encoding="utf-8")
    for small in (html / "_images").glob("*.webp"):
        small.with_suffix(".png").unlink(missing_ok=True)
    texts = [page.read_text(encoding="utf-8") for page in pages]
    store_font(texts, html / "_static" / "math.woff")
    store_icons(texts, html / "_static")
    first = html / f"{start}.html"
    if first.exists():
        moved = re.sub(
            r"""(?P<what>\b(?:href|src|action)=")(?P<to>(?!https?:|#|mailto:|data:)[^"]*)""",
            lambda m: m["what"] + (m["to"][3:] if m["to"].startswith("../") else f"book/{m['to']}"),
            first.read_text(encoding="utf-8").replace('content_root="../"', 'content_root="./"'),
        )
        (html / "index.html").write_text(moved, encoding="utf-8")
    worker = html / "_static" / "live_worker.js"
    if worker.exists():  # it may look after the pages of its own folder only
        worker.rename(html / "book" / worker.name)
    (html / "404.html").write_text(not_found(html, course), encoding="utf-8")


def not_found(html: Path, course: Course) -> str:
    """The page for an address that leads nowhere.

    It is shown at any depth, so its links begin at the root of the host, and it needs no file.
    """
    root = "/" + home(course).split("/", 3)[3]
    links = ""
    for entry in course.entries:
        page = html / f"{entry}.html"
        if not page.exists():
            continue  # faults() names it
        title = TITLE.findall(page.read_text("utf-8"))[0]
        links += f'<li><a href="{root}{entry}.html">{" ".join(title.split())}</a></li>\n'
    logo = (course.book / "_static" / "logo.svg").read_text(encoding="utf-8")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Not found — {course.config["title"]}</title>
<link rel="icon" href="data:,">
<style>
:root {{ color-scheme: light dark; }}
html {{ background: Canvas; color: CanvasText; }}
body {{ font: 1.1rem/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 36rem;
  padding: 0 1rem; }}
svg {{ width: 4rem; }}
</style>
</head>
<body>
{logo}
<h1>This page is not here</h1>
<p>It may have moved when the course changed. Look for a word, or choose a page:</p>
<form action="{root}search.html">
<label>Search <input type="search" name="q"></label> <button>Find</button>
</form>
<ul>
{links}</ul>
</body>
</html>
"""


def faults(html: Path, course: Course, *, fast: bool) -> list[str]:
    """What is wrong with the built pages, one line each."""
    found = []
    private = [folder for folder in (course.root, Path.home()) if len(folder.parts) > 1]
    for entry in course.entries:
        page = html / f"{entry}.html"
        if not page.exists():
            found.append(f"{entry} is in book/_toc.yml, but its page was not built")
            continue
        text = page.read_text(encoding="utf-8")
        if fast and BANNER not in text:
            found.append(f"{entry} does not say that it shows a fast run")
        if any(str(place) in text for place in private):
            found.append(f"{entry} shows a path of this machine")
        unseen = [tag for tag in IMAGE.findall(text) if not ALT.search(tag)]
        found += [f"{entry} has a picture without a text: {tag}" for tag in unseen]
        if len(re.findall(r"<button[^>]*primary-toggle", text)) != 1:
            found.append(f"{entry} has not one button for the side bar: with two, both are dead")
        if len(re.findall(r"<form[^>]*bd-search", text)) != 1:
            found.append(f"{entry} has not one field to search in")
        remote = [match["src"] or match["href"] for match in REMOTE.finditer(text)]
        found += [f"{entry} needs {address} to be read" for address in remote]
    return found


def main(arguments: list[str] | None = None, course: Course | None = None) -> None:
    """Build the book and say where it is."""
    parser = argparse.ArgumentParser(description="the book, from stored or from fast runs")
    parser.add_argument("--fast", action="store_true", help="from the last fast run")
    fast = parser.parse_args(arguments).fast
    course = course or Course()
    folder = stage(course, fast=fast)
    html = build(folder)
    finish(html, course)
    for chapter in course.chapters():  # what one downloads from a page is the notebook as it is
        stored = html / "_sources" / f"{chapter.entry}.ipynb"
        shutil.copy(source(chapter, course, fast=fast), stored)
        stored.with_stem(stored.stem + APART).unlink(missing_ok=True)
    wrong = faults(html, course, fast=fast)
    if wrong:
        print(*wrong, sep="\n", file=sys.stderr)
        raise UserError(f"the book was built with {len(wrong)} faults: see above")
    shutil.rmtree(course.html, ignore_errors=True)
    shutil.move(html, course.html)
    shutil.rmtree(folder)
    print(f"{len(course.entries)} pages: open {course.html / 'index.html'}")


if __name__ == "__main__":
    run_tool(main)
