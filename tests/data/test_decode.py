import contextlib
import io
import os
import struct

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps
from trees import HEIGHT, WIDTH, patches, picture, save, save_indexed

from incmask.base.errors import IncmaskError
from incmask.data.images import decode as decoding
from incmask.data.images.big_images import TiffRows
from incmask.data.images.readers import read_image


@pytest.mark.parametrize("ending", [".png", ".bmp", ".tif", ".PNG", ".TIFF"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_files(tmp_path, ending, channels):
    image = picture(channels=channels)
    path = tmp_path / f"größe 1{ending}"
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, {".p": "PNG", ".b": "BMP", ".t": "TIFF"}[ending[:2].lower()])
    path.write_bytes(buffer.getvalue())
    np.testing.assert_array_equal(read_image(path), image.reshape(HEIGHT, WIDTH, channels))


def test_jpeg_as_opencv_reads_it(tmp_path):
    path = save(tmp_path / "a.JPG", cv2.resize(picture(), (64, 48), interpolation=cv2.INTER_CUBIC))
    expected = cv2.imread(str(path))[..., ::-1].astype(int)
    assert np.abs(read_image(path) - expected).max() <= 2


def test_alpha_is_dropped(tmp_path):
    colour, grey = picture(channels=4), picture(channels=2)
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", colour)), colour[..., :3])
    layers = [Image.fromarray(np.ascontiguousarray(grey[..., layer])) for layer in (0, 1)]
    Image.merge("LA", layers).save(tmp_path / "b.png")
    np.testing.assert_array_equal(read_image(tmp_path / "b.png"), grey[..., :1])
    tifffile.imwrite(tmp_path / "c.tif", colour, photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(read_image(tmp_path / "c.tif"), colour[..., :3])


def test_palette_images_become_rgb(tmp_path):
    palette = [(9, 8, 7), (255, 0, 0), (1, 2, 3)]
    path = save_indexed(tmp_path / "a.png", patches(0, 2, 1), palette)
    np.testing.assert_array_equal(read_image(path), np.array(palette, np.uint8)[patches(0, 2, 1)])


def test_palette_tiff(tmp_path):
    colour_map = np.zeros((3, 256), np.uint16)
    colour_map[:, 1] = (65535, 257 * 7, 0)
    tifffile.imwrite(tmp_path / "a.tif", patches(0, 1), photometric="palette", colormap=colour_map)
    assert read_image(tmp_path / "a.tif")[:2, 0].tolist() == [[0, 0, 0], [255, 7, 0]]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_png_keeps_all_bits(tmp_path, channels):
    image = np.random.default_rng(0).integers(0, 65536, (HEIGHT, WIDTH, channels), dtype=np.uint16)
    stored = image[..., [2, 1, 0, 3][:channels]] if channels > 1 else image[..., 0]
    path = tmp_path / "a.png"
    path.write_bytes(cv2.imencode(".png", stored)[1].tobytes())
    found = read_image(path)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, image[..., : min(channels, 3)])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("compression", [None, "lzw", "deflate"])
def test_tiff_types_and_compressions(tmp_path, dtype, compression):
    image = (np.random.default_rng(0).random((HEIGHT, WIDTH)) * 255).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", image, compression=compression)
    found = read_image(tmp_path / "a.tif")
    assert found.dtype == dtype
    np.testing.assert_array_equal(found[..., 0], image)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("channels", [3, 5])
def test_tiff_channels_planar_or_contiguous(tmp_path, planar, channels):
    image = picture(channels=channels)
    stored = image if planar == "contig" else np.moveaxis(image, -1, 0)
    photometric = "rgb" if channels == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", stored, planarconfig=planar, photometric=photometric)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert len(file.pages) == 1
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), image)


def test_other_number_types_become_float32(tmp_path):
    image = np.arange(-5, 7, dtype=np.int16).reshape(3, 4)
    tifffile.imwrite(tmp_path / "a.tif", image)
    found = read_image(tmp_path / "a.tif")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[..., 0], image)


def test_tiff_with_white_as_zero(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", patches(0, 255), photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif")[..., 0], patches(255, 0))


def test_truth_values_of_tifffile_are_what_was_written(tmp_path):
    values = patches(0, 1) > 0
    tifffile.imwrite(tmp_path / "a.tif", values)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages[0].photometric == tifffile.PHOTOMETRIC.MINISWHITE
    # A scanner's black on white: Pillow reads the same bits the other way round.
    tifffile.imwrite(tmp_path / "b.tif", values, software="scanner", metadata=None)
    with Image.open(tmp_path / "b.tif") as stored:
        np.testing.assert_array_equal(np.asarray(stored), ~values)
    for name, meant in (("a.tif", values), ("b.tif", ~values)):
        np.testing.assert_array_equal(read_image(tmp_path / name)[..., 0], np.uint8(255) * meant)
        with contextlib.closing(TiffRows(tmp_path / name)) as rows:
            np.testing.assert_array_equal(rows.read(0, rows.height)[..., 0], np.uint8(255) * meant)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_as_pillow_turns_it(tmp_path, orientation):
    image = Image.fromarray(cv2.resize(picture(), (48, 32), interpolation=cv2.INTER_LINEAR))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.jpg", exif=exif)
    with Image.open(tmp_path / "a.jpg") as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored))
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), expected)
    raster = decoding.decode(tmp_path / "a.jpg", (tmp_path / "a.jpg").read_bytes())
    assert raster.turned == (orientation >= 5)


def test_broken_exif_neither_warns_nor_fails(tmp_path):
    image = Image.fromarray(picture())
    image.save(tmp_path / "a.jpg", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff\x12\x01\x03\x00")
    assert read_image(tmp_path / "a.jpg").shape == (HEIGHT, WIDTH, 3)


def fails(path):
    with pytest.raises(IncmaskError) as caught:
        read_image(path)
    text = str(caught.value)
    assert path.name in text
    assert "\n" not in text
    return text


@pytest.mark.parametrize("ending", [".png", ".jpg", ".bmp", ".tif"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_files(tmp_path, ending, share):
    path = save(tmp_path / f"a{ending}", picture(height=60, width=80))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert "is broken or truncated" in fails(path)


def test_truncated_16_bit_png(tmp_path):
    path = save(tmp_path / "a.png", picture(height=60, width=80).astype(np.uint16) * 257)
    path.write_bytes(path.read_bytes()[:-1000])
    assert "copy or export the file again, or take it out of the folder" in fails(path)


@pytest.mark.parametrize("ending", [".png", ".jpg", ".bmp", ".tif"])
def test_bytes_turned_over_never_show_another_error(tmp_path, ending):
    path = save(tmp_path / f"a{ending}", picture())
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for _ in range(60):
        broken = bytearray(content)
        for at in rng.integers(0, len(broken), 4):
            broken[at] = rng.integers(0, 256)
        path.write_bytes(bytes(broken))
        with contextlib.suppress(IncmaskError):  # whatever else is raised fails the test
            assert read_image(path).ndim == 3


def test_other_content_than_the_ending_says(tmp_path):
    (tmp_path / "a.png").write_bytes(b"%PDF-1.7")
    assert "is no PNG, JPEG, BMP, GIF, WebP or TIFF image, whatever its ending says; convert it" in fails(
        tmp_path / "a.png"
    )
    (tmp_path / "b.png").write_bytes(save(tmp_path / "b.bmp", picture()).read_bytes())
    np.testing.assert_array_equal(read_image(tmp_path / "b.png"), picture())


def test_empty_and_missing_file(tmp_path):
    (tmp_path / "a.png").touch()
    assert "is empty (0 bytes); copy or export" in fails(tmp_path / "a.png")
    assert "cannot be opened (No such file or directory); check" in fails(tmp_path / "b.png")


def test_file_too_large_is_refused_before_it_is_read(tmp_path):
    with open(tmp_path / "a.png", "wb") as handle:
        os.truncate(handle.fileno(), (2 << 30) + 1)
    assert "more than the 2048 that are read; cut the image into tiles" in fails(tmp_path / "a.png")


def test_several_pages(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 5, 4), np.uint8), photometric="minisblack")
    assert "is a TIFF of 3 pages; one page a file is read, or one a channel where" in fails(tmp_path / "a.tif")


@pytest.mark.parametrize("options", [{"ome": True}, {"imagej": True}, {"imagej": True, "truncate": True}])
def test_channels_may_be_pages_of_their_own(tmp_path, options):
    image = np.random.default_rng(0).integers(0, 65536, (4, HEIGHT, WIDTH), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack", metadata={"axes": "CYX"}, **options)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), np.moveaxis(image, 0, 2))


def test_small_copies_of_a_page_do_not_count(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(patches(0, 9))
        file.write(patches(0, 9)[::2, ::2], subfiletype=1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif")[..., 0], patches(0, 9))


@pytest.mark.parametrize("ending", [".png", ".jpg", ".bmp", ".tif"])
def test_too_many_pixels_are_refused_before_decoding(tmp_path, ending, monkeypatch):
    path = save(tmp_path / f"a{ending}", picture())
    monkeypatch.setattr(decoding, "MAX_PIXELS", HEIGHT * WIDTH)
    read_image(path)
    monkeypatch.setattr(decoding, "MAX_PIXELS", HEIGHT * WIDTH - 1)
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("was decoded"))
    assert f"has {WIDTH}×{HEIGHT} pixels, more than" in (text := fails(path))
    assert "cut the image into tiles" in text


def test_a_file_of_more_than_2_gib_is_refused_unread(tmp_path):
    with open(tmp_path / "a.tif", "wb") as handle:
        handle.truncate((2 << 30) + 1)
    assert "has 2048 MiB, more than the 2048 that are read" in fails(tmp_path / "a.tif")


def test_pixels_in_other_files_are_not_looked_for(tmp_path):
    """As OME-TIFF may name them: its own page is read."""
    tifffile.imwrite(tmp_path / "other.ome.tif", np.full((HEIGHT, WIDTH), 200, np.uint8))
    text = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="{WIDTH}" SizeY="{HEIGHT}" SizeC="1" '
        'SizeZ="1" SizeT="1"><TiffData IFD="0" PlaneCount="1"><UUID FileName="other.ome.tif">'
        "urn:uuid:00000000-0000-4000-8000-000000000000</UUID></TiffData></Pixels></Image></OME>"
    )
    tifffile.imwrite(tmp_path / "a.tif", np.full((HEIGHT, WIDTH), 7, np.uint8), description=text, metadata=None)
    assert np.unique(read_image(tmp_path / "a.tif")).tolist() == [7]


def test_too_many_channels_are_refused_before_decoding(tmp_path, monkeypatch):
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((2, 3, 500), np.uint8), photometric="minisblack", planarconfig="contig"
    )
    monkeypatch.setattr(decoding, "MAX_VALUES", 2_999)
    monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda *_: pytest.fail("was decoded"))
    assert "has 3000 numbers, more than" in fails(tmp_path / "a.tif")


def test_pillows_limit_does_not_warn(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read_image(save(tmp_path / "a.png", picture())).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_no_data(tmp_path, value):
    image = np.zeros((3, 4), np.float32)
    image[1, 2] = value
    tifffile.imwrite(tmp_path / "a.tif", image)
    assert np.flatnonzero(np.isnan(read_image(tmp_path / "a.tif"))).tolist() == [6]
    tifffile.imwrite(tmp_path / "a.tif", np.full((3, 4), value, np.float32))
    assert "has no data at any pixel" in fails(tmp_path / "a.tif")


def test_pages_that_name_each_other_in_a_circle_come_to_an_end(tmp_path, monkeypatch):
    """As a changed byte can make of a sound file."""
    monkeypatch.setattr("incmask.data.images.pages.MAX_PAGES", 20)
    path = tmp_path / "a.tif"
    tags = [(256, 3, 1, 2), (257, 3, 1, 2), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 200), (279, 4, 1, 4)]
    page = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    second = 8 + len(page) + 4
    content = b"II*\0" + struct.pack("<I", 8) + page + struct.pack("<I", second) + page + struct.pack("<I", 8)
    path.write_bytes(content.ljust(204, b"\1"))
    with pytest.raises(IncmaskError, match=r"more than 20 pages, or its pages name each other|pages; one page a file"):
        decoding.decode(path, path.read_bytes())


def test_a_tiff_whose_pages_cannot_be_read_may_have_alpha():
    assert decoding.may_have_alpha(b"II*\0\xff\xff\xff\xff") is True
