import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from incmask.base.errors import IncmaskError
from incmask.insight.report.comparison_page import sheets
from incmask.insight.report.comparison_page.sheets import (
    GREY,
    PseudoSource,
    choose_images,
    masks_against_votes,
    over_generations,
    truth_against_pseudo,
)
from incmask.method.scoring import Scoring

BLACK, WHITE, RED, GREEN = (0, 0, 0), (255, 255, 255), (200, 10, 20), (30, 180, 40)
GUTTER, LINE = 8, 16
# The pictures of 32 by 32 pixels become 160 by 160.
STEP_X, STEP_Y, FACTOR = 168, 184, 5


def write_source(folder, *, task="binary", labels, pseudo, masked, images=None, truth=True, **changes):
    """Write stacks; ``pseudo`` and ``masked`` hold an array a generation."""
    if images is None:
        images = np.full((*np.asarray(labels).shape[:3], 1), 90, np.uint8)
    stack = folder / "stacks" / "unlabelled"
    stack.mkdir(parents=True)
    np.save(stack / "images.npy", images)
    np.save(stack / "labels.npy", labels)
    lines = [f"picture-{row},0,0,32,32\n" for row in range(len(images))]
    (stack / "index.csv").write_text("name,top,left,height,width\n" + "".join(lines))
    generations = []
    for number, (label, mask) in enumerate(zip(pseudo, masked, strict=True), 1):
        generations.append(folder / f"gen-{number}" / "pseudo")
        generations[-1].mkdir(parents=True)
        np.save(generations[-1] / "label.npy", label)
        np.save(generations[-1] / "inconsistent.npy", mask)
    fields = {
        "title": "IM",
        "images": stack / "images.npy",
        "labels": stack / "labels.npy" if truth else None,
        "generations": tuple(generations),
        "scoring": Scoring(task),
        "class_colours": (RED,),
        "blocked": True,
    }
    return PseudoSource(**fields | changes)


def quarters(*values, num=1):
    """Labels of 32 by 32 pixels with a value in each quarter: above left, above right, below left, below right."""
    label = np.array(values, np.uint8).reshape(2, 2, *np.shape(values)[1:])
    return np.stack([label.repeat(16, 0).repeat(16, 1)] * num)


def opened(sheet):
    image = Image.open(io.BytesIO(sheet.png))
    assert (image.format, image.mode) == ("PNG", "RGB")
    return image


def quarter_colours(image, column, line, *, heading_lines=1):
    """The colours in the middles of a cell's quarters."""
    x, y = GUTTER + column * STEP_X, GUTTER + heading_lines * LINE + line * STEP_Y
    return [image.getpixel((x + dx, y + dy)) for dy in (40, 120) for dx in (40, 120)]


@pytest.fixture
def binary(tmp_path):
    """The second picture: the mask covers the quarter below right, then the one above right, as a part of the truth."""
    return write_source(
        tmp_path / "im",
        labels=quarters(1, 1, 0, 0, num=2),
        pseudo=[quarters(1, 0, 1, 0, num=2), quarters(1, 0, 0, 0, num=2)],
        masked=[quarters(0, 0, 0, 1, num=2).astype(bool), quarters(0, 1, 0, 0, num=2).astype(bool)],
        images=np.concatenate([np.zeros((1, 32, 32, 1), np.uint8), np.full((1, 32, 32, 1), 90, np.uint8)]),
    )


def test_over_generations_shows_masked_pixels_black_in_the_input_and_grey_in_the_label(binary):
    sheet = over_generations(binary, row=1)
    image, grey = opened(sheet), (90, 90, 90)
    assert image.size == (GUTTER + 3 * STEP_X, GUTTER + LINE + 3 * STEP_Y)
    assert quarter_colours(image, 0, 0) == [grey, grey, grey, BLACK]
    assert quarter_colours(image, 0, 1) == [BLACK, BLACK, BLACK, WHITE]
    assert quarter_colours(image, 0, 2) == [WHITE, BLACK, WHITE, GREY]
    assert quarter_colours(image, 1, 0) == [grey, BLACK, grey, grey]
    assert quarter_colours(image, 1, 2) == [WHITE, GREY, BLACK, BLACK]
    assert quarter_colours(image, 2, 0) == [grey] * 4
    assert quarter_colours(image, 2, 1) == [WHITE] * 4  # the truth has no mask: an empty place
    assert quarter_colours(image, 2, 2) == [WHITE, WHITE, BLACK, BLACK]
    assert sheet.title == "IM over generations: picture-1"
    assert sheet.name == "over-generations-im-1"
    assert "25.0%, 25.0%" in sheet.alt


def test_small_pictures_grow_by_a_whole_factor_within_white_gutters(binary):
    image = np.asarray(opened(over_generations(binary, row=1)))
    top = GUTTER + LINE
    cell = image[top : top + 160, GUTTER : GUTTER + 160]
    mask = np.load(binary.generations[0] / "inconsistent.npy")[1]
    expected = np.where(mask, 0, 90).repeat(FACTOR, 0).repeat(FACTOR, 1)
    np.testing.assert_array_equal(cell, expected[..., None].repeat(3, 2))
    assert (image[top : top + 160, GUTTER + 160 : STEP_X + GUTTER] == 255).all()
    assert (image[:, :GUTTER] == 255).all()


def test_headings_and_captions_are_written(binary):
    image = np.asarray(opened(over_generations(binary, row=1)))
    assert (image[: GUTTER + LINE, :STEP_X] < 100).any()
    below = GUTTER + LINE + 160
    assert (image[below : below + LINE, :STEP_X] < 100).any()


def test_over_generations_without_truth_masks_or_generations(tmp_path):
    arrays = {"labels": quarters(1, 1, 0, 0), "pseudo": [quarters(1, 0, 1, 0)]}
    masked = [quarters(0, 1, 0, 0).astype(bool)]
    unknown = write_source(tmp_path / "a", masked=masked, truth=False, **arrays)
    assert opened(over_generations(unknown, row=0)).size == (GUTTER + STEP_X, GUTTER + LINE + 3 * STEP_Y)
    votes = write_source(tmp_path / "b", masked=masked, blocked=False, **arrays)
    sheet = over_generations(votes, row=0)
    image = opened(sheet)
    assert image.size == (GUTTER + 2 * STEP_X, GUTTER + LINE + 2 * STEP_Y)
    assert quarter_colours(image, 0, 0) == [(90, 90, 90)] * 4
    assert quarter_colours(image, 0, 1) == [WHITE, BLACK, WHITE, BLACK]
    assert "mask" not in sheet.alt
    base = write_source(tmp_path / "c", labels=quarters(1, 1, 0, 0), pseudo=[], masked=[])
    assert over_generations(base, row=0) is None
    assert truth_against_pseudo(base, rows=[0]) is None
    assert truth_against_pseudo(unknown, rows=[0]) is None
    assert truth_against_pseudo(votes, rows=[]) is None
    assert masks_against_votes(unknown, base, rows=[0], other_vote=quarters(1, 1, 0, 0)) is None


def test_multiclass_has_the_colours_of_the_classes_and_grey_where_the_truth_has_no_label(tmp_path):
    source = write_source(
        tmp_path,
        task="multiclass",
        class_colours=(BLACK, RED, GREEN),
        labels=quarters(0, 1, 2, 255),
        pseudo=[quarters(1, 2, 0, 0)],
        masked=[quarters(0, 0, 1, 0).astype(bool)],
    )
    image = opened(over_generations(source, row=0))
    assert quarter_colours(image, 0, 2) == [RED, GREEN, GREY, BLACK]
    assert quarter_colours(image, 1, 2) == [BLACK, RED, GREEN, GREY]


def test_multilabel_blends_the_colours_of_overlapping_classes(tmp_path):
    source = write_source(
        tmp_path,
        task="multilabel",
        class_colours=(RED, GREEN),
        labels=quarters((0, 0), (1, 0), (255, 255), (255, 1)),
        pseudo=[quarters((0, 1), (1, 1), (1, 1), (0, 0))],
        masked=[quarters(0, 0, 1, 0).astype(bool)],
    )
    image = opened(over_generations(source, row=0))
    assert quarter_colours(image, 0, 2) == [GREEN, (115, 95, 30), GREY, BLACK]
    assert quarter_colours(image, 1, 2) == [BLACK, RED, GREY, GREEN]


def test_masks_against_votes_shows_a_line_an_image(binary, tmp_path):
    votes = write_source(
        tmp_path / "me",
        title="ME",
        labels=quarters(1, 1, 0, 0, num=2),
        pseudo=[quarters(1, 0, 1, 1, num=2)],
        masked=[quarters(0, 0, 0, 1, num=2).astype(bool)],
        blocked=False,
    )
    # Of the first line, which is picture 1, and of the second one.
    soft = np.concatenate([quarters(0, 1, 1, 1), quarters(1, 1, 1, 1)])
    sheet = masks_against_votes(binary, votes, rows=[1, 0], other_vote=soft)
    image, grey = opened(sheet), (90, 90, 90)
    assert image.size == (GUTTER + 7 * STEP_X, GUTTER + 2 * LINE + 2 * STEP_Y)
    shown = [quarter_colours(image, column, 0, heading_lines=2) for column in range(7)]
    assert shown == [
        [grey, grey, grey, BLACK],
        [WHITE, BLACK, WHITE, GREY],
        [BLACK, BLACK, BLACK, WHITE],
        [grey] * 4,
        [WHITE, BLACK, WHITE, WHITE],  # the hard vote, from which ME's students learn
        [BLACK, WHITE, WHITE, WHITE],
        [WHITE, WHITE, BLACK, BLACK],
    ]
    assert quarter_colours(image, 0, 1, heading_lines=2) == [BLACK] * 4
    assert quarter_colours(image, 5, 1, heading_lines=2) == [WHITE] * 4
    assert "hard and soft vote of ME" in sheet.alt
    assert sheet.name == "masks-against-votes-im-me"
    assert "picture-1, picture-0" in sheet.alt


def test_votes_on_exclusive_classes_are_soft_and_the_hard_ones_stand_beside_them(tmp_path):
    arrays = {"labels": quarters(0, 1, 2, 1), "masked": [quarters(0, 0, 0, 1).astype(bool)], "task": "multiclass"}
    arrays |= {"class_colours": (BLACK, RED, GREEN)}
    masks = write_source(tmp_path / "im", pseudo=[quarters(0, 1, 2, 0)], **arrays)
    votes = write_source(tmp_path / "me", title="ME", pseudo=[quarters(0, 1, 2, 2)], blocked=False, **arrays)
    image = opened(masks_against_votes(masks, votes, rows=[0], other_vote=quarters(1, 1, 2, 2)))
    assert [quarter_colours(image, column, 0, heading_lines=2) for column in (4, 5)] == [
        [RED, RED, GREEN, GREEN],
        [BLACK, RED, GREEN, GREEN],
    ]


def test_titles_tell_the_setting_and_names_do_not(binary):
    tried = replace(binary, setting="erode_px=3, the best of 2 settings by validation")
    for draw in (lambda source: over_generations(source, row=1), lambda source: truth_against_pseudo(source, rows=[1])):
        assert "IM (erode_px=3, the best of 2 settings by validation) " in draw(tried).title
        assert "IM " in draw(binary).title
        assert "(" not in draw(binary).title
        assert draw(tried).name == draw(binary).name
    sheet = masks_against_votes(
        tried, replace(tried, title="ME", setting=""), rows=[0], other_vote=quarters(1, 1, 1, 1)
    )
    assert sheet.title == "IM (erode_px=3, the best of 2 settings by validation) against ME in generation 1"


def test_truth_against_pseudo_scores_the_last_generation(binary):
    # Of the 2 quarters that are true, 1 is found and 1 is masked.
    sheet = truth_against_pseudo(binary, rows=[1])
    image = opened(sheet)
    assert image.size == (GUTTER + 3 * STEP_X, GUTTER + LINE + STEP_Y)
    assert quarter_colours(image, 0, 0) == [(90, 90, 90)] * 4
    assert quarter_colours(image, 1, 0) == [WHITE, WHITE, BLACK, BLACK]
    assert quarter_colours(image, 2, 0) == [WHITE, GREY, BLACK, BLACK]
    assert sheet.alt.endswith("generation 2: picture-1, IoU 0.50.")


@pytest.mark.parametrize(
    ("task", "labels", "pseudo", "value"),
    [
        # Background is masked in 1 quarter of 2: 1/2; class 1 is found, in 1 quarter too many: 1/2; class 2 is not: 0.
        ("multiclass", quarters(0, 0, 1, 2), quarters(0, 0, 1, 1), "mIoU 0.33"),
        # The second channel has 2 quarters, of which 1 is masked: 1/2; the first is right: 1.
        ("multilabel", quarters((0, 1), (0, 1), (1, 0), (0, 0)), quarters((0, 1), (0, 1), (1, 0), (0, 0)), "mIoU 0.75"),
    ],
)
def test_masked_pixels_predict_nothing(tmp_path, task, labels, pseudo, value):
    colours = (BLACK, RED, GREEN) if task == "multiclass" else (RED, GREEN)
    source = write_source(
        tmp_path,
        task=task,
        class_colours=colours,
        labels=labels,
        pseudo=[pseudo],
        masked=[quarters(0, 1, 0, 0).astype(bool)],
    )
    assert truth_against_pseudo(source, rows=[0]).alt.endswith(f"picture-0, {value}.")


@pytest.mark.parametrize(
    ("channels", "shown"), [(1, (10, 10, 10)), (2, (10, 20, 0)), (3, (10, 20, 30)), (5, (10, 20, 30))]
)
def test_inputs_of_any_number_of_channels(tmp_path, channels, shown):
    images = np.broadcast_to(np.array([10, 20, 30, 40, 50], np.uint8)[:channels], (1, 32, 32, channels))
    label = quarters(1, 0, 0, 0)
    source = write_source(tmp_path, images=images, labels=label, pseudo=[label], masked=[np.zeros_like(label, bool)])
    assert quarter_colours(opened(over_generations(source, row=0)), 0, 0) == [shown] * 4


def noisy(folder, *, side, num=1):
    rng = np.random.default_rng(3)
    label = rng.integers(0, 2, (num, side, side), dtype=np.uint8)
    return write_source(
        folder,
        images=rng.integers(0, 256, (num, side, side, 3), dtype=np.uint8),
        labels=label,
        pseudo=[label],
        masked=[np.zeros_like(label, bool)],
    )


def test_large_pictures_shrink(tmp_path):
    image = opened(over_generations(noisy(tmp_path, side=512), row=0))
    assert image.size == (GUTTER + 2 * STEP_X, GUTTER + LINE + 3 * STEP_Y)


@pytest.mark.slow
def test_what_a_sheet_weighs_is_limited(tmp_path, monkeypatch):
    source = noisy(tmp_path, side=160, num=9)  # noise cannot be compressed
    sheet = truth_against_pseudo(source, rows=range(9))
    assert len(sheet.png) <= 600_000
    monkeypatch.setattr(sheets, "_LARGEST_BYTES", 10**9)
    large = truth_against_pseudo(source, rows=range(9))
    assert len(large.png) > 600_000
    assert opened(large).height > opened(sheet).height


def test_long_names_stay_within_their_cells(tmp_path):
    label = quarters(1, 0, 0, 0)
    source = write_source(tmp_path, labels=label, pseudo=[label], masked=[np.zeros_like(label, bool)])
    index = source.images.parent / "index.csv"
    index.write_text(index.read_text().replace("picture-0", "W" * 200))
    sheet = truth_against_pseudo(source, rows=[0])
    image = np.asarray(opened(sheet))
    caption = image[GUTTER + LINE + 160 :]
    assert (caption[:, :STEP_X] < 100).any()
    assert (caption[:, STEP_X : STEP_X + GUTTER] == 255).all()
    assert "W" * 200 in sheet.alt


def test_the_same_run_gives_the_same_bytes(binary):
    assert over_generations(binary, row=1) == over_generations(binary, row=1)


def test_a_lost_file_is_named(binary):
    (binary.generations[1] / "label.npy").unlink()
    with pytest.raises(IncmaskError, match=r"gen-2.*label\.npy: cannot be read .*incmask\.compare"):
        over_generations(binary, row=0)


def test_choose_images_takes_the_middles_of_equal_parts():
    fractions = [0.5, 0.1, 0.9, 0.3, 0.7, 0.2]  # in order: rows 1, 5, 3, 0, 4, 2
    assert choose_images(fractions, num=3) == (5, 0, 2)
    assert choose_images(fractions, num=1) == (0,)
    assert choose_images(fractions, num=9) == (1, 5, 3, 0, 4, 2)
    assert choose_images([], num=3) == ()


@given(st.lists(st.floats(0, 1), max_size=40), st.integers(0, 50))
def test_choose_images_spreads_over_all_sizes(fractions, num):
    rows = choose_images(fractions, num=num)
    assert len(set(rows)) == len(rows) == min(num, len(fractions))
    values = [fractions[row] for row in rows]
    assert values == sorted(values)
    # Each lies within its own part of the sorted fractions.
    ordered = sorted(fractions)
    for place, value in enumerate(values):
        first, last = place * len(ordered) // len(rows), -(-(place + 1) * len(ordered) // len(rows))
        assert ordered[first] <= value <= ordered[last - 1]


def test_volumes_show_their_slices_side_by_side(tmp_path):
    # Four slices of 16 by 16 voxels, below each other as networks see them.
    ids = np.arange(4, dtype=np.uint8).repeat(16)[None, :, None] * np.ones((1, 1, 16), np.uint8)
    source = write_source(
        tmp_path,
        task="multiclass",
        class_colours=(BLACK, RED, GREEN, WHITE),
        labels=ids,
        pseudo=[ids[:, ::-1]],
        masked=[np.zeros(ids.shape, bool)],
        depth=4,
    )
    image = opened(truth_against_pseudo(source, rows=[0]))
    assert image.size == (GUTTER + 3 * STEP_X, GUTTER + LINE + STEP_Y)
    assert quarter_colours(image, 1, 0) == [BLACK, RED, GREEN, WHITE]
    assert quarter_colours(image, 2, 0) == [WHITE, GREEN, RED, BLACK]
