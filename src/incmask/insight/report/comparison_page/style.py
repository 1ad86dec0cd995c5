"""How each approach is called and drawn: the same name, colour, marker and line in every table and figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from incmask.insight.report.comparison_page.rows import EQUAL
from incmask.insight.report.comparison_page.tables import Approach


@dataclass(frozen=True)
class Style:
    """A colour, a marker ("" for none) and a line, as matplotlib writes them."""

    colour: str
    marker: str
    line: str

    @property
    def look(self) -> dict[str, Any]:
        """Give the arguments of matplotlib's functions that draw lines."""
        return {"color": self.colour, "marker": self.marker, "linestyle": self.line}


_ORANGE, _SKY, _GREEN, _BLUE, _VERMILION, _PURPLE = "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7"
"""Of the palette by Okabe and Ito, which the colour-blind tell apart; its yellow is too pale on white."""

_STYLES = {
    "fdt": Style("#000000", "", "-"),
    "strong-ldt": Style("#000000", "", ":"),
    "aldt": Style("#555555", "", "--"),
    "ldt": Style("#767676", "", "-."),
    "me": Style(_SKY, "<", "--"),
    "ie": Style(_GREEN, ">", "--"),
    "cl": Style(_PURPLE, "*", "--"),
    "ns": Style(_ORANGE, "X", "--"),
    "evalnet": Style(_BLUE, "h", "--"),
    "im": Style(_BLUE, "o", "-"),
    "im+": Style(_GREEN, "s", "-"),
    "im++": Style(_VERMILION, "^", "-"),
    "aim+": Style(_SKY, "D", "-"),
    "aim++": Style(_PURPLE, "v", "-"),
    "gt-im++": Style(_VERMILION, "P", ":"),
    "im-online": Style(_BLUE, "d", ":"),
    "mt": Style(_PURPLE, "p", ":"),
    "cps": Style(_GREEN, "H", ":"),
    "fixmatch": Style(_ORANGE, "8", ":"),
    "fixmatch+im": Style(_SKY, "d", ":"),
}
_NAMES = {
    "evalnet": "EvalNet",
    "strong-ldt": "strong LDT",
    "im-online": "IM online",
    "fixmatch": "FixMatch",
    "fixmatch+im": "FixMatch+IM",
}
# Neighbours differ in colour, marker and line; colour and marker together differ up to the 42nd.
_COLOURS, _MARKERS, _LINES = (_BLUE, _VERMILION, _GREEN, _PURPLE, _SKY, _ORANGE), "os^DvPX", ("-", "--", "-.", ":")


def cycle_style(index: int) -> Style:
    """Give the style of the ``index``-th (from 0) of things that have none of their own."""
    return Style(_COLOURS[index % len(_COLOURS)], _MARKERS[index % len(_MARKERS)], _LINES[index % len(_LINES)])


def display_name(recipe: str) -> str:
    """Give a recipe's name as the paper writes it: "im++" is "IM++"."""
    return _NAMES.get(recipe, recipe.upper())


def approach_label(approach: Approach) -> str:
    """Name an approach for people, with the setting of a sweep and equal steps."""
    parts = (display_name(approach.recipe), approach.setting, "(equal steps)" if approach.budget == EQUAL else "")
    return " ".join(part for part in parts if part)


def styles_of(recipes: Sequence[str]) -> list[Style]:
    """Give each its recipe's own look; where one comes twice or is unknown, give all any looks that differ."""
    if len(set(recipes)) == len(recipes) and _STYLES.keys() >= set(recipes):
        return [_STYLES[recipe] for recipe in recipes]
    return [cycle_style(index) for index in range(len(recipes))]
