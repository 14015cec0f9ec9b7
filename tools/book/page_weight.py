"""What makes the pages light: only what a page needs, small pictures that come when they are seen.

Formulas are MathML, which browsers set by themselves. With them goes one small font, for not every
system has one with mathematical letters. Pictures are stored again as WebP, pixel for pixel the
same in half of the bytes.
"""

import importlib.metadata
import re
from html import unescape
from itertools import count
from pathlib import Path

from fontTools import subset
from latex2mathml.converter import convert
from PIL import Image

FONT = ("ziamath", "ziamath/fonts/STIXTwoMath-Regular.ttf")
FORMULA = re.compile(
    r'<(?P<tag>span|div) class="math notranslate nohighlight">\s*\\[(\[](?P<tex>.*?)\\[)\]]\s*'
    r"</(?P=tag)>",
    re.DOTALL,
)
FUNCTION = re.compile(r"<mi>[a-z]{2,}</mi>(?!<mo)")  # a log stands a little apart from its argument
MINUS = re.compile(r"(?<=<mo>&#x0003D;</mo>)<mo>(?=&#x02212;)")  # of one number, not between two
ICON = re.compile(r'(?P<names>(?:\.fa-[\w-]+:+before,?)+)\{content:"\\(?P<code>[0-9a-f]+)"\}')
WOFF2 = re.compile(r'url\([^)]*/fa-[^)]*\.woff2\) format\("woff2"\),')
FILE = re.compile(r"""<(?:script|link)\b[^>]*\b_static/([\w-]+)\.[^>]*>(?:</script>)?\s*""")
CODE, TABS = r'class="highlight', r'class="(?:[^"]* )?sd-'
# Scripts and styles, and the elements without which a page does not need them.
SERVES = {
    **{"quiz": 'name="quiz-', "clipboard": CODE, "copybutton": CODE},
    **{"sphinx-design": TABS, "design-tabs": TABS, "mystnb": 'class="cell '},
    "togglebutton": r'class="(?:[^"]* )?(?:toggle|admonition[^"]* dropdown)[ "]',
    "sphinx-thebe": r"(?!)",  # nothing ever runs in Thebe
}
# What is shown and stands nowhere in the text: italic letters for those in <mi>, and the root sign.
DRAWN = {*range(0x1D434, 0x1D468), 0x210E, *range(0x1D6FC, 0x1D71C), 0x221A}


def with_formulas(page: str) -> str:
    """A page with MathML in place of the TeX that Sphinx leaves for a script."""

    def formula(match: re.Match[str]) -> str:
        display = "block" if match["tag"] == "div" else "inline"
        tag, made = match["tag"], convert(unescape(match["tex"]).strip(), display=display)
        made = FUNCTION.sub(r'\g<0><mspace width="0.17em"></mspace>', made)
        made = MINUS.sub('<mo form="prefix">', made)
        return f'<{tag} class="math">{made}</{tag}>'

    return FORMULA.sub(formula, page)


def without_idle_files(page: str) -> str:
    """A page without the scripts and styles that have nothing to do on it."""

    def file(match: re.Match[str]) -> str:
        serves = SERVES.get(match[1], "")
        return match[0] if re.search(serves, page) else ""

    return FILE.sub(file, page)


def keep(source: Path, target: Path, shown: set[int], **options: object) -> None:
    """Write a font with these characters, and nothing else."""
    chosen = subset.Options(**options)
    font = subset.load_font(str(source), chosen)
    subsetter = subset.Subsetter(chosen)
    subsetter.populate(unicodes=shown)
    subsetter.subset(font)
    subset.save_font(font, str(target), chosen)


def store_font(pages: list[str], target: Path) -> None:
    """Write the font of the formulas on these pages."""
    formulas = "".join(re.findall(r"<math\b.*?</math>", "".join(pages), re.DOTALL))
    shown = DRAWN | set(map(ord, unescape(re.sub(r"<[^>]+>", "", formulas))))
    package, name = FONT
    source = importlib.metadata.distribution(package).locate_file(name)
    keep(Path(str(source)), target, shown, flavor="woff", layout_features=["ssty"])


def store_icons(pages: list[str], static: Path) -> None:
    """Keep the icons that pages or the theme's scripts name, out of some thousands."""
    scripts = [p for p in static.glob("scripts/*.js") if "fontawesome" not in p.name]
    text = "".join([*pages, *(path.read_text(encoding="utf-8") for path in scripts)])
    named = set(re.findall(r"\bfa-[\w-]+", text))
    shown: set[int] = set()

    def icon(match: re.Match[str]) -> str:
        if not named & set(re.findall(r"fa-[\w-]+", match["names"])):
            return ""
        shown.add(int(match["code"], 16))
        return match[0]

    for path in static.glob("styles/*.css"):
        style = WOFF2.sub("", ICON.sub(icon, path.read_text(encoding="utf-8")))
        path.write_text(style, encoding="utf-8")
    for font in static.glob("vendor/fontawesome/webfonts/*.ttf"):
        keep(font, font, shown)
        font.with_suffix(".woff2").unlink()


def lazy(text: str, page: Path) -> str:
    """A page whose pictures, but for the first, come when they are scrolled to, to a kept place."""
    seen = count()

    def picture(match: re.Match[str]) -> str:
        source = page.parent / match["src"]
        if "width=" in match[0] or source.suffix != ".png" or not source.exists():
            return match[0]
        small = source.with_suffix(".webp")
        with Image.open(source) as image:
            size = f' width="{image.width}" height="{image.height}"'
            if not small.exists():
                image.save(small, lossless=True, method=2)  # more effort gains nothing
        later = ' loading="lazy"' if next(seen) else ""
        tag = match[0].replace(match["src"], match["src"].removesuffix("png") + "webp")
        return f"<img{later}{size}{tag[4:]}"

    return re.sub(r"""<img\b[^>]*?\bsrc="(?P<src>[^"]+)"[^>]*>""", picture, text)
