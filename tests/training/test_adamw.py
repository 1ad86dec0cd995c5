"""The optimiser is the library's, without loading the library's compiler."""

import subprocess
import sys

import pytest
import torch

from incmask.training.adamw import AdamW
from incmask.training.schedule import BETAS

SHAPES = ((4, 3, 3, 3), (4,), (2, 4, 1, 1))


def parameters():
    torch.manual_seed(3)
    first, *others = (torch.randn(shape) for shape in SHAPES)
    return [each.requires_grad_() for each in (first.to(memory_format=torch.channels_last), *others)]


def take_step(found, step):
    torch.manual_seed(step)
    for each in found:
        each.grad = torch.randn(each.shape).contiguous(memory_format=torch.preserve_format)


def test_it_takes_the_steps_of_the_class_bit_by_bit_and_goes_on_where_it_was():
    ours, theirs = parameters(), parameters()
    optimiser = AdamW(ours, [1.0, 0.1, 0.1])
    reference = torch.optim.AdamW(
        [{"params": theirs[:1], "share": 1.0}, {"params": theirs[1:], "share": 0.1}],
        weight_decay=0.03,
        betas=BETAS,
        fused=True,
    )
    for step in range(5):
        for found in (ours, theirs):
            take_step(found, step)
        optimiser.step(rate=0.01 / (1 + step), epsilon=1e-7 * (1 + step), weight_decay=0.03)
        for group in reference.param_groups:
            group["lr"], group["eps"] = group["share"] * 0.01 / (1 + step), 1e-7 * (1 + step)
        reference.step()
        again = AdamW(ours, [1.0, 0.1, 0.1])
        again.restore(optimiser.moments)
        optimiser = again
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.equal(mine, other)


def test_what_has_no_gradient_stays_and_has_no_moments():
    found = parameters()
    before = found[1].detach().clone()
    take_step(found, 0)
    optimiser = AdamW(found, [1.0] * 3)
    optimiser.forget_gradients()
    assert all(each.grad is None for each in found)
    take_step(found[:1], 0)
    optimiser.step(rate=0.1, epsilon=1e-7, weight_decay=0.1)
    assert torch.equal(found[1], before)
    assert set(optimiser.moments) == {0}


@pytest.mark.slow
def test_a_training_step_does_not_load_the_compiler():
    program = (
        "import sys, torch; from incmask.training import trainer; from incmask.training.adamw import AdamW; "
        "weight = torch.ones(3, requires_grad=True); weight.sum().backward(); "
        "AdamW([weight], [1.0]).step(rate=1.0, epsilon=1.0, weight_decay=0.0); "
        "print('torch._dynamo' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
