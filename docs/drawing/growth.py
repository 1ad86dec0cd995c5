"""What changes from one generation to the next, and with the quality of a pseudo-label."""

from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np
from drawing.canvas import drawing, grey, show
from drawing.example import example

from incmask.base.choosing import resolve_settings
from incmask.insight.report.comparison_page.style import cycle_style
from incmask.insight.report.picture import Drawing, new_figure
from incmask.method.augment import photometric
from incmask.method.copies import Band, num_copies
from incmask.method.growth import width_of
from incmask.method.profiles import PROFILES
from incmask.method.recipes import RECIPES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GENERATIONS = range(1, 6)
_STRENGTHS = {
    "max_blur_px": "largest blur radius, px",
    "max_noise": "largest noise, ± grey levels",
    "contrast": "largest contrast change, ±",
    "brightness": "largest brightness change, ±",
}
_RECIPES, _PROFILES = ("im", "im+"), ("generic", "isic2018", "cityscapes")
_VIEW_SEED = 4


def generations() -> Drawing:
    """Draw width and strength of the augmentation by generation, as recipes and profiles have them."""
    return drawing(
        _draw_generations,
        name="generations",
        alt="By generation, 1 to 5: the width factor of the recipes im and im+, and the largest blur, noise, contrast "
        "and brightness change of the profiles generic, isic2018 and cityscapes; all but im's width grow.",
    )


def _draw_generations() -> "Figure":
    figure = new_figure(width_in=8.4, height_in=5.2)
    grid = figure.subplots(2, 3)
    settings = resolve_settings()
    widths = {name: [width_of(RECIPES[name], settings, one) for one in _GENERATIONS] for name in _RECIPES}
    _curves(grid[0, 0], widths, title="width factor")
    assert _STRENGTHS.keys() < {one.name for one in fields(PROFILES["generic"].strengths[0])}
    for axes, (name, title) in zip(list(grid.flat)[1:], _STRENGTHS.items(), strict=False):
        found = {
            profile: [getattr(PROFILES[profile].strength(one), name) for one in _GENERATIONS] for profile in _PROFILES
        }
        _curves(axes, found, title=title, first_style=2)
    grid[1, 2].axis("off")
    handles, names = zip(*(pair for axes in (grid[0, 0], grid[0, 1]) for pair in _legend(axes)), strict=True)
    kinds = ["recipe"] * len(_RECIPES) + ["profile"] * len(_PROFILES)
    labels = [f"{kind} {name}" for kind, name in zip(kinds, names, strict=True)]
    grid[1, 2].legend(handles, labels, loc="center", frameon=False, fontsize=9)
    return figure


def _curves(axes: "Axes", found: dict[str, list[float]], *, title: str, first_style: int = 0) -> None:
    for place, (name, values) in enumerate(found.items(), first_style):
        style = cycle_style(place)
        # Later ones are thinner, so that equal values are seen as such.
        wide = 3.5 - 1.2 * (place - first_style)
        axes.plot(
            _GENERATIONS, values, label=name, color=style.colour, marker=style.marker, linestyle=style.line,
            linewidth=wide, markersize=3 + 2 * wide,
        )  # fmt: skip
    axes.set_title(title)
    axes.set_xlabel("generation")
    axes.set_xticks(list(_GENERATIONS))
    axes.set_ylim(0, None)
    axes.margins(y=0.1)
    axes.grid(alpha=0.3)


def _legend(axes: "Axes") -> list[tuple[object, str]]:
    return list(zip(*axes.get_legend_handles_labels(), strict=True))


def views() -> Drawing:
    """Draw one image as it may look in each generation."""
    return drawing(
        _draw_views,
        name="augmentation",
        alt="The same made-up field as it is, and as it may look in generations 1 to 5: brightness, contrast, blur and "
        "noise change more each time.",
    )


def _draw_views() -> "Figure":
    image = example().image
    figure = new_figure(width_in=8.4, height_in=1.65)
    first, *others = figure.subplots(1, 1 + len(_GENERATIONS))
    show(first, grey(image), "as it is")
    for axes, generation in zip(others, _GENERATIONS, strict=True):
        generator = np.random.default_rng(_VIEW_SEED)
        changed = photometric(image, strength=PROFILES["isic2018"].strength(generation), generator=generator)
        show(axes, grey(changed), f"generation {generation}")
    return figure


_BANDS = ("isic2018", "hela", "suim")


def copies() -> Drawing:
    """Draw how many copies of a pair are trained on, by its rated quality."""
    return drawing(
        _draw_copies,
        name="copies",
        alt="Copies of a pair, 1 to 5, by its rating from 0.4 to 0.8: steps from 1 below to 5 above the band of each "
        f"of the profiles {', '.join(_BANDS)}.",
    )


def _draw_copies() -> "Figure":
    figure = new_figure(width_in=8.4, height_in=3.2)
    axes = figure.subplots()
    quality = np.linspace(0.4, 0.8, 2001)
    for place, name in enumerate(_BANDS):
        band = PROFILES[name].quality_band
        assert band is not None
        found, style = num_copies(quality, band=Band(*band)), cycle_style(place)
        # The corners alone; the line between them is straight.
        corners = np.flatnonzero(np.diff(found, prepend=found[0] - 1, append=found[-1] + 1))
        kept = sorted({0, *corners[corners < len(found)].tolist(), len(found) - 1})
        axes.step(
            quality[kept], found[kept], where="post", label=f"{name}: {band[0]:g} to {band[1]:g}",
            color=style.colour, linestyle=style.line, linewidth=1.8,
        )  # fmt: skip
    axes.set(xlabel="rated quality (predicted IoU)", ylabel="copies of the pair", yticks=range(1, 6))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right center", frameon=False, title="profile and its band")
    return figure
