"""What the names of images tell about their subjects: ``patient07_slice_012`` shows patient07. Opens no image.

A name is read from left to right as fields, such as ``patient07``, ``slice_012`` or a bare number. Subjects are fields
of a coarse kind, and what stands before a slice, a tile or the like.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from incmask.base.packed import Beside, Packed
from incmask.base.packed_texts import Texts, repeated

_PERSON, _WHOLE, _IMAGE, _FIELD, _SLICE, _CROP = range(6)
"""Kinds of fields from coarse to fine: each may hold several of the next."""

_WORDS: dict[str, int] = {
    word: kind
    for kind, words in {
        _PERSON: "patient pat pt subject subj sub case donor volunteer participant person animal mouse rat fish embryo",
        _WHOLE: "slide wsi volume vol stack scan study exam series movie mov video vid film clip seq sequence specimen "
        "sample biopsy tissue core organoid spheroid well eye recording tomogram tomo dish coverslip",
        _IMAGE: "image img im pic photo picture section",
        _FIELD: "site fov field pos position s f",
        _SLICE: "slice sl z plane layer page frame fr t time timepoint tp day week hour visit session ses view",
        _CROP: "crop tile patch roi window region cell nucleus object obj x y row col ch channel w c",
    }.items()
    for word in words.split()
}
_COPIES = frozenset(["aug", "augmented", "copy", "flip", "flipped", "hflip", "vflip", "rot", "rotated", "rotate"])
"""Mark changed copies of an image; a number may follow."""
_SIDES = frozenset(["l", "r", "left", "right", "od", "os"])
_NO_SUBJECTS = frozenset(
    word
    for words in (
        "train training val valid validation test testing set batch fold part split",
        "class label type version v rev",
    )
    for word in words.split()
)
"""A number behind these tells no subject."""

_PIECE = re.compile(r"[^\W_]+")
_ATOM = re.compile(r"\d+|[^\W\d_]+")
_LETTERED = re.compile(r"([A-Za-z][a-z]+)[A-Z]")
_UNIT = re.compile(r"\d+(x|nm|um|µm|mm|cm|px|ms|s|min|h|hz|kv|pct)", re.IGNORECASE)
_WELL = re.compile(r"[A-P](0?[1-9]|1\d|2[0-4])(?!\d)|[a-p](0[1-9]|1\d|2[0-4])(?!\d)|[rR]\d+[cC]\d+(?!\d)")
_DATE = re.compile(
    r"(?<!\d)(?:19|20)\d\d([-_.]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])"
    r"(?:[-_. T]?[0-2]\d[-_.:h]?[0-5]\d(?:[-_.:m]?[0-5]\d)?)?(?!\d)"
)
_TCGA = re.compile(r"TCGA-\w{2}-\w{4}", re.IGNORECASE)
_ROBOFLOW = re.compile(r"\.rf\.[0-9a-f]{16,}$")
_SEPARATORS = " _-.,/()[]+"

_EXPLAINED = 0.9
"""Least share of the names that a rule has to read."""


@dataclass(frozen=True)
class NamedSubject:
    """What a name tells.

    Attributes:
        key: the part of the name that all images of the subject share.
        is_sure: words say so, such as "patient" or "tile"; else numbers look as if.
    """

    key: str
    is_sure: bool


@dataclass(frozen=True)
class NameGroups:
    """What many names tell together.

    Attributes:
        subjects: by name, of those that tell one; made when they are asked for.
        only: the subject that all of them show, where there is but one, which tells none apart; else empty.
    """

    subjects: Mapping[str, str]
    only: str = ""


def find_groups(names: Sequence[str]) -> NameGroups:
    """Find out which images show the same subject, by their names alone.

    Names are taken to tell subjects if nine of ten can be read and there are two subjects or more, of which at least
    one is on several images; where no words say so, if there are three or more, nine of ten images are beside another
    one of their subject, and a subject has two images or more on average. Of several readings the coarsest counts.

    Examples:
        >>> find_groups(["case7_slice_12", "case7_slice_13", "case8_slice_1"]).subjects["case8_slice_1"]
        'case8'
        >>> find_groups([f"img_{number:03d}" for number in range(200)]).subjects
        {}
    """
    told = Packed(_Told, map(_told, _each_once(names)))
    only = ""
    for is_sure in (True, False):
        for depth in range(max(map(len, told.column("sure")), default=0)):
            sizes = Counter(key for _, key in _keys(told, depth, is_sure=is_sure))
            num_keys = sizes.total()
            if num_keys < _EXPLAINED * len(told) or len(sizes) == num_keys:
                continue
            if is_sure and len(sizes) == 1:
                only = only or next(iter(sizes))
            shared = sum(size for size in sizes.values() if size > 1)
            looks_so = len(sizes) > 2 and shared >= _EXPLAINED * num_keys and num_keys >= 2 * len(sizes)
            if looks_so or (is_sure and len(sizes) > 1):
                found, keys = Texts(), Texts()
                for name, key in _keys(told, depth, is_sure=is_sure):
                    found.append(name)
                    keys.append(key)
                return NameGroups(Beside(found, keys))
    return NameGroups({}, only)


@dataclass(frozen=True)
class _Told:
    """What a name tells; of each subject, from coarse to fine, its key, and whether it is sure ("1") or not ("0")."""

    name: str
    keys: str
    sure: str


_BETWEEN = "\0"
"""Stands between keys: no name has it."""


def _told(name: str) -> _Told:
    subjects = subjects_of(name)
    sure = "".join(str(int(subject.is_sure)) for subject in subjects)
    return _Told(name, _BETWEEN.join(subject.key for subject in subjects), sure)


def _each_once(names: Sequence[str]) -> Iterator[str]:
    """Give names, those that come several times where they come first."""
    left, met = repeated(lambda: names), set[str]()
    for name in names:
        if name not in met:
            yield name
            if name in left:
                met.add(name)


def _keys(told: Iterable[_Told], depth: int, *, is_sure: bool) -> Iterator[tuple[str, str]]:
    """Give names with the subject that each tells at a depth; where one has to be sure, only of those that are."""
    shown = {key for each in told if (key := _key_at(each, depth, is_sure=is_sure)) is not None}
    for each in told:
        key = _key_at(each, depth, is_sure=is_sure)
        if key is not None:
            yield each.name, key
        elif each.name in shown:
            # The picture that changed copies were made of has a plain name.
            yield each.name, each.name


def _key_at(told: _Told, depth: int, *, is_sure: bool) -> str | None:
    place = min(depth, len(told.sure) - 1)
    if not told.sure or (is_sure and told.sure[place] == "0"):
        return None
    return told.keys.split(_BETWEEN)[place]


def subjects_of(name: str) -> tuple[NamedSubject, ...]:
    """Give the subjects that a single name may tell, from coarse to fine; most names tell none or one.

    Examples:
        >>> subjects_of("scans/case12-z004")
        (NamedSubject(key='scans/case12', is_sure=True),)
        >>> [subject.key for subject in subjects_of("patient1_slide2_tile3")]
        ['patient1', 'patient1_slide2']
    """
    if copied := _ROBOFLOW.search(name):
        source = name[: copied.start()]
        return (*subjects_of(source), NamedSubject(source, is_sure=True))
    if barcode := _TCGA.search(name):
        return (NamedSubject(name[: barcode.end()], is_sure=True),)
    fields = list(_fields(name))
    found = dict.fromkeys([*_wholes(name, fields), *_before_members(name, fields), *_holders(name, fields)])
    return tuple(found or _numbered(name, fields))


@dataclass(frozen=True)
class _Field:
    """A field of a name.

    Attributes:
        start, end: its place.
        kind: how coarse it is; None: nobody knows.
        is_id: a number in it may tell subjects apart.
        is_bare: it is nothing but a number.
        is_sure: a word tells its kind.
    """

    start: int
    end: int
    kind: int | None = None
    is_id: bool = True
    is_bare: bool = False
    is_sure: bool = True


def _wholes(name: str, fields: Sequence[_Field]) -> Iterator[NamedSubject]:
    """Give persons, slides, volumes, films and wells."""
    for field in _by_kind(fields):
        if field.kind in (_PERSON, _WHOLE):
            yield NamedSubject(_key(name, fields, field), field.is_sure or _has_finer(fields, field))


def _before_members(name: str, fields: Sequence[_Field]) -> Iterator[NamedSubject]:
    """Give what stands before the first slice, field of view or crop, where nobody knows what it is."""
    first = next((field for field in fields if field.kind is not None), None)
    before = [field for field in fields if first is not None and field.end <= first.start]
    if first is None or not before or first.kind in (_PERSON, _WHOLE):
        return
    has_id = any(field.is_id for field in before)
    is_copy = name[first.start : first.end].rstrip("0123456789" + _SEPARATORS).casefold() in _COPIES
    names_nothing = all(name[field.start : field.end].casefold() in _NO_SUBJECTS for field in before)
    if names_nothing or (first.kind == _IMAGE and not has_id):
        return
    is_sure = is_copy or (has_id and first.is_sure and first.kind != _IMAGE)
    yield NamedSubject(name[: first.start].rstrip(_SEPARATORS), is_sure)


def _holders(name: str, fields: Sequence[_Field]) -> Iterator[NamedSubject]:
    """Give images, fields of view and frames that hold something finer, or numbered things."""
    for field in _by_kind(fields):
        if field.kind in (_IMAGE, _FIELD, _SLICE):
            is_sure = _has_finer(fields, field)
            numbered = field.kind != _SLICE and any(each.is_bare for each in fields if each.start >= field.end)
            if is_sure or numbered:
                yield NamedSubject(_key(name, fields, field), is_sure)


def _numbered(name: str, fields: Sequence[_Field]) -> Iterator[NamedSubject]:
    """Give what the first number ends, where another follows: 03 of ``03_017``."""
    first = next((field for field in fields if field.is_id), None)
    if first is not None and any(field.is_bare for field in fields if field.start >= first.end):
        yield NamedSubject(name[: first.end], is_sure=False)


def _by_kind(fields: Sequence[_Field]) -> list[_Field]:
    return sorted((field for field in fields if field.kind is not None), key=lambda field: field.kind or 0)


def _has_finer(fields: Sequence[_Field], field: _Field) -> bool:
    return any(each.kind is not None and field.kind is not None and each.kind > field.kind for each in fields)


def _key(name: str, fields: Sequence[_Field], field: _Field) -> str:
    """Give the name up to a field, without the finer ones before it, such as the day of a visit."""
    text = name[: field.end]
    for each in reversed(fields):
        if each.end <= field.start and each.kind is not None and field.kind is not None and each.kind > field.kind:
            text = text[: each.start] + text[each.end :].lstrip(_SEPARATORS)
    return text


def _fields(name: str) -> Iterator[_Field]:
    """Read a name; dates are left out, as they are no subjects."""
    dates = [date.span() for date in _DATE.finditer(name)]
    pieces = [
        piece
        for piece in _PIECE.finditer(name)
        if not any(start < piece.end() and piece.start() < end for start, end in dates)
    ]
    seen_well = False
    while pieces:
        piece = pieces.pop(0)
        following = pieces[0] if pieces else None
        text, word = piece[0], piece[0].casefold()
        well = None if seen_well else _WELL.match(text)
        if text.isdecimal():
            yield _Field(*piece.span(), is_bare=True)
        elif text.isalpha():
            if following is not None and (number := _number_of(word, following[0])):
                end = following.start() + number
                yield _Field(piece.start(), end, kind=_WORDS.get(word), is_id=word in _WORDS)
                if end < following.end():
                    yield _Field(end, following.end(), kind=_SLICE, is_sure=False)
                pieces.pop(0)
            elif word in _COPIES:
                yield _Field(*piece.span(), kind=_CROP)
            elif word in _SIDES and following is None and piece.start():
                yield _Field(*piece.span(), kind=_SLICE, is_sure=False)
            else:
                lettered = _LETTERED.fullmatch(text)
                kind = _WORDS.get(lettered[1].casefold()) if lettered else None
                yield _Field(*piece.span(), kind=kind if kind in (_PERSON, _WHOLE) else None, is_id=kind is not None)
        elif well and (well.end() == len(text) or _kinds(text[well.end() :]) or well[0][0] in "rR"):
            seen_well = True
            yield _Field(piece.start(), piece.start() + well.end(), kind=_WHOLE, is_sure=well[0][0] in "rR")
            yield from _joined(piece.start() + well.end(), text[well.end() :])
        elif _kinds(text):
            yield from _joined(piece.start(), text)
        else:
            tells = not _UNIT.fullmatch(text) and text.rstrip("0123456789").casefold() not in _NO_SUBJECTS
            yield _Field(*piece.span(), is_id=tells)


def _number_of(word: str, following: str) -> int:
    """Tell how many characters of the next piece are a word's number; 0: it is none, or none is expected."""
    if len(word) < 2 or word not in _WORDS.keys() | _COPIES | _NO_SUBJECTS:
        return 0
    if (number := re.fullmatch(r"(\d+)[A-Za-z]?", following)) and not _UNIT.fullmatch(following):
        return number.end(1)
    is_letter = len(following) == 1 and following.isupper()
    return len(following) if _WORDS.get(word) in (_PERSON, _WHOLE) and (is_letter or _WELL.fullmatch(following)) else 0


def _kinds(text: str) -> list[int]:
    """Give the kinds of words with numbers that stand together, as in ``z05t003``; none where one is unknown."""
    atoms = _ATOM.findall(text)
    words = [atom.casefold() for atom in atoms[::2]]
    if len(words) > 1 and len(atoms) % 2 and len(words[-1]) == 1:
        words.pop()  # a letter behind the last number, as in ``patient07a``
    elif len(atoms) % 2:
        return []
    kinds = [_CROP if word in _COPIES else _WORDS.get(word) for word in words]
    return [kind for kind in kinds if kind is not None] if None not in kinds else []


def _joined(start: int, text: str) -> Iterator[_Field]:
    """Give the fields of words with numbers that stand together."""
    atoms = list(_ATOM.finditer(text))
    for kind, word, number in zip(_kinds(text), atoms[::2], atoms[1::2], strict=False):
        yield _Field(start + word.start(), start + number.end(), kind=kind)
    if len(atoms) % 2:
        yield _Field(start + atoms[-1].start(), start + atoms[-1].end(), kind=_SLICE, is_sure=False)
