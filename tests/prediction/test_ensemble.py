import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from incmask.base.errors import IncmaskError
from incmask.data.dataset import ClassInfo
from incmask.data.images.big_images import ArrayRows
from incmask.method.agreement import combine, disagreement
from incmask.method.labels import labels_of
from incmask.nets.forward import forward
from incmask.nets.spec import NetworkSpec, save_model
from incmask.prediction.ensemble import About, Ensemble
from incmask.prediction.model_folder import ABOUT, save_ensemble
from small import NUM_CLASSES, TASKS, blocks

CLASSES = (
    ClassInfo("grün", (0, 0, 0), 7),
    ClassInfo("alive", (1, 2, 3), (10, 20, 30)),
    ClassInfo("dead", (4, 5, 6), "dead cells"),
)


def about(task="binary", **values):
    defaults = {
        "task": task,
        "classes": CLASSES[: NUM_CLASSES[task]],
        "channels": 1,
        "intensity": None,
        "size": (32, 32),
        "fit": "resize",
        "precision": "float32",
    }
    return About(**(defaults | values))


class Pointwise(nn.Module):
    """A network whose logits depend on the pixel alone: channel c rises with the distance from its centre."""

    def __init__(self, *centres, steepness=0.05):
        super().__init__()
        self.centres = nn.Parameter(torch.tensor(centres).reshape(1, -1, 1, 1))
        self.steepness = steepness

    def forward(self, image):
        return (image[:, :1] - self.centres) * self.steepness


def pointwise(image, *centres):
    logits = (image[..., 0].astype(np.float64)[None] - np.reshape(centres, (-1, 1, 1))) * 0.05
    return 1 / (1 + np.exp(-logits))


def noise(height, width, *, channels=1, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.mark.parametrize("size", [(50, 70), (16, 32), (17, 100), (5, 7), (1, 1), (40, 20), (16, 33)])
def test_tiles_leave_no_seams(size):
    """Images larger, smaller and as large as the tile, in either direction."""
    ensemble = Ensemble([Pointwise(99.5), Pointwise(149.5)], about(size=(16, 32), fit="tile"), device="cpu")
    image = noise(*size)
    (prediction,) = ensemble.predict([image])
    expected = (pointwise(image, 99.5) + pointwise(image, 149.5)) / 2
    np.testing.assert_allclose(prediction.probability, expected, atol=1e-6)
    grey = image[..., 0]
    assert np.array_equal(prediction.inconsistent, (grey >= 100) & (grey < 150))
    assert np.array_equal(prediction.label[grey != 124], (grey >= 125)[grey != 124].astype(np.uint8))
    assert (prediction.probability.dtype, prediction.label.dtype) == (np.float32, np.uint8)
    assert np.array_equal(prediction.disagreement, prediction.inconsistent * np.float32(0.5))


def test_tiles_leave_no_seams_for_several_classes():
    image = noise(40, 50)
    tiled = about("multilabel", size=(16, 16), fit="tile")
    (prediction,) = Ensemble([Pointwise(50.5, 200.5), Pointwise(60.5, 200.5)], tiled, device="cpu").predict([image])
    expected = (pointwise(image, 50.5, 200.5) + pointwise(image, 60.5, 200.5)) / 2
    np.testing.assert_allclose(prediction.probability, expected, atol=1e-6)
    assert prediction.label.shape == (40, 50, 2)
    assert np.array_equal(prediction.label[..., 1], image[..., 0] > 200)
    assert np.array_equal(prediction.inconsistent, (image[..., 0] > 50) & (image[..., 0] <= 60))


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("fit", ["resize", "tile"])
@pytest.mark.parametrize("size", [(150, 97), (32, 400), (300, 20), (10, 12)])
def test_rows_come_to_the_same_as_the_whole(task, fit, size):
    networks = [
        NetworkSpec(3, labels_of(task).num_outputs(NUM_CLASSES[task]), 0.125).build(seed=seed) for seed in (1, 2, 3)
    ]
    ensemble = Ensemble(networks, about(task, fit=fit, channels=3), device="cpu")
    image = blocks(1, side=304, channels=3)[0][: size[0], : size[1]]
    (whole,) = ensemble.predict([image])
    parts = list(ensemble.predict_rows(ArrayRows(image)))
    assert len(parts) > 1 or size[0] <= 256
    places = [part.first for part in parts]
    assert places == [0, *np.cumsum([len(part.prediction.inconsistent) for part in parts[:-1]])]
    probability = np.concatenate([part.prediction.probability for part in parts], 1)
    # Where both sides shrink, a rounded grey level may differ by one.
    shrinks = fit == "resize" and min(size) >= 32
    np.testing.assert_allclose(probability, whole.probability, atol=0.02 if shrinks else 1e-5)
    for name in ("label", "inconsistent", "disagreement"):
        joined = np.concatenate([getattr(part.prediction, name) for part in parts])
        assert joined.shape == getattr(whole, name).shape
        assert np.mean(joined != getattr(whole, name)) < (0.03 if shrinks else 0.002)


def test_batches_side_by_side_come_to_the_same(monkeypatch):
    # A tile a batch.
    monkeypatch.setattr("incmask.prediction.ensemble.chunk_images", lambda num_outputs, shape: 1)
    spec = NetworkSpec(in_channels=1, out_channels=1, width=0.125, batch_norm_momentum=0.9)
    networks = [spec.build(seed=seed) for seed in (1, 2)]
    images = [noise(70, 90), noise(33, 20, seed=1)]
    alone, threads = (Ensemble(networks, about(fit="tile"), num_threads=num, device="cpu") for num in (1, 3))
    for one, other in zip(alone.predict(images), threads.predict(images), strict=True):
        np.testing.assert_array_equal(one.probability, other.probability)
    parts = zip(alone.predict_rows(ArrayRows(images[0])), threads.predict_rows(ArrayRows(images[0])), strict=True)
    for one, other in parts:
        np.testing.assert_array_equal(one.prediction.probability, other.prediction.probability)


@pytest.mark.parametrize("task", TASKS)
def test_images_of_any_size_come_back_at_their_own(task):
    num_classes = NUM_CLASSES[task]
    networks = [NetworkSpec(1, labels_of(task).num_outputs(num_classes), 0.125).build(seed=seed) for seed in (1, 2)]
    sizes = [(32, 32), (20, 50), (64, 64), (3, 90), (33, 1)] * 7
    for fit in ("resize", "tile"):
        ensemble = Ensemble(networks, about(task, fit=fit), device="cpu")
        predictions = list(ensemble.predict([noise(*size, seed=index) for index, size in enumerate(sizes)]))
        assert [each.inconsistent.shape for each in predictions] == sizes
        for size, each in zip(sizes, predictions, strict=True):
            assert each.probability.shape == (num_classes, *size)
            assert each.label.shape == ((*size, num_classes) if task == "multilabel" else size)
            assert each.inconsistent.dtype == np.bool_
            assert each.probability.min() >= 0
            assert each.probability.max() <= 1


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("fit", ["resize", "tile"])
def test_an_image_of_the_network_s_size_is_predicted_as_it_is(task, fit):
    spec = NetworkSpec(1, labels_of(task).num_outputs(NUM_CLASSES[task]), 0.125)
    networks = [spec.build(seed=seed).eval() for seed in range(4)]
    image = noise(32, 32)
    (prediction,) = Ensemble(networks, about(task, fit=fit), device="cpu").predict([image])
    each = torch.stack(
        [labels_of(task).probabilities(logits) for logits in forward(networks, image[None], precision="float32")]
    )
    mean = each.mean(0).numpy()
    expected = mean[0, 1:] if task == "multiclass" else mean[0]
    np.testing.assert_allclose(prediction.probability, expected, atol=1e-6)
    assert np.mean(prediction.label != labels_of(task).decode(mean)[0]) < 0.01
    votes = each.argmax(2) if task == "multiclass" else (each > 0.5)
    disputed = (votes != votes[0]).any(0).numpy()[0]
    disputed = disputed.any(0) if task != "multiclass" else disputed | (votes == 0).all(0).numpy()[0]
    assert np.array_equal(prediction.inconsistent, disputed)
    assert disputed.any()


def test_resizing_scales_the_probabilities_not_the_labels():
    """A ramp that the network sees at half the size crosses the threshold between its pixels."""
    image = np.arange(64, dtype=np.uint8)[None, :, None].repeat(64, 0) * 4
    ensemble = Ensemble([Pointwise(128.0), Pointwise(128.0)], about(), device="cpu")
    (prediction,) = ensemble.predict([image])
    np.testing.assert_allclose(prediction.probability, pointwise(image, 128.0), atol=0.03)
    assert np.all(np.diff(prediction.probability[0], axis=1) > -1e-6)
    assert prediction.label.sum(1).tolist() == [32] * 64
    assert not prediction.inconsistent.any()


def test_a_single_network_never_disagrees():
    (prediction,) = Ensemble([Pointwise(100.0)], about(), device="cpu").predict([noise(20, 20)])
    assert not prediction.inconsistent.any()
    assert prediction.disagreement.tolist() == np.zeros((20, 20)).tolist()
    assert 0 < prediction.label.mean() < 1


def test_disagreement_is_the_share_off_the_majority_by_hand():
    # Four members at five pixels: all for, one against, a tie, one for, all against.
    binary = np.array([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]], np.uint8)[:, None]
    assert disagreement(binary, task="binary").tolist() == [[0, 0.25, 0.5, 0.25, 0]]
    # The second class is disputed at other pixels than the first; the most disputed one counts.
    second = np.array([[1, 0, 1, 1, 0], [1, 0, 1, 1, 0], [1, 0, 1, 0, 1], [1, 1, 1, 0, 0]], np.uint8)[:, None]
    both = np.stack([binary, second], -1)
    assert disagreement(both, task="multilabel").tolist() == [[0, 0.25, 0.5, 0.5, 0.25]]
    # Ids with 0 the masked class: one mind; 3 to 1; 2 to 1 to 1; all differ; masked against a class; all masked.
    ids = np.array([[1, 2, 3, 1, 0, 0], [1, 2, 3, 2, 2, 0], [1, 2, 1, 3, 2, 0], [1, 1, 2, 4, 0, 0]], np.uint8)[:, None]
    assert disagreement(ids, task="multiclass").tolist() == [[0, 0.25, 0.5, 0.75, 0.5, 1]]
    for task, votes in (("binary", binary), ("multilabel", both), ("multiclass", ids)):
        alone = disagreement(votes[:1], task=task)
        assert (alone.shape, alone.dtype, alone.any()) == (votes.shape[1:3], np.float32, False)


@given(seed=st.integers(0, 2**32 - 1), num=st.integers(2, 5), task=st.sampled_from(TASKS))
def test_disagreement_is_above_0_exactly_where_pixels_are_inconsistent(seed, num, task):
    outputs = labels_of(task).num_outputs(NUM_CLASSES[task])
    probability = np.random.default_rng(seed).random((num, outputs, 5, 6), np.float32)
    share = disagreement(labels_of(task).votes(probability), task=task)
    expected = combine(probability[:, None], task=task).inconsistent[0]
    assert np.array_equal(share > 0, expected)
    assert share.max() <= (1 if task == "multiclass" else 0.5)
    assert np.array_equal(share, disagreement(labels_of(task).votes(probability[::-1]), task=task))


def test_no_images_give_no_predictions():
    assert Ensemble([Pointwise(1.0)], about(), device="cpu").predict([]) == []


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((8, 8, 1), np.float32),
        np.zeros((0, 8, 1), np.uint8),
    ],
)
def test_other_arrays_are_refused(image):
    ensemble = Ensemble([Pointwise(1.0)], about(), device="cpu")
    with pytest.raises(IncmaskError, match=r"expected uint8 \(H, W, 1\)"):
        list(ensemble.predict_each([noise(4, 4), image]))


def members(folder, *, num=2):
    spec = NetworkSpec(1, 3, 0.125)
    paths = [folder / "students" / str(number) / "model.safetensors" for number in range(1, num + 1)]
    for seed, path in enumerate(paths):
        save_model(path, spec.build(seed=seed).state_dict(), spec)
    return spec, paths


@pytest.mark.parametrize("intensity", [None, (10.0, 4000.5)])
def test_a_saved_ensemble_comes_back(tmp_path, intensity):
    spec, paths = members(tmp_path)
    what = about("multilabel", classes=CLASSES, intensity=intensity, size=(16, 48), fit="tile", precision="auto")
    written = save_ensemble(tmp_path / "run" / "model", paths, what, scores={"stage": "gen-1", "mIoU": 0.5})
    assert sorted(path.name for path in written) == [
        "member-1.safetensors",
        "member-2.safetensors",
        "model.json",
    ]
    assert sorted((tmp_path / "run" / "model").iterdir()) == sorted(written)
    image = noise(30, 50)
    (expected,) = Ensemble([spec.build(seed=seed) for seed in (0, 1)], what, device="cpu").predict([image])
    for folder in (tmp_path / "run" / "model", tmp_path / "run"):
        loaded = Ensemble.load(folder, device="cpu")
        assert loaded.about == what
        (prediction,) = loaded.predict([image])
        assert np.array_equal(prediction.probability, expected.probability)
        assert np.array_equal(prediction.inconsistent, expected.inconsistent)


def test_a_model_folder_can_be_moved_alone(tmp_path):
    _, paths = members(tmp_path)
    save_ensemble(tmp_path / "model", paths, about("multilabel", classes=CLASSES), scores={})
    for path in paths:
        path.unlink()
    (tmp_path / "model").rename(tmp_path / "elsewhere")
    assert Ensemble.load(tmp_path / "elsewhere", device="cpu").about.classes == CLASSES


def change(**values):
    return lambda content: content | values


def drop(name):
    return lambda content: {key: value for key, value in content.items() if key != name}


@pytest.mark.parametrize(
    "change",
    [
        *(change(format=2), change(members=[]), change(members=3), change(classes=[{"name": "x"}]), change(size=16)),
        *(change(task="regression"), change(fit="crop"), change(size=[16]), change(precision="int8")),
        *(drop(name) for name in ("format", "members", "task", "classes", "size", "intensity")),
        lambda content: [content],
        lambda content: None,
    ],
)
def test_a_changed_description_is_refused_in_a_line(tmp_path, change):
    _, paths = members(tmp_path)
    folder = tmp_path / "model"
    save_ensemble(folder, paths, about("multilabel", classes=CLASSES), scores={})
    content = json.loads((folder / ABOUT).read_text())
    (folder / ABOUT).write_text(json.dumps(change(content)))
    with pytest.raises(IncmaskError) as caught:
        Ensemble.load(folder, device="cpu")
    assert str(caught.value).startswith(str(folder / ABOUT))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe"])
def test_a_broken_description_is_refused(tmp_path, content):
    (tmp_path / ABOUT).write_bytes(content)
    with pytest.raises(IncmaskError, match=ABOUT):
        Ensemble.load(tmp_path, device="cpu")


def test_where_no_model_is_says_so(tmp_path):
    (tmp_path / "a file").touch()
    for folder in (tmp_path, tmp_path / "nowhere", tmp_path / "a file"):
        with pytest.raises(IncmaskError, match="holds no model; name a run folder"):
            Ensemble.load(folder, device="cpu")


def test_missing_and_damaged_members_are_named(tmp_path):
    _, paths = members(tmp_path)
    folder = tmp_path / "model"
    save_ensemble(folder, paths, about("multilabel", classes=CLASSES), scores={})
    second = folder / "member-2.safetensors"
    second.write_bytes(second.read_bytes()[:1000])
    with pytest.raises(IncmaskError, match=r"member-2\.safetensors"):
        Ensemble.load(folder, device="cpu")
    second.unlink()
    with pytest.raises(IncmaskError, match=r"member-2\.safetensors"):
        Ensemble.load(folder, device="cpu")


def test_a_member_s_name_does_not_lead_out_of_the_folder(tmp_path):
    _, paths = members(tmp_path)
    folder = tmp_path / "model"
    save_ensemble(folder, paths, about("multilabel", classes=CLASSES), scores={})
    content = json.loads((folder / ABOUT).read_text())
    content["members"] = ["../students/1/model.safetensors"]
    (folder / ABOUT).write_text(json.dumps(content))
    with pytest.raises(IncmaskError, match=r"model\.safetensors"):
        Ensemble.load(folder, device="cpu")


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(IncmaskError, match="setting device"):
        Ensemble([Pointwise(1.0)], replace(about()), device="cuda")
