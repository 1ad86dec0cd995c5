"""Networks that rate volumes: their pairs, runs with copies by ratings, and the ratings of a finished run."""

from math import isnan

import numpy as np
import pytest
from scipy import ndimage

import incmask
from incmask.base.tables import read_rows
from incmask.data.volumes.grid import resample_label
from incmask.experiment import needs
from incmask.experiment.choices import resolve
from incmask.experiment.evalnets import evalnet_spec
from incmask.experiment.named import Choices
from incmask.experiment.needs import needs_of
from incmask.experiment.pseudo_labels import read_pseudo_labels
from incmask.experiment.record.images import read_mask
from incmask.experiment.record.run import open_run
from incmask.method.copies import band_of, num_copies
from incmask.method.quality import true_quality
from incmask.method.sheets import folded, unfolded
from incmask.nets.forward import predict_probabilities
from incmask.nets.sheets import SheetEvalNet
from incmask.nets.spec import load_model
from incmask.training.capacity import PROCESS_BYTES, training_bytes
from incmask.training.rating import judge
from nightly import AT_NIGHT
from runs import HERE
from volume_scenes import TINY, scene, write_nifti, write_volumes

OF_TIME = (
    "environment.json",
    ".lock",
    "history.csv",
    "manifest.jsonl",
    "manifest.end",
    "progress.jsonl",
    "together.json",
)
"""Files that tell of times, and differ."""

LONGER = TINY | {
    "epochs": 2,
    "steps_per_epoch": 20,
    "num_evalnets": 2,
    "precision": "float32",
    "learning_rate": 0.01,
    "dilate_px": 0,
    "on_collapse": "ignore",
}
"""So that members agree on something."""


def write_two_patches(root):
    """Volumes that take two patches each, the unlabelled ones with their true masks."""
    write_volumes(root)
    for number, seed in enumerate((3, 4, 5)):
        _, label, affine = scene(seed)
        write_nifti(root / "unlabelled" / "masks" / f"unlabelled_{number}.nii.gz", label, affine)
    (root / "incmask.toml").write_text("[data]\npatch = [8, 16, 24]\nspacing = [2.2, 1.0, 1.0]\n")
    return root


def run(root, recipe, **settings):
    return incmask.run(
        root / "data",
        out=root / recipe,
        recipe=recipe,
        time=None,
        settings=LONGER | settings,
        report=False,
        executor=HERE,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("volumes")
    write_two_patches(root / "data")
    run(root, "im++")
    return root


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name not in OF_TIME}


def stack(root, part, name):
    return np.load(root / "stacks" / part / f"{name}.npy")


def test_each_patch_is_copied_by_how_it_is_rated(finished):
    """As a loop over patches: the judges see the blocked image and label, and copies follow from the band."""
    folder = finished / "im++"
    record = open_run(folder)
    known = read_pseudo_labels(folder / "gen-1" / "pseudo" / "index.csv")
    images = stack(folder, "unlabelled", "images")
    labels, masks = (np.load(folder / "gen-1" / "pseudo" / f"{name}.npy") for name in ("label", "inconsistent"))
    assert len(images) == len(known.copies) == 6
    judges = [load_model(folder / "evalnets" / "students" / str(number) / "model.safetensors") for number in (1, 2)]
    assert all(isinstance(each, SheetEvalNet) and each.depth == 8 for each in judges)
    outputs = judge(judges, images, labels, masks, task="multiclass", num_classes=3, settings=record.settings)
    rated, detected = outputs[:, :3], outputs[:, 3:] >= 0.5
    expected = [each[there].mean() if there.any() else 0 for each, there in zip(rated, detected, strict=True)]
    assert known.quality == pytest.approx(expected, abs=1e-5)
    band = band_of(known.quality[known.admitted] if known.admitted.any() else known.quality)
    assert known.copies.tolist() == num_copies(known.quality, band=band).tolist()


def test_pairs_are_made_in_cubes(finished):
    """Of the first pass over the labelled patches, where both members always vote: disputed as cubes make it."""
    folder = finished / "im++"
    members = [load_model(folder / "base" / "students" / str(number) / "model.safetensors") for number in (1, 2)]
    images, truth = (stack(folder, "labelled", name) for name in ("images", "labels"))
    pairs = folder / "evalnets" / "pairs-1" / "training"
    masks, rated = np.load(pairs / "inconsistent.npy"), np.load(pairs / "targets.npy")
    assert len(masks) == 10 * len(images)
    seed, seen = open_run(folder).settings.seed, set()
    for number in range(10):
        for row, image in enumerate(images):
            said = [
                predict_probabilities([each], image[None], task="multiclass", precision="float32")[0, 0].argmax(0)
                for each in members
            ]
            generator = np.random.default_rng([seed, number, row])
            generator.integers(2, 2, endpoint=True)
            generator.choice(2, 2, replace=False)
            erode_px, dilate_px = generator.choice([0, 3, 5], 2).tolist()
            disputed = unfolded((said[0] != said[1]) | (said[0] == 0), 8)
            if erode_px:
                disputed = ndimage.binary_erosion(disputed, np.ones((erode_px,) * 3), border_value=1)
            if dilate_px:
                disputed = ndimage.binary_dilation(disputed, np.ones((dilate_px,) * 3))
            assert np.array_equal(masks[number * len(images) + row], folded(disputed))
            seen |= {erode_px, dilate_px}
    assert seen == {0, 3, 5}
    assert rated.shape == (len(masks), 6)
    labels = np.load(pairs / "label.npy")
    numbers = [*range(len(masks))]
    by_truth = true_quality(labels, truth[np.array(numbers) % len(images)], masks, task="multiclass", num_classes=3)
    found = [each[:3][each[3:] > 0.5].mean() if (each[3:] > 0.5).any() else 0 for each in rated]
    assert found == pytest.approx(by_truth.tolist(), abs=1e-6)


def test_what_is_lost_is_made_again_with_the_same_bytes(finished):
    folder = finished / "im++"
    before = contents(folder)
    for lost in (
        "evalnets/students/2/model.safetensors",
        "evalnets/pairs-1/validation/label.npy",
        "gen-1/pseudo/index.csv",
        "gen-1/students/1/model.safetensors",
    ):
        (folder / lost).unlink()
    run(finished, "im++")
    assert contents(folder) == before


def test_disk_and_memory_are_counted(finished, monkeypatch):
    monkeypatch.setattr(needs, "_PAGE_BYTES", 0)
    monkeypatch.setattr(needs, "_MASK_BYTES", 0)
    chosen = resolve(finished / "data", Choices(recipe="im++", settings=LONGER))
    setup = chosen.setup({}, ())
    stacks = [*(finished / "im++").rglob("*.npy")]
    rows = {path.parent.name: len(np.load(path)) for path in stacks if path.name == "images.npy"}
    found = needs_of(setup, rows, num_workers=1, control=True)
    lying = sum(path.stat().st_size for path in (*stacks, *(finished / "im++").rglob("*.safetensors")))
    assert lying == pytest.approx(found.disk, rel=0.2)
    taken = [
        training_bytes(network, size=chosen.size, batch_size=2) for network in (setup.network(1), evalnet_spec(setup))
    ]
    assert found.memory == 2 * PROCESS_BYTES + max(taken)


def test_ranking_tells_the_mean_rating_of_a_volume_s_patches(finished, monkeypatch):
    folder = finished / "im++"
    record = open_run(folder)
    models = tuple(folder / "evalnets" / "students" / str(number) / "model.safetensors" for number in (1, 2))
    monkeypatch.setattr("incmask.experiment.record.run.RunRecord.judges", models)
    incmask.rank(folder, executor=HERE)
    rows = {row["name"]: float(row["expected_quality"]) for row in read_rows(folder / "ranking.csv", dict[str, str])}
    images, judges, shown = stack(folder, "unlabelled", "images"), [load_model(path) for path in models], record.volumes
    for place, image in enumerate(record.images("unlabelled")):
        grid = record.grid("unlabelled", image.name)
        votes = read_mask(folder, image.name, record.scheme, size=(image.height, image.width))
        layers = []
        for layer in (votes.label, votes.inconsistent):
            volume = resample_label(unfolded(layer, grid.shape[0]), shown.shape_of(grid))
            behind = [(0, max(0, side - own)) for side, own in zip(shown.patch, volume.shape, strict=True)]
            volume = np.pad(volume, behind, mode="symmetric")
            last = [length - side for length, side in zip(volume.shape, shown.patch, strict=True)]
            assert [each > 0 for each in last].count(True) == 1
            layers.append(
                np.stack(
                    [folded(volume[tuple(map(slice, first, np.add(first, shown.patch)))]) for first in ([0] * 3, last)]
                )
            )
        outputs = judge(
            judges,
            images[2 * place : 2 * place + 2],
            *layers,
            task="multiclass",
            num_classes=3,
            settings=record.settings,
        )
        expected = [each[:3][each[3:] >= 0.5].mean() if (each[3:] >= 0.5).any() else 0 for each in outputs]
        assert rows[image.name] == pytest.approx(np.mean(expected), abs=1e-4)


@pytest.mark.slow
def test_the_true_quality_may_stand_in_the_networks_place(tmp_path):
    write_two_patches(tmp_path / "data")
    run(tmp_path, "gt-im++")
    folder = tmp_path / "gt-im++"
    assert not (folder / "evalnets").exists()
    known = read_pseudo_labels(folder / "gen-1" / "pseudo" / "index.csv")
    labels, masks = (np.load(folder / "gen-1" / "pseudo" / f"{name}.npy") for name in ("label", "inconsistent"))
    truth = stack(folder, "unlabelled", "labels")
    expected = true_quality(labels, truth, masks, task="multiclass", num_classes=3)
    assert known.quality == pytest.approx(expected, abs=1e-6)


@AT_NIGHT
@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["evalnet", "aim++"])
def test_other_approaches_that_rate(tmp_path, recipe):
    write_two_patches(tmp_path / "data")
    result = run(tmp_path, recipe)
    assert result.chosen in result.stages
    known = read_pseudo_labels(tmp_path / recipe / "gen-1" / "pseudo" / "index.csv")
    assert not any(map(isnan, known.quality.tolist()))
