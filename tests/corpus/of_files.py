"""Situations of a single file: how pixels of images and masks are stored. tifffile and Pillow say what is right."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from entry_points import opened
from of_values import NAMES, SIDE, disc, folder, grey, labels, path_of, scaled
from PIL import Image
from situations import IN_COLOURS, MASKS, WHITE, Outcome, Right, Told, situation

Write = Callable[[Path, int], None]


def _tiff(make: Callable[[int], np.ndarray], **options: object) -> Write:
    return lambda path, number: tifffile.imwrite(path_of(path).with_suffix(".tif"), make(number), **options)


def _pillow(make: Callable[[int], Image.Image], ending: str, **options: object) -> Write:
    return lambda path, number: make(number).save(path_of(path).with_suffix(ending), **options)


def rgb(number: int) -> np.ndarray:
    """Give an image in colours without any symmetry."""
    return np.dstack([grey(number), grey(number).T, grey(number)[::-1]])


def picture(number: int) -> Image.Image:
    """Give a grey picture."""
    return Image.fromarray(grey(number))


IMAGES: dict[str, tuple[Write, str]] = {
    "tiff_lzw": (_tiff(grey, compression="lzw"), "TIFF packed by LZW"),
    "tiff_deflate": (_tiff(rgb, compression="zlib", predictor=True), "TIFF packed by deflate with a predictor"),
    "tiff_packbits": (_tiff(grey, compression="packbits"), "TIFF packed by PackBits"),
    "tiff_tiled": (_tiff(rgb, tile=(16, 32), photometric="rgb"), "TIFF in tiles"),
    "tiff_strips": (_tiff(grey, rowsperstrip=5), "TIFF in strips of uneven number"),
    "tiff_big_endian": (_tiff(grey, byteorder=">"), "TIFF of the other order of bytes"),
    "bigtiff": (_tiff(rgb, bigtiff=True, photometric="rgb"), "BigTIFF"),
    "tiff_ome": (_tiff(grey, ome=True), "OME-TIFF of one plane"),
    "tiff_imagej": (_tiff(grey, imagej=True), "ImageJ's TIFF of one plane"),
    "png_indexed": (_pillow(lambda n: picture(n).convert("P"), ".png"), "PNG of indices, whose colours are taken"),
    "png_two_bits": (_pillow(lambda n: picture(n).quantize(4), ".png", bits=2), "PNG of indices of two bits"),
    "png_rgb": (_pillow(lambda n: Image.fromarray(rgb(n)), ".png"), "PNG in colours"),
    "bmp": (_pillow(lambda n: Image.fromarray(rgb(n)), ".bmp"), "BMP in colours"),
    "bmp_grey": (_pillow(picture, ".bmp"), "BMP in grey"),
    "jpeg_grey": (_pillow(picture, ".jpg", quality=90), "JPEG in grey"),
    "jpeg_rgb": (
        _pillow(lambda n: Image.fromarray(rgb(n)), ".jpg", subsampling=2),
        "JPEG with fewer colours than pixels",
    ),
    "jpeg_progressive": (_pillow(picture, ".jpeg", progressive=True), "JPEG that comes in passes"),
    "upper_case_ending": (_pillow(picture, ".PNG"), "An ending in capitals"),
}


def _seen(path: Path) -> np.ndarray:
    if path.suffix == ".tif":
        return np.atleast_3d(tifffile.imread(path))
    with Image.open(path) as image:
        return np.atleast_3d(np.asarray(image.convert("RGB") if image.mode == "P" else image))


def enter_images() -> None:
    """Enter each way to store an image of 8 bits."""
    for name, (save, about) in IMAGES.items():

        def write(root: Path, save: Write = save) -> Outcome:
            folder(root, image=save)
            shown = {path.stem: _seen(path) for path in (root / "labelled" / "images").iterdir()}
            return Right(labels(), shown, within=0)

        write.__name__ = f"image_{name}"
        situation(about=f"{about}.")(write)


enter_images()

DEEP: dict[str, Callable[[int], np.ndarray]] = {
    "int8": lambda number: (grey(number).astype(np.int16) - 128).astype(np.int8),
    "int16": lambda number: grey(number).astype(np.int16) - 100,
    "uint16": lambda number: grey(number).astype(np.uint16) * 16,
    "uint32": lambda number: grey(number).astype(np.uint32) * 70000,
    "float16": lambda number: (grey(number) / 256).astype(np.float16),
    "float64": lambda number: grey(number) / 255.0,
}


def enter_deep() -> None:
    """Enter each type of more than 8 bits, or with a sign, which is scaled between its percentiles."""
    every = np.ones((SIDE, SIDE), bool)
    for name, make in DEEP.items():

        def write(root: Path, make: Callable[[int], np.ndarray] = make) -> Outcome:
            folder(root, image=_tiff(make))
            arrays = {each: make(number) for number, each in enumerate(NAMES)}
            shown = {each: scaled(array.astype(float), every)[..., None] for each, array in arrays.items()}
            return Right(labels(), shown, arrays=arrays)

        write.__name__ = f"image_{name}"
        situation("check", "stack", "prepare", "predict", "python", about=f"Intensities in {name}, scaled.")(write)


enter_deep()


def white(number: int) -> np.ndarray:
    """Give the mask as black and white."""
    return disc(number) * np.uint8(255)


NUMBERS = Told(("expected (H, W) or (H, W, K) integers",))
SAME: Outcome = Right()
MASK_FILES: dict[str, tuple[Write, str, Outcome]] = {
    "png_one_bit": (_pillow(lambda n: Image.fromarray(white(n)).convert("1"), ".png"), "PNG of one bit", SAME),
    "tiff_truth": (_tiff(lambda n: disc(n).astype(bool)), "TIFF of truth values, as tifffile writes them", SAME),
    "bmp": (_pillow(lambda n: Image.fromarray(white(n)), ".bmp"), "BMP", WHITE),
    "ones": (_pillow(lambda n: Image.fromarray(disc(n)), ".png"), "PNG of 0 and 1", SAME),
    "uint16": (_tiff(lambda n: disc(n).astype(np.uint16) * 65535), "TIFF of 0 and 65535", Told(("65535",))),
    "int32": (_tiff(lambda n: disc(n).astype(np.int32)), "TIFF of whole numbers of 32 bits", SAME),
    "float32": (_tiff(lambda n: disc(n).astype(np.float32)), "TIFF of 0.0 and 1.0", NUMBERS),
    "float64": (_tiff(lambda n: white(n).astype(np.float64)), "TIFF of 0.0 and 255.0", NUMBERS),
    "rgb": (_pillow(lambda n: Image.fromarray(np.dstack([white(n)] * 3)), ".png"), "Grey stored as RGB", IN_COLOURS),
    "rgb_of_ones": (
        _pillow(lambda n: Image.fromarray(np.dstack([disc(n)] * 3)), ".png"),
        "0 and 1 stored as RGB",
        Told(("have the same values in all channels; give a single one, masks[..., 0]",)),
    ),
    "rgba_opaque": (
        _pillow(lambda n: Image.fromarray(np.dstack([white(n)] * 3 + [disc(n) * 0 + 255])), ".png"),
        "RGBA that is opaque everywhere",
        IN_COLOURS,
    ),
    "green": (
        _pillow(lambda n: Image.fromarray(np.dstack([disc(n) * 0, white(n), disc(n) * 0])), ".png"),
        "Green on black",
        IN_COLOURS,
    ),
    "tiff_packed": (_tiff(white, compression="lzw"), "TIFF packed by LZW", WHITE),
    "gif": (_pillow(lambda n: Image.fromarray(white(n)), ".gif"), "GIF, whose indices are numbered anew", SAME),
}


def enter_masks() -> None:
    """Enter each way to store a mask of one class."""
    for name, (save, about, python) in MASK_FILES.items():

        def write(root: Path, save: Write = save) -> Outcome:
            folder(root, mask=save)
            return Right(labels())

        write.__name__ = f"mask_{name}"
        entries = (*MASKS, "python") if python is SAME else MASKS
        situation(*entries, python=None if python is SAME else python, about=f"Masks: {about}.")(write)


enter_masks()


def refused(name: str, save: Write, about: str, outcome: Outcome, python: Outcome) -> None:
    """Enter masks that are refused."""

    def write(root: Path) -> Outcome:
        folder(root, mask=save)
        return outcome

    write.__name__ = f"mask_{name}"
    situation(*MASKS, python=python, about=f"Masks: {about}.")(write)


refused(
    "probabilities",
    _tiff(lambda n: disc(n).astype(np.float32) * np.float32(0.7)),
    "probabilities between 0 and 1",
    Told(("that are no whole numbers from 0",)),
    NUMBERS,
)
refused(
    "below_zero",
    _tiff(lambda n: disc(n).astype(np.int16) * -1),
    "numbers below 0",
    Told(("has values from -1 to 0 that are no whole numbers",)),
    Told(("hold [-1]",)),
)
refused(
    "five_channels",
    _tiff(lambda n: np.dstack([disc(n)] * 5), photometric="minisblack", planarconfig="contig"),
    "five channels",
    Told(("has 5 channels; a mask is grey, indexed or RGB",)),
    Right({name: np.dstack([disc(number)] * 5) for number, name in enumerate(NAMES)}, num_classes=5),
)


@situation()
def image_cmyk_jpeg(root: Path) -> Outcome:
    """JPEG in CMYK: as Pillow converts it."""
    folder(root, image=_pillow(lambda n: Image.fromarray(rgb(n)).convert("CMYK"), ".jpg", quality=95))

    def right(path: Path) -> np.ndarray:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))

    shown = {path.stem: right(path) for path in (root / "labelled" / "images").iterdir()}
    return Right(labels(), shown, within=1)


@situation()
def image_of_text(root: Path) -> Outcome:
    """A file that is no image, whatever its ending says."""
    folder(root)
    (root / "labelled" / "images" / "a0.png").write_text("<html>not found</html>")
    return Told(("a0.png: is no PNG, JPEG, BMP, GIF, WebP or TIFF image, whatever its ending says",))


@situation()
def image_cut_off(root: Path) -> Outcome:
    """A download that broke off."""
    folder(root)
    path = root / "labelled" / "images" / "a0.png"
    path.write_bytes(path.read_bytes()[:-60])
    return Told(("a0.png: is broken or truncated",))


@situation()
def image_empty(root: Path) -> Outcome:
    """A file of no bytes."""
    folder(root)
    (root / "labelled" / "images" / "a0.png").write_bytes(b"")
    return Told(("a0.png: is empty (0 bytes)",))


@situation()
def image_with_another_ending(root: Path) -> Outcome:
    """A JPEG that is called PNG is read for what it is."""
    folder(root, image=lambda path, number: picture(number).save(path_of(path), format="JPEG", quality=95))
    shown = {path.stem: np.atleast_3d(opened(path)) for path in (root / "labelled" / "images").iterdir()}
    return Right(labels(), shown, within=0)


@situation(*MASKS, python=Told(("has shape (32, 64) for an image of (64, 64)",)))
def mask_of_another_size(root: Path) -> Outcome:
    """A mask that does not have its image's size."""
    folder(root, mask=_pillow(lambda n: Image.fromarray(disc(n)[::2]), ".png"))
    return Told(("pixels", "export the mask in the size of its image"))


@situation(*MASKS)
def mask_of_a_turned_photo(root: Path) -> Outcome:
    """A photo that its orientation turns, whose mask was drawn on the stored pixels: told."""
    exif = Image.Exif()
    exif[274] = 6
    folder(
        root,
        image=_pillow(lambda n: Image.fromarray(grey(n)[:, :48]), ".jpg", exif=exif),
        mask=_pillow(lambda n: Image.fromarray(disc(n)[:, :48]), ".png"),
    )
    return Told(("64", "48"))
