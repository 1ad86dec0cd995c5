"""What of the colours of masks was drawn: soft edges, and colours that nearly equal others, are no classes."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from incmask.base.errors import Problem, fail
from incmask.data.dataset import ClassOption, DataOptions, MaskKind
from incmask.data.folder.classes import SETTLE, list_values
from incmask.data.folder.recognise import view
from incmask.data.images.masks import MAX_COLOURS, MaskFacts, is_black_and_white, pack_colour, unpack_colour
from incmask.data.images.nearest import APART_DISTANCE, nearest_colours

_MOST_COLOURS = 1 << 14
"""More are a photo's, of which others tell."""

_RAMP_SHARE = 0.6
"""Of the pixels of a colour, what lies on a way from one neighbour to another where it is that of soft edges."""

_FROM_WAY = 24.0
"""So far from the straight way between two colours lies what is mixed of them, and a little of a third."""

_HALF_WAY = (0.15, 0.85)
"""Small numbers beside 255 for no label are ids, though they lie between."""

_EDGE_SHARE = 1 / 3
"""Edges have no more of the pixels; where many numbers stand side by side, they are those of objects."""

_FEW_STEPS = 3
"""Fewer steps between two colours may be an edge that was drawn."""

_EQUAL, _NEAR_DISTANCE = 3, 16.0
"""Colours that differ by no more in any channel are one; those so near may be."""

_FEW_COLOURS = 12
"""Palettes of more have near colours on purpose."""


@dataclass(frozen=True)
class Drawn:
    """Masks as they were drawn.

    Attributes:
        facts: of the masks, in their order; colours that were not drawn are counted as the nearest that was.
        snaps: whether there are such, so that pixels take the nearest colour.
        notes: that must be said aloud.
    """

    facts: tuple[MaskFacts, ...]
    snaps: bool = False
    notes: tuple[str, ...] = ()


def drawn_of(facts: Sequence[MaskFacts], kind: MaskKind, options: DataOptions, where: object) -> Drawn:
    """Find the colours that were drawn.

    Raises:
        IncmaskError: colours along edges, or near others, may be classes or none.
    """
    facts = tuple(facts)
    if kind == "grey" and any(fact.palette is not None for fact in facts):
        # What is read are the numbers themselves, whatever colours they are shown in.
        return Drawn(facts)
    counts: Counter[int] = Counter()
    ramps: Counter[int] = Counter()
    for fact in facts:
        counts.update(view(fact, "colour"))
        ramps.update(view(fact, "colour", fact.ramps))
    if kind not in ("grey", "colour") or not 2 < len(counts) <= _MOST_COLOURS:
        return Drawn(facts)
    along_edges = {colour for colour in counts if ramps[colour] >= _RAMP_SHARE * counts[colour]}
    if options.classes:
        kept = _kept_of_named(counts, along_edges, options, is_colour=kind == "colour")
    else:
        is_indexed = all(fact.palette is not None for fact in facts)
        kept = _kept(counts, along_edges, is_colour=kind == "colour", is_indexed=is_indexed, where=where)
    if kept is None:
        return Drawn(facts)
    listed = ", ".join(str(unpack_colour(colour)) for colour in kept[:_FEW_COLOURS])
    note = f"soft edges or near-equal colours: {len(counts) - len(kept)} colours are taken as the nearest of {listed}"
    return Drawn(tuple(snapped(fact, kept) for fact in facts), True, (note,))


def black_and_white(facts: Sequence[MaskFacts]) -> Drawn | None:
    """Give masks of black and white as they were before compression blurred them; None: there are others.

    A mask without anything on it is black throughout, and one of 0 and 1 was blurred by nothing.
    """
    if not any(map(is_black_and_white, facts)) or not any(fact.is_lossy and len(fact.counts) > 2 for fact in facts):
        return None
    if not all(is_black_and_white(fact) or {*fact.counts} <= {0, 255} for fact in facts):
        return None
    note = "the masks are blurred, by JPEG or the like: each pixel is taken as the nearer of black and white"
    return Drawn(tuple(snapped(fact, (0, pack_colour((255, 255, 255)))) for fact in facts), True, (note,))


def snapped(fact: MaskFacts, colours: Sequence[int]) -> MaskFacts:
    """Give the facts of a mask whose pixels take the nearest of some packed colours."""
    counts = view(fact, "colour")
    nearest = nearest_colours(np.array(list(counts), np.uint32), colours).colours
    tally: Counter[int] = Counter()
    for key, count in zip(nearest.tolist(), counts.values(), strict=True):
        tally[key] += count
    return replace(fact, is_colour=True, palette=None, counts=dict(tally), ramps={})


def _kept(
    counts: Counter[int], along_edges: set[int], *, is_colour: bool, is_indexed: bool, where: object
) -> tuple[int, ...] | None:
    """Give the colours that were drawn; None: all of them."""
    drawn = [colour for colour, _ in counts.most_common() if colour not in along_edges]
    soft = {colour for colour in along_edges if _is_between(colour, drawn)}
    halves = {colour for colour in soft if _is_between(colour, drawn, within=_HALF_WAY)}
    if len(halves) < _FEW_STEPS or sum(counts[each] for each in soft) > _EDGE_SHARE * counts.total():
        drawn = [colour for colour, _ in counts.most_common()]
        if 0 < len(halves) < _FEW_STEPS and is_colour and not is_indexed:
            raise _ask_about_edges(halves, drawn, where)
        soft = set()
    else:  # what is mixed of three is rare beside what is mixed of two
        thin = [colour for colour in along_edges - soft if counts[colour] * 50 >= sum(counts[each] for each in soft)]
        drawn += sorted(thin)
    kept = _without_equals(drawn, where) if is_colour and not is_indexed else drawn
    is_less = (soft or len(kept) < len(drawn)) and len(kept) <= MAX_COLOURS
    return tuple(kept) if is_less else None


def _kept_of_named(
    counts: Mapping[int, int], along_edges: set[int], options: DataOptions, *, is_colour: bool
) -> tuple[int, ...] | None:
    """Give the colours that a person names, where all others are soft edges of them or nearly equal; else None."""
    named = [_colour_of(option, index, is_colour=is_colour) for index, option in enumerate(options.classes)]
    if isinstance(options.ignore, int | tuple):
        named.append(_packed(options.ignore))
    known = list(dict.fromkeys([*(colour for colour in named if colour is not None), 0]))
    others = set(counts) - {*known}
    near = nearest_colours(np.array(sorted(others), np.uint32), known).distances if others else np.zeros(0)
    is_near = dict(zip(sorted(others), (near <= _NEAR_DISTANCE).tolist(), strict=True))
    if not others or not all(
        (is_colour and is_near[each]) or (each in along_edges and _is_between(each, known)) for each in others
    ):
        return None
    return tuple(colour for colour in known if colour in counts or colour != 0)


def _colour_of(option: ClassOption, index: int, *, is_colour: bool) -> int | None:
    value = option.value if option.value is not None else option.colour if is_colour else index
    return None if value is None or isinstance(value, str) else _packed(value)


def _packed(value: int | tuple[int, int, int]) -> int:
    if isinstance(value, tuple):
        return pack_colour(value)
    grey = value if value < 256 else value >> 8
    return pack_colour((grey, grey, grey))


def _is_between(colour: int, drawn: Sequence[int], *, within: tuple[float, float] = (0, 1)) -> bool:
    """Tell whether a colour is mixed of two that are far from each other, with a share of the second ``within``."""
    point = np.array(unpack_colour(colour), np.float64)
    for first, second in combinations(drawn[: 2 * _FEW_COLOURS], 2):
        start, way = (
            np.array(unpack_colour(first), np.float64),
            np.subtract(unpack_colour(second), unpack_colour(first)),
        )
        length = float(np.linalg.norm(way))
        if length < APART_DISTANCE or colour in (first, second):
            continue
        share = float(np.clip((point - start) @ way / length**2, 0, 1))
        if np.linalg.norm(start + share * way - point) <= _FROM_WAY and within[0] < share < within[1]:
            return True
    return False


def _without_equals(drawn: Sequence[int], where: object) -> list[int]:
    """Leave out colours that differ from a commoner one by next to nothing."""
    kept: list[int] = []
    for colour in drawn:
        equal = [each for each in kept if _difference(colour, each).max() <= _EQUAL]
        if not equal:
            near = [each for each in kept if np.linalg.norm(_difference(colour, each)) <= _NEAR_DISTANCE]
            if near and len(drawn) <= _FEW_COLOURS:
                raise _ask_about_near(colour, near[0], drawn, where)
            kept.append(colour)
        elif 0 in (colour, *equal):  # numbers that are written as colours begin so
            raise _ask_about_near(colour, equal[0], drawn, where)
    return kept


def _difference(first: int, second: int) -> np.ndarray:
    return np.abs(np.subtract(unpack_colour(first), unpack_colour(second)))


def _ask_about_edges(soft: Collection[int], drawn: Sequence[int], where: object) -> Exception:
    what = f"{list_values(soft, 'colour')} lie along edges between others alone: soft edges, or classes of their own"
    rest = [colour for colour in drawn if colour not in soft]
    return fail(where, what, f"{SETTLE} either {line_of(rest)} (soft edges) or {line_of(drawn)} (classes)")


def _ask_about_near(colour: int, near: int, drawn: Sequence[int], where: object) -> Exception:
    what = f"the colours {unpack_colour(colour)} and {unpack_colour(near)} nearly equal each other: one class, or two"
    rest = [each for each in drawn if each != colour]
    return fail(where, what, f"{SETTLE} either {line_of(rest)} (one class) or {line_of(drawn)} (two)")


def line_of(colours: Sequence[int]) -> str:
    """Give the line that names classes by their packed colours, the darkest as background."""
    ordered = sorted(colours)
    names = ["background", *(f"class_{index}" for index in range(1, len(ordered)))]
    pairs = zip(names, ordered, strict=True)
    classes = (f'{{name = "{name}", value = {list(unpack_colour(colour))}}}' for name, colour in pairs)
    return f"classes = [{', '.join(classes)}]"


def alpha_problems(facts: Sequence[MaskFacts]) -> list[Problem]:
    """Tell of masks that are not drawn in their alpha channel, where others are."""
    drawn = next((fact for fact in facts if fact.alpha == "drawn"), None)
    if drawn is None:
        return []
    what = f"is not drawn in its alpha channel, as others are, such as {drawn.path.name}"
    others = [fact for fact in facts if fact.alpha == "opaque" or (fact.alpha == "" and len(fact.counts) > 1)]
    return [Problem(str(fact.path), what, "export all masks in one way, best as grey PNG") for fact in others]
