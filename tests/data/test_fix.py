"""A corrected copy of a data folder: what is mended, what is written down, and what is left alone."""

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from incmask.base.errors import IncmaskError
from incmask.data.doctor.fix import CHANGES, fix_folder
from incmask.data.doctor.rewrite import moved
from incmask.data.images.readers import read_image, read_label
from incmask.experiment.checked import Checked, check_data
from scenes import COPIES, blots, scene, write_pair, write_scenes

MENDED = {"near_copies", "masks_as_images", "shifted_masks"}


def fixed(root: Path, out: Path) -> tuple[list[dict[str, str]], Checked]:
    """Write the copy; give the lines of its table, and what is found in it."""
    before = check_data(root)
    fix_folder(before.dataset, before.images, out)
    with open(out / CHANGES, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file)), check_data(out)


def warnings(checked: Checked) -> set[str]:
    return {each.kind for each in checked.findings if each.severity == "warning"}


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def dirty(root: Path) -> Path:
    """Write a folder in which everything is wrong that can be mended."""
    for seed in range(8):
        mask = np.roll(blots(seed), (4, -3), (0, 1))
        write_pair(root / "labelled", f"{seed}", scene(seed), mask)
    write_pair(root / "labelled", "mask", blots(90), blots(90))
    write_scenes(root, range(20, 26), part="val")
    write_scenes(root, range(40, 46), part="test")
    for name, change, seed in (("a", "mirrored", 0), ("b", "saved anew", 21)):
        turn = COPIES[change] if change == "mirrored" else lambda mask: mask
        write_pair(root / "test", name, COPIES[change](scene(seed)), turn(blots(seed)))
    write_pair(root / "test", "equal", scene(1), blots(1))
    write_scenes(root, range(60, 70), part="unlabelled")
    write_pair(root / "unlabelled", "copy", COPIES["darker"](scene(41)), blots(41))
    (root / "raw" / "a.zarr" / "0").mkdir(parents=True)
    (root / "raw" / "a.zarr" / "0" / ".zarray").write_text("{}")
    (root / "incmask.toml").write_text('[data]\nclasses = [{name = "blot", value = 255}]\n')
    return root


def test_what_can_be_mended_is_and_nothing_of_it_is_found_again(tmp_path):
    root, out = dirty(tmp_path / "data"), tmp_path / "out"
    before = contents(root)
    assert warnings(check_data(root)) == MENDED
    rows, after = fixed(root, out)
    assert contents(root) == before, "never in place"
    assert warnings(after) == set()
    assert after.problems == ()
    left_out = {row["file"]: row["why"] for row in rows if row["change"] == "left out"}
    assert left_out == {
        "labelled/images/0.png": "shows the same as test/a",
        "labelled/masks/0.png": "shows the same as test/a",
        "labelled/images/1.png": "is equal to test/equal",
        "labelled/masks/1.png": "is equal to test/equal",
        "labelled/images/mask.png": "the image is its own mask",
        "labelled/masks/mask.png": "the image is its own mask",
        "val/images/21.png": "shows the same as test/b",
        "val/masks/21.png": "shows the same as test/b",
        "unlabelled/images/copy.png": "shows the same as test/41",
        "unlabelled/masks/copy.png": "shows the same as test/41",
    }
    assert {row["file"] for row in rows if row["change"] == "moved"} == {f"labelled/masks/{n}.png" for n in range(2, 8)}
    for seed in range(2, 8):
        mask = read_image(out / f"labelled/masks/{seed}.png")[..., 0]
        assert (mask[6:-6, 6:-6] == blots(seed)[6:-6, 6:-6]).all()
    untouched = {
        name: content for name, content in contents(out).items() if name in before and "labelled/m" not in name
    }
    assert untouched == {name: before[name] for name in untouched}
    assert {*before} - {*contents(out)} == {*left_out}


@pytest.mark.parametrize("step", [(2, 1), (-1, 0), (0, -3), (0, 0)])
def test_a_moved_mask_has_no_label_where_nothing_is_known(step):
    values = np.arange(1, 21, dtype=np.uint8).reshape(4, 5)
    result = moved(values, step, fill=255)
    for row in range(4):
        for column in range(5):
            source = row - step[0], column - step[1]
            known = 0 <= source[0] < 4 and 0 <= source[1] < 5
            assert result[row, column] == (values[source] if known else 255)


def test_ignored_values_fill_what_a_moved_mask_leaves(tmp_path):
    for seed in range(6):
        write_pair(tmp_path / "data/labelled", f"{seed}", scene(seed), np.roll(blots(seed) // 255, (0, 5), (0, 1)))
    (tmp_path / "data/incmask.toml").write_text("[data]\nignore = 7\n")
    rows, after = fixed(tmp_path / "data", tmp_path / "out")
    assert all("no label where it came from" in row["why"] for row in rows)
    label = read_label(after.dataset.labelled[0], after.dataset)
    assert (label[:, -5:] == 255).all()
    assert (label[:, :-5] != 255).all()


@pytest.mark.parametrize("kind", ["palette", "deep", "colours", "bmp"])
def test_moved_masks_of_any_kind_mean_what_they_meant(tmp_path, kind):
    root = tmp_path / "data"
    for seed in range(6):
        write_pair(root / "labelled", f"{seed}", scene(seed), blots(seed))
        ids = np.roll(blots(seed) // 255, (0, 4), (0, 1))
        path = root / f"labelled/masks/{seed}.png"
        if kind == "palette":
            image = Image.fromarray(ids)
            image.putpalette([10, 20, 30, 200, 100, 0])
            image.save(path)
        elif kind == "deep":
            cv2.imwrite(str(path), ids.astype(np.uint16) * 65535)
        elif kind == "colours":
            cv2.imwrite(str(path), ids[..., None] * np.array([0, 90, 200], np.uint8))
        else:
            path.unlink()
            Image.fromarray(ids * 255).save(path.with_suffix(".bmp"))
    before = check_data(root)
    _, after = fixed(root, tmp_path / "out")
    assert [each.value for each in after.dataset.classes] == [each.value for each in before.dataset.classes]
    for item in after.dataset.labelled:
        label = read_label(item, after.dataset)
        assert (label[:, :-6] == blots(int(item.name))[:, :-6] // 255).all()


@pytest.mark.parametrize("ending", [".jpg", ".tif", ".png"])
@pytest.mark.parametrize("orientation", [2, 6])
def test_turned_images_are_written_upright_without_a_loss(tmp_path, ending, orientation):
    root = write_scenes(tmp_path / "data", range(2))
    image = Image.fromarray(scene(5)[:80])
    exif = Image.Exif()
    exif[274] = orientation
    image.save(root / f"labelled/images/turned{ending}", exif=exif)
    seen = read_image(root / f"labelled/images/turned{ending}")
    Image.fromarray(np.zeros(seen.shape[:2], np.uint8)).save(root / "labelled/masks/turned.png")
    rows, after = fixed(root, tmp_path / "out")
    assert [(row["file"], row["change"]) for row in rows] == [(f"labelled/images/turned{ending}", "turned upright")]
    (path,) = (tmp_path / "out/labelled/images").glob("turned.*")
    assert (read_image(path) == seen).all()
    assert np.asarray(Image.open(path)).shape == seen.shape, "without heeding an orientation"
    assert after.problems == ()


def test_an_upright_image_beside_its_mask_takes_another_ending(tmp_path):
    root = tmp_path / "data"
    for seed in range(2):
        write_pair(root, f"{seed}", scene(seed), blots(seed))
        exif = Image.Exif()
        exif[274] = 3
        Image.fromarray(scene(seed)).save(root / f"{seed}_x.jpg", exif=exif)
        Image.fromarray(np.rot90(blots(seed), 2)).save(root / f"{seed}_x_mask.png")
        Image.fromarray(blots(seed)).save(root / f"{seed}_x.png")
    shutil.rmtree(root / "images")
    shutil.rmtree(root / "masks")
    for path in root.glob("?_x.png"):
        path.rename(path.with_suffix(".png.bak"))
    _, after = fixed(root, tmp_path / "out")
    assert after.problems == ()
    assert len(after.dataset.labelled) == 2


def test_nothing_is_written_where_nothing_is_to_be_mended(tmp_path):
    checked = check_data(write_scenes(tmp_path / "data", range(6)))
    assert fix_folder(checked.dataset, checked.images, tmp_path / "out") == ()
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize(
    ("out", "told"), [("data/out", "lies inside"), (".", "or that in it"), ("full", "is there already")]
)
def test_no_folder_is_written_over_or_into_the_data(tmp_path, out, told):
    checked = check_data(dirty(tmp_path / "data"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(IncmaskError, match=told):
        fix_folder(checked.dataset, checked.images, tmp_path / out)
    assert contents(tmp_path) == before


def test_a_folder_that_would_lose_all_its_labels_is_not_written(tmp_path):
    root = tmp_path / "data"
    for seed in range(3):
        write_pair(root / "labelled", f"{seed}", scene(seed), blots(seed))
        write_pair(root / "test", f"{seed}", COPIES["upside down"](scene(seed)), COPIES["upside down"](blots(seed)))
    checked = check_data(root)
    with pytest.raises(IncmaskError, match="would lose all labelled images"):
        fix_folder(checked.dataset, checked.images, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_copy_that_cannot_be_finished_leaves_nothing_and_removes_nothing(tmp_path, monkeypatch):
    checked = check_data(dirty(tmp_path / "data"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "out.part").mkdir()
    (tmp_path / "out.part" / "mine.txt").write_text("mine")
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(IncmaskError, match="No space left"):
        fix_folder(checked.dataset, checked.images, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out.part"]
    assert (tmp_path / "out.part" / "mine.txt").read_text() == "mine"


def test_the_command_tells_what_it_did_and_what_is_left(call, tmp_path):
    root, out = dirty(tmp_path / "data"), tmp_path / "out"
    code, text, _ = call("check", root, "--fix", out)
    assert code == 0, "what was a problem is none in the copy"
    told = text.partition("corrected copy")
    assert "problem: " in told[0]
    assert f"{out}: 10 files left out, 6 files moved; each is in {out / CHANGES}" in told[2]
    assert told[2].rstrip().endswith("no problems: ready for `incmask run`")
    code, text, _ = call("check", out, "--fix", tmp_path / "again")
    assert "nothing to mend without asking" in text
    code, text, _ = call("check", out, "--fix", tmp_path / "again", "--json")
    assert json.loads(text)["changes"] == []
    code, text, _ = call("check", root, "--fix", tmp_path / "again", "--json")
    values = json.loads(text)
    assert (values["ready"], values["fixed"]["ready"], len(values["changes"])) == (False, True, 16)


def test_a_folder_that_is_not_understood_is_not_copied(call, tmp_path):
    root = write_scenes(tmp_path / "data", range(2))
    shutil.rmtree(root / "labelled/masks")
    code, _, err = call("check", root, "--fix", tmp_path / "out")
    assert code == 1
    assert "holds images but no masks" in err
