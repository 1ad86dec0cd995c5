"""Export and import through every format, on data of every kind."""

import json
import shutil
import zipfile
from dataclasses import replace

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from damages import failing_disk
from exchange import SCHEMES, expected, make_loop, make_run, pseudo_label, submit, write_ranking
from finished_runs import remove_from, write_to
from incmask.base import store
from incmask.base.errors import IncmaskError
from incmask.base.files import cannot_write
from incmask.commands import exchanging
from incmask.commands.exchanging import import_labels as import_command
from incmask.data.folder.scan import load_dataset
from incmask.data.images.readers import read_image, read_label
from incmask.data.images.writers import write_indexed
from incmask.data.rounds import read_rounds
from incmask.exchange.corrections.export import export_labels
from incmask.exchange.corrections.specks import SpeckMerger
from incmask.exchange.corrections.take_back import import_labels
from incmask.exchange.formats.sheets import LabelSheet
from incmask.exchange.names import TARGETS
from incmask.experiment.record.images import PredictedMask
from runs import draw, save


def labels_of(data):
    """Give the labels of the labelled images by name."""
    dataset = load_dataset(data)
    return {item.name: read_label(item, dataset) for item in dataset.labelled}


def bring_back(run, out, **values):
    """Import what somebody looked at."""
    return import_labels(run, out, **({"unchanged": "confirm"} | values))


def tree_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("target", TARGETS)
def test_what_nobody_corrected_comes_back_as_it_was(target, task, tmp_path):
    data, run, pseudo = make_loop(tmp_path, task)
    before, there = labels_of(data), tree_of(data)
    out = tmp_path / "out"
    exported = export_labels(run, out, target=target, top=2, least_px=1)
    assert (len(exported.names), exported.merged) == (2, None)
    assert "most disputed images come first" in exported.notes[0]
    if target == "label-studio":
        submit(out)
    done = bring_back(run, out, target=target)
    assert (done.round.number, done.round.source) == (2, target)
    assert set(done.round.names) == set(exported.names)

    after = labels_of(data)
    for name in exported.names:
        np.testing.assert_array_equal(after[f"round-2/{name}"], expected(pseudo[name]))
    assert {name: label.tobytes() for name, label in before.items()} == {name: after[name].tobytes() for name in before}
    unlabelled = {item.name for item in load_dataset(data).unlabelled}
    assert unlabelled == set(pseudo) - set(exported.names)
    now = tree_of(data)
    new = set(now) - set(there)
    assert {name: now[name] for name in there} == there
    assert all(name == "rounds.json" or name.startswith("labelled/round-2/") for name in new)


def test_an_archive_holds_all_and_comes_back_as_it_is(tmp_path):
    _data, run, _pseudo = make_loop(tmp_path)
    write_ranking(run, ["x.2", "gone", "slide/x.1", "x.2", "x.0"])
    out = tmp_path / "deep" / "out.zip"
    exported = export_labels(run, out, target="cvat", top=2, least_px=1)
    assert (exported.names, exported.ranked_by, exported.notes) == (("x.2", "slide/x.1"), "ranking.csv", ())
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None
        names = {"annotations.xml", "labels.json", "README.txt", "images/x.2.png", "images/slide/x.1.png"}
        assert {*archive.namelist()} == names
    assert [path.name for path in out.parent.iterdir()] == ["out.zip"]
    assert set(bring_back(run, out, target="cvat").round.names) == {"x.2", "slide/x.1"}


def test_images_that_a_ranking_lacks_come_last_and_are_told(tmp_path):
    _data, run, pseudo = make_loop(tmp_path)
    write_ranking(run, ["x.2"])
    exported = export_labels(run, tmp_path / "out", target="cvat", least_px=1)
    disputed = sorted(pseudo, key=lambda name: (-pseudo[name].inconsistent.mean(), name))
    assert exported.names == ("x.2", *(name for name in disputed if name != "x.2"))
    (note,) = exported.notes
    assert note.startswith("ranking.csv lacks 2 of the run's images, which come last, the most disputed first;")
    (run / "ranking.csv").write_text("rank,name,x\n1,x.2,0\n2,x.0,0\n3,slide/x.1,4\n")
    (note,) = export_labels(run, tmp_path / "of crops", target="cvat", least_px=1).notes
    assert note.startswith("ranking.csv ranks crops, so each image has the place of its first one;")


def test_images_that_not_every_program_shows_become_png(tmp_path):
    data, run, pseudo = make_loop(tmp_path)
    generator = np.random.default_rng(0)
    images = data / "unlabelled"
    deep = generator.integers(0, 60000, (*pseudo["x.0"].inconsistent.shape, 4), dtype=np.uint16)
    (images / "x.0.png").unlink()
    tifffile.imwrite(images / "x.0.tif", deep, photometric="minisblack", planarconfig="contig")
    height, width = pseudo["x.2"].inconsistent.shape
    photo = Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))
    exif = photo.getexif()
    exif[274] = 3
    (images / "x.2.png").unlink()
    photo.save(images / "x.2.jpg", exif=exif)
    photo.resize(pseudo["slide/x.1"].inconsistent.shape[::-1]).save(images / "slide" / "x.1.jpg")
    (images / "slide" / "x.1.png").unlink()
    record = json.loads((run / "data.json").read_text())
    for name, file in (("x.0", "x.0.tif"), ("x.2", "x.2.jpg"), ("slide/x.1", "slide/x.1.jpg")):
        record["parts"]["unlabelled"][name]["files"] = {f"unlabelled/{file}": ""}
    write_to(run, "data.json", json.dumps(record))
    export_labels(run, tmp_path / "out", target="png")
    shown = {path.name: cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in (tmp_path / "out/images").rglob("*.*")}
    assert {*shown} == {"x.0.png", "x.2.png", "x.1.jpg"}
    assert (shown["x.0.png"].shape, shown["x.0.png"].dtype) == ((*deep.shape[:2], 3), np.uint8)
    np.testing.assert_array_equal(shown["x.2.png"][..., ::-1], read_image(images / "x.2.jpg"))


def test_why_nothing_is_exported(tmp_path):
    data, run, _pseudo = make_loop(tmp_path)
    out = tmp_path / "out"

    def refused(**values):
        with pytest.raises(IncmaskError) as caught:
            export_labels(run, **({"out": out, "target": "coco"} | values))
        assert not out.exists()
        return str(caught.value)

    assert "did you mean 'cvat'" in refused(target="cvta")
    assert "at least one image is expected" in refused(top=0)
    assert "at least one pixel is expected" in refused(least_px=0)
    assert "is for shapes, and png is painted pixel by pixel" in refused(least_px=5, target="png")
    assert "data: is there already; remove it" in refused(out=data)
    assert "data.json: is there already" in refused(out=run / "data.json", target="png")
    (run / "inconsistent" / "x.2.png").unlink()
    assert "x.2.png" in refused()
    moved = data.rename(tmp_path / "moved")
    assert "is not there, where the data of the run were" in refused()
    moved.rename(data)
    (data / "unlabelled" / "x.0.png").unlink()
    assert "x.0.png: is gone; bring it back" in refused()
    write_to(run, "environment.json", "{}")
    assert "does not tell where the data lie" in refused()
    remove_from(run, "masks.csv")
    assert "holds no masks of unlabelled images" in refused()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_class_may_not_be_called_as_the_unsure_regions_are(tmp_path):
    _data, run, _ = make_loop(tmp_path)
    record = json.loads((run / "data.json").read_text())
    record["classes"][0]["name"] = "unsure"
    write_to(run, "data.json", json.dumps(record))
    with pytest.raises(IncmaskError, match="has a class named unsure"):
        export_labels(run, tmp_path / "out", target="coco")


@pytest.fixture
def loop(tmp_path):
    """Data, run, and all pseudo-labels as pictures."""
    data, run, pseudo = make_loop(tmp_path)
    export_labels(run, tmp_path / "out", target="png")
    return data, run, tmp_path / "out", pseudo


def refused(data, run, out, **values):
    there = tree_of(data)
    with pytest.raises(IncmaskError) as caught:
        bring_back(run, out, **({"target": "png"} | values))
    assert tree_of(data) == there
    assert not [path for path in (data / "labelled").iterdir() if path.name.startswith(".")]
    return str(caught.value)


def test_all_or_nothing_comes_in(loop):
    data, run, out, _pseudo = loop
    assert "did you mean 'napari'" in refused(data, run, out, target="napary")
    told = refused(data, run, out, unsure="refuse")
    assert told.count("is unsure at") == 3
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(out / "masks" / "x.0.png")
    Image.fromarray(np.zeros((6, 5), np.uint8)).save(out / "masks" / "slide" / "x.1.png")
    told = refused(data, run, out)
    assert "has 5×5 pixels, but its image 20×24" in told
    assert "has 5×6 pixels" in told
    assert "is not there" in refused(data, run, out / "nothing")
    (out / "empty").mkdir()
    assert "is empty" in refused(data, run, out / "empty")


def test_images_that_are_others_now_are_not_labelled(loop):
    data, run, out, _pseudo = loop
    Image.fromarray(np.ones((24, 20), np.uint8)).save(data / "unlabelled" / "x.0.png")
    (data / "unlabelled" / "x.2.png").unlink()
    told = refused(data, run, out)
    assert "x.0.png: was changed since the run; bring the old image back" in told
    assert "x.2: is no longer among the unlabelled images" in told


def test_classes_that_are_others_now_are_told(loop):
    data, run, out, _pseudo = loop
    (data / "incmask.toml").write_text('[data]\nclasses = [{name = "cell", value = 255}]\n')
    assert "has the classes cell (binary), but the run foreground (binary)" in refused(data, run, out)


def test_unsure_regions_are_left_out_or_their_images(loop):
    data, run, out, pseudo = loop
    Image.fromarray(np.zeros((24, 20), np.uint8)).save(out / "unsure" / "x.0.png")
    done = bring_back(run, out, target="png", unsure="skip")
    assert done.round.names == ("x.0",)
    assert done.skipped == ("slide/x.1", "x.2")
    assert (done.round.ignore, done.unsure_fraction) == (None, 0)
    np.testing.assert_array_equal(labels_of(data)["round-2/x.0"], pseudo["x.0"].label)
    # The masks of the round are spelt as the others are.
    assert {*np.unique(cv2.imread(str(data / "labelled/round-2/masks/x.0.png"), 0))} == {0, 255}


def test_a_round_is_added_to_the_last_one_and_undone_by_removing_its_folder(loop):
    data, run, out, _pseudo = loop
    shutil.copytree(out, first := out.with_name("first"))
    for name in ("x.2", "slide/x.1"):
        (first / "masks" / f"{name}.png").unlink()
    assert bring_back(run, first, target="png").round.number == 2
    told = refused(data, run, out)
    assert "x.0: was added in round 2 already; take it out, or undo that round by removing labelled/round-2" in told
    (out / "masks" / "x.0.png").unlink()
    done = bring_back(run, out, target="png")
    assert (done.round.number, done.round.names) == (3, ("slide/x.1", "x.2"))
    assert [each.number for each in read_rounds(data)] == [2, 3]
    assert {name for name in labels_of(data) if name.startswith("round-")} == {
        "round-2/x.0",
        "round-3/slide/x.1",
        "round-3/x.2",
    }
    assert not load_dataset(data).unlabelled

    shutil.rmtree(data / "labelled" / "round-3")
    assert [each.number for each in read_rounds(data)] == [2]
    assert [item.name for item in load_dataset(data).unlabelled] == ["slide/x.1", "x.2"]
    assert bring_back(run, out, target="png").round.number == 3


def test_what_was_added_before_is_not_added_again(loop):
    """An import may be killed behind its last file, and comes again."""
    data, run, out, _pseudo = loop
    first = bring_back(run, out, target="png")
    before = tree_of(data)
    assert bring_back(run, out, target="png") == replace(first, again=True)
    assert tree_of(data) == before
    Image.fromarray(np.full((24, 20), 255, np.uint8)).save(out / "masks" / "x.0.png")
    assert refused(data, run, out) == (
        "x.0: was added in round 2 already; take it out, or undo that round by removing labelled/round-2"
    )
    for name in ("x.0", "x.2"):
        (out / "masks" / f"{name}.png").unlink()
    assert refused(data, run, out).startswith("slide/x.1: was added in round 2 already")


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_what_was_exported_before_is_not_exported_again(loop, tmp_path, name):
    """An export may be killed behind its last file, and comes again."""
    _data, run, _out, _pseudo = loop
    out = tmp_path / "new" / name
    first = export_labels(run, out, target="coco")
    before = tree_of(tmp_path / "new")
    assert export_labels(run, out, target="coco").notes == ("it was there already, the same to the byte", *first.notes)
    assert tree_of(tmp_path / "new") == before
    with pytest.raises(IncmaskError, match="is there already and holds something else"):
        export_labels(run, out, target="coco", top=1)
    assert tree_of(tmp_path / "new") == before


def test_an_import_that_was_killed_left_nothing(loop, monkeypatch):
    data, run, out, _pseudo = loop
    before = load_dataset(data)

    def killed(*paths):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.rename", killed)
        with pytest.raises(KeyboardInterrupt):
            bring_back(run, out, target="png")
    assert load_dataset(data) == before
    assert bring_back(run, out, target="png").round.number == 2


SPELLINGS = {
    "ids and 255": lambda label: np.where(label == 1, 1, 255 * (label == 2)).astype(np.uint8),
    "0 and 1": lambda label: (label == 1).astype(np.uint8),
    "16 bits": lambda label: label.astype(np.uint16) * np.uint16(1000),
    "far ids": lambda label: np.choose(label, (0, 7, 21)).astype(np.uint8),
    "colours": lambda label: np.array([(0, 0, 0), (255, 0, 0), (128, 128, 128)], np.uint8)[label],
}


@pytest.mark.slow
@pytest.mark.parametrize("spelling", [*SPELLINGS, "palette", "side by side", "nothing but labelled images"])
def test_masks_are_written_as_those_of_the_data_are_spelt(spelling, tmp_path):
    data = tmp_path / "data"
    folder = {"nothing but labelled images": data}.get(spelling, data / "labelled")
    beside = spelling == "side by side"
    for index in range(3):
        image, label = draw(seed=index, size=(32, 32))
        save(folder / f"a {index}.png" if beside else folder / "images" / f"a {index}.png", image)
        path = folder / f"a {index}_mask.png" if beside else folder / "masks" / f"a {index}.png"
        if spelling == "palette":
            path.parent.mkdir(parents=True, exist_ok=True)
            write_indexed(path, label, [(0, 0, 0), (9, 99, 199), (250, 200, 10)])
        else:
            save(path, SPELLINGS.get(spelling, lambda ids: ids.astype(np.uint8))(label))
    pseudo = {}
    for index in range(2):
        image, label = draw(seed=index + 10, size=(32, 32))
        save(data / "unlabelled" / f"u {index}.png", image)
        task = load_dataset(data).task
        values = (label == 1).astype(np.uint8) if task == "binary" else label
        pseudo[f"u {index}"] = PredictedMask(values, pseudo_label(index, "binary", (32, 32)).inconsistent)
    before = labels_of(data)
    run = make_run(data, tmp_path / "run", pseudo, task=task)
    export_labels(run, tmp_path / "out", target="coco", least_px=1)
    done = bring_back(run, tmp_path / "out", target="coco")
    assert done.round.folder == ("round-2" if folder == data else "labelled/round-2")
    after = labels_of(data)
    for name, each in pseudo.items():
        np.testing.assert_array_equal(after[f"round-2/{name}"], expected(each))
    for name, label in before.items():
        np.testing.assert_array_equal(after[name], label)


def test_data_in_which_every_value_is_a_class_take_another_one_for_unsure_regions(loop):
    """As `incmask prepare` leaves them."""
    data, run, out, pseudo = loop
    (data / "incmask.toml").write_text('[data]\ntask = "binary"\nignore = "none"\n')
    before = labels_of(data)
    done = bring_back(run, out, target="png")
    assert done.unsure_fraction > 0
    assert done.round.ignore not in (None, 0, 255)
    after = labels_of(data)
    for name, each in pseudo.items():
        np.testing.assert_array_equal(after[f"round-2/{name}"], expected(each))
    for name, label in before.items():
        np.testing.assert_array_equal(after[name], label)


@pytest.mark.parametrize("name", ["coco.json", "annotations.XML"])
def test_an_export_is_no_single_file(loop, tmp_path, name):
    _data, run, _out, _pseudo = loop
    with pytest.raises(IncmaskError, match="looks like a file, but an export to coco is a folder of several files"):
        export_labels(run, tmp_path / name, target="coco")
    assert not (tmp_path / name).exists()


def test_specks_are_merged_where_shapes_are_written_and_that_is_told(tmp_path):
    data, run, pseudo = make_loop(tmp_path)
    masks = [PredictedMask(draw_specks(each.label), each.inconsistent) for each in pseudo.values()]
    make_run(data, tmp_path / "specks", dict(zip(pseudo, masks, strict=True)), task="binary")
    run = tmp_path / "specks"
    exported = export_labels(run, tmp_path / "out", target="coco", least_px=4)
    merger = SpeckMerger(SCHEMES["binary"], 4)
    sheets = [merger.merge(LabelSheet("", "", each.label, each.inconsistent)) for each in masks]
    assert exported.merged == merger.merged()
    (_, told) = exported.notes
    before, after = exported.merged.shapes_before, exported.merged.shapes_after
    assert after < before / 2
    assert told.startswith("specks and holes of fewer than 4 pixels (unsure: 16) are merged into what surrounds them: ")
    assert f"{after:.0f} shapes an image in place of {before:.0f}, another label at " in told
    content = json.loads((tmp_path / "out" / "annotations/instances_default.json").read_text())
    assert len(content["annotations"]) == round(3 * after)
    bring_back(run, tmp_path / "out", target="coco")
    labels = labels_of(data)
    for name, sheet in zip(pseudo, sheets, strict=True):
        np.testing.assert_array_equal(labels[f"round-2/{name}"], sheet.uncorrected())


def draw_specks(label):
    """Give a label of two halves, and specks in both."""
    halves = np.zeros_like(label)
    halves[:, : label.shape[1] // 2] = 1
    halves[::5, ::5] ^= 1
    return halves


@pytest.mark.slow
@pytest.mark.parametrize("target", ["coco", "label-studio", "cvat", "labelme"])
@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_objects_that_touch_are_shapes_of_their_own_where_asked_and_labels_stay(target, task, tmp_path):
    data, run, pseudo = make_loop(tmp_path, task)
    record = json.loads((run / "data.json").read_text())
    if task == "multilabel":
        record["position_class"] = "dark"
        write_to(run, "data.json", json.dumps(record))
    export_labels(run, tmp_path / "out", target=target, least_px=1, split=True)
    if target == "label-studio":
        submit(tmp_path / "out")
    bring_back(run, tmp_path / "out", target=target)
    after = labels_of(data)
    for name, each in pseudo.items():
        np.testing.assert_array_equal(after[f"round-2/{name}"], expected(each))


def test_two_discs_are_two_shapes_where_asked(tmp_path):
    data, _run, _pseudo = make_loop(tmp_path)
    rows, columns = np.ogrid[:24, :20]
    discs = ((rows - 7) ** 2 + (columns - 9) ** 2 <= 30) | ((rows - 16) ** 2 + (columns - 9) ** 2 <= 30)
    mask = PredictedMask(discs.astype(np.uint8), np.zeros((24, 20), bool))
    make_run(data, tmp_path / "discs", {"x.0": mask}, task="binary")
    for split in (False, True):
        out = tmp_path / f"split {split}"
        export_labels(tmp_path / "discs", out, target="coco", split=split)
        content = json.loads((out / "annotations/instances_default.json").read_text())
        assert len(content["annotations"]) == 1 + split
        assert sum(each["area"] for each in content["annotations"]) == discs.sum()
    with pytest.raises(IncmaskError, match="split: is for shapes, and napari is painted pixel by pixel"):
        export_labels(tmp_path / "discs", tmp_path / "napari", target="napari", split=True)


def test_what_came_back_unchanged_is_left_out_or_confirmed(loop):
    data, run, out, pseudo = loop
    told = refused(data, run, out, unchanged="skip")
    assert "came back as it was exported: 3 images, and nothing was corrected" in told
    assert 'use unchanged="confirm"' in told
    assert "did you mean 'confirm'" in refused(data, run, out, unchanged="confirmed")
    Image.fromarray(np.ones((24, 20), np.uint8)).save(out / "masks" / "x.0.png")
    done = import_labels(run, out, target="png")
    assert (done.round.names, done.unchanged, done.confirmed) == (("x.0",), ("slide/x.1", "x.2"), False)
    shutil.rmtree(data / "labelled" / "round-2")
    done = bring_back(run, out, target="png")
    assert (done.round.names, done.unchanged, done.confirmed) == (tuple(sorted(pseudo)), ("slide/x.1", "x.2"), True)


def test_what_came_back_unchanged_is_noticed_in_every_form_that_was_exported(tmp_path):
    data, run, pseudo = make_loop(tmp_path)
    for target, least_px in (("labelme", None), ("coco", 1), ("napari", None)):
        out = tmp_path / target
        export_labels(run, out, target=target, least_px=least_px)
        told = refused(data, run, out, target=target, unchanged="skip")
        assert f"came back as it was exported: {len(pseudo)} images" in told
    (run / "exported_labels.csv").unlink()
    again = "exported_labels.csv: is gone; use `incmask.export` again, which writes it anew"
    assert again in refused(data, run, out, target="napari")
    export_labels(run, tmp_path / "again", target="napari")
    assert f"{len(pseudo)} images" in refused(data, run, out, target="napari", unchanged="skip")
    remove_from(run, "exported_labels.csv")
    assert import_labels(run, out, target="napari").unchanged == ()
    shutil.rmtree(data / "labelled" / "round-2")
    write_to(run, "exported_labels.csv", "name\nx.0\n")
    assert "exported_labels.csv: is no readable table" in refused(data, run, out, target="napari")


def test_what_a_disk_does_not_give_just_now_is_not_begun_anew(tmp_path):
    """What was exported before was forgotten, so that it would have come back as corrected."""
    _data, run, _pseudo = make_loop(tmp_path)
    export_labels(run, tmp_path / "shapes", target="labelme")
    record = run / "exported_labels.csv"
    before = record.read_bytes()
    with failing_disk(0, record.name):
        told = export_labels(run, tmp_path / "painted", target="napari").notes
    assert any("will not be noticed: " in note and "cannot be read (Input/output error)" in note for note in told)
    assert record.read_bytes() == before
    export_labels(run, tmp_path / "painted", target="napari")
    assert record.read_bytes().startswith(before)


def test_what_was_written_before_the_manifest_told_of_it_is_not_begun_anew(tmp_path, monkeypatch):
    """As a full disk or a kill leave it; the record seemed damaged, and what was exported before was forgotten."""
    _data, run, _pseudo = make_loop(tmp_path)
    export_labels(run, tmp_path / "shapes", target="labelme")
    before = (run / "exported_labels.csv").read_bytes()

    def record(self, *paths):
        raise cannot_write(paths[0], OSError(28, "No space left on device"))

    monkeypatch.setattr(store.Store, "record", record)
    told = export_labels(run, tmp_path / "painted", target="napari").notes
    assert any("will not be noticed" in note for note in told)
    monkeypatch.undo()
    export_labels(run, tmp_path / "painted", target="napari")
    assert (run / "exported_labels.csv").read_bytes().startswith(before)


def test_a_run_that_cannot_be_written_is_exported_all_the_same(tmp_path, monkeypatch):
    _data, run, _pseudo = make_loop(tmp_path)

    def full(path, text):
        raise cannot_write(path, OSError(30, "Read-only file system"))

    monkeypatch.setattr(store, "write_bytes", full)
    *_, told = export_labels(run, tmp_path / "out", target="png").notes
    assert told.startswith("images that come back unchanged will not be noticed: ")
    assert (tmp_path / "out" / "masks" / "x.0.png").is_file()


@pytest.mark.parametrize("answer", [True, False])
def test_a_person_at_a_terminal_is_asked_about_unchanged_images(loop, capsys, monkeypatch, answer):
    _data, run, out, _pseudo = loop
    Image.fromarray(np.ones((24, 20), np.uint8)).save(out / "masks" / "x.0.png")
    asked = []
    monkeypatch.setattr(exchanging, "at_terminal", lambda: True)
    monkeypatch.setattr(exchanging.typer, "confirm", lambda text, **_: asked.append(text) or answer)
    import_command(run, out, source="png", quiet=True)
    assert asked == ["2 images came back as exported (slide/x.1, x.2); right as they are?"]
    told = capsys.readouterr().out
    if answer:
        assert "3 images added" in told
        assert "2 images are as exported and counted as right" in told
    else:
        assert "1 image added" in told
        assert "2 images are as exported and left out: slide/x.1, x.2; if they are right, " in told


def test_where_nobody_can_be_asked_unchanged_images_are_left_out(loop, capsys):
    _data, run, out, _pseudo = loop
    Image.fromarray(np.ones((24, 20), np.uint8)).save(out / "masks" / "x.0.png")
    import_command(run, out, source="png", quiet=True)
    told = capsys.readouterr().out
    assert "2 images are as exported and left out: slide/x.1, x.2; if they are right, " in told


def test_the_command_tells_what_was_added(loop, capsys):
    data, run, out, pseudo = loop
    import_command(run, out, source="png", unchanged="confirm", quiet=True, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["round"], told["images"]) == (2, sorted(pseudo))
    shutil.rmtree(data / "labelled" / "round-2")
    import_command(run, out, source="png", unchanged="confirm", quiet=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"round 2: 3 images added to {data / 'labelled/round-2'}"
    assert "of their pixels are still unsure and count as not labelled" in lines[1]
    assert lines[2] == "3 images are as exported and counted as right"
    assert lines[3].startswith("next: incmask run ")
