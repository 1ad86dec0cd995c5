import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from alone import Trainer
from torch.nn import functional

import incmask.training.segmentation as module
from incmask.base.errors import IncmaskError, Problem
from incmask.method.metrics import Counts
from incmask.nets.spec import load_model, load_tensors
from incmask.training.files import CHECKPOINT, HISTORY, MODEL, SCORES
from incmask.training.loop import fit, has_diverged
from incmask.training.schedule import epsilon, learning_rate, validated_parts
from incmask.training.validation import Evaluation
from nightly import NIGHTLY
from small import TASKS, Stopped, some_job, some_settings, stop_after

CPU = torch.device("cpu")


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("preset", ["default", pytest.param("paper", marks=NIGHTLY)])
def test_interrupted_training_ends_with_the_same_bits(tmp_path, preset, task):
    job = some_job(tmp_path, task=task, settings=some_settings(preset, epochs=3))
    assert job.num_steps == 6
    fit(job)
    # Once within every epoch; the first time there is no checkpoint yet.
    other = replace(job, folder=tmp_path / "interrupted")
    for num_steps in (1, 3, 5):
        with pytest.raises(Stopped):
            fit(other, stop_after(num_steps))
        assert not (other.folder / MODEL).exists()
    fit(other)
    assert (other.folder / MODEL).read_bytes() == (job.folder / MODEL).read_bytes()
    assert (other.folder / SCORES).read_bytes() == (job.folder / SCORES).read_bytes()
    histories = [(each.folder / HISTORY).read_text().splitlines() for each in (job, other)]
    assert len(histories[0]) == 4
    assert [line.rpartition(",")[0] for line in histories[0]] == [line.rpartition(",")[0] for line in histories[1]]


def test_a_training_stopped_before_its_last_files_writes_them(tmp_path):
    job = some_job(tmp_path)
    fit(job)
    expected = (job.folder / MODEL).read_bytes()
    for name in (MODEL, SCORES, HISTORY):
        (job.folder / name).unlink()
    reports = []
    fit(job, reports.append)
    assert reports == [6]
    assert (job.folder / MODEL).read_bytes() == expected


def test_every_step_is_reported_once(tmp_path):
    job, reports = some_job(tmp_path), []
    with pytest.raises(Stopped):
        fit(job, stop_after(3))
    fit(job, reports.append)
    assert reports == [2, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("num_parts", "share", "num_validation", "parts"),
    [
        (4, 1.0, 10**6, [0, 1, 2, 3]),
        (4, 0.1, 0, [0, 1, 2, 3]),
        # 1,200 images are learnt from and 300 looked at cost 100: four times 100 of 1,600 would be a quarter.
        (4, 0.25, 300, [0, 1, 2, 3]),
        (4, 0.15, 300, [1, 3]),
        (4, 0.1, 300, [3]),
        (4, 0.001, 300, [3]),
        (5, 0.21, 300, [1, 3, 4]),
    ],
)
def test_validation_takes_no_more_than_its_share(num_parts, share, num_validation, parts):
    assert validated_parts(num_parts, share=share, num_trained=1200, num_validation=num_validation) == parts


def test_a_training_with_fewer_validations_goes_on_where_it_was_stopped(tmp_path):
    job = some_job(tmp_path, settings=some_settings("default", epochs=3, validation_share=0.001))
    fit(job)
    assert len((job.folder / HISTORY).read_text().splitlines()) == 2
    assert json.loads((job.folder / SCORES).read_text())["epoch"] == 3
    other = replace(job, folder=tmp_path / "interrupted")
    with pytest.raises(Stopped):
        fit(other, stop_after(5))
    fit(other)
    assert (other.folder / MODEL).read_bytes() == (job.folder / MODEL).read_bytes()


@pytest.mark.parametrize("content", ["empty", "half", "another network"])
def test_a_checkpoint_that_cannot_be_used_says_so(tmp_path, content):
    job = some_job(tmp_path)
    with pytest.raises(Stopped):
        fit(job, stop_after(3))
    path = job.folder / CHECKPOINT
    if content == "another network":
        job = replace(job, network=replace(job.network, width=0.25))
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if content == "half" else b"")
    with pytest.raises(IncmaskError) as caught:
        fit(job)
    assert str(path) in str(caught.value)
    assert "remove" in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("preset", ["default", "paper"])
def test_steps_are_those_of_a_plain_loop(tmp_path, preset, task):
    """Contiguous weights, another form of the optimiser, losses from torch.

    A step blows up rounding errors, since Adam divides by gradients near 0; so each begins with the same weights.
    """
    settings = some_settings(preset, precision="float32", epochs=3, average_decay=0.0)
    job = some_job(tmp_path, task=task, settings=settings)
    network = job.network.build(seed=job.seed).to(memory_format=torch.contiguous_format).train()
    if preset == "paper":
        optimiser = KerasAdamW([*network.parameters()])
    else:
        optimiser = torch.optim.AdamW(
            network.parameters(), weight_decay=1e-4 / 0.003, eps=1e-7, betas=(0.9, 0.999), foreach=False, fused=False
        )
    trainer = Trainer(job, CPU)
    batches = trainer.lessons.batches
    for step in range(6):
        batch = batches.draw(step)
        # Six steps, of which the first is the warm-up.
        rate = 0.003 if preset == "paper" or step == 0 else 0.0015 * (1 + math.cos(math.pi * (step - 1) / 5))
        optimiser.param_groups[0]["lr"] = rate
        loss = plain_loss(network(batch.image.contiguous()), batch.target, task=task, paper=preset == "paper")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        assert trainer.step(step) == pytest.approx(loss.item(), abs=1e-5)
        theirs = trainer.averaged.state_dict()
        differences = [(value - theirs[name]).detach().abs().flatten() for name, value in network.named_parameters()]
        assert torch.cat(differences).quantile(0.98) < 0.02 * rate
        network.load_state_dict(theirs)


class KerasAdamW:
    """Keras' Adam: one correction for both moments, epsilon beside the uncorrected root; the decay is not scaled."""

    def __init__(self, parameters, *, decay=1e-4):
        self.parameters, self.decay = parameters, decay
        self.moments = [(torch.zeros_like(each), torch.zeros_like(each)) for each in parameters]
        self.param_groups, self.num_steps = [{"lr": 0.003}], 0

    def zero_grad(self):
        for each in self.parameters:
            each.grad = None

    @torch.no_grad()
    def step(self):
        self.num_steps += 1
        rate = self.param_groups[0]["lr"] * math.sqrt(1 - 0.999**self.num_steps) / (1 - 0.9**self.num_steps)
        for each, (first, second) in zip(self.parameters, self.moments, strict=True):
            first += (each.grad - first) * 0.1
            second += (each.grad**2 - second) * 0.001
            each -= self.decay * each + rate * first / (second.sqrt() + 1e-7)


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_what_the_optimiser_adds_to_the_root_of_its_second_moment(preset):
    """Gradients from 1e-9 to 1, of which those about epsilon tell the forms apart; in double precision."""
    settings = some_settings(preset)
    generator = torch.Generator().manual_seed(1)
    sizes = torch.logspace(-9, 0, 50, dtype=torch.double)
    start = torch.randn(50, generator=generator, dtype=torch.double)
    ours, theirs = (start.clone().requires_grad_() for _ in range(2))
    optimiser = torch.optim.AdamW([ours], lr=0.003, weight_decay=1e-4 / 0.003, fused=True)
    keras, differences = KerasAdamW([theirs]), []
    for step in range(300):
        gradient = sizes * torch.randn(50, generator=generator, dtype=torch.double)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        optimiser.param_groups[0]["eps"] = epsilon(step, settings)
        optimiser.step()
        keras.step()
        differences.append((ours - theirs).abs().max().item())
    if preset == "paper":
        assert max(differences) < 1e-12
    else:
        assert epsilon(0, settings) == epsilon(299, settings) == 1e-7
        assert differences[0] > 1e-3


def plain_loss(logits, target, *, task, paper):
    if task == "multiclass":
        loss = functional.cross_entropy(logits, target)
        probability, truth = logits.softmax(1), functional.one_hot(target, 4).permute(0, 3, 1, 2).float()
    else:
        target = target.reshape(logits.shape)
        if paper:
            return functional.mse_loss(logits.sigmoid(), target)
        loss = functional.binary_cross_entropy_with_logits(logits, target)
        probability, truth = logits.sigmoid(), target
    if paper:
        return loss
    dices = [
        (2 * (probability[:, k] * truth[:, k]).sum() + 1) / (probability[:, k].sum() + truth[:, k].sum() + 1)
        for k in range(logits.shape[1])
    ]
    return loss + 1 - sum(dices) / len(dices)


@pytest.mark.parametrize("task", TASKS)
def test_training_learns(tmp_path, task):
    settings = some_settings(epochs=2, steps_per_epoch=30, learning_rate=0.02, width=0.25)
    job = some_job(tmp_path, task=task, settings=settings)
    fit(job)
    first, last = [float(line.split(",")[2]) for line in (job.folder / HISTORY).read_text().splitlines()[1:]]
    assert last < 0.85 * first


@pytest.mark.parametrize(
    ("fraction", "num_steps", "rates"),
    [
        (0.0, 4, [1, 0.5 + math.sqrt(0.125), 0.5, 0.5 - math.sqrt(0.125)]),
        (0.5, 4, [0.5, 1, 1, 0.5]),
        # The warm-up takes at least its share: 0.3 of 4 is 2 steps.
        (0.3, 4, [0.5, 1, 1, 0.5]),
        (0.05, 1, [1]),
        (0.99, 3, [1 / 3, 2 / 3, 1]),
    ],
)
def test_warm_up_and_cosine(fraction, num_steps, rates):
    settings = some_settings(warmup_fraction=fraction, learning_rate=0.01)
    given = [learning_rate(step, num_steps, settings) for step in range(num_steps)]
    assert given == pytest.approx([0.01 * rate for rate in rates])


@pytest.mark.parametrize("num_steps", [1, 2, 5])
def test_a_rate_beyond_the_last_step_is_0(num_steps):
    """Timing a training takes three steps, however few it has."""
    settings = some_settings(warmup_fraction=0.05)
    assert [learning_rate(num_steps + more, num_steps, settings) for more in range(3)] == pytest.approx([0] * 3)


def test_the_paper_s_rate_is_constant():
    settings = some_settings("paper")
    assert [learning_rate(step, 9, settings) for step in range(9)] == [0.003] * 9


def parameters(network):
    return {name: value.detach().clone() for name, value in network.named_parameters()}


@pytest.mark.parametrize(("schedule", "shares"), [("constant", [1, 1]), ("warmup_cosine", [0.5, 1])])
def test_weight_decay_is_the_share_removed_in_a_step_at_the_full_rate(tmp_path, schedule, shares):
    """Where every pixel is ignored the gradient is 0 and nothing else happens."""
    settings = some_settings(
        schedule=schedule, warmup_fraction=0.5, epochs=2, weight_decay=0.01, average_decay=0.0, learning_rate=0.02
    )
    trainer = Trainer(some_job(tmp_path, settings=settings, labels=np.full((4, 32, 32), 255, np.uint8)), CPU)
    for step, share in enumerate(shares):
        before = parameters(trainer.averaged)
        assert trainer.step(step) == 0
        for name, value in trainer.averaged.named_parameters():
            expected = before[name] * (1 - 0.01 * share)
            torch.testing.assert_close(value.detach(), expected, rtol=1e-6, atol=0)


def test_averaged_weights_are_a_running_mean(tmp_path):
    """The trained network itself is what an average without decay gives."""
    plain, averaged = (
        Trainer(some_job(tmp_path, settings=some_settings(average_decay=decay, epochs=10)), CPU)
        for decay in (0.0, 0.25)
    )
    mean = {name: value.double() for name, value in plain.averaged.state_dict().items()}
    for step in range(5):
        assert plain.step(step) == averaged.step(step)
        # 1/10, 2/11 and 3/12 of a long average's start, then the setting.
        decay = [0.1, 2 / 11, 0.25, 0.25, 0.25][step]
        for name, value in plain.averaged.state_dict().items():
            mean[name] = decay * mean[name] + (1 - decay) * value.double()
    for name, value in averaged.averaged.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value.double(), mean[name], rtol=1e-5, atol=1e-7)
        else:
            assert value == 5


WILD = {"learning_rate": 1e30}
"""More than anybody may choose, so that the loss turns nan at once."""


def test_a_loss_that_is_no_number_is_told_and_costs_nothing(tmp_path):
    job = some_job(tmp_path)
    with pytest.raises(Stopped):
        fit(job, stop_after(3))
    before = {path: path.read_bytes() for path in job.folder.iterdir()}
    assert [path.name for path in before] == [CHECKPOINT]
    wild = replace(job, settings=some_settings(schedule="constant").model_copy(update=WILD))
    with pytest.raises(IncmaskError) as caught:
        fit(wild)
    (problem,) = caught.value.problems
    assert problem.where == str(job.folder)
    assert "loss turned nan at step 4" in problem.what
    assert '"learning_rate": 3e+29' in problem.remedy
    assert '"precision": "float32"' in problem.remedy
    assert has_diverged(caught.value)
    assert not has_diverged(IncmaskError([problem, Problem("a.png", "is broken", "save it again")]))
    assert {path: path.read_bytes() for path in job.folder.iterdir()} == before


def test_a_validation_loss_that_is_no_number_is_told(tmp_path):
    """The last step may ruin the weights, and no later one tells."""
    settings = some_settings(epochs=1, steps_per_epoch=1, schedule="constant").model_copy(update=WILD)
    job = some_job(tmp_path, settings=settings)
    with pytest.raises(IncmaskError, match="validation loss turned nan at step 1;") as caught:
        fit(job)
    assert caught.value.problems[0].where == str(job.folder)
    assert has_diverged(caught.value)
    assert not list(tmp_path.glob("student/*"))


SCORES_BY_EPOCH = [0.2, 0.5, 0.5, 0.1]
LOSSES_BY_EPOCH = [0.9, 0.8, 0.3, 0.4]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("select_by", "task", "epoch"),
    [
        ("score", "multilabel", 2),
        ("loss", "binary", 3),
        ("auto", "binary", 2),
        ("auto", "multiclass", 2),
        ("auto", "multilabel", 3),
    ],
)
def test_the_best_epoch_is_kept_the_first_of_equals(tmp_path, monkeypatch, select_by, task, epoch):
    seen = []

    def scripted(networks, *_args, **_options):
        seen.append({name: value.clone() for name, value in networks[0].state_dict().items()})
        nothing = Counts(*[np.zeros((1, 1), np.int64)] * 3, *[np.zeros(1, np.int64)] * 2)
        return Evaluation(LOSSES_BY_EPOCH[len(seen) - 1], SCORES_BY_EPOCH[len(seen) - 1], nothing)

    monkeypatch.setattr(module, "evaluate", scripted)
    job = some_job(tmp_path, task=task, settings=some_settings(epochs=4, select_by=select_by))
    fit(job)
    reached = json.loads((job.folder / SCORES).read_text())
    assert reached == {
        "epoch": epoch,
        "validation_loss": LOSSES_BY_EPOCH[epoch - 1],
        "validation_score": SCORES_BY_EPOCH[epoch - 1],
        "steps": 8,
        "inherited_steps": 0,
        "images": 16,
    }
    for name, value in load_model(job.folder / MODEL).state_dict().items():
        assert torch.equal(value, seen[epoch - 1][name])
    assert not torch.equal(seen[epoch - 1]["head.weight"], seen[3]["head.weight"])


def test_other_seeds_give_other_students(tmp_path):
    models = []
    for seed in (1, 1, 2):
        job = some_job(tmp_path, seed=seed, settings=some_settings(epochs=1))
        fit(job)
        models.append((job.folder / MODEL).read_bytes())
        shutil.rmtree(job.folder)
    assert models[0] == models[1] != models[2]


def test_a_checkpoint_tells_the_history(tmp_path):
    job = some_job(tmp_path)
    with pytest.raises(Stopped):
        fit(job, stop_after(5))
    history = load_tensors(job.folder / CHECKPOINT)[1]["history"]
    assert [(row["epoch"], row["step"]) for row in history] == [(1, 2), (2, 4)]


def test_a_batch_too_small_for_statistics_is_told(tmp_path):
    job = some_job(tmp_path, settings=some_settings(batch_size=1), side=16)
    with pytest.raises(IncmaskError, match="batch: a single image of 16×16 pixels is too little to learn from"):
        fit(job)
    fit(some_job(tmp_path, settings=some_settings(batch_size=2, epochs=1), side=16))
