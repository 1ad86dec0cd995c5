"""What must be said aloud of a data set, and the pixel counts of its classes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from incmask.base.words import are, counted, does
from incmask.data.dataset import Item, LabelStatistics
from incmask.data.folder.names import first_of
from incmask.data.folder.recognise import Recognised, view
from incmask.data.images.masks import MaskFacts
from incmask.data.images.readers import ImageFacts
from incmask.method.labels import labels_of

_EXAMPLES = 3
_LISTED_CLASSES = 20
_KINDS = {"grey": "values", "colour": "colours", "folders": "one folder for each class"}


def recognition_notes(recognised: Recognised) -> list[str]:
    """Tell how the masks were understood."""
    encoding = recognised.encoding
    classes = [f"{info.name} = {_text(info.value)}" for info in recognised.classes[:_LISTED_CLASSES]]
    more = len(recognised.classes) - len(classes)
    listed = ", ".join(classes) + (f" and {more} more" if more else "")
    ignored = "" if encoding.ignore is None else f"; {_text(encoding.ignore)} is ignored"
    return [f"masks in {_KINDS[encoding.kind]}, read as {recognised.task}: {listed}{ignored}", *recognised.notes]


def _text(value: object) -> str:
    return f"{value}/" if isinstance(value, str) else str(value)


def label_statistics(items: Sequence[Item], masks: Mapping[Path, MaskFacts], recognised: Recognised) -> LabelStatistics:
    """Count the pixels of each class over ``items``."""
    class_pixels = [0] * len(recognised.classes)
    ignored = total = empty = 0
    encoding = recognised.encoding
    for item in items:
        paths = item.masks or ()
        size = item.height * item.width
        found = [0] * len(class_pixels)
        if encoding.kind == "folders":
            for index, path in enumerate(paths):
                counts: Mapping[int, int] = masks[path].counts if path is not None else {}
                found[index] = sum(count for value, count in counts.items() if value not in (0, encoding.ignore))
                ignored += counts.get(encoding.ignore, 0) if isinstance(encoding.ignore, int) else 0
        else:
            first_id = int(labels_of(recognised.task).is_one_class)
            counts = view(masks[path], encoding.kind) if (path := paths[0]) is not None else {}
            for value, class_id in recognised.ids().items():
                if class_id >= first_id:
                    found[class_id - first_id] = counts.get(value, 0)
            background = counts.get(0, 0) if first_id else 0
            ignored += size - sum(found) - background
        class_pixels = [have + more for have, more in zip(class_pixels, found, strict=True)]
        total += size
        empty += not any(found[1:] if labels_of(recognised.task).is_exclusive else found)
    if encoding.kind == "folders":
        ignored = round(ignored / len(class_pixels))
    return LabelStatistics(tuple(class_pixels), ignored, total, empty)


def channel_notes(images: Mapping[Path, ImageFacts], channels: int) -> list[str]:
    """Tell what is done to bring images to the network's channels."""
    counts = Counter(fact.channels for fact in images.values())
    notes = []
    if channels == 3 and counts[1] and counts[3]:
        notes.append(f"{counts[1]} grey and {counted(counts[3], 'RGB image')}: grey is repeated to three channels")
    elif channels == 1 and counts[3]:
        notes.append(f"{are(counts[3], 'RGB image')} turned to grey, as channels = 1 asks for")
    return notes


def absent_notes(items: Mapping[str, Sequence[Item]], recognised: Recognised, statistics: LabelStatistics) -> list[str]:
    """Tell of classes and parts that are not there, and of hidden truth."""
    notes = []
    if len(recognised.classes) == 1 and labels_of(recognised.task).is_exclusive:
        notes.append("the masks hold one class only: there is nothing to tell apart")
    pairs = zip(recognised.classes, statistics.class_pixels, strict=True)
    absent = [info.name for info, num_pixels in pairs if not num_pixels]
    if len(absent) == 1:
        notes.append(f"the class {absent[0]} does not occur on any labelled image")
    elif absent:
        classes = f"{len(absent)} of {len(recognised.classes)} classes do"
        notes.append(f"{classes} not occur on any labelled image: {', '.join(absent)}")
    return [*notes, *part_notes(items)]


def part_notes(items: Mapping[str, Sequence[Item]]) -> list[str]:
    """Tell of parts that are not there, and of hidden truth."""
    notes = []
    for part in ("unlabelled", "val", "test"):
        if not items[part]:
            notes.append(f"there are no {part} images")
    truths = sum(item.masks is not None for item in items["unlabelled"])
    if truths:
        have = does(truths, "unlabelled image", "have")
        notes.append(f"{have} masks: hidden truth, used by fully supervised comparisons only")
    return notes


def name_notes(items: Mapping[str, Sequence[Item]], images: Mapping[Path, ImageFacts]) -> list[str]:
    """Tell of different images with one name in two of the parts that are learnt from and scored on."""
    notes = []
    for first, second in combinations(("labelled", "val", "test"), 2):
        digests = {item.name: images[item.image].digest for item in items[first]}
        same = [
            item.name
            for item in items[second]
            if item.name in digests and images[item.image].digest != digests[item.name]
        ]
        if same:
            what = f"{are(len(same), 'name')} in {first} and in {second}"
            notes.append(f"{what}; if their images show the same, scores are too good: {first_of(same, _EXAMPLES)}")
    return notes
