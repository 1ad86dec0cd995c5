"""What reads files of others, each with files that it can read."""

import io
import json
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from incmask.base.choosing import read_config
from incmask.base.errors import IncmaskError
from incmask.base.images_on_disk import read_records
from incmask.base.tables import read_rows
from incmask.data.dataset import ClassInfo, Scheme
from incmask.data.folder.scan import scan
from incmask.data.images.big_images import NetworkRows, open_big_image
from incmask.data.images.decode import decode
from incmask.data.images.masks import decode_mask
from incmask.data.images.readers import read_image
from incmask.data.rounds import read_rounds
from incmask.exchange.formats.sheets import IMAGES, Known, LabelSheet
from incmask.exchange.formats.table import LABEL_FORMATS
from incmask.exchange.sources.archives import SourceFile, list_members
from incmask.nets.spec import NetworkSpec, save_model
from incmask.prediction.ensemble import Ensemble
from incmask.prediction.model_folder import save_ensemble
from incmask.prediction.values import About

Files = dict[str, bytes]
"""The files of a folder by their paths."""


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        name: of it.
        seeds: folders that it can read.
        read: reads a folder; of a file that was changed it may raise ``IncmaskError``, and nothing else.
    """

    name: str
    seeds: tuple[Files, ...]
    read: Callable[[Path], object]


def _grey(side: int = 12) -> np.ndarray:
    return (np.arange(side * side, dtype=np.uint32) * 7919 % 251).astype(np.uint8).reshape(side, side)


def _saved(image: Image.Image, ending: str, **options: object) -> bytes:
    image.save(buffer := io.BytesIO(), ending, **options)
    return buffer.getvalue()


def _tiff(values: np.ndarray, **options: object) -> bytes:
    tifffile.imwrite(buffer := io.BytesIO(), values, **options)
    return buffer.getvalue()


def pictures() -> Iterator[tuple[str, bytes]]:
    """Give a picture of each kind by its name."""
    grey, deep = Image.fromarray(_grey()), _grey().astype(np.uint16) * 257
    colours = Image.fromarray(np.dstack([_grey(), _grey().T, _grey()[::-1]]))
    for kind in ("PNG", "JPEG", "BMP", "GIF", "WEBP"):
        yield f"grey.{kind.lower()}", _saved(grey, kind)
        yield f"colours.{kind.lower()}", _saved(colours, kind)
    yield "palette.png", _saved(colours.quantize(7), "PNG")
    yield "deep.png", _saved(Image.fromarray(deep), "PNG")
    yield "alpha.png", _saved(colours.convert("RGBA"), "PNG")
    exif = Image.Exif()
    exif[274] = 6
    yield "turned.jpg", _saved(colours, "JPEG", exif=exif)
    yield "plain.tif", _tiff(_grey())
    yield "deep.tif", _tiff(deep, byteorder=">", rowsperstrip=5)
    yield "float.tif", _tiff(_grey().astype(np.float32), compression="zlib", predictor=True)
    yield "tiles.tif", _tiff(np.asarray(colours), tile=(16, 16), compression="lzw", photometric="rgb")
    yield "ome.tif", _tiff(np.stack([_grey()] * 3), ome=True, metadata={"axes": "CYX"}, photometric="minisblack")
    yield "imagej.tif", _tiff(_grey(), imagej=True)
    yield "big.tif", _tiff(_grey(), bigtiff=True, compression="packbits")


def _read_picture(folder: Path) -> None:
    (path,) = folder.iterdir()
    content = path.read_bytes()
    decode(path, content).to_colour()
    for read in (read_image, lambda path: decode_mask(path, content).to_colour(), _read_rows):
        with suppress(IncmaskError):
            read(path)


def _read_rows(path: Path) -> None:
    if (big := open_big_image(path, at_least=1, channels=3)) is not None:
        with closing(big):
            rows = NetworkRows(big, channels=3, intensity=None, where=path)
            rows.read(0, 12)


def _of_folder(root: Path) -> Files:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def _situations(scratch: Path) -> Iterator[Target]:
    """Give the situations of the corpus, as far as they have files, through each of their entry points."""
    sys.path[:0] = [str(Path(__file__).parents[2] / "tests" / each) for each in ("corpus", "")]
    import table
    from entry_points import look_of
    from situations import SITUATIONS

    by_entry: dict[str, list[Files]] = {}
    for name, entry in table.TABLE:
        (root := scratch / name / "data").mkdir(parents=True)
        SITUATIONS[name].outcomes(root)
        if entry != "python" and (files := _of_folder(root)):
            by_entry.setdefault(entry, []).append(files)
        shutil.rmtree(scratch / name)
    for entry, seeds in by_entry.items():
        yield Target(f"folders, {entry}", tuple(seeds), look_of(entry, None))


SCHEME = Scheme("multiclass", tuple(ClassInfo(name, (9 * at, 5, 7), at) for at, name in enumerate("xyz")))


def _submitted(task: dict[str, Any]) -> dict[str, Any]:
    """Do what Label Studio does where a person submits a prediction as it is."""
    (predicted,) = task.pop("predictions")
    return task | {"id": 1, "annotations": [{"id": 1, "result": predicted["result"], "was_cancelled": False}]}


def _corrections(scratch: Path) -> Iterator[Target]:
    """Give the formats of corrections, each as it is written for its tool."""
    sheets = [LabelSheet(name, f"{name}.png", _grey() % 3, _grey() > 240) for name in ("a", "deep/b")]
    for form_name, form in LABEL_FORMATS.items():
        folder = scratch / form_name
        for sheet in sheets:
            path = folder / IMAGES / sheet.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_saved(Image.fromarray(_grey()), "PNG"))
        form.write(sheets, folder, SCHEME)
        if (tasks := folder / "tasks.json").exists():
            tasks.write_text(json.dumps([_submitted(task) for task in json.loads(tasks.read_text())]))

        def read(root: Path, form=form) -> None:
            files = {path.relative_to(root).as_posix(): SourceFile(path) for path in root.rglob("*") if path.is_file()}
            for label in form.read(files, Known(SCHEME, [sheet.name for sheet in sheets])).labels.values():
                label.make(12, 12)

        yield Target(f"corrections, {form_name}", (_of_folder(folder),), read)


def _models(scratch: Path) -> Iterator[Target]:
    spec = NetworkSpec(1, 3, width=0.125)
    save_model(scratch / "any.safetensors", spec.build().state_dict(), spec)
    about = About(SCHEME.task, SCHEME.classes, 1, (0.0, 4095.0), (16, 16), "resize", "float32")
    files = save_ensemble(scratch / "model", [scratch / "any.safetensors"], about, scores={"dice": 0.5})
    seed = {path.name: path.read_bytes() for path in files}
    yield Target("models", (seed,), lambda folder: Ensemble.load(folder, device="cpu"))


def _archives(scratch: Path) -> Iterator[Target]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (("a/b.txt", b"text" * 99), ("c.png", _saved(Image.fromarray(_grey()), "PNG"))):
            archive.writestr(name, content)

    def read(folder: Path) -> None:
        for each in list_members(folder / "a.zip"):
            each.entry.read()

    yield Target("archives", ({"a.zip": buffer.getvalue()},), read)


CONFIG = b"""[data]
task = "multiclass"
classes = [{name = "back", value = 0, colour = [0, 0, 0]}, {name = "cell", value = 1}]
intensity = [0, 4095]
group = "^(p[0-9]+)"
[settings]
epochs = 10
size = [64, 96]
learning_rate = 0.001
"""


@dataclass(frozen=True)
class Row:
    """A row of every kind of column."""

    name: str
    number: int
    score: float
    blank: float | None
    details: dict[str, float] = field(default_factory=dict)


def _records(scratch: Path) -> Iterator[Target]:
    yield Target("incmask.toml", ({"incmask.toml": CONFIG},), read_config)
    one = {"number": 2, "folder": "round-2", "names": ["a"], "run": "../run", "source": "png", "date": "2026-01-01"}
    rounds = {"rounds.json": json.dumps({"rounds": [one]}).encode(), "round-2/a.txt": b"which makes the folder"}
    yield Target("rounds", (rounds,), read_rounds)
    run = {"run.toml": b'recipe = "im"\n[settings]\nepochs = 2\nsize = [4, 5]\n', "data.json": b'{"task": "binary"}'}
    yield Target("records", (run,), read_records)
    table = b'name,number,score,blank,dice\na,1,0.5,,0.25\n"b, c",2,1e-9,0.5,\n'
    yield Target("tables", ({"a.csv": table},), lambda folder: read_rows(folder / "a.csv", Row))


def _pictures(scratch: Path) -> Iterator[Target]:
    yield Target("pictures", tuple({name: content} for name, content in pictures()), _read_picture)


def _volumes(scratch: Path) -> Iterator[Target]:
    """Give a folder of one volume and its mask, in each form of files and of folders that stand for files."""
    sys.path[:0] = [str(Path(__file__).parents[2] / "tests")]
    from volume_formats import write_frames, write_nifti_of, write_ome_zarr, write_series

    affine = np.diag([2.0, 1.0, 1.5, 1.0])
    ids = (_grey() % 3).reshape(6, 6, 4)
    writers: dict[str, Callable[[Path], object]] = {
        "nii": lambda path: write_nifti_of(path, ids, affine),
        "nii.gz": lambda path: write_nifti_of(path, ids, affine),
        "dicom": lambda path: write_series(path.with_suffix(""), ids.astype(np.uint16), affine),
        "dcm": lambda path: write_frames(path, ids.astype(np.uint16), affine),
        "zarr": lambda path: write_ome_zarr(path, ids),
        "ome.zarr": lambda path: write_ome_zarr(path, ids, version="0.4"),
    }
    for ending, write in writers.items():
        for part in ("images", "masks"):
            path = scratch / ending / "labelled" / part / f"a.{ending}"
            path.parent.mkdir(parents=True)
            write(path)

        def read(root: Path) -> None:
            if problems := scan(root).problems:
                raise IncmaskError(problems)

        yield Target(f"volumes, {ending}", (_of_folder(scratch / ending),), read)


KINDS = {
    "pictures": _pictures,
    "volumes": _volumes,
    "models": _models,
    "archives": _archives,
    "records": _records,
    "corrections": _corrections,
    "folders": _situations,
}
"""What makes the readers of a kind, in a folder for their files."""


def targets(scratch: Path, kinds: Iterable[str] = KINDS) -> Mapping[str, Target]:
    """Give the readers of some kinds by name; ``scratch`` is a folder to make their files in."""
    return {each.name: each for kind in kinds for each in KINDS[kind](scratch / kind)}
