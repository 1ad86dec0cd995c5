"""Images that show the same in two parts are told, with what it spoils."""

import numpy as np
import pytest

from incmask.data.doctor.finding import Finding
from incmask.data.folder import reading
from incmask.data.folder.scan import Scan, scan
from scenes import COPIES, blots, scene, write_pair

PARTS = ("labelled", "unlabelled", "val", "test")


def folder(root, **extra: str):
    """Write three images in each part, and copies: by part the change that is made to labelled/0."""
    for place, part in enumerate(PARTS):
        for number in range(3):
            write_pair(root / part, f"{number}", scene(20 * place + number), blots(20 * place + number))
    for part, change in extra.items():
        copy = COPIES[change](scene(0))
        write_pair(root / part, "copy", copy, blots(0, side=len(copy)))
    return root


def copies(found: Scan) -> list[Finding]:
    return [each for each in found.findings if each.kind == "near_copies"]


def test_a_folder_without_copies_has_none(tmp_path):
    assert copies(scan(folder(tmp_path))) == []


@pytest.mark.parametrize(("part", "severity"), [("val", "warning"), ("test", "warning"), ("unlabelled", "note")])
@pytest.mark.parametrize("change", ["saved anew", "half as large", "mirrored"])
def test_a_copy_in_another_part_is_told(tmp_path, part, severity, change):
    found = scan(folder(tmp_path, **{part: change}))
    (finding,) = copies(found)
    assert found.problems == ()
    assert (finding.kind, finding.severity) == ("near_copies", severity)
    assert finding.files == (f"labelled/0 ~ {part}/copy",)
    assert finding.amount > 0.9
    assert finding.what.startswith(f"1 image in labelled and in {part} but for small changes")
    assert ("scores are too good" in finding.what) is (part != "unlabelled")


def test_an_unlabelled_copy_of_a_scored_image_is_learnt_from(tmp_path):
    root = folder(tmp_path)
    write_pair(root / "unlabelled", "copy", COPIES["darker"](scene(60)), blots(60))
    (finding,) = copies(scan(root))
    assert finding.files == ("unlabelled/copy ~ test/0",)
    assert "they are learnt from, if without labels" in finding.what
    assert finding.severity == "warning"


def test_copies_within_a_part_and_equal_images_are_no_warning(tmp_path):
    root = folder(tmp_path)
    write_pair(root / "test", "copy", COPIES["brighter"](scene(60)), blots(60))
    write_pair(root / "val", "same", scene(0), blots(0))
    found = scan(root)
    assert [(each.severity, each.files) for each in copies(found)] == [("note", ("test/0 ~ test/copy",))]
    assert "labelled/0 = val/same" in str(found.problems[0]), "what is equal is told as it always was, and once"


def test_of_very_many_unlabelled_images_some_are_compared_and_this_is_told(tmp_path, monkeypatch):
    root = folder(tmp_path, test="darker")
    for number in range(3, 9):
        write_pair(root / "unlabelled", f"{number}", COPIES["brighter"](scene(60 + number % 2)), blots(1))
    monkeypatch.setattr(reading, "MOST_COMPARED", 3)
    found = scan(root)
    *pairs, told = copies(found)
    # Of 0 to 8, these are 0, 3 and 6, of which the last two show what test/1 and test/0 do.
    assert [each.files for each in pairs] == [
        ("labelled/0 ~ test/copy",),
        ("unlabelled/3 ~ test/1", "unlabelled/6 ~ test/0"),
    ]
    assert told.what == "3 of 9 unlabelled images were compared with all others, evenly chosen"
    assert (told.severity, told.files, told.amount) == ("note", (), 1 / 3)
    monkeypatch.setattr(reading, "MOST_COMPARED", 9)
    assert len({file for each in copies(scan(root)) for file in each.files if "~ test/" in file}) == 7


def test_many_frames_of_one_camera_are_told_and_looked_at_once(tmp_path, monkeypatch):
    """They took a time that grew with the square of their number; what is told needs not be found once more as cut."""
    rng, still = np.random.default_rng(1), scene(0).astype(int)
    for part, num in (("labelled", 3), ("unlabelled", 60), ("test", 3)):
        for number in range(num):
            # Some are equal, as where nothing moves.
            noise = rng.integers(-5, 6, still.shape) if number % 3 else 0
            write_pair(tmp_path / part, f"{number}", np.clip(still + noise, 0, 255).astype(np.uint8), blots(number))
    monkeypatch.setattr("incmask.data.doctor.crops._likeness", lambda *_: pytest.fail("looked for cut images"))
    found = scan(tmp_path)
    assert any("labelled/0 = test/0" in str(problem) for problem in found.problems)
    told = {each.what.split(" but")[0] for each in copies(found)}
    assert told == {
        "3 images in labelled and in test",
        "60 images in labelled and in unlabelled",
        "2 images in labelled twice",
        "2 images in test twice",
        "3 images in unlabelled and in test",
        "59 images in unlabelled twice",
    }
