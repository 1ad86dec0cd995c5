"""What a folder without masks may be, told by the names of its files, and how it becomes a data folder."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path, PurePath

from incmask.base.caller import either
from incmask.base.words import counted
from incmask.data.folder.arrangement import nearby_data
from incmask.data.folder.group_table import SPLIT_FILE
from incmask.data.folder.names import is_image, kind_of_folder
from incmask.data.folder.own_names import image_of_mask
from incmask.data.folder.walk import walk
from incmask.data.volumes.names import is_nifti

_ANNOTATIONS = {
    ".json": "labelme, COCO, VIA, Label Studio",
    ".geojson": "QuPath",
    ".xml": "CVAT for images; others in XML, such as Pascal VOC's boxes, are not read",
}
_CONVERT = {
    ".nii": "volumes of NIfTI, which are read as they lie in images and masks, and not prepared",
    ".nii.gz": "volumes of NIfTI, which are read as they lie in images and masks, and not prepared",
    ".gz": "packed files: unpack them",
    ".dcm": "DICOM files: series are read as they lie in folders of their own in images and masks, and not prepared; "
    "save pictures such as radiographs as PNG or TIFF, with pydicom",
    ".zarr": "volumes in zarr, which are read (OME-Zarr) as they lie in images and masks, and not prepared",
    ".czi": "microscopes' own files: save them as TIFF, with Fiji or bioio",
    ".nd2": "microscopes' own files: save them as TIFF, with Fiji or bioio",
    ".lif": "microscopes' own files: save them as TIFF, with Fiji or bioio",
    ".svs": "whole slides: cut them into TIFF tiles, with QuPath",
    ".ndpi": "whole slides: cut them into TIFF tiles, with QuPath",
    "_seg.npy": "what cellpose keeps for itself, in a form that can run code and is never loaded: in cellpose, save "
    "the masks as PNG or TIFF (File > Save masks; on the command line --save_png or --save_tif)",
    ".npy": "arrays: give them in Python, as incmask.ArrayData",
    ".npz": "arrays: give them in Python, as incmask.ArrayData",
    ".mat": "files of MATLAB: save them as PNG, with imwrite",
    ".h5": "files of HDF5: save their pictures as TIFF, or give arrays in Python, as incmask.ArrayData",
    ".heic": "pictures of a telephone: save them as JPEG",
    ".roi": "regions of ImageJ: draw them as masks, with Edit > Selection > Create Mask",
    "roiset.zip": "regions of ImageJ: draw them as masks, with Edit > Selection > Create Mask",
    "_rois.zip": "regions of ImageJ: draw them as masks, with Edit > Selection > Create Mask",
    **dict.fromkeys(
        (".nrrd", ".mha", ".mhd"),
        "volumes, such as 3D Slicer's: save them as NIfTI, with SimpleITK or 3D Slicer",
    ),
    **dict.fromkeys(
        (".lsm", ".vsi", ".oib", ".oif", ".ims", ".dv", ".stk"),
        "microscopes' own files: save them as TIFF, with Fiji or bioio",
    ),
    **dict.fromkeys((".mrxs", ".scn", ".bif"), "whole slides: cut them into TIFF tiles, with QuPath"),
    **dict.fromkeys(
        (".n5",),
        "arrays in folders: save them as TIFF, of volumes as OME-TIFF, or give arrays in Python, as incmask.ArrayData",
    ),
    **dict.fromkeys((".parquet", ".arrow", ".tfrecord"), "tables of pictures: save each picture as PNG"),
    **dict.fromkeys(
        (".pkl", ".pickle", ".pt", ".pth"),
        "files that can run code and are never loaded: save pictures as PNG, or give arrays in Python, as "
        "incmask.ArrayData",
    ),
    **dict.fromkeys(
        (".shp", ".gpkg", ".kml"), "shapes on a map: draw them as masks with gdal_rasterize, on the grid of each image"
    ),
    **dict.fromkeys(
        (".ndjson", ".jsonl"), "annotations of no kind that is read: export them as COCO, or as masks in PNG"
    ),
    ".zip": "archives: {prepare} reads them, or unpack them",
    ".csv": "a table; run lengths, as Kaggle has them, have to be drawn as masks, in the order that its page tells",
    **dict.fromkeys(
        (".ppm", ".pgm", ".pnm", ".jp2", ".j2k", ".jxl", ".avif", ".exr", ".tga", ".psd"),
        "pictures in formats that are not read: save them as PNG or TIFF",
    ),
    **dict.fromkeys(
        (".json", ".xml"),
        "annotations of no kind that is read: export them as COCO (annotations as a list), labelme, VIA, GeoJSON, JSON "
        "of Label Studio (not JSON-MIN) or CVAT for images (not for video)",
    ),
    **dict.fromkeys((".dng", ".cr2", ".nef", ".arw"), "raw pictures of a camera: develop them to TIFF, with darktable"),
    **dict.fromkeys((".svg", ".pdf"), "drawings without pixels: export them as PNG, in the size of the images"),
}

_TABLES = {
    "index,shape-type,vertex-index": "shapes of napari: turn them into labels there (in the menu of the layer, "
    "Convert to Labels), and save these as TIFF, each called as its image",
    "region_shape_attributes": "a table of VIA: export its annotations as JSON",
}
"""What the first line of a table tells."""

_NO_MASKS = ("class_dict.csv", "_classes.csv", SPLIT_FILE)
"""Tables that tell nothing of masks."""


def hint_of(root: Path) -> str:
    """Say what a folder may be and what to do with it; "" where nothing tells."""
    files = walk(root).files
    if told := _of_volumes(path.relative_to(root) for path in files if is_nifti(path)):
        return told
    if are_objects(path.relative_to(root).parts for path in files if is_image(path)):
        return f"each image has a folder with a mask for each object, as in DSB 2018: {made_by_prepare()}"
    if near := nearby_data(root):
        elsewhere = (path.relative_to(root) for path in files if is_image(path) and not path.is_relative_to(near))
        if any(kind_of_folder(folder) == "mask" for path in elsewhere for folder in path.parts[:-1]):
            return f"images and masks lie in several folders: {made_by_prepare()}"
        return f"give the folder {near}"
    endings = Counter(path.suffix.casefold() for path in files)
    if found := [ending for ending in _ANNOTATIONS if endings[ending]]:
        return f"if the {found[0]} files are annotations ({_ANNOTATIONS[found[0]]}): {made_by_prepare()}"
    texts = (path.relative_to(root) for path in files if path.suffix.casefold() == ".txt")
    if any(kind_of_folder(folder) == "mask" for path in texts for folder in path.parent.parts):
        return f"if the .txt files are polygons of YOLO: {made_by_prepare()}"
    below = {path.relative_to(root).as_posix() for path in files if is_image(path)}
    if any(image_of_mask(path, below) for path in below):
        return f"masks lie as in the Cell Tracking Challenge or in TNBC: {made_by_prepare()}"
    return conversion_hint((path.relative_to(root).as_posix() for path in files), lambda name: head_of(root / name))


def _of_volumes(volumes: Iterable[PurePath]) -> str:
    """Say how volumes that lie in a folder for each subject become images and masks; "" where they do not."""
    beside, below = Counter[PurePath](), defaultdict[PurePath, set[PurePath]](set)
    for path in volumes:
        beside[path.parent] += 1
        below[path.parent.parent].add(path)
    subjects = [folder for folder, num in beside.items() if num == 1 and below[folder] and folder.name]
    if subjects and len(subjects) > len(beside) // 4:
        mask = min(below[subjects[0]])
        name = mask.name.partition(".")[0]
        return (
            f"the masks of {subjects[0]} lie in its folder {mask.parent.name}, a file a class: put each volume into "
            f"labelled/images, called as its folder, and its masks into labelled/masks/{name} and so on, called so, too"
        )
    several = [folder for folder, num in beside.items() if num > 2 and folder.name]
    if len(several) > len(beside) // 2:
        return (
            f"{several[0]} holds {counted(beside[several[0]], 'volume')}: put one of them, or all joined along a "
            "fourth axis, which are read as channels, into labelled/images, and the mask into labelled/masks, both "
            "called as the folder"
        )
    return ""


def head_of(path: Path) -> str:
    """Give the first line of a file, as far as it is text."""
    with path.open("rb") as file:
        return file.readline(500).decode("utf-8-sig", "replace")


def conversion_hint(names: Iterable[str], head: Callable[[str], str]) -> str:
    """Say how files that are not read become images and masks; "" where nothing tells.

    Args:
        names: their paths.
        head: gives the first line of one of them.
    """
    names = [name for name in names if name.split("/")[-1] not in _NO_MASKS]
    for name in (name for name in names if name.casefold().endswith(".csv")):
        if told := next((text for words, text in _TABLES.items() if words in head(name)), ""):
            return f"it holds {told}"
    folders = {part.casefold() for name in names for part in name.split("/")}
    told = next((text for end, text in _CONVERT.items() if any(name.endswith(end) for name in folders)), "")
    return f"it holds {told.format(prepare=prepare_words())}" if told else ""


def made_by_prepare() -> str:
    """Say that prepare makes a data folder of them."""
    return f"{prepare_words()} makes a data folder of them"


def prepare_words(layout: str = "") -> str:
    """Word the call that prepares a folder, with a layout or without."""
    if not layout:
        return either("`incmask prepare folder SRC DST`", '`incmask.prepare("folder", SRC, DST)`')
    return either(
        f"`incmask prepare folder SRC DST --layout {layout}`",
        f'`incmask.prepare("folder", SRC, DST, layout="{layout}")`',
    )


def are_objects(paths: Iterable[tuple[str, ...]]) -> bool:
    """Tell whether images lie each in a folder of its own, beside a folder of masks of single objects.

    Args:
        paths: of all pictures, by folders and name.
    """
    images: Counter[tuple[str, ...]] = Counter()
    masks: Counter[tuple[str, ...]] = Counter()
    for *above, name in paths:
        kind = kind_of_folder(above[-1]) if above else None
        if kind == "mask":
            masks[tuple(above[:-1])] += 1
        elif kind == "image" and name:
            images[tuple(above[:-1])] += 1
    return bool(masks) and set(images.values()) == {1} and masks.keys() <= images.keys() and max(masks.values()) > 1
