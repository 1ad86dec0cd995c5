"""A data folder's layout: where its parts, images and masks lie. Opens images only where no name tells."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from incmask.base.errors import Problem, is_text, renaming
from incmask.base.packed import Packed
from incmask.base.packed_texts import Texts
from incmask.base.words import counted
from incmask.data.dataset import PARTS, DataOptions, PartName
from incmask.data.folder.arrangement import Place, arrange, may_be_class, nearby_data, place_at
from incmask.data.folder.hints import hint_of, made_by_prepare
from incmask.data.folder.lists import parts_below
from incmask.data.folder.names import are_in_class_folders, is_own_word, name_of, sorted_folders
from incmask.data.folder.one_folder import is_no_class, without_folder
from incmask.data.folder.pairing import ImageWithMasks, pair
from incmask.data.folder.part_files import PartFiles, Remarks, files_below, files_of_part, short_path
from incmask.data.folder.told import has_channel_files
from incmask.data.folder.unnamed import Parts, parts_by_likeness
from incmask.data.folder.walk import passed_over_in, passed_over_notes, subfolders
from incmask.data.rounds import Round
from incmask.method.labels import labels_of

_EXPECTED = (
    "expected are labelled/images, labelled/masks and unlabelled, or images beside masks, "
    "or images with masks named such as x_mask.png in one folder"
)


@dataclass(frozen=True)
class Layout:
    """Where everything lies.

    Attributes:
        parts: the pairs of "labelled", "unlabelled", "val" and "test"; parts that are not there are empty.
        class_folders: the folders of the classes, sorted; empty where a mask is one file.
        notes: what must be said aloud.
        problems: what is wrong.
    """

    parts: dict[str, Sequence[ImageWithMasks]]
    class_folders: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def find_layout(root: Path, options: DataOptions, rounds: Sequence[Round] = ()) -> Layout:
    """Find the parts of the folder ``root``, and the mask of each image by its name.

    Problems do not end the search: what was found is given along with them.

    Args:
        root: the data folder.
        options: what the folder does not tell.
        rounds: of corrected masks that were added; their images are labelled, and unlabelled no more.
    """
    log = Remarks()
    empty: Parts = dict.fromkeys(PARTS, ())
    if not root.is_dir():
        what = "is a file; a folder is expected" if root.exists() else "is not there"
        log.problem(root, what, f"give the folder with the data; {_EXPECTED}")
        return Layout(empty, problems=tuple(log.problems))
    if has_channel_files(root):
        what = "has a file for each channel of an image, as nnU-Net"
        log.problem(root, what, made_by_prepare())
        return Layout(empty, problems=tuple(log.problems))
    if not is_text(root.resolve()):
        log.problem(root, "has a path that is no UTF-8 text", renaming("rename the folder"))
    added = [root / each.folder for each in rounds]
    named = Remarks()
    found, class_folders, is_sure = _by_names(root, options, added, named)
    is_drawn = options.task is None or not labels_of(options.task).is_continuous
    alike = None if is_sure or not is_drawn else _by_likeness(root, added)
    if alike is not None:
        found, class_folders, named = alike[0], None, alike[1]
    log.notes, log.problems = named.notes, [*log.problems, *named.problems]
    for each in rounds:
        _add_round(root, each, found, class_folders=class_folders is not None, log=log)
    notes = (*log.notes, *passed_over_notes({*named.passed_over, *passed_over_in(root)}))
    return Layout(found, class_folders or (), notes, tuple(log.problems))


def _by_names(
    root: Path, options: DataOptions, added: Sequence[Path], log: Remarks
) -> tuple[Parts, tuple[str, ...] | None, bool]:
    """Give the pairs of each part by names that are known, the folders of classes, and whether these names tell all."""
    arranged = arrange(root)
    places = dict(arranged.places)
    log.problems += arranged.problems
    # Beside parts, other folders are no data.
    skip = subfolders(root) if places.keys() - {"labelled"} else added
    at_root = places.setdefault("labelled", place_at(root)).folder == root
    parts = {
        name: files_of_part(place, options, log=log, skip=skip if place.folder == root else added)
        for name, place in places.items()
    }
    used = {path for place in places.values() for path in (place.images, place.masks) if path}
    _note_other_folders(root, {*arranged.folders, *added, *used}, log, at_root=at_root)

    class_folders = _class_folders(parts, options)
    if class_folders and is_no_class(class_folders, parts.values(), options):
        parts, class_folders = {name: without_folder(part) for name, part in parts.items()}, None
        log.notes.append("the only folder in that of the masks is no class: its masks leave no pixel at 0")
    found: Parts = dict.fromkeys(PARTS, ())
    paired, num_doubled = _paired(parts, places, options, class_folders=class_folders is not None, log=log)
    found |= paired
    is_told = options.mask_suffix is not None or options.encoding is not None
    is_sure = is_told or (any(each.masks for each in found["labelled"]) and not num_doubled)
    if places.keys() == {"labelled"}:
        _divide_by_lists(root, found, log)
    is_ours = is_own_word(places["labelled"].folder.name)
    if (at_root or not is_ours) and "unlabelled" not in places and parts["labelled"].masks:
        _take_as_unlabelled("labelled", found, log)
    for name in ("val", "test"):
        is_foreign = name in places and (places[name].is_foreign or not (is_ours or at_root))
        if is_foreign and not any(each.masks for each in found[name]):
            _take_as_unlabelled(name, found, log)
            del parts[name]
    _find_missing(root, parts, found, log)
    return found, class_folders, is_sure


def _by_likeness(root: Path, added: Sequence[Path]) -> tuple[Parts, Remarks] | None:
    """Give the pairs of each part by names that go together, and what there is to say; None: nothing goes together."""
    log = Remarks()
    files = files_below(root, log, skip=added)
    near = nearby_data(root)
    if near is not None and all(path.is_relative_to(near) for path in files.values()):
        return None  # which is told
    alike = parts_by_likeness(root, files)
    if alike is None:
        return None
    found, notes = alike
    log.notes += notes
    if not found["val"] and not found["test"]:
        _divide_by_lists(root, found, log)
        for part in ("labelled", "val", "test"):
            _take_as_unlabelled(part, found, log)
    return found, log


def _paired(
    parts: Mapping[PartName, PartFiles],
    places: Mapping[PartName, Place],
    options: DataOptions,
    *,
    class_folders: bool,
    log: Remarks,
) -> tuple[Parts, int]:
    """Pair the images and masks of each part, and count images with more masks than one.

    Masks of another part, in a folder for all, lack no image.
    """
    pairings = {
        name: pair(part.images, part.masks, mask_suffix=options.mask_suffix, class_folders=class_folders)
        for name, part in parts.items()
    }
    taken = {str(path) for pairing in pairings.values() for each in pairing.pairs for path in each.masks.values()}
    for name, pairing in pairings.items():
        of_others = taken if places[name].is_shared else set()
        # Without any image, that is what there is to tell.
        problems = pairing.problems if parts[name].images else ()
        log.problems += [problem for problem in problems if problem.where not in of_others]
    num_doubled = sum(pairing.num_doubled for pairing in pairings.values())
    return {name: pairing.pairs for name, pairing in pairings.items()}, num_doubled


def _divide_by_lists(root: Path, found: Parts, log: Remarks) -> None:
    """Move the images to the parts that lists tell."""
    everything = Packed(ImageWithMasks, chain(found["labelled"], found["unlabelled"]))
    parts, lists = parts_below(root, [each.name for each in everything], log.problems)
    if not parts:
        return
    for part in PARTS:
        of_part = (each for each in everything if parts.get(each.name, "unlabelled") == part)
        found[part] = Packed(ImageWithMasks, of_part)
    told = ", ".join(lists)
    log.notes.append(f"parts as lists tell: {told}; images in none are unlabelled")
    if not found["labelled"]:
        log.problem(
            root, f"has lists of which none names an image to train with: {told}", "mend train.txt, or remove them"
        )


def _take_as_unlabelled(part: str, found: Parts, log: Remarks) -> None:
    """Take the images of a part that have no mask as unlabelled."""
    bare = Packed(ImageWithMasks, (each for each in found[part] if not each.masks))
    if bare:
        found["unlabelled"] = Packed(ImageWithMasks, chain(found["unlabelled"], bare))
        found[part] = Packed(ImageWithMasks, (each for each in found[part] if each.masks))
        log.notes.append(f"taken as unlabelled, as without a mask: {counted(len(bare), 'image')}")


def _add_round(root: Path, added: Round, found: Parts, *, class_folders: bool, log: Remarks) -> None:
    """Add the images of a round to the labelled ones, and take them out of the unlabelled ones."""
    folder = root / added.folder
    # Names are equal there, whatever suffixes the other masks have.
    images, masks = (files_below(folder / name, log) for name in ("images", "masks"))
    pairing = pair(images, masks, mask_suffix=None, class_folders=class_folders)
    log.problems += pairing.problems
    for each in pairing.pairs:
        if not each.masks:
            log.problem(each.image, "has no mask", f"remove the folder {added.folder}, and import the round again")
    pairs = tuple(
        ImageWithMasks(f"{added.prefix}{each.name}", each.image, each.masks) for each in pairing.pairs if each.masks
    )
    found["labelled"] = Packed(ImageWithMasks, chain(found["labelled"], pairs))
    names = {*added.names}
    found["unlabelled"] = Packed(ImageWithMasks, (each for each in found["unlabelled"] if each.name not in names))
    log.notes.append(f"round {added.number} added {counted(len(pairs), 'labelled image')}, unlabelled no more")


def part_folder(root: Path, part: PartName) -> Path:
    """Give the folder of a part, such as "labelled"; the data folder itself where it has no folder of its own."""
    place = arrange(root).places.get(part)
    return root if place is None else place.folder


def _note_other_folders(root: Path, known: Collection[Path], log: Remarks, *, at_root: bool) -> None:
    below = subfolders(root)
    if at_root and not {*below} & {*known}:
        return  # all folders below were searched for images
    others = [path.name for path in below if path not in known]
    if others:
        log.notes.append(f"{root.name}: folders left alone: {', '.join(others)}")


def _class_folders(parts: Mapping[PartName, PartFiles], options: DataOptions) -> tuple[str, ...] | None:
    """Give the folders of the classes where masks come as one folder for each class; None where they do not."""
    if options.encoding in ("grey", "colour"):
        return None
    if options.encoding is None and not any(isinstance(option.value, str) for option in options.classes):
        images = Texts(f"{name}/{name_of(below)}" for name, part in parts.items() for below in part.images)
        masks = [(name, name_of(below)) for name, part in parts.items() for below in part.masks]
        named = [(f"{part}/{name}", f"{part}/{name.partition('/')[2]}") for part, name in masks]
        if not are_in_class_folders(named, images, mask_suffix=options.mask_suffix):
            return None
    mask_folders = [part.mask_folder for part in parts.values() if part.mask_folder is not None]
    # What lies in others is told of already.
    folders = [path for folder in mask_folders for path in subfolders(folder) if is_text(path.name)]
    return sorted_folders(path.name for path in folders if may_be_class(path))


def _find_missing(root: Path, parts: Mapping[PartName, PartFiles], found: Parts, log: Remarks) -> None:
    """Tell of parts without images or masks, and of images without a mask where each must have one."""
    held: tuple[PartName, ...] = ("labelled", "val", "test")
    for name in held:
        part = parts.get(name)
        if part is None:
            continue
        if not part.images and any(Path(each.where).is_relative_to(part.folder) for each in log.problems):
            continue  # images that cannot be read, or have no name, are there
        if not part.images and (name != "labelled" or part.folder != root):
            mend = hint_of(part.folder) or f"put them into {short_path(part.folder)}/images"
            log.problem(part.folder, "holds no images", mend)
        elif not part.images:
            log.problem(root, "holds no labelled images", hint_of(root) or _EXPECTED)
        elif not part.masks and part.folder == root:
            log.problem(
                root,
                "holds images but no masks, so it looks like the folder of the images alone",
                hint_of(root) or f"give the folder above it; {_EXPECTED}",
            )
        elif not part.masks:
            log.problem(
                part.folder,
                "holds images but no masks",
                hint_of(root) or f"put them into {short_path(part.folder)}/masks, each with the name of its image",
            )
        else:
            for pair_ in found[name]:
                if not pair_.masks:
                    log.problem(
                        pair_.image,
                        "has no mask",
                        "add one with the same name (an empty one where nothing is), or move the image to unlabelled",
                    )
            found[name] = Packed(ImageWithMasks, (pair_ for pair_ in found[name] if pair_.masks))
    if "unlabelled" in parts and not parts["unlabelled"].images:
        log.notes.append(f"{short_path(parts['unlabelled'].folder)} holds no images")
