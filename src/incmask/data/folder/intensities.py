"""What must be said aloud of intensities: how images come to 8 bits, what is clipped, what differs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from incmask.base.packed import ByPath
from incmask.base.words import counted, does
from incmask.data.dataset import DataOptions, Item
from incmask.data.folder.names import first_of
from incmask.data.images.readers import ImageFacts

_EXAMPLES = 3

_FAR = 10.0
"""Where intensities go on for so many times the range that is kept, what is clipped may be what matters."""

_UNLIKE = 4.0
"""Parts whose highest intensities are so many times apart were taken, or saved, in different ways."""

Images = Mapping[Path, ImageFacts]


def intensity_notes(images: Images, items: Mapping[str, Sequence[Item]], options: DataOptions) -> list[str]:
    """Tell how images come to 8 bits, and which of them lose by it."""
    deep = ByPath(ImageFacts, ((path, fact) for path, fact in images.items() if fact.limits is not None))
    if not deep:
        return []
    how = f"from {options.intensity[0]:g} … {options.intensity[1]:g}" if options.intensity else "image by image"
    types = ", ".join(sorted({fact.dtype for fact in deep.values()}))
    notes = [f"{does(len(deep), 'image', 'have')} more than 8 bits ({types}): scaled {how} to 8 bits"]
    if num_narrow := len(images) - len(deep):
        others = does(num_narrow, "image", "stay")
        notes.append(f"the other {others} as before, with 8 bits, so the same shade may differ")
    if options.intensity is not None:
        return [*notes, *_flattened(deep, options.intensity)]
    return [*notes, *_clipped(deep), *_squeezed(deep), *_unlike_parts(deep, items)]


def _flattened(deep: Images, intensity: tuple[float, float]) -> list[str]:
    low, high = intensity
    flat = [
        path.name
        for path, fact in deep.items()
        if fact.extent and fact.extent[0] < fact.extent[1] and (fact.extent[1] <= low or fact.extent[0] >= high)
    ]
    what = f"{does(len(flat), 'image', 'lie')} outside that range, so each is one shade: {first_of(flat, _EXAMPLES)}"
    return [f"{what}; change intensity in incmask.toml, or leave it out"] if flat else []


def _clipped(deep: Images) -> list[str]:
    """Tell of images in which few pixels have most of the range, which may be hot pixels or all that matters."""
    lost = {path: fact for path, fact in deep.items() if _loses_range(fact)}
    if not lost:
        return []
    example = next(iter(lost.values()))
    assert example.limits is not None, "of the deep ones"
    assert example.extent is not None, "of the deep ones"
    shown = f"{_span(*example.limits)} of {_span(*example.extent)}"
    lowest = min(fact.extent[0] for fact in lost.values() if fact.extent)
    highest = max(fact.extent[1] for fact in lost.values() if fact.extent)
    losing = does(len(lost), "image", "lose")
    return [
        f"{losing} most of the range, as the 0.1 % of the pixels beyond it are clipped (such as to "
        f"{shown}): {first_of([path.name for path in lost], _EXAMPLES)}; where these pixels matter, "
        f"write intensity = [{lowest:.9g}, {highest:.9g}] under [data] in incmask.toml"
    ]


def _squeezed(deep: Images) -> list[str]:
    """Tell of images in which one value, which may be no data, leaves few shades to all others."""
    found = {path: fact for path, fact in deep.items() if fact.below_full is not None and fact.extent is not None}
    if not found:
        return []
    lowest = min(fact.extent[0] for fact in found.values() if fact.extent)
    highest = max(fact.below_full for fact in found.values() if fact.below_full)
    having = does(len(found), "image", "have")
    listed = first_of([path.name for path in found], _EXAMPLES)
    return [
        f"{having} 65535 far above all other intensities, which leaves few shades to these: {listed}; where it is no "
        f"data, or they matter, write intensity = [{lowest:.9g}, {highest:.9g}] under [data] in incmask.toml"
    ]


def _loses_range(fact: ImageFacts) -> bool:
    if fact.limits is None or fact.extent is None:
        return False
    span = fact.limits[1] - fact.limits[0]
    return max(fact.extent[1] - fact.limits[1], fact.limits[0] - fact.extent[0]) > _FAR * span > 0


def _unlike_parts(deep: Images, items: Mapping[str, Sequence[Item]]) -> list[str]:
    """Tell of parts whose intensities are of other sizes, as scaling image by image hides it."""
    highest: dict[str, float] = {}
    for part, of_part in items.items():
        found = [fact.limits[1] for item in of_part if (fact := deep.get(item.image)) and fact.limits]
        if found:
            highest[part] = median(found)
    if len(highest) < 2 or min(highest.values()) <= 0 or max(highest.values()) < _UNLIKE * min(highest.values()):
        return []
    listed = ", ".join(f"{part} {value:.4g}" for part, value in highest.items())
    return [
        f"the parts have intensities of different sizes (median of the highest: {listed}); each image is scaled by "
        f"itself, which hides it: where brightness matters, write intensity = [low, high] under [data] in incmask.toml"
    ]


def _span(low: float, high: float) -> str:
    return f"{low:.6g} … {high:.6g}"


def alpha_notes(images: Images, options: DataOptions) -> list[str]:
    """Tell of channels that are said to be transparency and are left out, unless a person says how many there are."""
    left = [path.name for path, fact in images.items() if fact.has_drawn_alpha]
    if not left or options.channels is not None:
        return []
    num = max(fact.channels for fact in images.values() if fact.has_drawn_alpha) + 1
    those = counted(len(left), "image")
    return [
        f"the alpha channel (transparency) of {those} is left out: {first_of(left, _EXAMPLES)}; if it is a "
        f"band of its own, such as near infrared, write channels = {num} under [data] in incmask.toml"
    ]
