import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from export_models import make_model
from incmask.data.images.tiles import scale_image
from incmask.exchange.models.pipeline import describe, pad, pipeline_of, scale
from incmask.method.agreement import disagreement
from incmask.method.labels import labels_of
from incmask.prediction.ensemble import Ensemble
from small import TASKS, blocks

SIDES = st.integers(1, 70)


def planes(image):
    return torch.from_numpy(image).permute(2, 0, 1)[None].float()


@given(SIDES, SIDES, st.sampled_from([(32, 32), (16, 48), (5, 3)]), st.integers(0, 2**31))
def test_scaling_is_within_one_grey_level_of_what_predict_does(height, width, size, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 2), dtype=np.uint8)
    ours = scale(planes(image), size)[0].permute(1, 2, 0).numpy()
    assert np.abs(ours - scale_image(image, size)).max() <= 1
    assert np.array_equal(ours, np.rint(ours))


@pytest.mark.parametrize("times", [1, 2, 3, 4])
def test_shrinking_by_whole_numbers_is_exact(times):
    image = np.random.default_rng(0).integers(0, 256, (32 * times, 48 * times, 3), dtype=np.uint8)
    assert np.array_equal(scale(planes(image), (32, 48))[0].permute(1, 2, 0).numpy(), scale_image(image, (32, 48)))


@given(SIDES, SIDES)
def test_padding_mirrors_as_numpy_does(height, width):
    image = np.random.default_rng(1).integers(0, 256, (height, width, 1), dtype=np.uint8)
    below, right = (max(32, -(-side // 16) * 16) - side for side in (height, width))
    expected = np.pad(image[..., 0], ((0, below), (0, right)), mode="symmetric")
    assert np.array_equal(pad(planes(image), 16)[0, 0].numpy(), expected)


@pytest.mark.parametrize("task", TASKS)
@given(st.data())
def test_disagreement_is_that_of_predictions(task, data):
    channels = {"binary": 1, "multilabel": 3, "multiclass": 4}[task]
    shape = (data.draw(st.integers(1, 5)), 2, channels, 2, 3)
    members = data.draw(arrays(np.float32, shape, elements=st.floats(0, 1, width=32)))
    found = disagreement(labels_of(task).votes(torch.from_numpy(members)), task=task).numpy()
    expected = [disagreement(labels_of(task).votes(members[:, each]), task=task) for each in range(2)]
    assert found == pytest.approx(np.stack(expected))


def test_one_of_three_members_off_the_majority():
    votes = torch.tensor([[0.9, 0.9, 0.1], [0.9, 0.2, 0.1], [0.9, 0.9, 0.1]]).reshape(3, 1, 1, 1, 3)
    assert disagreement(labels_of("binary").votes(votes), task="binary").flatten().tolist() == pytest.approx(
        [0, 1 / 3, 0]
    )


@pytest.mark.parametrize("task", TASKS)
def test_images_of_the_networks_size_come_out_as_predict_gives_them(tmp_path, task):
    ensemble = Ensemble.load(make_model(tmp_path, task, size=(32, 32)), device="cpu")
    images = blocks(3)
    with torch.inference_mode():
        label, share, probability = (each.numpy() for each in pipeline_of(ensemble)(torch.from_numpy(images)))
    assert share.max() > 0
    for index, expected in enumerate(ensemble.predict(list(images))):
        assert probability[index] == pytest.approx(expected.probability, abs=1e-5)
        assert np.mean(label[index] != expected.label) < 0.002
        assert np.mean(np.abs(share[index] - expected.disagreement) > 1e-6) < 0.002


@pytest.mark.parametrize("size", [(64, 96), (41, 77), (20, 100)])
def test_images_of_other_sizes_nearly_come_out_as_predict_gives_them(tmp_path, size):
    ensemble = Ensemble.load(make_model(tmp_path, "binary"), device="cpu")
    image = scale_image(blocks(1, side=64)[0], size)
    with torch.inference_mode():
        _, _, probability = pipeline_of(ensemble)(torch.from_numpy(image[None]))
    (expected,) = ensemble.predict([image])
    # Enlarging rounds grey levels otherwise.
    assert probability[0].numpy() == pytest.approx(expected.probability, abs=0.02)


def test_tiles_are_left_at_their_resolution(tmp_path):
    ensemble = Ensemble.load(make_model(tmp_path, "binary", fit="tile", size=(48, 48)), device="cpu")
    image = blocks(1, side=48)[0]
    pipeline = pipeline_of(ensemble)
    with torch.inference_mode():
        whole = pipeline(torch.from_numpy(image[None]))[2][0].numpy()
        small = pipeline(torch.from_numpy(image[None, :37, :21]))[2]
    (expected,) = ensemble.predict([image])
    assert whole == pytest.approx(expected.probability, abs=1e-5)
    assert small.shape == (1, 1, 37, 21)


def test_the_ensemble_is_left_as_it_was(tmp_path):
    ensemble = Ensemble.load(make_model(tmp_path, "binary"), device="cpu")
    pipeline = pipeline_of(ensemble)
    assert not set(map(id, pipeline.parameters())) & {
        id(parameter) for network in ensemble.networks for parameter in network.parameters()
    }
    assert not any(module.training for module in pipeline.modules())


def test_what_a_user_of_the_file_has_to_know(tmp_path):
    about = Ensemble.load(make_model(tmp_path, "multilabel"), device="cpu").about
    described = describe(about)
    assert described["classes"] == '["a | <b>", "Zelle ä"]'
    assert (described["channels"], described["fit"], described["size"]) == ("1", "resize", "[32, 48]")
