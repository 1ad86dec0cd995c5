"""Kernels and recorded trainings on a GPU; everything here is skipped without one."""

import csv
import importlib
import importlib.util
import json
import math
from dataclasses import replace

import pytest
import torch

from incmask.base.device import fast_in_bfloat16
from incmask.method.augment import Strength
from incmask.training import trainer as trainer_module
from incmask.training.files import HISTORY, SCORES
from incmask.training.loop import fit_group
from incmask.training.on_gpu.batches import on_device
from incmask.training.segmentation import ConsistencyImages
from incmask.training.together.quick import quick
from incmask.training.trainer import GroupTrainer
from small import Stopped, some_job, some_settings, stop_after

NUM, NUM_STEPS = 2, 5


def why_not():
    """What is missing here."""
    if not torch.cuda.is_available():
        return "there is no CUDA device here"
    if not importlib.util.find_spec("triton"):
        return "Triton is not installed here"
    return "" if fast_in_bfloat16(torch.device("cuda")) else "this GPU does not compute in bfloat16"


pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_not()), reason=why_not() or "nothing is missing")]


def jobs_of(folder, precision, *, is_consistent=False, **settings):
    """Students that learn slowly, so that rounding does not grow from step to step."""
    few = {"width": 0.25, "batch_size": 4, "steps_per_epoch": 2, "epochs": 4, "learning_rate": 1e-4}
    chosen = some_settings(**(few | {"device": "cuda", "precision": precision} | settings))
    jobs = []
    for seed in range(NUM):
        job = some_job(folder / f"{precision}-{seed}", settings=chosen, num=8, seed=seed)
        if is_consistent:
            unlabelled = ConsistencyImages(job.objective.training.sources[0].images, Strength(contrast=0.2))
            job = replace(job, objective=replace(job.objective, unlabelled=unlabelled))
        jobs.append(on_device(job))
    return jobs


def losses_of(jobs):
    """Losses of the first steps, and what ran the networks."""
    trainer = GroupTrainer(jobs, torch.device("cuda"))
    losses = torch.stack([trainer.step(step) for step in range(NUM_STEPS)]).cpu()
    assert losses.isfinite().all()
    return losses, type(trainer._network.network).__name__


@pytest.mark.parametrize("name", ["U-Nets", "U-Net of more than a block", "EvalNets"])
def test_kernels_give_the_values_gradients_and_statistics_of_torch(name):
    """In float32, with all its digits, against 64 bits."""
    values = importlib.import_module("fused_values")
    torch.manual_seed(0)
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        if name == "U-Nets":
            found = values.unet(num=3, channels=(3, 2), filters=None, sides=(64, 96), device="cuda")
        elif name == "EvalNets":
            found = values.evalnets(sides=(128, 64), device="cuda")
        else:
            found = values.unet(num=1, channels=(1, 1), filters=(72, 80), sides=(64, 64), device="cuda")
    gradients = {part: value for part, value in found.items() if "gradient" in part}
    assert not {part: value for part, value in found.items() if part not in gradients and not value < 1e-3}
    # As for the interpreter: pixels at the edge of a ReLU may fall on the other side after many layers.
    assert not {part: value for part, value in gradients.items() if not value < 0.3}
    assert math.fsum(gradients.values()) / len(gradients) < 0.03


def test_a_recorded_training_is_one_that_is_not(tmp_path, monkeypatch):
    recorded, kind = losses_of(jobs_of(tmp_path, "bfloat16"))
    # Not what is taken where kernels cannot be compiled.
    assert kind == "Recorded"

    def unrecorded(group, device, precision, *, is_recorded):
        return quick(group, device, precision, is_recorded=False)

    with monkeypatch.context() as patch:
        patch.setattr(trainer_module, "quick", unrecorded)
        step_by_step, kind = losses_of(jobs_of(tmp_path, "bfloat16"))
    assert kind == "FusedUNet"
    torch.testing.assert_close(recorded, step_by_step, rtol=1e-2, atol=1e-2)
    with monkeypatch.context() as patch:
        patch.setattr(trainer_module, "quick", lambda group, *_, is_recorded: group.network)
        exact, _ = losses_of(jobs_of(tmp_path, "float32"))
    torch.testing.assert_close(recorded, exact, rtol=5e-2, atol=5e-2)


def test_a_loss_of_two_views_goes_through_the_kernels_twice(tmp_path, monkeypatch):
    ours, kind = losses_of(jobs_of(tmp_path, "bfloat16", is_consistent=True))
    assert kind == "FusedUNet"
    with monkeypatch.context() as patch:
        patch.setattr(trainer_module, "quick", lambda group, *_, is_recorded: group.network)
        exact, _ = losses_of(jobs_of(tmp_path, "float32", is_consistent=True))
    torch.testing.assert_close(ours, exact, rtol=5e-2, atol=5e-2)


def test_a_training_that_was_stopped_goes_on(tmp_path):
    """It is recorded anew, and comes to where it would have come."""
    jobs, others = (jobs_of(tmp_path / name, "bfloat16") for name in ("whole", "stopped"))
    fit_group(jobs)
    with pytest.raises(Stopped):
        fit_group(others, stop_after(NUM * 4))
    reports = []
    fit_group(others, reports.append)
    # What was done before is reported at once.
    assert 0 < reports[0] < sum(reports) == NUM * jobs[0].num_steps
    assert reports[0] > NUM
    for job, other in zip(jobs, others, strict=True):
        rows, their = (list(csv.DictReader((each.folder / HISTORY).read_text().splitlines())) for each in (job, other))
        assert [row["step"] for row in their] == [row["step"] for row in rows]
        for name in ("training_loss", "validation_loss"):
            ours = [float(row[name]) for row in rows]
            assert [float(row[name]) for row in their] == pytest.approx(ours, rel=2e-2, abs=2e-2)
        scores = [json.loads((each.folder / SCORES).read_text()) for each in (job, other)]
        assert scores[0]["steps"] == scores[1]["steps"] == jobs[0].num_steps
