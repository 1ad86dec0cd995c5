"""Runs on signals: networks of one row, from the folder to the page."""

import numpy as np
import pytest
import tifffile

import incmask
from incmask.base.errors import IncmaskError
from incmask.base.progress import Silent
from incmask.data.images.tiles import blend_weight
from incmask.exchange.models.model import export_model
from incmask.experiment.choices import resolve
from incmask.experiment.ladder import shrunk
from incmask.experiment.named import Choices
from incmask.insight.finish import finish
from incmask.nets.sheets import RowUNet
from incmask.nets.spec import load_model
from incmask.prediction.folder import predict_folder
from runs import HERE, run_tiny
from value_data import tell

LENGTHS = (64, 70, 64)


def signal(seed, length):
    generator, at = np.random.default_rng(seed), np.arange(length)
    clean = np.sin(at * generator.uniform(0.1, 0.4)) + (at > generator.integers(length))
    return (clean + generator.normal(0, 0.3, length)).astype(np.float32), clean.astype(np.float32)


def make_signals(root):
    for place, (part, num) in enumerate({"labelled": 3, "unlabelled": 3, "val": 2, "test": 2}.items()):
        for index in range(num):
            noisy, clean = signal(100 * place + index, LENGTHS[index])
            for folder, values in (("images", noisy), ("targets", clean)):
                if folder == "images" or part != "unlabelled":
                    (root / part / folder).mkdir(parents=True, exist_ok=True)
                    np.save(root / part / folder / f"{part}{index}.npy", values)
    return tell(root, "denoise")


@pytest.fixture(scope="module", params=["resize", "tile"])
def finished(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    size = [1, 32] if request.param == "tile" else None
    data = make_signals(folder / "data")
    outcome, _ = run_tiny(data, folder / "run", "im", fit=request.param, dilate_px=3, size=size)
    return folder, outcome, finish(outcome, open_pool=HERE.open_pool)


def test_networks_see_one_row(finished):
    folder, _, made = finished
    images = np.load(folder / "run" / "stacks" / "unlabelled" / "images.npy")
    assert images.shape[1:] in ((1, 64, 1), (1, 32, 1))
    assert isinstance(load_model(folder / "run" / "model" / "member-1.safetensors"), RowUNet)
    assert made.problems == ()
    page = (folder / "run" / "report.html").read_text()
    assert "Grey is what goes in, green the target" in page
    assert page.count("data:image/jpeg") >= 3


def test_predictions_of_files_and_arrays_are_the_same(finished, tmp_path):
    folder, *_ = finished
    result = incmask.load(folder / "run", device="cpu")
    noisy, _ = signal(101, LENGTHS[1])
    (found,) = result.predict([noisy])
    written = tifffile.imread(folder / "run" / "predictions" / "unlabelled1.tif")
    assert found.label.shape == (1, 70)
    np.testing.assert_allclose(np.atleast_2d(written), found.label, rtol=1e-5, atol=1e-5)
    with pytest.raises(IncmaskError, match="has 2 rows, and the models are of signals"):
        result.predict(np.stack([noisy, noisy]))
    (tmp_path / "in").mkdir()
    np.save(tmp_path / "in" / "a.npy", noisy)
    np.save(tmp_path / "in" / "b.npy", np.stack([noisy] * 3))
    done = predict_folder(
        folder / "run", tmp_path / "in", tmp_path / "out", open_pool=HERE.open_pool, progress=Silent()
    )
    assert [problem.what.partition(",")[0] for problem in done.problems] == ["has 3 rows"]
    alone = tifffile.imread(tmp_path / "out" / "predictions" / "a.tif")
    np.testing.assert_allclose(alone.ravel(), written.ravel(), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_models_of_signals_are_exported(finished, tmp_path):
    folder, *_ = finished
    written = export_model(folder / "run", tmp_path / "a.onnx", target="onnx", progress=Silent())
    assert written.parity.max_probability_difference < 1e-4


def test_sizes(tmp_path):
    data = make_signals(tmp_path)
    assert resolve(data, Choices("im")).size == (1, 64)
    assert resolve(data, Choices("im", settings={"size": [16, 32]})).size == (16, 32)
    assert shrunk((1, 8192), side_px=64) == (1, 4096)
    with pytest.raises(IncmaskError, match="multiples of 16"):
        resolve(data, Choices("im", settings={"size": [1, 40]}))
    for part in ("labelled", "unlabelled"):
        np.save(data / part / "images" / f"{part}0.npy", np.ones((2, 64), np.float32))
    np.save(data / "labelled" / "targets" / "labelled0.npy", np.ones((2, 64), np.float32))
    assert resolve(data, Choices("im")).size == (16, 64)
    with pytest.raises(IncmaskError, match="has one row"):
        resolve(data, Choices("im", settings={"size": [1, 64]}))


def test_tiles_of_a_signal_fade_towards_their_ends():
    assert blend_weight((1, 6)).tolist() == [[1, 2, 3, 3, 2, 1]]
