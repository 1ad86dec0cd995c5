import numpy as np
import pytest
from scipy import stats

from incmask.base.pool import HerePool
from incmask.experiment.record.run import open_run
from incmask.insight.ranking.entropy import entropy, image_entropies
from incmask.nets.forward import predict_probabilities
from incmask.nets.spec import load_model


@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_of_overlapping_classes_the_entropies_are_added(task):
    probability = np.random.default_rng(0).random((3, 1 if task == "binary" else 2, 4, 5))
    expected = stats.entropy(np.stack([probability, 1 - probability])).sum(1).mean((1, 2))
    np.testing.assert_allclose(entropy(probability, task), expected)


def test_of_exclusive_classes_there_is_one():
    probability = np.random.default_rng(0).dirichlet([1, 1, 1], (2, 4, 5))
    expected = stats.entropy(probability, axis=-1).mean((1, 2))
    np.testing.assert_allclose(entropy(np.moveaxis(probability, -1, 1), "multiclass"), expected)


def test_certainty_has_none():
    assert entropy(np.array([0.0, 1.0]).reshape(1, 1, 1, 2), "binary") == pytest.approx(0, abs=1e-9)


def test_it_is_that_of_the_members_mean(finished_run):
    run = open_run(finished_run("binary"))
    networks = [load_model(path) for path in run.members]
    images = np.load(run.stack("unlabelled").images)
    mean = predict_probabilities(networks, images, task="binary", precision="float32").mean(0)
    values, wanted = entropy(mean, "binary"), run.images("unlabelled")[1:]
    found = image_entropies(run, wanted, pool=HerePool(1))
    np.testing.assert_array_equal(found, [values[list(image.rows)].mean() for image in wanted])
