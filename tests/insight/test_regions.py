import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.base.errors import IncmaskError
from incmask.data.images.tiles import Window
from incmask.experiment.record.images import StackImage, stack_images
from incmask.insight.ranking.features import cover
from incmask.insight.ranking.regions import check_crop, spread


def image(height, width, *, rows=(0,), windows=None):
    return StackImage("a", height, width, rows, windows or (Window(0, 0, height, width),))


def test_a_whole_image_is_one_region():
    assert image(30, 50).regions(None) == [Window(0, 0, 30, 50)]


@given(st.integers(1, 200), st.integers(1, 200), st.integers(16, 90))
def test_crops_cover_the_image_and_stay_inside(height, width, crop_px):
    seen = np.zeros((height, width), bool)
    for region in image(height, width).regions(crop_px):
        assert (region.height, region.width) == (min(crop_px, height), min(crop_px, width))
        assert 0 <= region.top <= height - region.height
        assert 0 <= region.left <= width - region.width
        seen[region.top : region.top + region.height, region.left : region.left + region.width] = True
    assert seen.all()


def test_crops_of_a_few_pixels_are_refused():
    check_crop(None)
    check_crop(16)
    with pytest.raises(IncmaskError, match="crop_px: got 15, expected 16 pixels or more"):
        check_crop(15)


@given(
    st.integers(0, 60), st.integers(1, 60), st.integers(0, 60), st.integers(1, 60), st.integers(1, 4), st.integers(1, 9)
)
def test_cover_counts_the_pixels_of_each_cell_in_the_region(top, height, window_top, cell_px, num_cells, width):
    region, window = Window(top, 0, height, width), Window(window_top, 0, cell_px * num_cells, width)
    rows, columns = cover(region, window, (num_cells, 1))
    inside = set(range(top, top + height))
    expected = [len(inside & set(range(start, start + cell_px))) for start in range(window_top, 400, cell_px)]
    assert rows.tolist() == expected[:num_cells]
    assert columns.tolist() == [width]


def test_cover_shares_a_pixel_between_cells():
    # Three cells over four pixels, of which the region has the second and third.
    rows, _ = cover(Window(1, 0, 2, 1), Window(0, 0, 4, 1), (3, 1))
    np.testing.assert_allclose(rows, [1 / 3, 4 / 3, 1 / 3], rtol=1e-6)


def test_stack_images_gather_the_tiles_of_each_image(tmp_path):
    index = tmp_path / "index.csv"
    index.write_text("name,top,left,height,width\na,0,0,8,8\na,0,4,8,8\nb,0,0,8,8\n")
    first, second = stack_images(index, [("a", (8, 12)), ("b", (5, 5))])
    assert (first.name, first.height, first.width, first.rows) == ("a", 8, 12, (0, 1))
    assert first.windows == (Window(0, 0, 8, 8), Window(0, 4, 8, 8))
    assert (second.name, second.rows) == ("b", (2,))


def test_an_image_that_the_run_does_not_know_is_told(tmp_path):
    index = tmp_path / "index.csv"
    index.write_text("name,top,left,height,width\nb,0,0,8,8\n")
    with pytest.raises(IncmaskError, match=r"data\.json does not know: b"):
        stack_images(index, [("a", (8, 8))])


@given(st.lists(st.integers(1, 5), max_size=20), st.integers(1, 6))
def test_spreading_keeps_all_images_in_their_order(num_rows, num):
    images = [StackImage(str(index), 8, 8, tuple(range(rows)), ()) for index, rows in enumerate(num_rows)]
    groups = spread(images, num)
    assert [images[place] for group in groups for place in group] == images
    assert len(groups) <= num
    assert all(groups)
