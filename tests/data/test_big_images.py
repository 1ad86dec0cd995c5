from contextlib import closing

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from incmask.base.errors import IncmaskError
from incmask.data.images.big_images import ArrayRows, NetworkRows, TiffRows, open_big_image
from incmask.data.images.readers import read_image, to_network_range


def noise(*shape, dtype=np.uint8, seed=0):
    top = 2 if dtype is bool else np.iinfo(dtype).max + 1
    return np.random.default_rng(seed).integers(0, top, shape).astype(dtype)


def rgb(**options):
    return noise(70, 53, 3), {"photometric": "rgb", **options}


def read(path, first, last):
    with closing(TiffRows(path)) as rows:
        return rows.read(first, last)


LAYOUTS = {
    "tiles": rgb(tile=(16, 32), compression="zlib"),
    "tiles larger than the image": rgb(tile=(128, 128)),
    "predictor": rgb(tile=(32, 16), compression="lzw", predictor=True),
    "strips": rgb(rowsperstrip=7, compression="zlib"),
    "one plain strip": rgb(),
    "plain strips": rgb(rowsperstrip=11),
    "big endian": (noise(70, 53, dtype=np.uint16), {"byteorder": ">", "photometric": "minisblack"}),
    "planes": (noise(3, 70, 53), {"photometric": "rgb", "planarconfig": "separate", "tile": (16, 16)}),
    "plain planes": (noise(3, 70, 53), {"photometric": "rgb", "planarconfig": "separate"}),
    "alpha": (noise(70, 53, 4), {"photometric": "rgb", "extrasamples": ["unassalpha"], "tile": (16, 16)}),
    "channels": (noise(70, 53, 5), {"photometric": "minisblack", "planarconfig": "contig", "tile": (16, 16)}),
    "white is 0": (noise(70, 53), {"photometric": "miniswhite", "rowsperstrip": 5}),
    "bits": (noise(70, 53, dtype=bool), {"photometric": "minisblack"}),
    "palette": (noise(70, 53), {"photometric": "palette", "colormap": noise(3, 256, dtype=np.uint16, seed=1)}),
    "grey tiles of 16 bits": (noise(70, 53, dtype=np.uint16), {"tile": (32, 32), "compression": "zlib"}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_are_those_of_the_whole_image_however_it_is_stored(tmp_path, layout):
    values, options = LAYOUTS[layout]
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, values, metadata=None, **options)
    whole = read_image(path)
    with closing(TiffRows(path)) as rows:
        assert (rows.height, rows.width) == whole.shape[:2]
        for first, last in ((0, 1), (0, 20), (15, 40), (39, 70), (69, 70), (0, 70), (3, 5)):
            part = rows.read(first, last)
            assert part.dtype == whole.dtype
            np.testing.assert_array_equal(part, whole[first:last])


def test_a_jpeg_inside_is_decoded_with_its_tables(tmp_path):
    path = tmp_path / "image.tif"
    smooth = np.add.outer(np.arange(64), np.arange(48)).astype(np.uint8)[..., None].repeat(3, 2)
    tifffile.imwrite(path, smooth, photometric="rgb", tile=(32, 32), compression="jpeg", metadata=None)
    np.testing.assert_array_equal(read(path, 10, 50), read_image(path)[10:50])


def test_pyramids_and_ome_are_read_at_full_size(tmp_path):
    image = noise(96, 64, 3)
    path = tmp_path / "image.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        options = {"tile": (16, 16), "photometric": "rgb", "compression": "zlib"}
        writer.write(image, subifds=2, metadata={"axes": "YXS"}, **options)
        for step in (2, 4):
            writer.write(image[::step, ::step], subfiletype=1, **options)
    assert np.array_equal(read(path, 0, 96), image)
    path = tmp_path / "slide.tif"
    with tifffile.TiffWriter(path) as writer:
        for step in (1, 2, 4):
            writer.write(image[::step, ::step], subfiletype=int(step > 1), **options)
    assert np.array_equal(read(path, 0, 96), image)


CHANNEL_PAGES = {
    "OME": {"ome": True, "metadata": {"axes": "CYX"}},
    "OME, tiled": {"ome": True, "metadata": {"axes": "CYX"}, "tile": (16, 16), "compression": "zlib"},
    "ImageJ": {"imagej": True, "metadata": {"axes": "CYX"}},
    "ImageJ, one page tells of all": {"imagej": True, "metadata": {"axes": "CYX"}, "truncate": True},
    "tifffile": {"metadata": {"axes": "CYX"}, "byteorder": ">"},
    "tifffile, one page tells of all": {"metadata": {"axes": "CYX"}, "truncate": True},
}


@pytest.mark.parametrize("kind", CHANNEL_PAGES)
@pytest.mark.parametrize("num_channels", [2, 3, 5])
def test_channels_may_be_pages_of_their_own(tmp_path, kind, num_channels):
    image = noise(num_channels, 70, 53, dtype=np.uint16)
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, image, photometric="minisblack", **CHANNEL_PAGES[kind])
    with closing(TiffRows(path)) as rows:
        assert (rows.height, rows.width) == (70, 53)
        for first, last in ((0, 1), (15, 40), (39, 70), (0, 70)):
            np.testing.assert_array_equal(rows.read(first, last), np.moveaxis(image[:, first:last], 0, 2))
    with closing(open_big_image(path, at_least=100, channels=3)) as rows:
        expected = to_network_range(np.moveaxis(image, 0, 2), num_channels)
        network = NetworkRows(rows, channels=num_channels, intensity=None)
        np.testing.assert_array_equal(network.read(20, 50), expected[20:50])


def test_a_pyramid_of_channel_pages_is_read_at_full_size(tmp_path):
    image = noise(4, 96, 64)
    path = tmp_path / "image.ome.tif"
    options = {"tile": (16, 16), "photometric": "minisblack", "compression": "zlib"}
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(image, subifds=2, metadata={"axes": "CYX"}, **options)
        for step in (2, 4):
            writer.write(image[:, ::step, ::step], subfiletype=1, **options)
    assert np.array_equal(read(path, 0, 96), np.moveaxis(image, 0, 2))


@pytest.mark.parametrize(("axes", "shape"), [("ZYX", (3, 40, 50)), ("TCYX", (2, 3, 40, 50)), ("ZCYX", (2, 2, 40, 50))])
def test_pages_that_are_more_than_channels_are_refused(tmp_path, axes, shape):
    path = tmp_path / "image.ome.tif"
    for truncate in (False, True):
        options = {"imagej": True, "truncate": True} if truncate else {"ome": True}
        tifffile.imwrite(path, noise(*shape), photometric="minisblack", metadata={"axes": axes}, **options)
        with pytest.raises(IncmaskError, match="one page a file is read, or one a channel where the file says so"):
            TiffRows(path)


def test_channels_in_other_files_are_not_looked_for(tmp_path):
    image = noise(2, 40, 50)
    for name in ("one", "two"):
        tifffile.imwrite(tmp_path / f"{name}.ome.tif", image, photometric="minisblack", metadata={"axes": "CYX"})
    with tifffile.TiffFile(tmp_path / "one.ome.tif") as file:
        described = file.ome_metadata
    uuid = 'FileName="{}.ome.tif">urn:uuid:00000000-0000-0000-0000-00000000000{}</UUID>'
    first, second = (
        f'<TiffData IFD="0" FirstC="{index}" PlaneCount="1"><UUID {uuid.format(name, index)}</TiffData>'
        for index, name in enumerate(("one", "two"))
    )
    before = described[described.index("<TiffData") : described.index("</Pixels>")]
    tifffile.tiffcomment(tmp_path / "one.ome.tif", described.replace(before, first + second).encode())
    with pytest.raises(IncmaskError, match="one page a file is read"):
        TiffRows(tmp_path / "one.ome.tif")


def test_large_ones_are_told_from_small_ones_and_others(tmp_path):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, noise(20, 30))
    assert open_big_image(path, at_least=601, channels=3) is None
    with closing(open_big_image(path, at_least=600, channels=3)) as rows:
        assert isinstance(rows, TiffRows)
    (tmp_path / "text.tif").write_text("no image")
    assert open_big_image(tmp_path / "text.tif", at_least=1, channels=3) is None
    assert open_big_image(tmp_path / "nowhere.tif", at_least=1, channels=3) is None


def test_what_cannot_be_read_is_refused_in_a_line(tmp_path):
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, noise(3, 40, 40), photometric="minisblack")
    with pytest.raises(IncmaskError, match="3 pages; one page a file is read"):
        TiffRows(path)
    tifffile.imwrite(path, noise(40, 40, 4), photometric="separated", planarconfig="contig")
    with pytest.raises(IncmaskError, match="save it as a grey or RGB TIFF"):
        TiffRows(path)
    tifffile.imwrite(path, noise(64, 64), tile=(16, 16), compression="zlib")
    content = path.read_bytes()
    with tifffile.TiffFile(path) as file:
        start = file.pages[0].dataoffsets[5]
    path.write_bytes(content[:start] + bytes(50) + content[start + 50 :])
    with pytest.raises(IncmaskError, match="broken or truncated"):
        read(path, 0, 64)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(IncmaskError, match="broken or truncated"):
        read(path, 0, 64)


def test_a_single_huge_compressed_piece_is_refused_before_memory_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr("incmask.data.images.page_rows._MAX_PIECE_BYTES", 5000)
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, noise(80, 80), compression="zlib", rowsperstrip=80)
    with pytest.raises(IncmaskError, match="save it as a tiled TIFF"):
        TiffRows(path)
    tifffile.imwrite(path, noise(80, 80))
    assert read(path, 3, 7).shape == (4, 80, 1)


@given(seed=st.integers(0, 2**32 - 1), have=st.sampled_from([1, 3, 5]), top=st.sampled_from([1, 30, 65535]))
def test_16_bits_are_scaled_as_those_of_a_whole_image(seed, have, top):
    image = np.random.default_rng(seed).integers(0, top + 1, (600, 7, have)).astype(np.uint16)
    rows = NetworkRows(ArrayRows(image), channels=have, intensity=None)
    expected = to_network_range(image, have)
    np.testing.assert_array_equal(np.concatenate([rows.read(0, 300), rows.read(300, 600)]), expected)
    named = NetworkRows(ArrayRows(image), channels=have, intensity=(10.0, 5000.0))
    np.testing.assert_array_equal(named.read(5, 9), to_network_range(image, have, intensity=(10.0, 5000.0))[5:9])


def test_channels_are_brought_to_the_network_s():
    grey, colour = noise(9, 8, 1), noise(9, 8, 3)
    assert np.array_equal(NetworkRows(ArrayRows(grey), channels=3, intensity=None).read(2, 4), grey[2:4].repeat(3, 2))
    luma = NetworkRows(ArrayRows(colour), channels=1, intensity=None).read(0, 9)
    assert np.array_equal(luma, to_network_range(colour, 1))
    with pytest.raises(IncmaskError, match="has 5 channels where 3 are expected"):
        NetworkRows(ArrayRows(noise(9, 8, 5)), channels=3, intensity=None, where="x.tif").read(0, 1)


def test_floats_need_a_named_range():
    image = np.linspace(0, 1, 60, dtype=np.float32).reshape(10, 6, 1)
    with pytest.raises(IncmaskError, match="range of its float32 intensities; save it with 8 or 16 bits"):
        NetworkRows(ArrayRows(image), channels=1, intensity=None)
    rows = NetworkRows(ArrayRows(image), channels=1, intensity=(0.0, 1.0))
    np.testing.assert_array_equal(rows.read(0, 10), np.rint(image * 255).astype(np.uint8))
    for no_data in (np.nan, np.inf, 3e38):
        image[4, 4] = no_data
        assert rows.read(4, 5)[0, 4] == 0
