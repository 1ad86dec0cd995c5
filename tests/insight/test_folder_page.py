"""The page of a data folder: findings, legend, and masks drawn where they are."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from incmask.data.folder.scan import load_dataset
from incmask.data.images.writers import write_label
from incmask.experiment.checked import check_data
from incmask.insight.report.folder_page import MOST_OF_PART, folder_page, mask_layer, write_folder_page
from incmask.insight.report.page import Figures, Gallery
from incmask.insight.report.render import render
from incmask.prediction.overlays import OUTLINE_COLOUR
from scenes import COPIES, blots, scene, write_pair, write_scenes


def layer_of(png: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(png)).convert("RGBA"))


def galleries(root: Path) -> dict[str, Gallery]:
    sections = folder_page(check_data(root), name=root.name).sections
    return {block.title: block for block in sections[2].blocks if isinstance(block, Gallery)}


def test_a_mask_is_drawn_where_it_is_and_outlined(tmp_path):
    dataset = load_dataset(write_scenes(tmp_path, range(4)))
    label = np.zeros((40, 60), np.uint8)
    label[10:30, 20:50] = 1
    label[35:, :5] = 255
    layer = layer_of(mask_layer(label, dataset, (40, 60)))
    assert (layer[..., 3] > 0).tolist() == (label > 0).tolist()
    assert (layer[10:30, 20:50, :3] == OUTLINE_COLOUR).all(), "white, the class's own colour, is not seen on grey"
    assert {*layer[[10, 29], 20:50, 3].ravel().tolist()} == {255}
    assert {*layer[11:29, 21:49, 3].ravel().tolist()} == {90}
    assert layer[39, 0].tolist()[:3] == [128, 128, 128]


def test_an_object_that_is_smaller_than_a_pixel_is_seen(tmp_path):
    label = np.zeros((400, 400), np.uint8)
    label[203, 101] = 1
    layer = layer_of(mask_layer(label, load_dataset(write_scenes(tmp_path, range(4))), (40, 40)))
    assert np.argwhere(layer[..., 3]).tolist() == [[20, 10]]


def test_classes_that_overlap_are_all_drawn_and_have_a_colour_in_the_legend(tmp_path):
    for name in ("cell", "<i>core"):
        for number in range(2):
            write_pair(tmp_path / "labelled", f"{number}", scene(number), blots(number))
            kept = tmp_path / f"labelled/masks/{name}/{number}.png"
            kept.parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / f"labelled/masks/{number}.png").rename(kept)
    checked = check_data(tmp_path)
    legend = next(
        block for section in folder_page(checked, name="x").sections for block in section.blocks
        if isinstance(block, Figures)
    ).pictures[0]  # fmt: skip
    colours = ["#{:02x}{:02x}{:02x}".format(*info.colour) for info in checked.dataset.classes]
    assert re.findall(r'fill="(#\w+)"', legend.svg) == colours
    assert "&lt;i&gt;core" in legend.svg
    assert "<i>" not in legend.svg
    assert legend.alt == f"Colours of the classes: <i>core {colours[0]}, cell {colours[1]}"


def test_several_exclusive_classes_are_drawn_without_their_ground(tmp_path):
    label = np.zeros((96, 96), np.uint8)
    label[20:40, 20:40], label[50:80, 50:80] = 1, 2
    write_pair(tmp_path / "labelled", "a", scene(0), label)
    dataset = load_dataset(tmp_path)
    layer = layer_of(mask_layer(label, dataset, (96, 96)))
    assert (layer[..., 3] > 0).tolist() == (label > 0).tolist()
    assert {tuple(colour) for colour in layer[label == 2][:, :3].tolist()} == {dataset.classes[2].colour}


def test_pictures_have_names_shares_and_alternatives(tmp_path):
    (gallery,) = [each for each in galleries(write_scenes(tmp_path, range(4))).values() if each.thumbnails]
    first = gallery.thumbnails[0]
    share = f"{100 * (blots(0) > 0).mean():.1f} %"
    assert (first.title, first.text) == ("labelled/0", f"96×96; foreground {share}")
    assert first.alt == f"labelled/0, with its mask drawn over it: foreground {share}"
    assert (first.width, first.height) == Image.open(io.BytesIO(first.jpeg)).size
    assert (first.width, first.height) == Image.open(io.BytesIO(first.layer)).size


def test_what_was_found_comes_first_and_what_is_shown_is_limited(tmp_path):
    root = write_scenes(tmp_path, range(MOST_OF_PART + 4))
    write_scenes(root, range(100, 103), part="test")
    write_pair(root / "test", "copy", COPIES["mirrored"](scene(2)), COPIES["mirrored"](blots(2)))
    found = galleries(root)
    titles = list(found)
    assert titles[0] == "Images that something was found about"
    assert [each.title for each in found[titles[0]].thumbnails] == ["labelled/2", "test/copy"]
    assert found[titles[0]].thumbnails[0].text.startswith("near copies")
    assert len(found["labelled"].thumbnails) == MOST_OF_PART
    assert found["labelled"].note == f"{MOST_OF_PART} of {MOST_OF_PART + 3}, evenly spread."
    assert "labelled/2" not in [each.title for each in found["labelled"].thumbnails]


def test_the_page_needs_nothing_else_and_runs_no_name(tmp_path):
    root = write_scenes(tmp_path / 'a<b"', range(4), name="<script>alert({})")
    write_folder_page(tmp_path / "out" / "page.html", check_data(root), name=root.name)
    html = (tmp_path / "out" / "page.html").read_text()
    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert") > 4
    assert not re.findall(r'(?:src|href)="(?!data:|#)', html)
    images = re.findall(r'src="data:image/\w+;base64,([^"]+)"', html)
    assert len(images) == 8
    assert all(Image.open(io.BytesIO(base64.b64decode(each))).size for each in images)
    assert all("alt=" in tag for tag in re.findall(r"<img[^>]*>", html))


def test_a_folder_that_cannot_be_used_has_a_page_with_its_problems(tmp_path):
    write_pair(tmp_path / "labelled", "a", scene(0), blots(0))
    (tmp_path / "labelled/masks/a.png").unlink()
    html = render(folder_page(check_data(tmp_path), name="x")).decode()
    assert "Problem: " in html
    assert "holds images but no masks" in html


def test_masks_of_labels_without_a_pixel_say_so(tmp_path):
    root = write_scenes(tmp_path, range(4))
    write_label(root / "labelled/masks", "3", np.zeros((96, 96), np.uint8), task="binary", classes=[])
    (gallery,) = [each for each in galleries(root).values() if each.thumbnails]
    assert gallery.thumbnails[3].text == "96×96; background only"


def test_the_command_writes_it_whole_or_not_at_all(call, tmp_path):
    root = write_scenes(tmp_path / "data", range(6))
    code, out, _ = call("check", root, "--show", tmp_path / "page.html")
    assert code == 0
    assert "ready for `incmask run`" in out
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")
    code, _, err = call("check", root, "--show", tmp_path)
    assert code == 1
    assert "cannot be written" in err
    assert {path.name for path in tmp_path.iterdir()} == {"data", "page.html"}


@pytest.mark.parametrize("word", ["--show", "--json"])
def test_help_tells_of_it(call, word):
    assert word in call("check", "--help")[1]
