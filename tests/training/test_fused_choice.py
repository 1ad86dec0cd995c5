"""What runs a group in training, on devices that are not here."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from incmask.method.augment import Strength
from incmask.training import trainer as trainer_module
from incmask.training.segmentation import ConsistencyImages
from incmask.training.together import quick as module
from incmask.training.together.group import NetworkGroup
from incmask.training.together.quick import has_kernels
from incmask.training.trainer import GroupTrainer
from small import some_job, some_settings

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def machine(monkeypatch):
    """A GPU of a generation, with Triton or without; notes what is imported."""
    imported = []

    def make(*, capability=(9, 0), triton=True):
        def import_module(name):
            imported.append(name)
            return SimpleNamespace(
                fuse=lambda group, dtype: ("fused", group.network, dtype),
                Recorded=lambda network: ("recorded", network),
                TritonError=KeyError,
            )

        finder = SimpleNamespace(find_spec=lambda name: "found" if triton and name == "triton" else None)
        monkeypatch.setattr(module, "importlib", SimpleNamespace(util=finder, import_module=import_module))
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)
        monkeypatch.setattr(torch, "compile", lambda network, *, dynamic: ("compiled", network, dynamic))
        return imported

    return make


@pytest.fixture
def group():
    return NetworkGroup([nn.Conv2d(1, 1, 1)])


@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16"])
def test_a_cpu_runs_the_network_itself(machine, group, precision):
    imported = machine()
    assert module.quick(group, CPU, precision, is_recorded=True) is group.network
    assert not has_kernels(CPU, precision)
    assert not imported


@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16"])
def test_without_triton_a_gpu_runs_the_network_itself(machine, group, precision):
    imported = machine(triton=False)
    assert module.quick(group, CUDA, precision, is_recorded=True) is group.network
    assert not has_kernels(CUDA, precision)
    assert not imported


@pytest.mark.parametrize(("capability", "precision"), [((9, 0), "float32"), ((7, 5), "auto"), ((7, 0), "float32")])
def test_float32_is_compiled(machine, group, capability, precision):
    imported = machine(capability=capability)
    assert module.quick(group, CUDA, precision, is_recorded=True) == ("compiled", group.network, False)
    assert not has_kernels(CUDA, precision)
    assert not imported


def test_a_gpu_that_the_compiler_does_not_know_runs_the_network_itself(machine, group):
    machine(capability=(6, 1))
    for precision in ("float32", "bfloat16"):
        assert module.quick(group, CUDA, precision, is_recorded=True) is group.network


@pytest.mark.parametrize(("capability", "precision"), [((9, 0), "auto"), ((8, 0), "auto"), ((9, 0), "bfloat16")])
def test_bfloat16_has_kernels_and_is_recorded_where_that_can_be(machine, group, capability, precision):
    imported = machine(capability=capability)
    fused = ("fused", group.network, torch.bfloat16)
    assert has_kernels(CUDA, precision)
    assert module.quick(group, CUDA, precision, is_recorded=False) == fused
    assert module.quick(group, CUDA, precision, is_recorded=True) == ("recorded", fused)
    assert set(imported) == {"incmask.training.together.kernels"}


def test_errors_of_the_compiler_count_where_there_is_one(machine):
    machine(triton=False)
    assert module.compiler_errors() == (RuntimeError,)
    assert machine() == []
    assert module.compiler_errors() == (RuntimeError, KeyError)


@pytest.mark.parametrize("is_consistent", [False, True])
def test_a_loss_of_two_views_is_not_recorded(tmp_path, monkeypatch, is_consistent):
    asked = []

    def noted(group, device, precision, *, is_recorded):
        asked.append((len(group.members), device, precision, is_recorded))
        return group.network

    monkeypatch.setattr(trainer_module, "quick", noted)
    job = some_job(tmp_path, settings=some_settings(precision="float32", steps_per_epoch=2))
    if is_consistent:
        unlabelled = ConsistencyImages(job.objective.training.sources[0].images, Strength())
        job = replace(job, objective=replace(job.objective, unlabelled=unlabelled))
    GroupTrainer([job, job], CPU)
    assert asked == [(2, CPU, "float32", not is_consistent)]
