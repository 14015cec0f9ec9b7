"""Formulas as MathML, which browsers set by themselves: no script of 2 MB on pages that have some.

With them goes one small font, for not every system has one with mathematical letters.
"""

import importlib.metadata
import re
from html import unescape
from pathlib import Path

from fontTools import subset
from latex2mathml.converter import convert

FONT = ("ziamath", "ziamath/fonts/STIXTwoMath-Regular.ttf")
FORMULA = re.compile(
    r'<(?P<tag>span|div) class="math notranslate nohighlight">\s*\\[(\[](?P<tex>.*?)\\[)\]]\s*'
    r"</(?P=tag)>",
    re.DOTALL,
)
FUNCTION = re.compile(r"<mi>[a-z]{2,}</mi>(?!<mo)")  # a log stands a little apart from its argument
# A letter in <mi> is shown by the italic one of these.
ITALIC = {*range(0x1D434, 0x1D468), 0x210E, *range(0x1D6FC, 0x1D71C)}


def with_formulas(page: str) -> str:
    """A page with MathML in place of the TeX that Sphinx leaves for a script."""

    def formula(match: re.Match[str]) -> str:
        display = "block" if match["tag"] == "div" else "inline"
        tag, made = match["tag"], convert(unescape(match["tex"]).strip(), display=display)
        made = FUNCTION.sub(r'\g<0><mspace width="0.17em"></mspace>', made)
        return f'<{tag} class="math">{made}</{tag}>'

    return FORMULA.sub(formula, page)


def store_font(pages: list[str], target: Path) -> None:
    """Write a font with what the formulas of these pages show, and nothing else."""
    shown = "".join(re.findall(r"<math\b.*?</math>", "".join(pages), re.DOTALL))
    options = subset.Options(flavor="woff", layout_features=["ssty"])
    package, name = FONT
    font = subset.load_font(
        str(importlib.metadata.distribution(package).locate_file(name)), options
    )
    subsetter = subset.Subsetter(options)
    subsetter.populate(text=unescape(re.sub(r"<[^>]+>", "", shown)), unicodes=ITALIC)
    subsetter.subset(font)
    subset.save_font(font, str(target), options)
