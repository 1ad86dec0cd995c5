"""Situations in which values of images or masks were read wrongly."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo
from situations import ENTRIES, FILES, MASKS, WHITE, Outcome, Right, Told, situation

SIDE = 64
NAMES = ("a0", "a1", "a2", "a3")


def disc(number: int) -> np.ndarray:
    """Give a mask with one disc: (64, 64) of 0 and 1."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return ((y - 20 - 3 * number) ** 2 + (x - 24) ** 2 <= 81).astype(np.uint8)


def grey(number: int) -> np.ndarray:
    """Give an image of the disc on a weak pattern: (64, 64) uint8, not symmetric in any way."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return (60 + 90 * disc(number) + (x + y) % 7 + y // 4).astype(np.uint8)


def save(path: Path, array: np.ndarray, **options: object) -> None:
    """Write an array by its ending: tifffile for TIFF without options of Pillow's, Pillow for others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif" and not options:
        tifffile.imwrite(path, array)
    else:
        Image.fromarray(array).save(path, **options)


Save = Callable[[Path, int], None]


def folder(root: Path, *, image: Save | None = None, mask: Save | None = None, ending: str = "png") -> None:
    """Write four images with masks; what is not given is grey(number), and disc(number) as 0 and 255."""
    for number, name in enumerate(NAMES):
        at = root / "labelled" / "images" / f"{name}.{ending if image else 'png'}"
        (image or (lambda path, number: save(path, grey(number))))(at, number)
        (mask or (lambda path, number: save(path, disc(number) * 255)))(root / f"labelled/masks/{name}.png", number)


def labels() -> dict[str, np.ndarray]:
    """Give the labels of ``folder``."""
    return {name: disc(number) for number, name in enumerate(NAMES)}


@situation("check", "stack", "prepare", "predict", "python")
def plain(root: Path) -> Outcome:
    """As it should be."""
    folder(root)
    images = {name: grey(number) for number, name in enumerate(NAMES)}
    return Right(labels(), {name: image[..., None] for name, image in images.items()}, within=0, arrays=images)


def images(make: Callable[[int], np.ndarray]) -> dict[str, np.ndarray]:
    """Give what the network sees of each image, (64, 64, C), as ``make`` gives it of the number."""
    return {name: np.atleast_3d(make(number)) for number, name in enumerate(NAMES)}


def tiffs(root: Path, make: Callable[[int], np.ndarray], **options: object) -> dict[str, np.ndarray]:
    """Write a folder whose images are TIFF files that ``make`` gives, and give the arrays."""
    folder(root, image=lambda path, number: tifffile.imwrite(path_of(path), make(number), **options), ending="tif")
    return {name: make(number) for number, name in enumerate(NAMES)}


def path_of(path: Path) -> Path:
    """Make the folder of a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def scaled(values: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Scale between the percentiles of what was measured, the rest 0: worked out by itself."""
    ordered = np.sort(values[measured].astype(np.float64))
    low, high = (np.interp(share * (len(ordered) - 1), np.arange(len(ordered)), ordered) for share in (0.001, 0.999))
    grey = 255 * (np.clip(values.astype(np.float64), low, high) - low) / (high - low)
    return np.where(measured, grey, 0).round().astype(np.uint8)


def sparse(number: int, value: int = 40000, background: int = 0, dtype: type = np.uint16) -> np.ndarray:
    """Give four pixels of 4096 that are bright."""
    array = np.full((SIDE, SIDE), background, dtype)
    array[20 + number : 22 + number, 30:32] = value
    return array


@situation(*ENTRIES)
def sparse_16_bit(root: Path) -> Outcome:
    """Fewer bright pixels than the percentiles leave out."""
    arrays = tiffs(root, sparse)
    return Right(labels(), images(lambda number: (sparse(number) > 0) * np.uint8(255)), arrays=arrays)


@situation(*ENTRIES)
def sparse_dark(root: Path) -> Outcome:
    """Fewer dark pixels than the percentiles leave out."""
    arrays = tiffs(root, lambda number: sparse(number, 3, 900))
    return Right(labels(), images(lambda number: (sparse(number) == 0) * np.uint8(255)), arrays=arrays)


@situation(*ENTRIES)
def sparse_floats(root: Path) -> Outcome:
    """The same in floating numbers, below 1."""
    arrays = tiffs(root, lambda number: sparse(number).astype(np.float32) / 1e6)
    return Right(labels(), images(lambda number: (sparse(number) > 0) * np.uint8(255)), arrays=arrays)


@situation(*ENTRIES)
def sparse_bands(root: Path) -> Outcome:
    """Five bands, each with a range of its own, one of them sparse, one constant."""

    def bands(number: int) -> np.ndarray:
        wide = grey(number).astype(np.uint16) * 200
        return np.stack([wide, sparse(number), wide // 50, np.full_like(wide, 7), wide], axis=2)

    arrays = tiffs(root, bands, photometric="minisblack", planarconfig="contig")

    def right(number: int) -> np.ndarray:
        every = np.ones((SIDE, SIDE), bool)
        wide = bands(number)
        planes = [scaled(wide[..., index], every) for index in (0, 2, 4)]
        sparse_plane = (sparse(number) > 0) * np.uint8(255)
        return np.stack([planes[0], sparse_plane, planes[1], 0 * sparse_plane, planes[2]], axis=2)

    return Right(labels(), images(right), arrays=arrays)


@situation(*ENTRIES)
def far_from_zero(root: Path) -> Outcome:
    """Differences that float32 cannot tell: numbers near a thousand million."""
    arrays = tiffs(root, lambda number: grey(number).astype(np.int32) + 1_000_000_000)
    every = np.ones((SIDE, SIDE), bool)
    return Right(labels(), images(lambda number: scaled(grey(number), every)), arrays=arrays)


OUTSIDE = np.arange(SIDE)[None] < 16 + np.zeros((SIDE, 1))


def gaps(root: Path, value: float, dtype: type, **options: object) -> Outcome:
    """Write images whose left quarter is no data."""

    def make(number: int) -> np.ndarray:
        values = grey(number) / 255 if np.dtype(dtype).kind == "f" else grey(number).astype(np.int64) * 20
        return np.where(OUTSIDE, value, values).astype(dtype)

    arrays = tiffs(root, make, **options)
    return Right(labels(), images(lambda number: scaled(grey(number), ~OUTSIDE)), arrays=arrays)


def enter_gaps() -> None:
    """Enter a situation for each way of writing that there is no data."""
    cases: dict[str, tuple[float, type]] = {
        "minus_9999_float": (-9999, np.float32),
        "minus_9999_int16": (-9999, np.int16),
        "minus_9999_double": (-9999, np.float64),
        "minus_32768": (-32768, np.int16),
        "lowest_float": (float(np.finfo(np.float32).min), np.float32),
        "lowest_double": (float(np.finfo(np.float64).min), np.float64),
        "highest_float": (float(np.finfo(np.float32).max), np.float32),
        "netcdf_fill": (9.969209968386869e36, np.float32),
        "minus_1e30": (-1e30, np.float32),
        "minus_99999_int32": (-99999, np.int32),
        "highest_int32": (2**31 - 1, np.int32),
        "far_below": (-5000.5, np.float32),
        "nan": (float("nan"), np.float32),
        "nan_double": (float("nan"), np.float64),
        "infinite": (float("inf"), np.float32),
        "minus_infinite": (float("-inf"), np.float64),
    }
    for name, (value, dtype) in cases.items():

        def write(root: Path, value: float = value, dtype: type = dtype) -> Outcome:
            return gaps(root, value, dtype)

        write.__name__ = f"no_data_{name}"
        situation(*ENTRIES, about=f"No data written as {value:g} in {np.dtype(dtype)}.")(write)


enter_gaps()


def tagged(text: str) -> dict[str, object]:
    """Give the tag in which GDAL names the value of pixels without data."""
    return {"extratags": [(42113, "s", 0, text, True)]}


@situation()
def no_data_tag_16_bit(root: Path) -> Outcome:
    """65535 is white, unless the file says that it is no data."""
    return gaps(root, 65535, np.uint16, **tagged("65535"))


@situation()
def no_data_tag_zero(root: Path) -> Outcome:
    """0 is black, unless the file says so."""
    return gaps(root, 0, np.uint16, **tagged("0"))


@situation()
def no_data_tag_float(root: Path) -> Outcome:
    """A value within the range of all others, spelt with more digits than the pixels have."""
    return gaps(root, 0.30000001192092896, np.float32, **tagged("0.3"))


@situation()
def no_data_tag_nan(root: Path) -> Outcome:
    """GDAL's way of saying NaN."""
    return gaps(root, float("nan"), np.float32, **tagged("nan"))


@situation(*ENTRIES)
def negative_is_measured(root: Path) -> Outcome:
    """Intensities below 0 that go on without a gap are measured, whatever their lowest is."""
    ramp = np.linspace(-9999, 9000, SIDE * SIDE).reshape(SIDE, SIDE).astype(np.float32)
    arrays = tiffs(root, lambda number: ramp[::-1] if number % 2 else ramp)
    every = np.ones((SIDE, SIDE), bool)
    return Right(labels(), images(lambda number: scaled(arrays[NAMES[number]], every)), arrays=arrays)


@situation(python=Told(("has no data at any pixel",)))
def no_data_at_all(root: Path) -> Outcome:
    """An image without a single pixel that was measured."""
    tiffs(root, lambda number: np.full((SIDE, SIDE), np.nan, np.float32))
    return Told(("a0.tif: has no data at any pixel",))


@situation("check")
def lost_range(root: Path) -> Outcome:
    """A few pixels far brighter than all others are clipped, which is told with the line that keeps them."""
    tiffs(root, lambda number: np.maximum(sparse(number), grey(number) % 7))
    said = ("4 images lose most of the range", "(such as to 0 … 6 of 0 … 40000)", "intensity = [0, 40000]")
    return Right(labels(), said=said)


@situation("check")
def one_shade(root: Path) -> Outcome:
    """A range that a person names and no image has."""
    tiffs(root, lambda number: grey(number).astype(np.uint16))
    (root / "incmask.toml").write_text("[data]\nintensity = [1000, 2000]\n")
    return Right(labels(), said=("4 images lie outside that range, so each is one shade: a0.tif",))


@situation("check")
def ranges_that_differ(root: Path) -> Outcome:
    """12 bits where labels are, 16 bits where none are."""
    tiffs(root, lambda number: grey(number).astype(np.uint16) * 16)
    for number in range(3):
        save(root / "unlabelled" / f"u{number}.tif", grey(8 + number).astype(np.uint16) * 256)
    return Right(labels(), said=("the parts have intensities of different sizes",))


@situation("check")
def eight_beside_sixteen(root: Path) -> Outcome:
    """8 bits stay as they are, 16 bits are scaled: said of both."""
    folder(root)
    save(root / "unlabelled" / "u.tif", grey(8).astype(np.uint16) * 256)
    return Right(
        labels(), said=("1 image has more than 8 bits (uint16)", "the other 4 images stay as before, with 8 bits")
    )


@situation()
def fourth_band(root: Path) -> Mapping[str, Outcome]:
    """Near infrared beside RGB, which writers mark as transparency: left out, and told with the line that takes it.

    prepare, whose copies cannot be made again with a line, asks, and before it writes anything.
    """
    tiffs(root, lambda number: np.dstack([np.full((SIDE, SIDE, 3), 90, np.uint8) + grey(1)[..., None], grey(number)]))
    said = ("the alpha channel (transparency) of 4 images is left out", "channels = 4")
    right = Right(labels(), images(lambda number: np.dstack([90 + grey(1)] * 3)), said=said)
    asked = Told(
        ("a0.tif: has a transparency that is not the same everywhere",), "channels = 3", replace(right, said=())
    )
    # Who trained was told; predict does as the model does, and says nothing more.
    return dict.fromkeys(FILES, right) | {"prepare": asked, "predict": replace(right, said=())}


@situation()
def fourth_band_named(root: Path) -> Outcome:
    """The same with the line: four channels, in PNG as in TIFF."""

    def bands(number: int) -> np.ndarray:
        return np.dstack([grey(number), grey(1), grey(2), grey(number) // 2])

    folder(root, image=lambda path, number: save(path.with_suffix(".png" if number % 2 else ".tif"), bands(number)))
    (root / "incmask.toml").write_text("[data]\nchannels = 4\n")
    return Right(labels(), images(bands), unsaid=("alpha",))


@situation()
def masked_page(root: Path) -> Outcome:
    """A page of the file masks pixels, as GDAL writes it: they are no data; smaller copies have masks, too."""
    wide = lambda number: np.where(OUTSIDE, 60000, grey(number).astype(np.uint16) * 20).astype(np.uint16)  # noqa: E731

    def image(path: Path, number: int) -> None:
        with tifffile.TiffWriter(path_of(path)) as file:
            file.write(wide(number), photometric="minisblack", metadata=None)
            file.write(wide(number)[::2, ::2], photometric="minisblack", subfiletype=1, metadata=None)
            file.write((~OUTSIDE).astype(bool), subfiletype=4, metadata=None)
            file.write((~OUTSIDE)[::2, ::2].astype(bool), subfiletype=5, metadata=None)

    folder(root, image=image, ending="tif")
    return Right(labels(), images(lambda number: scaled(grey(number), ~OUTSIDE)))


@situation(*MASKS, python=WHITE)
def masked_page_of_masks(root: Path) -> Outcome:
    """Masks with such a page are what their pixels say."""

    def mask(path: Path, number: int) -> None:
        with tifffile.TiffWriter(path_of(path).with_suffix(".tif")) as file:
            file.write(disc(number) * 255, photometric="minisblack", metadata=None)
            file.write((~OUTSIDE).astype(bool), subfiletype=4, metadata=None)

    folder(root, mask=mask)
    return Right(labels())


@situation()
def drawn_in_alpha(root: Path) -> Outcome:
    """An image of one colour whose content is its transparency."""
    folder(root, image=lambda path, number: save(path, np.dstack([np.zeros((SIDE, SIDE, 3), np.uint8), grey(number)])))
    return Told(("a0.png: is of one colour, and what it shows stands in its alpha channel",))


def colour(number: int) -> np.ndarray:
    """Give an image in colours without any symmetry: (64, 64, 3) uint8."""
    return np.dstack([grey(number), grey(number).T, grey(number)[::-1]])


def oriented(path: Path, array: np.ndarray, how: int) -> None:
    """Write an array with an orientation, as Pillow does."""
    exif = Image.Exif()
    exif[274] = how
    if path.suffix == ".tif":
        save(path, array, tiffinfo={274: how})
    else:
        save(path, array, exif=exif)


def transposed(path: Path) -> np.ndarray:
    """Read an image as Pillow shows it."""
    with Image.open(path) as image:
        return np.array(ImageOps.exif_transpose(image))


def enter_orientations() -> None:
    """Enter each orientation of each format, of images and masks alike; Pillow says what is right."""
    for ending in ("png", "tif"):
        for how in range(2, 9):

            def write(root: Path, ending: str = ending, how: int = how) -> Outcome:
                folder(
                    root,
                    image=lambda path, number: oriented(path, colour(number), how),
                    mask=lambda path, number: oriented(path.with_suffix(f".{ending}"), disc(number) * 255, how),
                    ending=ending,
                )

                def right(part: str) -> dict[str, np.ndarray]:
                    paths = {name: root / "labelled" / part / f"{name}.{ending}" for name in NAMES}
                    return {name: transposed(paths[name]) for name in NAMES}

                masks = {name: (mask > 0).astype(np.uint8) for name, mask in right("masks").items()}
                return Right(masks, right("images"), within=0)

            write.__name__ = f"orientation_{ending}_{how}"
            situation(about=f"Images and masks in {ending} of orientation {how}; Pillow says what is right.")(write)


enter_orientations()


@situation()
def orientation_in_xmp(root: Path) -> Outcome:
    """An orientation that stands in XMP alone, in PNG and JPEG."""
    xmp = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="3"/></x:xmpmeta>'

    def image(path: Path, number: int) -> None:
        if number % 2:
            Image.fromarray(colour(number)).save(path_of(path).with_suffix(".jpg"), quality=95, xmp=xmp.encode())
        else:
            text = PngInfo()
            text.add_itxt("XML:com.adobe.xmp", xmp)
            save(path, colour(number), pnginfo=text)

    folder(root, image=image)
    shown = {path.stem: transposed(path) for path in (root / "labelled" / "images").iterdir()}
    return Right(labels(), shown, within=0)


@situation()
def deep_png_turned(root: Path) -> Outcome:
    """A PNG of 16 bits with an orientation, in grey."""

    def image(path: Path, number: int) -> None:
        oriented(path, grey(number).astype(np.uint16) * 200, 6)

    folder(root, image=image)
    every = np.ones((SIDE, SIDE), bool)
    return Right(labels(), images(lambda number: scaled(np.rot90(grey(number), -1), every)))


def enter_colour_spaces() -> None:
    """Enter what TIFF stores in other colours than RGB: refused by name."""
    for mode, name in (("YCbCr", "YCBCR"), ("LAB", "CIELAB"), ("CMYK", "SEPARATED")):

        def write(root: Path, mode: str = mode, name: str = name) -> Outcome:
            def image(path: Path, number: int) -> None:
                shown = Image.fromarray(colour(number))
                stored = Image.frombytes("LAB", shown.size, shown.tobytes()) if mode == "LAB" else shown.convert(mode)
                stored.save(path_of(path))

            folder(root, image=image, ending="tif")
            return Told((f"a0.tif: is a TIFF with axes YXS in {name}; save it as a grey or RGB TIFF",))

        write.__name__ = f"colour_space_{mode.lower()}"
        situation(about=f"TIFF in {mode}.")(write)


enter_colour_spaces()


@situation()
def jpeg_in_tiff(root: Path) -> Outcome:
    """YCbCr that the decoder turns to RGB: JPEG within TIFF, as slide scanners write it."""

    def image(path: Path, number: int) -> None:
        smooth = np.kron(grey(number)[::8, ::8], np.ones((8, 8), np.uint8))
        array = np.dstack([smooth, smooth // 2, 200 - smooth // 2])
        tifffile.imwrite(path_of(path), array, photometric="rgb", compression="jpeg", compressionargs={"level": 95})

    folder(root, image=image, ending="tif")

    def right(number: int) -> np.ndarray:
        smooth = np.kron(grey(number)[::8, ::8], np.ones((8, 8), np.uint8))
        return np.dstack([smooth, smooth // 2, 200 - smooth // 2])

    return Right(labels(), images(right), within=60)


@situation(python=Told(("got complex64",)))
def complex_numbers(root: Path) -> Outcome:
    """Complex radar amplitudes have no shade."""
    tiffs(root, lambda number: (grey(number) + 1j).astype(np.complex64))
    return Told(("a0.tif: is a TIFF of complex64 numbers",))
