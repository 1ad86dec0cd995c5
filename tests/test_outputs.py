from pathlib import Path

import cv2
import numpy as np
import pytest

from incmask.data.dataset import ClassInfo
from incmask.ensemble import About, Ensemble, save_ensemble
from incmask.models import NetworkSpec, save_model
from incmask.outputs import ImageFile, MaskShares, predict_files, share_jobs, shares_csv

CLASSES = {
    "binary": (ClassInfo("cell", (255, 255, 255), 255),),
    "multilabel": (ClassInfo("alive", (0, 255, 0), "alive"), ClassInfo("dead", (255, 0, 0), "dead")),
    "multiclass": (ClassInfo("none", (0, 0, 0), 0), ClassInfo("a", (9, 9, 9), 1), ClassInfo("b", (1, 99, 1), 2)),
}


def model(folder, task):
    channels = {"binary": 1, "multilabel": 2, "multiclass": 4}[task]
    spec = NetworkSpec(1, channels, 0.125)
    paths = [folder / f"{seed}.safetensors" for seed in (0, 1)]
    for seed, path in enumerate(paths):
        save_model(path, spec.build(seed=seed).state_dict(), spec)
    about = About(task, CLASSES[task], 1, None, (32, 32), "resize", "float32")
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
