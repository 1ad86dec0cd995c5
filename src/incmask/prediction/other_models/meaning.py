"""What the values of several models' labels mean: task, classes, and how each model spells them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from incmask.base.caller import option as option_of
from incmask.base.config import Task
from incmask.base.errors import IncmaskError, Problem, fail
from incmask.data.dataset import ClassInfo, ClassOption, Colour, DataOptions, MaskKind, default_colour
from incmask.data.folder.classes import SETTLE, list_values
from incmask.data.folder.numbered import keys_of, may_number
from incmask.data.folder.recognise import Recognised, kind_of, noise_problem, outside_problem, recognise, view
from incmask.data.images.masks import MaskFacts, mask_raster, unpack_colour
from incmask.method.labels import labels_of

_ALL, _FOREGROUND = "predictions", "foreground"
_WHITE, _WHITE_IDS = 0xFFFFFF, (1, 255, 65535)

Facts = Mapping[str, Sequence[MaskFacts]]
"""Facts of the files of a model, by class folder."""


@dataclass(frozen=True)
class Meaning:
    """What the labels of all models mean.

    Attributes:
        task: "binary", "multiclass" or "multilabel".
        classes: the foreground alone for binary; all ids, background included, for multiclass; the channels for
            multilabel.
        spellings: of each model, by class folder, the values that stand for the classes.
        notes: what must be said aloud.
    """

    task: Task
    classes: tuple[ClassInfo, ...]
    spellings: tuple[Mapping[str, Recognised], ...]
    notes: tuple[str, ...] = ()


def parse_classes(text: str) -> tuple[ClassOption, ...]:
    """Read ``NAME``, ``NAME=VALUE`` or ``NAME=#RRGGBB`` with commas between.

    Raises:
        IncmaskError: a part is none of these, or a name stands there twice.
    """
    options: list[ClassOption] = []
    for part in text.split(","):
        name, _, spelt = (each.strip() for each in part.partition("="))
        value: int | Colour | None = None
        try:
            if spelt.startswith("#"):
                red, green, blue = bytes.fromhex(spelt[1:])
                value = (red, green, blue)
            elif spelt:
                value = int(spelt)
            options.append(ClassOption(name=name, value=value))
        except ValueError:
            what = f"{part.strip()!r} is no class"
            raise fail(
                option_of("classes"), what, "write NAME, NAME=VALUE (0 to 65535) or NAME=#RRGGBB, with commas between"
            ) from None
    if len({option.name for option in options}) < len(options):
        raise fail(option_of("classes"), "has a name twice", "give each class a name of its own")
    return tuple(options)


def find_meaning(
    facts: Sequence[Facts], folders: Sequence[Path], *, task: Task | None, classes: Sequence[ClassOption]
) -> Meaning:
    """Find out what the labels mean.

    Binary values and those of class folders are looked at for each model alone, as one may write 1 and another 255.
    Exclusive classes are those of all models together, as a model may never predict some of them.

    Args:
        facts: of each model.
        folders: of each model, for messages.
        task: None: deduced.
        classes: in the order of their ids, or of the channels; none: deduced.

    Raises:
        IncmaskError: the values have several readings, or some are no class.
    """
    if "" not in facts[0]:
        return _multilabel(facts, folders, classes)
    listed = [each[""] for each in facts]
    _raise(problem for each in listed for problem in _noise(each, kind_of(each, DataOptions()), classes))
    task = task or _deduced_task(listed, folders, classes)
    if labels_of(task).is_exclusive:
        return _multiclass(listed, folders, classes)
    option = _only_class(classes)
    spellings = [_binary(each, option, where=folder) for each, folder in zip(listed, folders, strict=True)]
    # A neutral record: each model has a value of its own.
    info = replace(spellings[0].classes[0], colour=(255, 255, 255), value=255)
    return Meaning("binary", (info,), tuple({"": spelling} for spelling in spellings))


def _deduced_task(
    listed: Sequence[Sequence[MaskFacts]], folders: Sequence[Path], classes: Sequence[ClassOption]
) -> Task:
    if classes:
        return "binary" if len(_without_background(classes)) == 1 else "multiclass"
    found: dict[tuple[MaskKind, int] | None, str] = {}
    for facts, folder in zip(listed, folders, strict=True):
        kind = kind_of(facts, DataOptions())
        foreground = _values(facts, kind) - {0}
        if len(foreground) > 1:
            _ask_if_objects(facts, kind, foreground, folder)
            return "multiclass"
        for value in foreground:
            is_white = value == _WHITE if kind == "colour" else value in _WHITE_IDS
            told = f"{folder} holds {unpack_colour(value) if kind == 'colour' else value}"
            found.setdefault((kind, value) if not is_white else None, told)
    # One colour in all models is the foreground; an id such as 2 may have others beside it that do not occur.
    if len(found) > 1 or any(key is not None and key[0] == "grey" for key in found):
        what = f"{' and '.join(found.values())} beside 0: the foreground, or one of several classes"
        binary, multiclass = option_of("task", "binary"), option_of("task", "multiclass")
        raise fail(_ALL, what, f"give {binary} (the foreground) or {multiclass} (ids of classes)")
    return "binary"


def _ask_if_objects(facts: Sequence[MaskFacts], kind: MaskKind, foreground: set[int], where: Path) -> None:
    values = [{*view(fact, kind)} & foreground for fact in facts]
    if may_number(values, lambda index: keys_of(mask_raster(facts[index].path), kind)):
        what = (
            "holds values that are mostly one piece each, and not as many in each label: numbers of objects, or classes"
        )
        multiclass = option_of("task", "multiclass")
        raise fail(where, what, f"save objects as 0 and 1, or give {multiclass} if these are classes")


def _multilabel(facts: Sequence[Facts], folders: Sequence[Path], classes: Sequence[ClassOption]) -> Meaning:
    have = sorted(facts[0], key=lambda name: (name.casefold(), name))
    names = [option.name for option in classes] or have
    if sorted(names) != sorted(have):
        what = f"names {', '.join(names)}, but the folders of classes are {', '.join(have)}"
        raise fail(option_of("classes"), what, "name each of these folders once")
    spellings = tuple(
        {name: _binary(each[name], ClassOption(name=name), where=folder / name) for name in names}
        for each, folder in zip(facts, folders, strict=True)
    )
    infos = (ClassInfo(name, default_colour(index), name) for index, name in enumerate(names, start=1))
    return Meaning("multilabel", tuple(infos), spellings)


def _binary(facts: Sequence[MaskFacts], option: ClassOption, *, where: Path) -> Recognised:
    """Find the value of the foreground in the files of one model, or of one of its classes."""
    kind = kind_of(facts, DataOptions())
    _raise(_noise(facts, kind, ()))
    values = _values(facts, kind)
    if len(values - {0}) > 1:
        what = f"holds {list_values(values, kind)}, where a binary label has 0 and one other"
        multiclass = option_of("task", "multiclass")
        raise fail(where, what, f"save labels of two values, or give {multiclass} if these are classes")
    if option.value is None:
        # The only value is the foreground, whatever it is.
        key = max(values - {0}, default=_WHITE if kind == "colour" else 255)
        option = option.model_copy(update={"value": unpack_colour(key) if kind == "colour" else key})
    return _recognised(facts, DataOptions(task="binary", classes=(option,), ignore="none"), kind=kind, where=where)


def _multiclass(
    listed: Sequence[Sequence[MaskFacts]], folders: Sequence[Path], classes: Sequence[ClassOption]
) -> Meaning:
    everything = [fact for facts in listed for fact in facts]
    options = DataOptions(task="multiclass", classes=tuple(classes), ignore="none")
    if any(isinstance(option.value, int) for option in classes):
        kind: MaskKind = "grey"
    else:
        kind = kind_of(everything, options)
        if not classes and kind == "colour":
            _check_same_kind(listed, folders)
    if kind == "colour" and any(not isinstance(option.value, tuple) for option in classes):
        raise fail(
            option_of("classes"),
            "names no colours, but the labels are in colours",
            f"write {option_of('classes', 'cell=#ff0000')} and so on",
        )
    _raise(_noise(everything, kind, classes))
    others = _values(everything, kind) - {0, 255}
    if kind == "grey" and not classes and others and any(255 in fact.counts for fact in everything):
        folder = next(folder for folder, each in zip(folders, listed, strict=True) if 255 in _values(each, kind))
        what = f"hold 255 ({folder}) beside {list_values(others)}: it may be a class, or mark pixels without one"
        raise fail(_ALL, what, f"{_name_all()}; or give each pixel a class")
    spelling = _recognised(everything, options, kind=kind, where=_ALL)
    notes = tuple(note.replace("in incmask.toml", f"with {option_of('classes')}") for note in spelling.notes)
    return Meaning("multiclass", spelling.classes, tuple({"": spelling} for _ in listed), notes)


def _check_same_kind(listed: Sequence[Sequence[MaskFacts]], folders: Sequence[Path]) -> None:
    """Refuse ids beside colours, which nothing tells how to match."""
    each_has_ids = all(kind_of(facts, DataOptions()) == "grey" for facts in listed)
    if each_has_ids and all(fact.palette is not None for facts in listed for fact in facts):
        what = "are ids whose colours differ from model to model: the ids may tell the class, or the colours"
        raise fail(_ALL, what, f"{_name_all()}, or {option_of('classes', 'cell=#ff0000,…')}")
    for facts, folder in zip(listed, folders, strict=True):
        if any(not fact.is_colour and fact.palette is None and fact.counts.keys() - {0} for fact in facts):
            raise fail(folder, "holds ids, while other models have colours", "save all labels in the same way")


def _recognised(facts: Sequence[MaskFacts], options: DataOptions, *, kind: MaskKind, where: object) -> Recognised:
    try:
        spelling = recognise(facts, (), kind=kind, options=options, where=where)
    except IncmaskError as error:
        # There is no incmask.toml here.
        problems = [
            replace(each, remedy=each.remedy.replace(SETTLE, f"name with {option_of('classes')}"))
            for each in error.problems
        ]
        raise IncmaskError(problems) from None
    outside = [outside_problem(fact, spelling, declared=bool(options.classes)) for fact in facts]
    _raise(replace(problem, remedy=f"repaint them, or {_name_all()}") for problem in outside if problem is not None)
    return spelling


def _name_all() -> str:
    return f"name all classes, such as {option_of('classes', 'background=0,cell=1')}"


def _only_class(classes: Sequence[ClassOption]) -> ClassOption:
    named = _without_background(classes)
    if len(named) > 1:
        raise fail(
            option_of("classes"), f"names {len(classes)} classes, but the task is binary", "name the foreground alone"
        )
    return named[0] if named else ClassOption(name=_FOREGROUND)


def _without_background(classes: Sequence[ClassOption]) -> list[ClassOption]:
    """Of two or more classes those that are not 0, which without a value the first is."""
    if len(classes) < 2:
        return list(classes)
    values = [index if option.value is None else option.value for index, option in enumerate(classes)]
    return [option for value, option in zip(values, classes, strict=True) if value not in (0, (0, 0, 0))]


def _noise(facts: Sequence[MaskFacts], kind: MaskKind, classes: Sequence[ClassOption]) -> list[Problem]:
    options = DataOptions(classes=tuple(classes))
    return [problem for fact in facts if (problem := noise_problem(fact, kind, options)) is not None]


def _values(facts: Sequence[MaskFacts], kind: MaskKind) -> set[int]:
    return {value for fact in facts for value in view(fact, kind)}


def _raise(problems: Iterable[Problem]) -> None:
    if found := tuple(problems):
        raise IncmaskError(found)
