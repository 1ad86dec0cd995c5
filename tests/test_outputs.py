import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from incmask.cells import count_cells
from incmask.data.dataset import ClassInfo
from incmask.ensemble import About, Ensemble, save_ensemble
from incmask.models import NetworkSpec, save_model
from incmask.outputs import CellCounts, ImageFile, MaskShares, predict_files, share_jobs, shares_csv, tables

CLASSES = {
    "binary": (ClassInfo("cell", (255, 255, 255), 255),),
    "multilabel": (ClassInfo("alive", (0, 255, 0), "alive"), ClassInfo("dead", (255, 0, 0), "dead")),
    "multiclass": (ClassInfo("none", (0, 0, 0), 0), ClassInfo("a", (9, 9, 9), 1), ClassInfo("b", (1, 99, 1), 2)),
}


def model(folder, task, *, position_class=None):
    channels = {"binary": 1, "multilabel": 2, "multiclass": 4}[task]
    spec = NetworkSpec(1, channels, 0.125)
    paths = [folder / f"{seed}.safetensors" for seed in (0, 1)]
    for seed, path in enumerate(paths):
        save_model(path, spec.build(seed=seed).state_dict(), spec)
    about = About(task, CLASSES[task], 1, None, (32, 32), "resize", "float32", position_class)
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
    jobs = share_jobs(
        [*files[:2], ImageFile("broken", broken), *files[2:]], folder, out=tmp_path / "out", device="cpu", num_jobs=2
    )
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
        disputed = read(tmp_path / "out" / "disagreement" / f"{file.name}.png")
        assert np.array_equal(disputed, prediction.inconsistent * 255)
        assert shares[file.name].inconsistent_fraction == pytest.approx(prediction.inconsistent.mean())
        label = prediction.label
        if task == "multilabel":
            found = np.stack(
                [read(tmp_path / "out" / "masks" / each.name / f"{file.name}.png") for each in CLASSES[task]], -1
            )
            assert np.array_equal(found, label * 255)
            fractions = [label[..., 0].mean(), label[..., 1].mean()]
        elif task == "binary":
            assert np.array_equal(read(tmp_path / "out" / "masks" / f"{file.name}.png"), label * 255)
            fractions = [label.mean()]
        else:
            colours = cv2.imread(str(tmp_path / "out" / "masks" / f"{file.name}.png"))[..., ::-1]
            assert np.array_equal(colours, np.array([each.colour for each in CLASSES[task]])[label])
            fractions = [(label == index).mean() for index in range(3)]
        assert shares[file.name].class_fractions == pytest.approx(fractions)


def test_no_more_jobs_than_files():
    files = [ImageFile(str(index), None) for index in range(3)]
    jobs = share_jobs(files, "model", out=Path("out"), device="cpu", num_jobs=8)
    assert [job.files for job in jobs] == [(file,) for file in files]
    assert share_jobs([], "model", out=Path("out"), device="cpu", num_jobs=8) == []


def test_the_table_of_shares_is_sorted_by_name():
    shares = [MaskShares("b", 0.25, (0.5, 0.5)), MaskShares("a, c", 0.0, (1.0, 0.0))]
    assert shares_csv(shares, ["none", "cell"]).splitlines() == [
        "name,inconsistent_fraction,fraction/none,fraction/cell",
        '"a, c",0.000000,1.000000,0.000000',
        "b,0.250000,0.500000,0.500000",
    ]


def test_a_class_of_positions_has_the_cells_counted(tmp_path):
    files = image_files(tmp_path / "images", 3)
    folder = model(tmp_path, "multilabel", position_class="dead")
    (job,) = share_jobs(files, folder, out=tmp_path / "out", device="cpu", num_jobs=1)
    shares = predict_files(job).shares
    for share, file in zip(shares, files, strict=True):
        masks = [read(tmp_path / "out" / "masks" / name / f"{file.name}.png") for name in ("alive", "dead")]
        found = count_cells(np.stack(masks, -1) // 255, position=1, cell_classes=[0])
        assert share.cells == CellCounts((int(found.counts[0]),), int((found.types < 0).sum()))
    assert sum(share.cells.of_types[0] + share.cells.unclear for share in shares) > 0
    (job,) = share_jobs(files[:1], model(tmp_path / "plain", "multilabel"), out=tmp_path, device="cpu", num_jobs=1)
    assert predict_files(job).shares[0].cells is None


def test_a_model_of_before_cells_were_counted_still_loads(tmp_path):
    folder = model(tmp_path, "multilabel", position_class="dead")
    assert Ensemble.load(folder, device="cpu").about.position_class == "dead"
    content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    del content["position_class"]
    (folder / "model.json").write_text(json.dumps(content), encoding="utf-8")
    assert Ensemble.load(folder, device="cpu").about.position_class is None


def test_the_table_of_cells_is_written_where_a_class_marks_positions():
    shares = [
        MaskShares("b", 0.25, (0.5, 0.25, 0.125), CellCounts((3, 0), 2)),
        MaskShares("a, c", 0.0, (0.0, 0.0, 0.0), CellCounts((0, 12), 0)),
    ]
    names = ["alive", "centre", "dead"]
    written = tables(shares, class_names=names, position_class="centre")
    assert list(written) == ["counts.csv", "masks.csv"]  # a run's masks are done when masks.csv is there
    assert written["counts.csv"].splitlines() == [
        "name,count/alive,count/dead,unclear",
        '"a, c",0,12,0',
        "b,3,0,2",
    ]
    assert written["masks.csv"] == shares_csv(shares, names)
    assert tables(shares, class_names=names, position_class=None) == {"masks.csv": shares_csv(shares, names)}
