"""The benchmarks of a GPU and of reduced precision: their counting by hand, and all of it once at a tiny size."""

import contextlib
import importlib
import io
import json
import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate, max_pool2d

from incmask.base.choosing import resolve_settings
from incmask.nets.spec import NetworkSpec, load_tensors
from incmask.nets.unet import Conv, norm

sys.path.append(str(Path(__file__).parents[2]))
gpu = importlib.import_module("benchmarks.gpu.__main__")
precision = importlib.import_module("benchmarks.precision")
bench, busy, estimate, roofline, training = (
    importlib.import_module(f"benchmarks.gpu.{name}") for name in ("bench", "busy", "estimate", "roofline", "training")
)


@pytest.fixture(scope="module", autouse=True)
def unchanged_process():
    """What the benchmarks set for their whole process does not reach other tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        for module in (gpu, precision):
            patch.setattr(module, "keep_freed_memory", lambda: None)
        yield
    torch.set_num_threads(before)


@dataclass(frozen=True)
class Run:
    """What a run of the benchmark left."""

    out: Path
    results: dict[str, Any]
    printed: str


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Everything, once, on the CPU and tiny."""
    if "INCMASK_NIGHTLY" not in os.environ:
        pytest.skip("INCMASK_NIGHTLY=1 measures everything once")
    out, printed = tmp_path_factory.mktemp("gpu"), io.StringIO()
    with contextlib.redirect_stdout(printed):
        gpu.main([str(out), "--device", "cpu", "--tiny", "--seconds", "0", "--rounds", "1"])
    return Run(out, json.loads((out / "gpu.json").read_text()), printed.getvalue())


class Small(nn.Module):
    """Each kind of layer of the U-Net once: 1 channel, then 2."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = Conv(1, 2, 3), norm(2, 0.1)

    def forward(self, image):
        x = self.norm(self.conv(image))
        return interpolate(max_pool2d(x, 2), scale_factor=2) + x


def test_intervals_that_overlap_count_once():
    assert busy.covered_length([]) == 0
    # 0–4 and 3–5 overlap, 1–2 lies within, 5–6 touches, 8–9 stands alone.
    assert busy.covered_length([(8, 9), (3, 5), (0, 4), (1, 2), (5, 6)]) == 7


@pytest.mark.parametrize("bytes_a_value", [2, 4])
def test_bytes_are_those_of_each_layer_by_hand(bytes_a_value):
    pixels = 4 * 6
    image, full, quarter = pixels, 2 * pixels, 2 * pixels // 4
    values = (
        # Forward: convolution, ReLU, batch norm, pooling, upsampling, addition of two.
        (image + full)
        + (full + full)
        + (full + full)
        + (full + quarter)
        + (quarter + full)
        + (full + full + full)
        # Back: the gradient of the sum goes both ways as it is; upsampling; pooling; both gradients are added; batch
        # norm reads its input, ReLU its result; the convolution reads its input, and the image needs no gradient.
        + (full + quarter)
        + (quarter + full)
        + 3 * full
        + 3 * full
        + 3 * full
        + (full + image)
    )
    places = 2 * quarter
    counted = roofline.bytes_an_image(Small().train(), (1, 4, 6), bytes_a_value=bytes_a_value)
    assert counted == bytes_a_value * values + places


def test_bytes_of_the_u_net_grow_with_the_area_and_with_the_width():
    network = NetworkSpec(3, 1, 0.125).build().train()
    small = roofline.bytes_an_image(network, (3, 32, 32), bytes_a_value=2)
    assert roofline.bytes_an_image(network, (3, 64, 32), bytes_a_value=2) == 2 * small
    wider = roofline.bytes_an_image(NetworkSpec(3, 1, 0.25).build().train(), (3, 32, 32), bytes_a_value=2)
    # Image and logits alone stay as they are.
    assert 1.9 < wider / small < 2


def test_images_of_a_run_are_those_counted_by_hand():
    overrides = {"epochs": 2, "num_base": 3, "num_students": 2, "num_generations": 2, "batch_size": 4}
    settings = resolve_settings(preset="paper", overrides=overrides)
    stages = estimate.stages_of(settings, num_labelled=9, num_unlabelled=20, num_val=5, copies=3)
    base, evalnets, first, second = stages
    # Steps an epoch: 9 // 4, 90 // 4, (9 + 60) // 4.
    assert (base.name, base.kind, base.width, base.num_trained) == ("base models", "base", 0.5, 3 * 2 * 2 * 4)
    assert (evalnets.kind, evalnets.width, evalnets.num_trained) == ("evalnet", 1.0, 5 * 2 * 22 * 4)
    assert (first.kind, first.width, first.num_trained) == ("student", 0.5, 2 * 2 * 17 * 4)
    assert (second.name, second.width, second.num_trained) == ("generation 2", 0.75, 2 * 2 * 17 * 4)
    # Validations, and the pairs that 3 voters make: 10 of each labelled, 3 of each validation image.
    assert base.num_forward == 3 * 2 * 5 + 3 * (90 + 15)
    assert evalnets.num_forward == 5 * 2 * 15
    # 2 members label and as many judges rate.
    assert first.num_forward == second.num_forward == 2 * 2 * 5 + (2 + 2) * 20


def test_the_papers_run_has_its_numbers():
    stages = estimate.stages_of(
        resolve_settings(preset="paper"), num_labelled=259, num_unlabelled=2335, num_val=100, copies=1
    )
    assert [stage.num_trained for stage in stages] == [10 * 50 * 8 * 32, 5 * 50 * 80 * 32, *[5 * 50 * 81 * 32] * 5]
    assert [stage.width for stage in stages] == [0.5, 1.0, 0.5, 0.75, 1.0, 1.25, 1.5]


def test_minutes_follow_from_speeds():
    slow, fast = (
        estimate.Speed(2.0, trained=100, forward=500, start=30),
        estimate.Speed(0.5, trained=400, forward=2000, start=30),
    )
    at_half = estimate.minutes_of(estimate.Stage("", "student", 0.5, 240_000, 60_000), [fast, slow])
    assert (at_half.training, at_half.forward, at_half.start) == pytest.approx((10, 0.5, 0.5))
    assert at_half.total == pytest.approx(11)
    # Halfway on a logarithmic scale: 200 and 1000 images a second.
    between = estimate.minutes_of(estimate.Stage("", "student", 1.0, 240_000, 60_000), [fast, slow])
    assert (between.training, between.forward, between.start) == pytest.approx((20, 1, 0.5))
    alone = estimate.minutes_of(estimate.Stage("", "base", 0.5, 240_000, 0), [fast])
    assert alone.total == pytest.approx(10.5)


def test_slowest_kernels_have_their_share_of_the_kernel_time():
    kernels = [busy.Kernel("a", 0, 1), busy.Kernel("b", 0, 5), busy.Kernel("a", 7, 9)]
    kernels += [busy.Kernel(name, 1, 2) for name in "cdef"]
    # Slowest first; the sixth is left out, but counts in the whole.
    shares = busy.slowest_kernels(kernels)
    assert list(shares.items()) == [("b", 5 / 12), ("a", 3 / 12), ("c", 1 / 12), ("d", 1 / 12), ("e", 1 / 12)]


def test_bytes_a_value_are_those_of_the_precision():
    def bytes_a_value(name):
        settings = resolve_settings(preset="paper", overrides={"precision": name})
        return bench.Bench(Path(), bench.TINY, torch.device("cpu"), settings, 0, 1).bytes_a_value

    assert (bytes_a_value("float32"), bytes_a_value("bfloat16")) == (4, 2)


@pytest.mark.slow
def test_everything_is_measured_once_on_the_cpu(run):
    assert list(run.results) == ["about", "training", "compiled", "busy", "roofline", "estimate", "equal"]
    figures = list(numbers(run.results))
    assert len(figures) > 100
    assert all(math.isfinite(value) and value >= 0 for value in figures)
    assert "generation 5" in run.printed
    assert not list(run.out.glob("*.part"))


@pytest.mark.slow
@pytest.mark.parametrize("width", ["0.125", "0.25"])
def test_figures_of_a_width_belong_together(run, width):
    sides, bound = run.results["training"][width], run.results["roofline"][width]
    speeds = {name: values[0] for name, values in sides["images_per_second"].items()}
    assert list(speeds) == ["incmask", "plain loop"]
    assert sides["num"] == 2
    for name, speed in speeds.items():
        assert sides["ratios"][name] == pytest.approx(speeds["incmask"] / speed)
    assert 0 < run.results["busy"][width]["share"] <= 1
    assert run.results["busy"][width]["kernels_a_step"] > 100
    assert bound["reached"] == speeds["incmask"]
    assert bound["share"] == pytest.approx(bound["reached"] / bound["attainable"])
    seconds = {
        "operations": bound["operations"] / run.results["roofline"]["peak_operations"],
        "memory": bound["bytes"] / run.results["roofline"]["peak_bytes"],
    }
    assert bound["attainable"] == pytest.approx(1 / max(seconds.values()))
    assert bound["bound"] == max(seconds, key=seconds.get)


@pytest.mark.slow
@pytest.mark.parametrize("width", ["0.125", "0.25"])
def test_what_the_library_does_alone_is_compared_with_the_first_side(run, width):
    sides = run.results["compiled"][width]
    speeds = {name: values[0] for name, values in sides["images_per_second"].items()}
    assert list(speeds) == ["compiled", "grouped", "plain loop"]
    for name, speed in speeds.items():
        assert sides["ratios"][name] == pytest.approx(speeds["compiled"] / speed)


@pytest.mark.slow
def test_ways_of_training_are_compared_seed_by_seed(run):
    """A CPU has no kernels of our own."""
    found = run.results["equal"]
    assert list(found) == ["layers", "float32"]
    for ours in found.values():
        assert len(ours["losses"]) == len(ours["scores"]) == run.results["about"]["num_students"]
        assert all(0 < loss < 1 for loss in ours["losses"])
    # The same weights and batches at the start, and other rounding.
    assert found["layers"]["losses"] == pytest.approx(found["float32"]["losses"], abs=0.05)
    assert found["layers"]["losses"] != found["float32"]["losses"]


def test_tiles_are_tried_only_where_there_are_kernels(tmp_path, capsys):
    gpu.main([str(tmp_path), "--device", "cpu", "--tiny", "--only", "tiles"])
    assert json.loads((tmp_path / "gpu.json").read_text())["tiles"] == {}
    assert "there are no kernels" in capsys.readouterr().out


@pytest.mark.slow
def test_operations_are_three_forward_passes_by_hand(run):
    # A 1×1 U-Net of width 0.25 on 32×32 pixels: multiply-adds of each convolution, pixels × kernel × in × out.
    f0, f1, f2, f3, f4 = 4, 8, 16, 32, 64
    total = 32**2 * (3 * f0 + f0)
    for side, before, after in ((32, f0, f0), (16, f0, f1), (8, f1, f2), (4, f2, f3)):
        total += side**2 * (9 * before * after + after * after)
    total += 2**2 * (9 * f3 * f4 + f4 * f3)
    for side, before, after in ((4, f3, f2), (8, f2, f1), (16, f1, f0), (32, f0, f0)):
        total += side**2 * (before * before + 9 * before * before + before * after)
    assert run.results["roofline"]["0.25"]["operations"] == 3 * 2 * total


@pytest.mark.slow
def test_minutes_of_a_run_are_those_of_its_stages(run):
    found = run.results["estimate"]
    once, thrice = (found[f"copies_{copies}"] for copies in (1, 3))
    assert once["minutes"] == pytest.approx(sum(stage["total"] for stage in once["stages"]))
    assert once["minutes"] < thrice["minutes"]
    assert {kind: len(speeds) for kind, speeds in found["speeds"].items()} == {"base": 1, "evalnet": 1, "student": 2}


def test_without_a_gpu_nothing_is_measured_and_that_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    gpu.main([str(tmp_path / "out")])
    assert "no CUDA device" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_both_precisions_are_trained_and_compared_seed_by_seed(tmp_path, capsys):
    words = "--seeds 2 --device cpu --size 32 --width 0.125 --steps 2 --batch-size 2 --num-labelled 4 --num-val 3"
    precision.main([str(tmp_path), *words.split()])
    results = json.loads((tmp_path / "precision.json").read_text())
    scores = results["scores"]
    assert {name: len(values) for name, values in scores.items()} == {"float32": 2, "bfloat16": 2}
    for name, values in scores.items():
        for seed, value in enumerate(values, 1):
            kept = json.loads((tmp_path / "students" / name / str(seed) / "scores.json").read_text())
            assert value == kept["validation_score"]
            assert kept["steps"] == 2
    first, second = np.subtract(scores["bfloat16"], scores["float32"])
    assert results["differences"] == [first, second]
    told = results["difference"]
    assert told["mean"] == pytest.approx((first + second) / 2)
    # Student's t of one degree of freedom at 97.5 %, times the standard error of two values.
    reach = math.tan(0.475 * math.pi) * abs(first - second) / 2
    assert told["high"] - told["mean"] == pytest.approx(reach)
    assert told["mean"] - told["low"] == pytest.approx(reach)
    assert "95 % interval" in capsys.readouterr().out


def test_precisions_differ_in_nothing_but_themselves(tmp_path):
    words = "--seeds 1 --device cpu --size 32 --width 0.125 --steps 1 --batch-size 2 --num-labelled 4 --num-val 3"
    precision.main([str(tmp_path), *words.split()])
    results = json.loads((tmp_path / "precision.json").read_text())
    # One seed has no interval.
    assert set(results["difference"]) == {"mean", "best", "num"}
    tensors = {}
    for name in precision.PRECISIONS:
        state, _ = load_tensors(tmp_path / "students" / name / "1" / "model.safetensors")
        tensors[name] = torch.cat([tensor.flatten().float() for tensor in state.values()])
    assert not torch.equal(tensors["float32"], tensors["bfloat16"])
    # After a step of the same batch from the same weights they are still near each other.
    assert torch.nn.functional.cosine_similarity(*tensors.values(), dim=0) > 0.99


def numbers(value):
    """Give all numbers of nested results."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from numbers(each)
    elif isinstance(value, int | float):
        yield value
