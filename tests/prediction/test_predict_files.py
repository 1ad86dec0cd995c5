import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from scipy import ndimage

from incmask.data.dataset import ClassInfo
from incmask.method.cells import count_cells
from incmask.method.instances import ObjectChannels, find_objects, split_objects
from incmask.nets.spec import NetworkSpec, save_model
from incmask.prediction.ensemble import About, Ensemble
from incmask.prediction.files import ImageFile, PredictJob, predict_files
from incmask.prediction.layers import ExtraOutputs
from incmask.prediction.model_folder import save_ensemble
from incmask.prediction.overlays import draw_overlay
from incmask.prediction.shares import CellCounts, MaskShares, shares_csv, tables
from small import blocks

CLASSES = {
    "binary": (ClassInfo("cell", (255, 255, 255), 255),),
    "multilabel": (ClassInfo("alive", (0, 255, 0), "alive"), ClassInfo("dead", (255, 0, 0), "dead")),
    "multiclass": (ClassInfo("none", (0, 0, 0), 0), ClassInfo("a", (9, 9, 9), 1), ClassInfo("b", (1, 99, 1), 2)),
}


def model(folder, task, *, position_class=None, fit="resize", num_inputs=1):
    channels = {"binary": 1, "multilabel": 2, "multiclass": 4}[task]
    spec = NetworkSpec(num_inputs, channels, 0.125)
    paths = [folder / f"{seed}.safetensors" for seed in (0, 1)]
    for seed, path in enumerate(paths):
        save_model(path, spec.build(seed=seed).state_dict(), spec)
    about = About(task, CLASSES[task], num_inputs, None, (32, 32), fit, "float32", position_class)
    save_ensemble(folder / "model", paths, about, scores={})
    return folder / "model"


def image_files(folder, num):
    """Files of several sizes, in a subfolder as well."""
    files = []
    for index in range(num):
        name = f"plate {index % 2}/x.{index}"
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = np.random.default_rng(index).integers(0, 256, (20 + 5 * index, 30), dtype=np.uint8)
        cv2.imwrite(str(path), image)
        files.append(ImageFile(name, path))
    return files


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


@pytest.mark.parametrize("task", ["binary", "multilabel", "multiclass"])
def test_masks_of_files_lie_beside_each_other_under_their_names(tmp_path, task):
    files = image_files(tmp_path / "images", 5)
    broken = tmp_path / "images" / "broken.png"
    broken.write_bytes(b"no picture")
    folder = model(tmp_path, task)
    given = (*files[:2], ImageFile("broken", broken), *files[2:])
    jobs = PredictJob(folder, given, tmp_path / "out", device="cpu").share_out(2)
    assert [len(job.files) for job in jobs] == [3, 3]
    reports = []
    done = [predict_files(job, reports.append) for job in jobs]
    assert sum(reports) == 6
    (problem,) = done[0].problems + done[1].problems
    assert problem.where == str(broken)

    shares = {share.name: share for each in done for share in each.shares}
    assert set(shares) == {file.name for file in files}
    predictions = Ensemble.load(folder, device="cpu").predict([read(file.path)[..., None] for file in files])
    for file, prediction in zip(files, predictions, strict=True):
        disputed = read(tmp_path / "out" / "inconsistent" / f"{file.name}.png")
        assert np.array_equal(disputed, prediction.inconsistent * 255)
        share = read(tmp_path / "out" / "disagreement" / f"{file.name}.png")
        np.testing.assert_allclose(share / 255, prediction.disagreement, atol=0.5 / 255 + 1e-6)
        assert shares[file.name].inconsistent_fraction == pytest.approx(prediction.inconsistent.mean())
        assert shares[file.name].disagreement == pytest.approx(prediction.disagreement.mean())
        assert (shares[file.name].height, shares[file.name].width) == prediction.inconsistent.shape
        assert {tmp_path / "out" / each for each in shares[file.name].files} == set(
            (tmp_path / "out").rglob(f"{Path(file.name).name}.png")
        )
        label = prediction.label
        if task == "multilabel":
            found = np.stack(
                [read(tmp_path / "out" / "masks" / each.name / f"{file.name}.png") for each in CLASSES[task]], -1
            )
            assert np.array_equal(found, label * 255)
            pixels = [(label[..., index] == 1).sum() for index in range(2)]
        elif task == "binary":
            assert np.array_equal(read(tmp_path / "out" / "masks" / f"{file.name}.png"), label * 255)
            pixels = [label.sum()]
        else:
            colours = cv2.imread(str(tmp_path / "out" / "masks" / f"{file.name}.png"))[..., ::-1]
            assert np.array_equal(colours, np.array([each.colour for each in CLASSES[task]])[label])
            pixels = [(label == index).sum() for index in range(3)]
        assert list(shares[file.name].class_pixels) == pixels


def planes_of(task):
    """The places of pictures of each class below their folder, with the number of the class."""
    if task == "binary":
        return {"": 0}
    return {f"/{each.name}": number for number, each in enumerate(CLASSES[task])}


@pytest.mark.parametrize("task", ["binary", "multilabel", "multiclass"])
def test_further_pictures_are_what_was_predicted(tmp_path, task):
    files = image_files(tmp_path / "images", 3)
    folder, out = model(tmp_path, task), tmp_path / "out"
    pictures = ExtraOutputs(probabilities=True, overlays=True, instances=True)
    job = PredictJob(folder, tuple(files), out, pictures, device="cpu")
    shares = predict_files(job).shares
    predictions = Ensemble.load(folder, device="cpu").predict([read(file.path)[..., None] for file in files])
    for file, share, prediction in zip(files, shares, predictions, strict=True):
        assert sorted(share.files) == sorted(
            path.relative_to(out).as_posix() for path in out.rglob(f"{Path(file.name).name}.png")
        )
        overlay = cv2.imread(str(out / "overlays" / f"{file.name}.png"))[..., ::-1]
        expected = draw_overlay(
            read(file.path)[..., None],
            prediction.label,
            prediction.inconsistent,
            task=task,
            classes=CLASSES[task],
        )
        np.testing.assert_array_equal(overlay, expected)
        counted = []
        for below, number in planes_of(task).items():
            probability = read(out / f"probabilities{below}" / f"{file.name}.png")
            np.testing.assert_allclose(probability / 255, prediction.probability[number], atol=0.5 / 255 + 1e-6)
            ids_path = out / f"instances{below}" / f"{file.name}.png"
            if task == "multiclass" and number == 0:
                assert not ids_path.exists()
                continue
            planes = {"binary": prediction.label, "multiclass": prediction.label == number}
            mask = planes[task] if task in planes else prediction.label[..., number]
            ids, num = ndimage.label(mask, np.ones((3, 3)))
            found = read(ids_path)
            assert np.array_equal(found > 0, ids > 0)
            assert len(np.unique(np.stack([found[ids > 0], ids[ids > 0]]), axis=1).T) == num == found.max()
            counted.append(num)
        assert share.num_objects == tuple(counted)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["binary", "multilabel", "multiclass"])
@pytest.mark.parametrize("fit", ["resize", "tile"])
def test_a_large_image_gives_the_same_pictures_by_rows(tmp_path, monkeypatch, task, fit):
    folder = model(tmp_path, task, fit=fit)
    image = blocks(1, side=320)[0]
    files = []
    for name, options in (("tiled", {"tile": (64, 64), "compression": "zlib"}), ("plain", {})):
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, image[..., 0], **options)
        files.append(ImageFile(name, path))
    cv2.imwrite(str(tmp_path / "png.png"), image)
    files.append(ImageFile("png", tmp_path / "png.png"))
    pictures = ExtraOutputs(probabilities=True, overlays=True, instances=True)
    done = {}
    for way, pixels in (("whole", 1 << 24), ("rows", 1000)):
        monkeypatch.setattr("incmask.prediction.files.ROWS_PIXELS", pixels)
        job = PredictJob(folder, tuple(files), tmp_path / way, pictures, device="cpu")
        done[way] = {share.name: share for share in predict_files(job).shares}
    assert done["whole"].keys() == done["rows"].keys() == {"tiled", "plain", "png"}
    for name, whole in done["whole"].items():
        assert done["rows"][name].files == whole.files
        assert done["rows"][name].disagreement == pytest.approx(whole.disagreement, abs=0.003)
        for file in whole.files:
            ours, expected = (read(tmp_path / way / file) for way in ("rows", "whole"))
            assert ours.dtype == expected.dtype
            if not file.startswith("instances"):
                # Shrinking by rows may round a grey level to the other side.
                assert np.mean(ours != expected) < 0.05
                assert np.mean(np.abs(ours.astype(int) - expected)) < 1.5
    assert not list(tmp_path.rglob("*.part"))


def test_a_large_image_with_a_page_a_channel_is_that_of_one_page(tmp_path, monkeypatch):
    monkeypatch.setattr("incmask.prediction.files.ROWS_PIXELS", 1000)
    folder = model(tmp_path, "binary", fit="tile", num_inputs=4)
    image = np.random.default_rng(0).integers(0, 60000, (90, 70, 4), dtype=np.uint16)
    contiguous, paged = tmp_path / "contiguous.tif", tmp_path / "paged.ome.tif"
    tifffile.imwrite(contiguous, image, photometric="minisblack", planarconfig="contig", metadata=None)
    planes = np.moveaxis(image, 2, 0)
    tifffile.imwrite(paged, planes, photometric="minisblack", metadata={"axes": "CYX"}, tile=(32, 32))
    files = [ImageFile("contiguous", contiguous), ImageFile("paged", paged)]
    job = PredictJob(folder, tuple(files), tmp_path / "out", device="cpu")
    done = predict_files(job)
    assert done.problems == ()
    for file in done.shares[0].files:
        expected = read(tmp_path / "out" / file)
        np.testing.assert_array_equal(read(tmp_path / "out" / file.replace("contiguous", "paged")), expected)
    assert {share.inconsistent_fraction for share in done.shares} == {done.shares[0].inconsistent_fraction}


def test_a_large_image_that_breaks_half_way_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("incmask.prediction.files.ROWS_PIXELS", 1000)
    path = tmp_path / "broken.tif"
    tifffile.imwrite(path, blocks(1, side=320)[0][..., 0], tile=(64, 64), compression="zlib")
    with tifffile.TiffFile(path) as file:
        last = file.pages[0].dataoffsets[-1]
    content = path.read_bytes()
    path.write_bytes(content[:last] + bytes(20) + content[last + 20 :])
    folder = model(tmp_path, "binary", fit="tile")
    job = PredictJob(folder, (ImageFile("broken", path),), tmp_path / "out", device="cpu")
    done = predict_files(job)
    assert done.shares == ()
    assert [problem.where for problem in done.problems] == [str(path)]
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_no_more_jobs_than_files():
    files = tuple(ImageFile(str(index), None) for index in range(3))
    jobs = PredictJob("model", files, Path("out")).share_out(8)
    assert [job.files for job in jobs] == [(file,) for file in files]
    assert PredictJob("model", (), Path("out")).share_out(8) == []


def test_the_table_of_shares_is_sorted_by_name():
    shares = [
        MaskShares("b", 2, 5, 0.25, 0.125, class_pixels=(5, 5), num_objects=(3,), disputed_of_foreground=0.5),
        MaskShares("a, c", 1, 4, 0.0, 0.0, class_pixels=(4, 0), num_objects=(0,)),
    ]
    assert shares_csv(shares, ["none", "cell"]).splitlines() == [
        "name,height,width,inconsistent_fraction,disputed_of_foreground,disagreement,"
        "fraction/none,fraction/cell,area_px/none,area_px/cell,objects/cell",
        '"a, c",1,4,0.000000,0.000000,0.000000,1.000000,0.000000,4,0,0',
        "b,2,5,0.250000,0.500000,0.125000,0.500000,0.500000,5,5,3",
    ]


def test_a_class_of_positions_has_the_cells_counted(tmp_path):
    files = image_files(tmp_path / "images", 3)
    folder = model(tmp_path, "multilabel", position_class="dead")
    job = PredictJob(folder, tuple(files), tmp_path / "out", device="cpu")
    shares = predict_files(job).shares
    for share, file in zip(shares, files, strict=True):
        masks = [read(tmp_path / "out" / "masks" / name / f"{file.name}.png") for name in ("alive", "dead")]
        found = count_cells(np.stack(masks, -1) // 255, position=1, cell_classes=[0])
        assert share.cells == CellCounts((int(found.counts[0]),), int((found.types < 0).sum()))
    assert sum(share.cells.of_types[0] + share.cells.unclear for share in shares) > 0
    job = PredictJob(model(tmp_path / "plain", "multilabel"), tuple(files[:1]), tmp_path, device="cpu")
    assert predict_files(job).shares[0].cells is None


def test_objects_are_told_apart_by_a_class_of_positions_in_one_picture(tmp_path):
    files = image_files(tmp_path / "images", 2)
    folder = model(tmp_path, "multilabel", position_class="dead")
    pictures = ExtraOutputs(instances=True)
    shares = predict_files(PredictJob(folder, tuple(files), tmp_path / "out", pictures, device="cpu")).shares
    counted = predict_files(PredictJob(folder, tuple(files), tmp_path / "counted", device="cpu")).shares
    for file, share, other in zip(files, shares, counted, strict=True):
        masks = [read(tmp_path / "out" / "masks" / name / f"{file.name}.png") for name in ("alive", "dead")]
        found = find_objects(np.stack(masks, -1) // 255, ObjectChannels((0,), 1))
        np.testing.assert_array_equal(read(tmp_path / "out" / "instances" / f"{file.name}.png"), found.ids)
        assert share.num_objects == other.num_objects == (found.ids.max(),)
    assert sum(share.num_objects[0] for share in shares) > 0
    header = shares_csv(shares, ["alive", "dead"], position_class="dead").splitlines()[0]
    assert header.endswith(",area_px/alive,area_px/dead,objects/alive")


def test_objects_that_touch_are_split_at_their_waists_where_asked(tmp_path):
    files = image_files(tmp_path / "images", 2)
    folder = model(tmp_path, "binary")
    pictures = ExtraOutputs(instances=True, split=True)
    shares = predict_files(PredictJob(folder, tuple(files), tmp_path / "out", pictures, device="cpu")).shares
    for file, share in zip(files, shares, strict=True):
        found = split_objects(read(tmp_path / "out" / "masks" / f"{file.name}.png") > 0)
        np.testing.assert_array_equal(read(tmp_path / "out" / "instances" / f"{file.name}.png"), found.ids)
        assert share.num_objects == (found.ids.max(),)


def test_a_model_of_before_cells_were_counted_still_loads(tmp_path):
    folder = model(tmp_path, "multilabel", position_class="dead")
    assert Ensemble.load(folder, device="cpu").about.position_class == "dead"
    content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    del content["position_class"]
    (folder / "model.json").write_text(json.dumps(content), encoding="utf-8")
    assert Ensemble.load(folder, device="cpu").about.position_class is None


def test_the_table_of_cells_is_written_where_a_class_marks_positions():
    shares = [
        MaskShares("b", 2, 4, 0.25, 0.125, (4, 2, 1), (1, 1), CellCounts((3, 0), 2)),
        MaskShares("a, c", 2, 4, 0.0, 0.0, (0, 0, 0), (0, 0), CellCounts((0, 12), 0)),
    ]
    names = ["alive", "centre", "dead"]
    written = tables(shares, class_names=names, position_class="centre")
    assert list(written) == ["counts.csv", "masks.csv"]  # a run's masks are done when masks.csv is there
    assert written["counts.csv"].splitlines() == [
        "name,count/alive,count/dead,unclear",
        '"a, c",0,12,0',
        "b,3,0,2",
    ]
    assert written["masks.csv"] == shares_csv(shares, names, position_class="centre")
    assert written["masks.csv"].splitlines()[0].endswith(",area_px/dead,objects/alive,objects/dead")
    assert tables(shares, class_names=names, position_class=None) == {"masks.csv": shares_csv(shares, names)}


def test_borders_are_no_type_of_cells():
    shares = [MaskShares("a", 2, 4, 0.0, 0.0, (4, 2, 1), (1,), CellCounts((3,), 2))]
    written = tables(shares, class_names=["body", "border", "centre"], position_class="centre")
    assert written["counts.csv"].splitlines() == ["name,count/body,unclear", "a,3,2"]
    assert "objects/body" in written["masks.csv"]
    assert "objects/border" not in written["masks.csv"]
