"""The classes that the values or colours of masks stand for; asks where only a person can choose."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from incmask.base.config import Task
from incmask.base.errors import fail
from incmask.data.dataset import ClassInfo, ClassOption, Colour, DataOptions, MaskKind, default_colour
from incmask.data.images.masks import MAX_COLOURS, pack_colour, unpack_colour
from incmask.method.labels import labels_of

SETTLE = "write under [data] in incmask.toml"
_BINARY_VALUES = (1, 255, 65535)
_LIST_AT_MOST = 12
_PALETTE_OF_CLASSES = 32


@dataclass(frozen=True)
class ClassesFound:
    """Task and classes, and choices that a user may want otherwise."""

    task: Task
    classes: tuple[ClassInfo, ...]
    notes: tuple[str, ...] = ()


def ignore_of_colours(options: DataOptions) -> int | None:
    """Give the packed colour of ignored pixels, which colour masks have only where it is named."""
    if isinstance(options.ignore, int):
        return pack_colour((options.ignore & 255,) * 3)
    return pack_colour(options.ignore) if isinstance(options.ignore, tuple) else None


def ignore_of_values(values: set[int], options: DataOptions, where: object) -> int | None:
    """Give the value of ignored pixels; 255 where it can be no class, or None.

    Raises:
        IncmaskError: 255 may be a class or mark ignored pixels, or the option is a colour.
    """
    if isinstance(options.ignore, tuple):
        if len(set(options.ignore)) > 1:
            raise fail(where, f"ignore = {list(options.ignore)} is a colour, but the masks are grey", "give its value")
        return options.ignore[0]
    if options.ignore is not None:
        return None if options.ignore == "none" else options.ignore
    declared = {option.value for option in options.classes if option.value is not None}
    if 255 not in values or 255 in declared:
        return None
    others = values - {0, 255}
    if others == {1} and 0 not in values and not options.classes:
        both = '[{name = "background", value = 1}, {name = "foreground", value = 255}]'
        what = "the masks hold the values 1, 255 and nowhere 0: 255 may be the foreground, or no label"
        raise fail(where, what, f"{SETTLE} either classes = {both} or ignore = 255 (255 is no label)")
    if not others:
        return 255 if declared - {0} or len(options.classes) > 2 else None
    if options.classes or 2 * len(others) >= max(others):  # small numbers side by side are ids
        return 255
    listed = list_values(values)
    remedy = f'{SETTLE} either ignore = "none" (255 is a class) or ignore = 255 (255 is no label)'
    if len(others) == 1:
        (value,) = others
        remedy += f" or ignore = {value} ({value} is no label)"
    raise fail(where, f"the masks hold {listed}: 255 may be a class, or mark pixels without a label", remedy)


def declared_classes(
    counts: Mapping[int, int], options: DataOptions, *, kind: MaskKind, ignore: int | None, where: object
) -> ClassesFound:
    """Give the classes that the options name; ``counts`` are the pixels of each value that is not ignored.

    Raises:
        IncmaskError: the options contradict each other or the kind of the masks.
    """
    keys = [_declared_key(index, option, kind=kind, where=where) for index, option in enumerate(options.classes)]
    task = options.task or ("binary" if len(keys) == 1 or (len(keys) == 2 and 0 in keys) else "multiclass")
    labels = labels_of(task)
    if labels.is_one_class:
        picked = [(key, option) for key, option in zip(keys, options.classes, strict=True) if key or len(keys) == 1]
        if len(picked) != 1:
            raise fail(where, f'task = "binary" but {len(keys)} classes are named', "name the foreground alone")
        key, option = picked[0]
        present = sorted(set(counts) - {0})
        if option.value is None and kind == "grey":
            key = present[0] if len(present) == 1 else 1
        keys, named = [key], [option]
    else:
        named = list(options.classes)
    if len(set(keys)) < len(keys):
        raise fail(where, "two classes have the same value", f"{SETTLE} a value of its own for each of the classes")
    if ignore in keys:
        raise fail(where, f"ignore is the value of the class {named[keys.index(ignore)].name}", "change one of the two")
    notes: list[str] = []
    classes = [
        ClassInfo(
            option.name, option.colour or _colour_of(index + labels.is_one_class, key, kind), _value_of(key, kind)
        )
        for index, (key, option) in enumerate(zip(keys, named, strict=True))
    ]
    if labels.is_exclusive and 0 in counts and 0 not in keys and ignore != 0:
        classes.insert(0, ClassInfo("background", (0, 0, 0), _value_of(0, kind)))
        notes.append("the masks also hold 0, which is taken as background, before the classes that are named")
    return ClassesFound(task, tuple(classes), tuple(notes))


def _declared_key(index: int, option: ClassOption, *, kind: MaskKind, where: object) -> int:
    value = option.value
    if kind == "colour":
        value = option.colour if value is None else value
        if isinstance(value, int):
            value = (value & 255,) * 3
    elif value is None:
        value = index
    if value is None or isinstance(value, str) or isinstance(value, int) == (kind == "colour"):
        wanted = "a colour, such as value = [255, 0, 0]" if kind == "colour" else "a number, such as value = 1"
        raise fail(where, f"the class {option.name} has no value that stands in these masks", f"{SETTLE} {wanted}")
    return key_of(value)


def _value_of(key: int, kind: MaskKind) -> int | Colour:
    return unpack_colour(key) if kind == "colour" else key


def _colour_of(index: int, key: int, kind: MaskKind) -> Colour:
    return unpack_colour(key) if kind == "colour" else default_colour(index)


def classes_of_values(
    counts: Mapping[int, int], options: DataOptions, *, palette: tuple[Colour, ...] | None, where: object
) -> ClassesFound:
    """Deduce the classes from the values that occur, by their pixels, and from the colours that a palette gives them.

    Raises:
        IncmaskError: a single value that may be foreground or not, or several in a binary task.
    """

    def info(class_id: int, value: int, name: str) -> ClassInfo:
        has_colour = palette is not None and value < len(palette) and (value == 0 or any(palette[value]))
        return ClassInfo(name, palette[value] if palette and has_colour else default_colour(class_id), value)

    values = sorted(counts)
    foreground = [value for value in values if value]
    # A palette also tells of classes that do not occur; one of two entries may just as well be binary.
    num_entries = _num_distinct(palette or ())
    is_of_classes = options.task == "multiclass" or (options.task is None and num_entries > 2)
    if is_of_classes and max(values, default=0) < num_entries <= _PALETTE_OF_CLASSES:
        foreground = list(range(1, num_entries))
    elif len(values) == len(foreground) == 2 and options.task is None:
        return _two_without_0(counts)
    if len(foreground) <= 1 and options.task != "multiclass":
        value = foreground[0] if foreground else 255
        if value not in _BINARY_VALUES and options.task is None and (options.ignore is None or value <= 8):
            raise _ambiguous_single(value, where)
        return ClassesFound("binary", (ClassInfo("foreground", (255, 255, 255), value),))
    if options.task == "binary":
        raise fail(
            where,
            f'task = "binary" but the masks hold {list_values(values)}',
            f'{SETTLE} task = "multiclass", or the foreground as classes = [{{name = "foreground", value = …}}]',
        )
    classes = [info(class_id, value, f"class_{value}") for class_id, value in enumerate(foreground, start=1)]
    return ClassesFound("multiclass", (info(0, 0, "background"), *classes))


def _two_without_0(counts: Mapping[int, int]) -> ClassesFound:
    """Take the commoner of two values for background, as for colours: programs such as ilastik number from 1."""
    background, other = sorted(counts, key=lambda value: (-counts[value], value))
    note = (
        f"no pixel is 0, so {background}, the commoner of the two values, is taken as background; if {other} is, "
        f'{SETTLE} classes = [{{name = "background", value = {other}}}, {{name = "foreground", value = {background}}}]'
    )
    names = (("background", background), (f"class_{other}", other))
    classes = tuple(ClassInfo(name, default_colour(index), value) for index, (name, value) in enumerate(names))
    return ClassesFound("multiclass", classes, (note,))


def declares_classes(palette: Sequence[Colour]) -> bool:
    """Tell whether a palette has a colour for each of a few classes; larger ones come with programs."""
    return 2 < _num_distinct(palette) <= _PALETTE_OF_CLASSES


def _num_distinct(palette: Sequence[Colour]) -> int:
    """Count the entries before the filling of a palette: one colour again and again, its own greys, or repetitions."""
    palette = list(palette)
    if len(palette) > 1 and palette[-1] == palette[-2]:
        filling = palette[-1]
        while palette and palette[-1] == filling:
            palette.pop()
    while len(palette) > 1 and palette[-1] == (len(palette) - 1,) * 3:
        palette.pop()
    seen: set[Colour] = set()
    for colour in palette:
        if colour in seen:
            break
        seen.add(colour)
    return len(seen)


def _ambiguous_single(value: int, where: object) -> Exception:
    if value <= 8:
        names = ["background", *(f"class_{index}" for index in range(1, value + 1))]
        other = f"{value} is an id and the classes below it do not occur"
        line = "classes = [" + ", ".join(f'{{name = "{name}"}}' for name in names) + "]"
    else:
        other, line = f"{value} marks pixels without a label", f"ignore = {value}"
    return fail(
        where,
        f"the masks hold no values but 0 and {value}: {value} may be the foreground, or {other}",
        f'{SETTLE} either task = "binary" (the foreground) or {line}',
    )


def classes_of_colours(counts: Mapping[int, int], options: DataOptions, where: object) -> ClassesFound:
    """Deduce the classes from the packed colours that occur; black, or else the commonest, is background.

    Raises:
        IncmaskError: too many colours, or several in a binary task.
    """
    if len(counts) > MAX_COLOURS:
        raise fail(
            where,
            f"the masks hold {len(counts)} colours together, which looks like JPEG noise or photos",
            f"export masks with one colour for each class, or {SETTLE} the classes",
        )
    notes: tuple[str, ...] = ()
    background = 0
    if 0 not in counts and counts:
        background = max(counts, key=lambda key: (counts[key], -key))
        notes = (
            f"no pixel is black, so the commonest colour {unpack_colour(background)} is taken as background, id 0; "
            f"name the classes in incmask.toml to have it otherwise",
        )
    foreground = sorted(set(counts) - {background})
    if background == 0 and len(foreground) <= 1 and options.task != "multiclass":
        key = foreground[0] if foreground else 0xFFFFFF
        return ClassesFound("binary", (ClassInfo("foreground", unpack_colour(key), unpack_colour(key)),))
    if options.task == "binary":
        raise fail(
            where,
            f'task = "binary" but the masks hold {list_values(counts, "colour")}',
            f'{SETTLE} task = "multiclass", or paint the background black and the foreground in one colour',
        )
    keys = [background, *foreground]
    names = ["background", *(f"class_{index}" for index in range(1, len(keys)))]
    infos = (ClassInfo(name, unpack_colour(key), unpack_colour(key)) for name, key in zip(names, keys, strict=True))
    return ClassesFound("multiclass", tuple(infos), notes)


def key_of(value: int | Colour | str) -> int:
    """Give the grey value, or the packed colour, of a class."""
    assert not isinstance(value, str), "folders have no values"
    return value if isinstance(value, int) else pack_colour(value)


def list_values(values: Iterable[int], kind: MaskKind = "grey") -> str:
    """Write values, or packed colours, as text; a few of many."""
    ordered = sorted(values)
    shown = [str(unpack_colour(value) if kind == "colour" else value) for value in ordered[:_LIST_AT_MOST]]
    rest = f" and {len(ordered) - len(shown)} more" if len(ordered) > len(shown) else ""
    return f"the {'colours' if kind == 'colour' else 'values'} {', '.join(shown)}{rest}"
