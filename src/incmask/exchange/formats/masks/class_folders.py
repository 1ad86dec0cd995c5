"""Images with a folder of masks for each class."""

from dataclasses import dataclass, replace

import numpy as np

from incmask.base.config import IGNORED
from incmask.base.errors import fail
from incmask.data.dataset import DataOptions
from incmask.data.folder.recognise import NOTHING_DRAWN, recognise_folders
from incmask.data.images.masks import MaskFacts, foreground_of, grey_values, is_soft
from incmask.exchange.formats.common import Files, FoundImages, classes_of, look_at, read_mask
from incmask.exchange.formats.masks.pairs import Look, check_size, look_at_mask
from incmask.exchange.formats.naming import Named, sort_files
from incmask.exchange.formats.shapes import is_thick
from incmask.exchange.sources.archives import SourceFile
from incmask.method.labels import labels_of


@dataclass(frozen=True)
class LayersLabel:
    """A label from a mask for each class.

    Attributes:
        masks: a file for each class; None: the class does not occur.
        blurred: the classes of whose masks compression or scaling mixed the values.
        ignore: value of pixels without a label.
        is_multilabel: classes may overlap; else later ones lie over earlier ones.
    """

    masks: tuple[SourceFile | None, ...]
    blurred: frozenset[int]
    ignore: int | None
    is_multilabel: bool

    def make(self, height: int, width: int) -> np.ndarray:
        """Read the label: uint8, (height, width, K) of 0 and 1, or (height, width) of ids; 255 for no label.

        Raises:
            IncmaskError: a mask is damaged, or of another size.
        """
        layers = [
            _layer(mask, (height, width), is_blurred=number in self.blurred, ignore=self.ignore)
            for number, mask in enumerate(self.masks)
        ]
        if self.is_multilabel:
            return np.stack(layers, axis=2)
        label = np.zeros((height, width), np.uint8)
        for class_id, layer in enumerate(layers, start=1):
            label[layer == 1] = class_id
            label[layer == IGNORED] = IGNORED
        return label


def _layer(mask: SourceFile | None, size: tuple[int, int], *, is_blurred: bool, ignore: int | None) -> np.ndarray:
    """Read a mask of one class: (height, width) uint8 of 0, 1 and 255."""
    layer = np.zeros(size, np.uint8)
    if mask is not None:
        raster = read_mask(mask)
        check_size(mask.where, raster, size)
        values = grey_values(raster)
        layer[foreground_of(values, is_blurred=is_blurred)] = 1
        if ignore is not None:
            layer[values == ignore] = IGNORED
    return layer


@dataclass(frozen=True)
class _Looks:
    """The looks at the masks of an image by their class, and whether classes overlap."""

    by_class: dict[str, Look]
    overlaps: bool


def read_class_folders(files: Files, data: DataOptions, *, where: object) -> FoundImages:
    """Read images with a folder of masks for each class; multilabel where they overlap, else multiclass.

    Overlaps that nowhere hold 3×3 pixels are strokes along a shared edge, and do not count.

    Raises:
        IncmaskError: the files do not fit together.
    """
    found = sort_files(files, mask_suffix=data.mask_suffix, where=where)
    if not found.class_folders:
        raise fail(where, "holds no folder of masks for each class", "arrange masks/<class>/x.png for images/x.png")
    labelled = [item for item in found.items if item.masks]
    looks = look_at(labelled, _look_at_classes)
    folders = found.class_folders
    facts: dict[str, list[MaskFacts]] = {folder: [] for folder in folders}
    for look in looks:
        for folder, seen in look.by_class.items():
            facts[folder].append(seen.facts)
    recognised = recognise_folders(facts, folders, options=data.model_copy(update={"task": None}), where=where)
    ignore = recognised.encoding.ignore
    assert not isinstance(ignore, tuple), "refused before"
    if not any({*fact.counts} - {0, ignore} for seen in facts.values() for fact in seen):
        raise fail(where, *NOTHING_DRAWN)
    overlapping = next((item.name for item, look in zip(labelled, looks, strict=True) if look.overlaps), None)
    task = data.task or ("binary" if len(folders) == 1 else "multilabel" if overlapping else "multiclass")
    infos = list(recognised.classes)
    labels = labels_of(task)
    if not labels.is_layered:  # background is where nothing else is
        infos = [info for info in infos if str(info.value).casefold() != "background"]
    if labels.is_one_class and len(infos) > 1:
        raise fail(where, f'task = "binary" but there are {len(infos)} classes', "remove the task from incmask.toml")
    seen_masks = [seen for look in looks for seen in look.by_class.values()]
    blurred = {seen.facts.path for seen in seen_masks if seen.is_blurred or is_soft(seen.facts)}

    def label(item: Named) -> LayersLabel:
        masks = tuple(item.masks.get(str(info.value)) for info in infos)
        is_blurred = frozenset(number for number, mask in enumerate(masks) if mask and mask.where in blurred)
        return LayersLabel(masks, is_blurred, ignore, labels.is_layered)

    if labels.is_one_class:
        infos = [replace(infos[0], colour=(255, 255, 255))]
    notes = [f"classes overlap, such as in {overlapping}, so each has a mask of its own"] if overlapping else []
    return FoundImages(task, classes_of(task, infos), found.pictures(label), ignore is not None, notes=tuple(notes))


def _look_at_classes(item: Named) -> _Looks:
    looks = {folder: look_at_mask(mask) for folder, mask in item.masks.items()}
    sizes = {(look.facts.height, look.facts.width) for look in looks.values()}
    if len(sizes) > 1:
        what = "has masks of different sizes"
        raise fail(item.path, what, "export the masks in the size of the image")
    (size,) = sizes
    seen, twice = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    for folder, mask in item.masks.items():
        layer = _layer(mask, size, is_blurred=looks[folder].is_blurred or is_soft(looks[folder].facts), ignore=None)
        twice |= seen & layer
        seen |= layer
    return _Looks(looks, is_thick(twice))
