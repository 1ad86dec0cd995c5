"""Runs whose targets are numbers, from the folder to the page, and what they are refused."""

import numpy as np
import pytest
import tifffile
import torch

import incmask
from incmask.api.exchanging import export
from incmask.api.folders import check, rank
from incmask.base.errors import IncmaskError
from incmask.base.progress import Silent
from incmask.data.images.readers import read_image
from incmask.exchange.correcting.desk import open_desk
from incmask.exchange.corrections.take_back import read_corrections
from incmask.exchange.models.pipeline import pipeline_of
from incmask.experiment.choices import resolve
from incmask.experiment.named import Choices
from incmask.experiment.record.run import read_run
from incmask.insight.card import model_card
from incmask.insight.comparison.compare import compare
from incmask.insight.finish import finish
from incmask.insight.ranking.simulate import choices_of_run
from incmask.method.recipe import Blocking
from incmask.prediction.folder import predict_folder
from incmask.prediction.layers import ExtraOutputs
from incmask.training.batches import make_batch
from runs import HERE, run_tiny
from value_data import draw, make_values


@pytest.fixture(scope="module", params=["denoise", "depth"])
def task(request):
    return request.param


@pytest.fixture(scope="module")
def finished(task, tmp_path_factory):
    """Run everything once; give the folder of data and run, what was said, and what was made of it."""
    folder = tmp_path_factory.mktemp(task)
    data = make_values(folder / "data", task)
    outcome, listener = run_tiny(data, folder / "run", "im", max_spread=0.5, blocking="recipe")
    return folder, outcome, listener, finish(outcome, open_pool=HERE.open_pool)


@pytest.mark.slow
def test_a_run_labels_with_the_mean_of_its_members(finished):
    folder, _, listener, _ = finished
    assert listener.says("generation 1: 3 of 3 pseudo-labels used")
    pseudo = folder / "run" / "gen-1" / "pseudo"
    labels, masks = np.load(pseudo / "label.npy"), np.load(pseudo / "inconsistent.npy")
    record = read_run(folder / "run")
    networks = [incmask.nets.spec.load_model(each.model).eval() for each in record.base.students[:2]]
    images = torch.from_numpy(np.load(folder / "run" / "stacks" / "unlabelled" / "images.npy"))
    with torch.inference_mode():
        said = torch.stack([each(images.permute(0, 3, 1, 2).float())[:, 0] for each in networks]).numpy()
    np.testing.assert_allclose(labels, said.mean(0), atol=1e-5)
    spread = said.std(0)
    assert 0 < masks.mean() < 1
    assert (masks == (spread > 0.5 * spread.mean((1, 2), keepdims=True))).mean() > 0.999


def test_predictions_are_in_the_targets_unit(finished, task):
    folder, outcome, *_ = finished
    run = folder / "run"
    result = incmask.load(run, device="cpu")
    image = read_image(folder / "data" / "unlabelled" / "images" / "unlabelled 1.png")[..., 0]
    (found,) = result.predict([image])
    written = tifffile.imread(run / "predictions" / "unlabelled 1.tif")
    assert written.dtype == np.float32
    np.testing.assert_allclose(written, found.label, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(
        tifffile.imread(run / "disagreement" / "unlabelled 1.tif"), found.disagreement, atol=1e-4
    )
    truths = [draw(task, seed=300 + index, size=size)[1] for index, size in enumerate(((32, 32), (40, 28)))]
    images = [read_image(folder / "data" / "test" / "images" / f"test {index}.png")[..., 0] for index in range(2)]
    errors = []
    for said, true in zip(result.predict(images), truths, strict=True):
        true = np.where(true > 0, true, np.nan) if task == "depth" else true
        errors.append(np.sqrt(np.nanmean((said.label - true) ** 2)))
    row = next(
        row for row in outcome.scores if (row.stage, row.model, row.split) == (result.chosen, "ensemble", "test")
    )
    assert row.details["rmse"] == pytest.approx(np.mean(errors), rel=1e-4)


def test_the_page_the_card_and_the_verdict_are_there(finished, task):
    folder, _, _, made = finished
    assert made.problems == ()
    page = (folder / "run" / "report.html").read_text()
    assert "RMSE, in the targets" in page
    assert "side by side" in page.casefold()
    assert "your outline" not in page
    assert "utlines overlap" not in page
    card = model_card(folder / "run")
    assert "It predicts a number for each pixel" in card
    assert "mask" not in card.split("## Data")[0]
    assert made.verdict is None or "outlines" not in made.verdict.means


def test_a_second_call_finds_all_done(finished):
    folder, outcome, *_ = finished
    before = {path: path.stat().st_mtime_ns for path in (folder / "run" / "predictions").iterdir()}
    again, _ = run_tiny(folder / "data", folder / "run", "im", max_spread=0.5, blocking="recipe")
    assert again.scores == tuple(outcome.scores) or [row.score for row in again.scores] == [
        row.score for row in outcome.scores
    ]
    assert {path: path.stat().st_mtime_ns for path in (folder / "run" / "predictions").iterdir()} == before


def test_a_folder_is_predicted_in_colours_too(finished, tmp_path):
    folder, *_ = finished
    images = folder / "data" / "test" / "images"
    done = predict_folder(
        folder / "run", images, tmp_path / "out", open_pool=HERE.open_pool, pictures=ExtraOutputs(overlays=True),
        device="cpu", progress=Silent(),
    )  # fmt: skip
    assert done.problems == ()
    assert read_image(tmp_path / "out" / "overlays" / "test 0.png").shape == (32, 32, 3)
    assert tifffile.imread(tmp_path / "out" / "predictions" / "test 1.tif").shape == (40, 28)
    image = read_image(images / "test 0.png")[..., 0]
    (tmp_path / "arrays").mkdir()
    np.save(tmp_path / "arrays" / "test 0.npy", image)
    predict_folder(
        folder / "run",
        tmp_path / "arrays",
        tmp_path / "same",
        open_pool=HERE.open_pool,
        device="cpu",
        progress=Silent(),
    )
    said = [tifffile.imread(tmp_path / each / "predictions" / "test 0.tif") for each in ("out", "same")]
    np.testing.assert_array_equal(*said)
    assert (tmp_path / "out" / "summary.csv").read_text().startswith("name,height,width,inconsistent_fraction")
    with pytest.raises(IncmaskError, match="is for classes, and"):
        predict_folder(
            folder / "run", images, tmp_path / "other", open_pool=HERE.open_pool,
            pictures=ExtraOutputs(instances=True), device="cpu", progress=Silent(),
        )  # fmt: skip


def test_the_exported_program_says_the_same(finished):
    folder, *_ = finished
    ensemble = incmask.load(folder / "run", device="cpu").ensemble
    image = np.load(folder / "run" / "stacks" / "test" / "images.npy")[:1]
    with torch.inference_mode():
        label, spread, scaled = (each.numpy()[0] for each in pipeline_of(ensemble)(torch.from_numpy(image)))
    (found,) = ensemble.predict_each(list(image))
    target = ensemble.about.values.target
    np.testing.assert_allclose(label, found.label, atol=1e-3 * target.span)
    np.testing.assert_allclose(spread, found.disagreement, atol=1e-3 * target.span)
    np.testing.assert_allclose(target.undone(scaled[0]), label, atol=1e-4 * target.span)


def test_what_is_for_classes_is_refused_by_name(finished, tmp_path):
    folder, *_ = finished
    run, data = folder / "run", folder / "data"
    refused = {
        "ranking by disputed pixels": lambda: rank(run, executor=HERE),
        "simulated labelling": lambda: choices_of_run(run, data, recipe=None, settings={}),
        "the labelling loop": lambda: incmask.loop(data, budget=2, executor=HERE),
        "export of labels to correct": lambda: export(run, tmp_path / "coco", format="coco"),
        "import of corrected labels": lambda: read_corrections(run, data, target="png"),
        "correcting in the browser": lambda: open_desk(run),
        "comparison of approaches": lambda: compare(data, tmp_path / "c", choices=Choices(), executor=HERE),
        "show": lambda: check(data, show=tmp_path / "page.html"),
        "fix": lambda: check(data, fix=tmp_path / "fixed"),
    }
    for name, call in refused.items():
        with pytest.raises(IncmaskError, match="is for classes, and the targets of") as told:
            call()
        assert name in str(told.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("task", "recipe", "why"),
    [
        ("depth", "evalnet", "rate their IoU"),
        ("depth", "im++", "rate their IoU"),
        ("depth", "gt-im++", "rate their IoU"),
        ("depth", "fixmatch", "votes for classes"),
        ("denoise", "cl", "differ in intensity alone"),
    ],
)
def test_recipes_that_cannot_apply_are_refused_with_the_reason(tmp_path, task, recipe, why):
    with pytest.raises(IncmaskError, match=why):
        resolve(make_values(tmp_path, task, truth=True), Choices(recipe=recipe))


@pytest.mark.parametrize("recipe", ["ldt", "fdt", "me", "ie", "ns", "im+"])
def test_others_are_taken(tmp_path, recipe):
    data = make_values(tmp_path, "denoise", truth=True)
    assert resolve(data, Choices(recipe=recipe)).profile.strongest.max_noise == 0


def test_settings_of_classes_are_refused(tmp_path):
    choices = Choices(settings={"max_blocked_share": 0.5, "admit": "confident_all_tasks", "detail_px": 3})
    with pytest.raises(IncmaskError) as told:
        resolve(make_values(tmp_path, "depth"), choices)
    names = [problem.where.removeprefix("setting ") for problem in told.value.problems]
    assert names == ["max_blocked_share", "detail_px", "admit"]


def test_blocked_pixels_leave_the_loss_since_nought_is_a_number():
    image, label = np.full((1, 1, 3, 1), 9, np.uint8), np.float32([[[0.5, np.nan, 0.7]]])
    batch = make_batch(image, label, np.array([[[True, False, False]]]), task="depth", blocking=Blocking())
    assert batch.image.flatten().tolist() == [0, 9, 9]
    assert batch.weight.flatten().tolist() == [False, False, True]
    assert batch.target.flatten().tolist() == [0, 0, pytest.approx(0.7)]
