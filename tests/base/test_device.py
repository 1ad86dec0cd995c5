import os

import pytest
import torch

from incmask.base.config import Settings
from incmask.base.device import autocast, device_of, devices_named, fast_in_bfloat16, resolve_device
from incmask.base.errors import IncmaskError

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def machine(monkeypatch, *, cuda=False, mps=False, capability=(8, 0), cpu=()):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(cpu, True))


@pytest.mark.parametrize(
    ("there", "expected"),
    [({}, "cpu"), ({"mps": True}, "mps"), ({"cuda": True}, "cuda"), ({"cuda": True, "mps": True}, "cuda")],
)
def test_auto_takes_a_gpu_where_there_is_one(monkeypatch, there, expected):
    machine(monkeypatch, **there)
    assert resolve_device("auto") == torch.device(expected)
    assert resolve_device("cpu") == CPU


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_an_error(monkeypatch, name):
    machine(monkeypatch)
    with pytest.raises(IncmaskError) as caught:
        resolve_device(name)
    assert (
        str(caught.value) == f'setting device: \'{name}\' is not there (found: cpu); use settings={{"device": "auto"}}'
    )


@pytest.mark.parametrize("there", [{}, {"cuda": True}])
@pytest.mark.parametrize("deterministic", [False, True])
def test_a_gpu_alone_is_told_to_compute_the_same_each_time(monkeypatch, there, deterministic):
    machine(monkeypatch, **there)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    asked = []
    monkeypatch.setattr(torch, "use_deterministic_algorithms", asked.append)
    assert device_of(Settings(deterministic=deterministic)).type == ("cuda" if there else "cpu")
    is_told = bool(deterministic and there)
    assert asked == [True] * is_told
    assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == (":4096:8" if is_told else None)


def test_it_is_recorded_where_it_is_chosen():
    assert "deterministic" in Settings().unsaid
    assert "deterministic" not in Settings(deterministic=True).unsaid


@pytest.mark.parametrize(("capability", "fast"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_gpus_compute_bfloat16_from_the_eighth_generation_on(monkeypatch, capability, fast):
    machine(monkeypatch, cuda=True, capability=capability)
    assert fast_in_bfloat16(CUDA) is fast


@pytest.mark.parametrize(
    ("cpu", "fast"), [((), False), (("avx512_f", "avx2"), False), (("avx512_bf16",), True), (("amx_bf16",), True)]
)
def test_processors_compute_bfloat16_where_they_say_so(monkeypatch, cpu, fast):
    machine(monkeypatch, cpu=cpu)
    assert fast_in_bfloat16(CPU) is fast


def test_an_apple_gpu_takes_float32(monkeypatch):
    machine(monkeypatch, mps=True)
    assert not fast_in_bfloat16(torch.device("mps"))


@pytest.mark.parametrize(
    ("precision", "cpu", "dtype"),
    [
        ("auto", (), torch.float32),
        ("auto", ("amx_bf16",), torch.bfloat16),
        ("float32", ("amx_bf16",), torch.float32),
        ("bfloat16", (), torch.bfloat16),
    ],
)
def test_autocast_decides_the_precision(monkeypatch, precision, cpu, dtype):
    machine(monkeypatch, cpu=cpu)
    with autocast(CPU, precision):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
    assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_gpus_are_named_by_their_numbers(monkeypatch):
    monkeypatch.setattr("incmask.base.device.num_gpus", lambda: 4)
    assert devices_named("all") == (0, 1, 2, 3)
    assert devices_named("3, 0") == (3, 0)
    for told in ("4", "0,0", "-1", "cpu", "", "0,"):
        with pytest.raises(IncmaskError, match=r"expected numbers of GPUs from 0 to 3, each once; use devices=\"all\""):
            devices_named(told)
    monkeypatch.setattr("incmask.base.device.num_gpus", lambda: 0)
    with pytest.raises(IncmaskError, match=r'devices="all": torch finds no GPU of CUDA here; leave it out'):
        devices_named("all")
