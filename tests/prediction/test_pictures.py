import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from incmask.base.errors import IncmaskError
from incmask.prediction.pictures import PictureWriter


def noise(*shape, top=255, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, top + 1, shape).astype(dtype)


def write(path, values, *, cuts=(), table=None, colours=None):
    writer = PictureWriter(path, values.shape[:2], colours=colours)
    try:
        for part in np.split(values, cuts):
            writer.add(part)
        return writer.write(table=table)
    finally:
        writer.close()


@pytest.fixture(params=["whole", "parts"])
def cuts(request):
    return [] if request.param == "whole" else [10, 11, 500]


def test_small_pictures_are_png(tmp_path, cuts):
    for name, values in (("grey", noise(600, 40)), ("colour", noise(600, 40, 3))):
        path = write(tmp_path / f"{name}.v1", values, cuts=cuts)
        assert path.name == f"{name}.v1.png"
        assert np.array_equal(np.asarray(Image.open(path)), values)
    ids, colours = noise(600, 40, top=2), [(0, 0, 0), (10, 20, 30), (200, 0, 7)]
    picture = Image.open(write(tmp_path / "ids", ids, cuts=cuts, colours=colours))
    assert np.array_equal(np.asarray(picture), ids)
    assert np.array_equal(np.asarray(picture.convert("RGB")), np.array(colours, np.uint8)[ids])
    assert len(list(tmp_path.iterdir())) == 3


def test_large_pictures_are_tiled_tiff(tmp_path, cuts, monkeypatch):
    monkeypatch.setattr("incmask.prediction.pictures.BIG_PIXELS", 1000)
    for name, values in (("grey", noise(600, 700)), ("colour", noise(600, 700, 3))):
        path = write(tmp_path / name, values, cuts=cuts)
        assert path.name == f"{name}.tif"
        assert np.array_equal(tifffile.imread(path), values)
        with tifffile.TiffFile(path) as file:
            assert file.pages[0].is_tiled
    ids, colours = noise(600, 700, top=2), [(0, 0, 0), (10, 20, 30), (200, 0, 7)]
    with tifffile.TiffFile(write(tmp_path / "ids", ids, cuts=cuts, colours=colours)) as file:
        page = file.pages[0]
        assert page.photometric == tifffile.PHOTOMETRIC.PALETTE
        assert np.array_equal(page.asarray(), ids)
        assert (page.colormap[:, :3].T >> 8).tolist() == [list(colour) for colour in colours]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["colour.tif", "grey.tif", "ids.tif"]


def test_ids_take_the_room_they_need(tmp_path, cuts):
    parts = noise(600, 40, top=70000, dtype=np.int32)
    for top, dtype, ending in ((255, np.uint8, ".png"), (256, np.uint16, ".tif"), (70000, np.uint32, ".tif")):
        table = np.minimum(np.arange(70001), top).astype(np.int32)
        path = write(tmp_path / "ids", parts, cuts=cuts, table=table)
        # The picture of before has the other ending, and is gone.
        assert [each.name for each in tmp_path.iterdir()] == [f"ids{ending}"] == [path.name]
        found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) if ending == ".png" else tifffile.imread(path)
        assert found.dtype == dtype
        assert np.array_equal(found, np.minimum(parts, top))


def test_a_folder_that_is_a_file_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    for cuts in ([], [3]):
        with pytest.raises(IncmaskError, match="cannot be written"):
            write(tmp_path / "file" / "picture", noise(6, 6), cuts=cuts)
