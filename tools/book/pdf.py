"""Print the built book into one file, book/_build/from-pixels-to-lightning.pdf.

    python -m tools.book.build && python -m tools.book.pdf

The articles of all pages are put into one page with a title and a table of contents, and Chromium
prints it, twice: the first print tells on which sheet a heading falls. On paper nothing can be
opened, so code that the pages fold is left out, and solutions and answers stand at the end of their
exercises. book/_static/print.css is what the sheets look like.
"""

import posixpath
import subprocess
import tomllib
from urllib.parse import urldefrag, urljoin

from bs4 import BeautifulSoup, Comment, Tag
from pypdf import PdfReader

from helpers.support.errors import UserError
from tools.book.build import SUBTITLE, chromium, home
from tools.book.pages import APART
from tools.course import Course, run_tool

NAME = "from-pixels-to-lightning"
# What is of use on a screen only.
ON_SCREEN = "script, .headerlink, .demo, .actions, nav.letters, details.hide, .hide-input > details"
EVERYWHERE = (
    *("What you will learn", "Exercises and quiz", "Exercises", "Quiz", "Takeaways"),
    *("What went wrong, and why", "Which one should I choose?", "Read on", "Next"),
)
OPTIONS = "--headless --no-sandbox --disable-gpu --no-first-run --no-pdf-header-footer "
OPTIONS += "--generate-pdf-document-outline"
SECONDS = 240
MARKS = {"✅": "✓", "❌": "✗"}  # in the fonts of text, and without colour


def article(soup: BeautifulSoup, page: str, pages: set[str], site: str) -> Tag:
    """The article of one page, ready for paper.

    Anchors get the page's name in front, for two pages may use the same; links to pages of the
    book lead to these, all others to where they are published.
    """
    found = soup.select_one("article.bd-article")
    assert found
    for comment in found.find_all(string=lambda text: isinstance(text, Comment)):
        if comment.strip() == "badges" and (links := comment.find_next_sibling("p")):
            links.decompose()
    for element in found.select(ON_SCREEN):
        element.decompose()
    for element in found.select("[id]"):
        element["id"] = f"{page}:{element['id']}"
    found["id"] = f"{page}:"
    for element in found.select("a[href], img[src]"):
        key = "href" if element.name == "a" else "src"
        address, anchor = urldefrag(urljoin(f"/{page}.html", element[key]))
        local = posixpath.splitext(address.removeprefix("/"))[0]
        if element.name == "img":
            element[key] = element[key] if ":" in address else address.removeprefix("/")
        elif address.startswith("/"):
            inside = local in pages
            target = f"#{local}:" if inside else site + address.removeprefix("/") + "#"
            element[key] = target + anchor if inside or anchor else target.removesuffix("#")
    return found


def answers_to_the_end(soup: BeautifulSoup, found: Tag, sheets: dict[str, int]) -> None:
    """Move solutions and answers behind the last exercise, each with a link to it."""
    folded = found.select("details")
    if not folded:
        return
    end = soup.new_tag("section", attrs={"class": "answers"})
    end.append(soup.new_tag("h2", string="Solutions and answers"))
    asked = None
    for number, details in enumerate(folded):
        summary = details.summary.extract()
        place = f"{found['id']}answer-{number}"
        shown = soup.new_tag("p")
        if details.get("name"):  # an answer of a quiz: its question stands before the first
            summary.name = "span"
            question = details.find_previous("p").strong if details["name"] != asked else None
            if question:
                end.append(soup.new_tag("h3", string=question.get_text()))
            asked = details["name"]
            shown.append(summary)
            details.insert(0, soup.new_tag("p", string=summary.get_text(), attrs={"class": "said"}))
        else:
            heading = details.find_previous(["h3", "h2"]).get_text()
            end.append(soup.new_tag("h3", string=heading))
            told = f"{summary.get_text()}: page {sheets.get(place, 0)}"
            shown.append(soup.new_tag("a", string=told, href=f"#{place}"))
        details.replace_with(shown)
        details.name = "div"
        details.attrs = {"id": place}
        end.append(details)
    found.append(end)


def contents(articles: list[Tag], sheets: dict[str, int]) -> str:
    """The table of contents: pages, and of chapters the sections that others have not."""
    lines = []
    for found in articles:
        entries = [("toc-page", found["id"], found.h1.get_text())]
        if found["id"].startswith("notebooks/"):
            entries += [
                ("toc-section", heading.parent["id"], heading.get_text())
                for heading in found.select("section > section[id] > h2")
                if heading.get_text() not in EVERYWHERE
            ]
        lines += [
            f'<p class="{kind}"><a href="#{place}">{title}<span>{sheets.get(place, 0)}</span></a>'
            for kind, place, title in entries
        ]
    return "\n".join(lines)


def combined(course: Course, entries: list[str], sheets: dict[str, int]) -> str:
    """These pages of the book as one, to lie beside index.html; `sheets` is where anchors fall."""
    pages = [page for entry in entries for page in (entry, f"{entry}{APART}")]
    pages = [page for page in pages if (course.html / f"{page}.html").exists()]
    if not pages:
        raise UserError("no book to print: python -m tools.book.build first")
    articles, running = [], ""
    for number, page in enumerate(pages):
        text = (course.html / f"{page}.html").read_text(encoding="utf-8")
        for mark, plain in MARKS.items():
            text = text.replace(mark, plain)
        soup = BeautifulSoup(text, "html.parser")
        found = article(soup, page, set(pages), home(course))
        answers_to_the_end(soup, found, sheets)
        found["style"] = f"page: p{number}"
        title = found.h1.get_text().replace('"', "”")
        running += f'@page p{number} {{ @top-left {{ content: "{title}" }} }}\n'
        articles.append(found)
    project = tomllib.loads((course.root / "pyproject.toml").read_text("utf-8"))["project"]
    styles = "\n".join(
        f'<link rel="stylesheet" href="_static/{path.name}">'
        for name in ("pygments.css", "mystnb.*.css", "course.css", "print.css")
        for path in (course.html / "_static").glob(name)
    )
    return f"""<!DOCTYPE html>
<html lang="en" data-theme="light">
<head>
<meta charset="utf-8">
<title>{course.config["title"]}</title>
{styles}
<style>
{running}</style>
</head>
<body>
<section class="title-page">
<h1>{course.config["title"]}</h1>
<p>{SUBTITLE}</p>
<img src="_static/overview.png" alt="">
<p>Version {project["version"]} · {course.config["copyright"]} {course.config["author"]}</p>
<p>{course.config["html"]["extra_footer"]}</p>
<p>The notebooks, and this book as pages with what runs in a browser:
<a href="{home(course)}">{home(course)}</a>. Code that these pages fold, such as drawing, is left
out here.</p>
</section>
<nav class="toc">
<h1>Contents</h1>
{contents(articles, sheets)}
</nav>
{"".join(map(str, articles))}
</body>
</html>
"""


def main() -> None:
    """Print the book and say where it is."""
    course = Course()
    page = course.html / "print.html"
    made = course.build / f"{NAME}.pdf"
    if not chromium():
        raise UserError("printing the book needs Chromium or Chrome")
    sheets: dict[str, int] = {}
    try:
        for _ in range(2):
            page.write_text(combined(course, course.entries, sheets), encoding="utf-8")
            order = [chromium(), *OPTIONS.split(), f"--print-to-pdf={made}", page.as_uri()]
            subprocess.run(order, check=True, capture_output=True, timeout=SECONDS)
            printed = PdfReader(made)
            for name, place in printed.named_destinations.items():
                sheets[name.removeprefix("/")] = printed.get_destination_page_number(place) + 1
    finally:
        page.unlink(missing_ok=True)
    print(made)


if __name__ == "__main__":
    run_tool(main)
