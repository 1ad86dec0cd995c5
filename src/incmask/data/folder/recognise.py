"""Which classes a set of masks holds and how they are spelt, from the values that occur and what the options say."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from incmask.base.config import Task
from incmask.base.errors import Problem, fail
from incmask.data.dataset import (
    MAX_CLASSES,
    ClassInfo,
    ClassOption,
    Colour,
    DataOptions,
    MaskEncoding,
    MaskKind,
    default_colour,
)
from incmask.data.folder.classes import (
    SETTLE,
    classes_of_colours,
    classes_of_values,
    declared_classes,
    ignore_of_colours,
    ignore_of_values,
    key_of,
    list_values,
)
from incmask.data.folder.hints import prepare_words
from incmask.data.images.masks import MAX_COLOURS, MaskFacts, pack_colour, unpack_colour
from incmask.method.labels import labels_of

NOTHING_DRAWN = (
    "has labelled images, but nothing is drawn in any of their masks: all pixels are background",
    "draw what is to be found in some of them, or export the masks again",
)
"""What is wrong with a folder in which there is nothing to learn, and the remedy."""


@dataclass(frozen=True)
class Recognised:
    """What the masks mean.

    Attributes:
        task: "binary", "multiclass" or "multilabel".
        classes: as ``Dataset.classes``.
        encoding: as ``Dataset.encoding``.
        notes: choices that a user may want otherwise.
    """

    task: Task
    classes: tuple[ClassInfo, ...]
    encoding: MaskEncoding
    notes: tuple[str, ...] = ()

    def ids(self) -> dict[int, int]:
        """Give the class id of each value, or packed colour; ignored ones left out."""
        is_one = labels_of(self.task).is_one_class
        ids = {key_of(info.value): class_id for class_id, info in enumerate(self.classes, start=int(is_one))}
        return {0: 0} | ids if is_one else ids


def kind_of(facts: Iterable[MaskFacts], options: DataOptions) -> MaskKind:
    """Tell masks of values ("grey") from masks of colours ("colour")."""
    if options.encoding is not None:
        return options.encoding
    facts = list(facts)
    if any(isinstance(option.value, tuple) for option in options.classes) or any(fact.is_colour for fact in facts):
        return "colour"
    indexed = [fact for fact in facts if fact.palette is not None]
    # Some programs give each file a palette of its own, so that an index means nothing across files.
    meaning: dict[int, Colour] = {}
    for fact in indexed:
        for index in fact.counts:
            if meaning.setdefault(index, _palette_colour(fact, index)) != _palette_colour(fact, index):
                return "colour"
    is_grey_palette = all(len(set(colour)) == 1 for colour in meaning.values())
    if len(indexed) < len(facts) and is_grey_palette and any(c[0] != index for index, c in meaning.items()):
        return "colour"
    return "grey"


def _palette_colour(fact: MaskFacts, index: int) -> Colour:
    assert fact.palette is not None, "only asked of indexed masks"
    return fact.palette[index] if index < len(fact.palette) else (0, 0, 0)


def view(fact: MaskFacts, kind: MaskKind, of: Mapping[int, int] | None = None) -> Mapping[int, int]:
    """Give the pixels of each value, or for masks of colours of each packed colour; or what ``of`` counts of values."""
    of = fact.counts if of is None else of
    if kind != "colour" or fact.is_colour:
        return of
    counts: Counter[int] = Counter()
    is_deep = max(fact.counts, default=0) > 255
    for value, count in of.items():
        grey = min(value >> 8 if is_deep else value, 255)
        counts[pack_colour(_palette_colour(fact, value) if fact.palette else (grey, grey, grey))] += count
    return counts


def ask_of_no_data(facts: Sequence[MaskFacts], options: DataOptions, where: object) -> None:
    """Ask what 0 is in masks of LoveDA, by their folder, which have the background at 1.

    Raises:
        IncmaskError: nobody told.
    """
    counts = {value for fact in facts if fact.path.parent.name == "masks_png" for value in fact.counts}
    if 0 in counts and counts < {*range(8)} and max(counts) > 1 and options.ignore is None and not options.classes:
        what = "the masks hold 0, and lie in masks_png as those of LoveDA, where 0 is no label and 1 is background"
        raise fail(where, what, f'{SETTLE} either ignore = 0 (0 is no label) or ignore = "none" (0 is a class)')


def lossy_problem(fact: MaskFacts, kind: MaskKind) -> Problem | None:
    """Tell of a JPEG whose values are no longer those that were drawn."""
    num_values = len(view(fact, kind))
    if not fact.is_lossy or num_values <= 2:
        return None
    what = f"is a {_lossy_name(fact)} with {num_values} values, since that blurs them"
    mend = f"export the mask as PNG from what it was drawn with, or have {prepare_words()} take the nearest values"
    return Problem(str(fact.path), what, mend)


def noise_problem(fact: MaskFacts, kind: MaskKind, options: DataOptions) -> Problem | None:
    """Tell of a mask that cannot be a drawing of classes, whatever the classes are."""
    if kind != "colour" and fact.is_colour:
        return Problem(
            str(fact.path), "is in colours where masks of grey values are expected", "export it with one channel"
        )
    if problem := lossy_problem(fact, kind):
        return problem
    num_values = len(view(fact, kind))
    if num_values > MAX_COLOURS and (kind == "colour" or num_values > len(options.classes) + 2):
        what = f"has {num_values} {'colours' if kind == 'colour' else 'values'}, which looks like JPEG noise or a photo"
        if kind == "grey":
            what += ", or like a number for each object"
        return Problem(str(fact.path), what, "export a mask with one value for each class, as PNG")
    return None


def _lossy_name(fact: MaskFacts) -> str:
    return "WebP with loss" if fact.path.suffix.casefold() == ".webp" else "JPEG"


def recognise(
    labelled: Sequence[MaskFacts], held_out: Sequence[MaskFacts], *, kind: MaskKind, options: DataOptions, where: object
) -> Recognised:
    """Find classes and encoding of masks that are one file each.

    Grey values and indices are ids, so all masks count; colours that only ``held_out`` masks have are
    left to be found as outside the classes.

    Raises:
        IncmaskError: there are several readings, which the message shows, or the options do not fit.
    """
    if options.task == "multilabel":
        raise fail(
            where, 'task = "multilabel" needs a folder of masks for each class', "arrange masks/<class>/<name>.png"
        )
    facts = labelled if kind == "colour" else [*labelled, *held_out]
    _check_mixed_binary(facts, kind, options, where)
    ask_of_no_data(facts, options, where)
    counts: Counter[int] = Counter()
    for fact in facts:
        counts.update(view(fact, kind))
    ignore = ignore_of_colours(options) if kind == "colour" else ignore_of_values(set(counts), options, where)
    counts.pop(-1 if ignore is None else ignore, None)
    if options.classes:
        found = declared_classes(counts, options, kind=kind, ignore=ignore, where=where)
    elif kind == "colour":
        found = classes_of_colours(counts, options, where)
    else:
        palette = max((fact.palette for fact in facts if fact.palette), key=len, default=None)
        found = classes_of_values(counts, options, palette=palette, where=where)
    if len(found.classes) > MAX_CLASSES:
        raise fail(
            where, f"the masks hold {len(found.classes)} classes; at most {MAX_CLASSES} are possible", "join some"
        )
    encoding = MaskEncoding(kind, unpack_colour(ignore) if ignore is not None and kind == "colour" else ignore)
    return Recognised(found.task, found.classes, encoding, found.notes)


def outside_problem(fact: MaskFacts, recognised: Recognised, *, declared: bool) -> Problem | None:
    """Tell of values that are neither a class nor ignored."""
    encoding = recognised.encoding
    counts = view(fact, encoding.kind)
    known = set(recognised.ids()) | ({key_of(encoding.ignore)} if encoding.ignore is not None else set())
    strange = {value: count for value, count in counts.items() if value not in known}
    if not strange:
        return None
    first = min(strange)
    example = list(unpack_colour(first)) if encoding.kind == "colour" else first
    which = "outside the classes" if declared or encoding.kind != "colour" else "that no labelled mask has"
    return Problem(
        str(fact.path),
        f"has {list_values(strange, encoding.kind)} {which}, at {sum(strange.values())} pixels",
        f"repaint them, or {SETTLE} all classes, or ignore = {example}",
    )


def recognise_folders(
    facts: Mapping[str, Sequence[MaskFacts]], folders: Sequence[str], *, options: DataOptions, where: object
) -> Recognised:
    """Find classes and encoding of masks that come as one folder for each class, where they may overlap.

    Args:
        facts: masks of each folder.
        folders: the folders that there are.
        options: classes named there give the order; their folder is ``value``, or else ``name``.
        where: the data folder, for messages.

    Raises:
        IncmaskError: the options name other folders, or the task cannot come as folders.
    """
    if not folders and not options.classes:
        raise fail(where, "the folder of masks holds no folder for a class", "arrange masks/<class>/<name>.png")
    named = options.classes or tuple(ClassOption(name=folder) for folder in folders)
    values = [str(option.name if option.value is None else option.value) for option in named]
    strange = [folder for folder in folders if folder not in values]
    if strange:
        what = f"the folders of masks {', '.join(strange)} are no classes that incmask.toml names"
        raise fail(where, what, f"{SETTLE} all classes, or remove the folders")
    task = options.task or ("binary" if len(named) == 1 else "multilabel")
    if task == "multiclass" or (task == "binary" and len(named) > 1):
        raise fail(
            where,
            f'task = "{task}" but there are {len(named)} folders of masks, where classes may overlap',
            f'{SETTLE} task = "multilabel", or make one mask with an id for each class',
        )
    _check_one_folder(facts, options, where)
    classes = tuple(
        ClassInfo(option.name, option.colour or default_colour(index), value)
        for index, (option, value) in enumerate(zip(named, values, strict=True), start=1)
    )
    ignore = 255 if options.ignore is None and _folders_ignore_255(facts, where) else options.ignore
    if isinstance(ignore, tuple):
        raise fail(where, f"ignore = {list(ignore)} is a colour, but the masks are grey", f"{SETTLE} its value")
    return Recognised(task, classes, MaskEncoding("folders", None if ignore == "none" else ignore))


def _check_one_folder(facts: Mapping[str, Sequence[MaskFacts]], options: DataOptions, where: object) -> None:
    """Ask where a folder that is the only one in that of the masks has masks of several values."""
    if len(facts) != 1 or options.classes or options.task is not None or options.encoding is not None:
        return
    ((folder, masks),) = facts.items()
    several = next((fact for fact in masks if len({*fact.counts} - {0, 255}) > 1), None)
    if several is not None:
        raise fail(
            where,
            f"the folder {folder} of masks is the only one, and holds {list_values(several.counts)} in "
            f"{several.path.name}, which may be classes, or numbers of objects",
            f'move its masks one folder up, or {SETTLE} task = "binary", where all that is not 0 is {folder}',
        )


def _folders_ignore_255(facts: Mapping[str, Sequence[MaskFacts]], where: object) -> bool:
    """Tell whether 255 beside a foreground of 1 marks ignored pixels; alone, either is the foreground."""
    if not any({1, 255} <= set(fact.counts) <= {0, 1, 255} for masks in facts.values() for fact in masks):
        return False
    for folder, masks in facts.items():
        seen = {value for fact in masks for value in fact.counts}
        if 255 in seen and 1 not in seen:
            raise fail(
                where,
                f"masks of {folder} hold 0 and 255 where others hold 0, 1 and 255: 255 may be foreground, or no label",
                f'{SETTLE} either ignore = "none" (255 is foreground) or ignore = 255 (255 is no label)',
            )
    return True


def _check_mixed_binary(facts: Sequence[MaskFacts], kind: MaskKind, options: DataOptions, where: object) -> None:
    """Refuse masks of 0 and 1 beside masks of 0 and 255, where 255 would silently be read as no label."""
    if kind != "grey" or options.ignore is not None:
        return
    values = [set(fact.counts) for fact in facts]
    if set().union(*values) - {0} == {1, 255} and not any({1, 255} <= seen for seen in values):
        raise fail(
            where,
            "some masks hold 0 and 1, others 0 and 255: 255 may be the same foreground as 1, or no label",
            f"either save all masks with the same foreground, or {SETTLE} ignore = 255 (255 is no label)",
        )
