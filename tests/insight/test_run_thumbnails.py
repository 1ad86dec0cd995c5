import io

import cv2
import numpy as np
import pytest
from PIL import Image

from incmask.base.errors import IncmaskError
from incmask.base.tables import csv_text
from incmask.data.dataset import ClassInfo, Scheme
from incmask.data.images.tiles import Window
from incmask.data.images.writers import write_png
from incmask.insight.report.page import Swatch
from incmask.insight.report.picture import as_rgb
from incmask.insight.report.run_page.thumbnails import (
    SIDE_PX,
    StackPictures,
    class_swatches,
    crop_outline,
    disputed_layer,
    disputed_swatch,
    outlines_of,
    to_jpeg,
)

BINARY = Scheme("binary", (ClassInfo("cell", (255, 255, 255), 1),))
SKY = Scheme(
    "multiclass",
    (ClassInfo("sky", (0, 0, 255), 0), ClassInfo("bird", (255, 0, 0), 1), ClassInfo("plane", (0, 200, 0), 2)),
)


def stack(folder, images, places):
    """Write a stack whose rows lie at (name, top, left, height, width)."""
    folder.mkdir()
    np.save(folder / "images.npy", np.asarray(images, np.uint8))
    (folder / "index.csv").write_text(csv_text(("name", "top", "left", "height", "width"), places), encoding="utf-8")
    return StackPictures(folder)


def points_of(path):
    return [[tuple(map(float, point.split())) for point in part[:-1].split("L")] for part in path.split("M")[1:]]


def test_a_whole_image_gets_its_own_proportions_back(tmp_path):
    image = np.zeros((32, 32, 1), np.uint8)
    image[:, 16:] = 200
    found = stack(tmp_path / "s", [image], [("a", 0, 0, 100, 400)]).image("a", (100, 400))
    assert found.shape == (SIDE_PX // 4, SIDE_PX, 3)
    assert found[:, : SIDE_PX // 2 - 8].max() == 0
    assert found[:, SIDE_PX // 2 + 8 :].min() == 200


def test_tiles_are_put_together_and_what_reaches_beyond_is_cut(tmp_path):
    # Two tiles of 60 by 60 in an image of 40 by 100: both reach below it.
    tiles = [np.full((16, 16, 3), value, np.uint8) for value in (50, 250)]
    pictures = stack(tmp_path / "s", tiles, [("a", 0, 0, 60, 60), ("a", 0, 40, 60, 60)])
    found = pictures.image("a", (40, 100))
    assert found.shape == (round(0.4 * SIDE_PX), SIDE_PX, 3)
    border = round(0.4 * SIDE_PX)
    assert set(np.unique(found[:, :border])) == {50}
    assert set(np.unique(found[:, border:])) == {250}
    assert pictures.image("b", (40, 100)) is None


def test_labels_of_tiles_are_put_together_at_the_image_s_own_size(tmp_path):
    tiles = np.zeros((2, 16, 16, 1), np.uint8)
    pictures = stack(tmp_path / "s", tiles, [("a", 0, 0, 16, 16), ("a", 0, 8, 16, 16)])
    whole = np.arange(12 * 24, dtype=np.uint8).reshape(12, 24)
    beyond = np.pad(whole, ((0, 4), (0, 0)), constant_values=255)
    parts = [beyond[:, :16], beyond[:, 8:]]
    np.testing.assert_array_equal(pictures.label("a", (12, 24), parts), whole)
    layered = [np.stack([part, part], -1) for part in parts]
    np.testing.assert_array_equal(pictures.label("a", (12, 24), layered), np.stack([whole, whole], -1))


def test_the_label_of_a_scaled_image_stays_as_the_networks_see_it(tmp_path):
    pictures = stack(tmp_path / "s", np.zeros((1, 16, 16, 1), np.uint8), [("a", 0, 0, 300, 400)])
    label = np.eye(16, dtype=np.uint8)
    np.testing.assert_array_equal(pictures.label("a", (300, 400), [label]), label)


@pytest.mark.parametrize(("channels", "shown"), [(1, [9, 9, 9]), (2, [9, 8, 0]), (3, [9, 8, 7]), (5, [9, 8, 7])])
def test_any_number_of_channels_is_shown_as_rgb(channels, shown):
    image = np.broadcast_to(np.arange(9, 9 - channels, -1, dtype=np.uint8), (2, 2, channels))
    assert as_rgb(image)[0, 0].tolist() == shown


def test_outlines_of_a_square_run_through_the_centres_of_its_rim():
    label = np.zeros((8, 8), np.uint8)
    label[2:6, 3:7] = 1
    (outline,) = outlines_of(label, kind="true", scheme=BINARY, size=(80, 80))
    ((*corners,),) = points_of(outline.path)
    assert (outline.kind, outline.colour) == ("true", "")
    assert sorted(corners) == [(35, 25), (35, 55), (65, 25), (65, 55)]


def test_outlines_have_a_line_for_each_class_and_hole_but_none_for_the_ground():
    label = np.zeros((20, 20), np.uint8)
    label[2:10, 2:10] = 1
    label[4:8, 4:8] = 0
    label[12:18, 12:18] = 2
    label[0, 0] = 255
    first, second = outlines_of(label, kind="predicted", scheme=SKY, size=(20, 20))
    assert (len(points_of(first.path)), len(points_of(second.path))) == (2, 1)
    assert (first.colour, second.colour) == ("#ff0000", "#00c800")
    assert class_swatches(SKY) == (Swatch("bird", "#ff0000"), Swatch("plane", "#00c800"))
    assert class_swatches(BINARY) == ()
    both = np.stack([label == 1, label == 2], -1).astype(np.uint8)
    layered = Scheme("multilabel", SKY.classes[1:])
    assert [len(points_of(each.path)) for each in outlines_of(both, kind="true", scheme=layered, size=(20, 20))] == [
        2,
        1,
    ]
    assert outlines_of(np.zeros_like(label), kind="true", scheme=BINARY, size=(20, 20)) == ()


def test_noise_is_drawn_coarsely_and_stays_small():
    noise = np.random.default_rng(0).integers(0, 2, (512, 512), np.uint8)
    (outline,) = outlines_of(noise, kind="predicted", scheme=BINARY, size=(224, 224))
    path = outline.path
    assert len(path) < 1_000_000
    assert "L" in path


def test_a_crop_is_framed():
    assert points_of(crop_outline(Window(10, 20, 30, 40), scale=0.5).path) == [[(10, 5), (30, 5), (30, 20), (10, 20)]]


@pytest.mark.parametrize("folder", ["inconsistent", "disagreement"])
def test_disputed_pixels_cover_and_the_others_are_clear(tmp_path, folder):
    values = np.zeros((40, 60), np.uint8)
    values[:, 30:] = 85  # a third of the members
    write_png(tmp_path / folder / "a" / "b.png", values)
    layer = np.asarray(Image.open(io.BytesIO(disputed_layer(tmp_path, "a/b", (20, 30), scheme=BINARY))).convert("RGBA"))
    assert layer.shape == (20, 30, 4)
    assert layer[:, :15, 3].max() == 0
    assert layer[:, 15:, 3].min() == 200
    assert (layer[:, 15:, 0] > layer[:, 15:, 2]).all()


def test_disputed_pixels_have_a_colour_of_their_own(tmp_path):
    write_png(tmp_path / "inconsistent" / "a.png", np.full((8, 8), 255, np.uint8))
    for colour in ((213, 94, 0), (0, 0, 255)):
        scheme = Scheme("multilabel", (ClassInfo("leaf", colour, "leaf"), ClassInfo("stem", (0, 200, 0), "stem")))
        layer = np.asarray(Image.open(io.BytesIO(disputed_layer(tmp_path, "a", (8, 8), scheme=scheme))).convert("RGBA"))
        drawn = "#{:02x}{:02x}{:02x}".format(*layer[0, 0, :3])
        assert drawn == disputed_swatch(scheme).colour
        assert (drawn == "#d55e00") == (colour == (0, 0, 255))


def test_disputed_pixels_are_empty_where_the_file_is_gone_and_stay_in_the_folder(tmp_path):
    assert disputed_layer(tmp_path, "a", (20, 30), scheme=BINARY) == b""
    with pytest.raises(IncmaskError, match="no name for a file inside"):
        disputed_layer(tmp_path, "../a", (20, 30), scheme=BINARY)


def test_a_jpeg_holds_the_picture():
    picture = cv2.resize(np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5, (64, 64), interpolation=cv2.INTER_LINEAR)
    found = np.asarray(Image.open(io.BytesIO(to_jpeg(picture))))
    assert found.shape == picture.shape
    assert np.abs(found.astype(int) - picture).mean() < 8
