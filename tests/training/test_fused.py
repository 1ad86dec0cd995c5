"""Kernels for groups of networks, run by Triton's interpreter, against the layers in 64 bits."""

import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("fused_values.py")

LAYERS = {
    "as on a GPU": 13,
    "point": 8,
    "wide point": 9,
    "block 8 12 16": 13,
    "block 24 48 12": 13,
    "block 72 80 66": 13,
    "block 16 72 8": 11,
    "block of one pixel": 13,
    "head": 6,
    "pool": 4,
    "pool and keep": 4,
    "rise": 5,
    "wide rise": 5,
    "point of many tiles": 8,
    "block of many tiles": 13,
    "wide block of many tiles": 13,
    "pool of many tiles": 4,
    "rise of many tiles": 5,
}
"""How many tensors are compared of each."""

NETWORKS = {
    "U-Net, grey": 1,
    "U-Nets, 3": 3,
    "U-Nets, two views": 2,
    "U-Net, all levels": 1,
    "EvalNets": 2,
    "EvalNets, other sides": 2,
}
"""How many networks are run as one."""


@pytest.fixture(scope="module")
def found():
    """What the script printed."""
    if not importlib.util.find_spec("triton"):
        pytest.skip("Triton, which interprets the kernels, is not installed here")
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def too_large(differences, limits):
    """Those above the limit of their kind, and those that are no numbers."""
    return {
        name: value
        for name, value in differences.items()
        if not value <= next(limit for part, limit in limits.items() if part in name)
    }


@pytest.mark.parametrize("name", LAYERS)
def test_layers_give_the_values_gradients_and_statistics_of_torch(found, name):
    assert not too_large(found[name], {"": 5e-5})
    assert len(found[name]) == LAYERS[name]


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_give_the_values_gradients_and_statistics_of_torch(found, name):
    differences = found[name]
    # Layers are measured above. After many of them a pixel at the edge of a ReLU, or of a pool, may fall on the other
    # side, which with few pixels moves gradients by up to a tenth; a layer at the wrong place moves them by more.
    assert not too_large(differences, {"tracked": 0, "gradient": 0.3, "": 1e-3})
    gradients = [value for part, value in differences.items() if "gradient" in part]
    assert math.fsum(gradients) / len(gradients) < 0.03
    for kind in ("gradient of network", "running_mean", "num_batches_tracked"):
        counts = [sum(kind in part and f"network {number} " in part for part in differences) for number in range(3)]
        assert all(counts[: NETWORKS[name]])
        assert not any(counts[NETWORKS[name] :])


def test_an_evalnet_for_images_of_other_sides_is_that_of_torch(found):
    """In its float32, so that rounding alone is between them."""
    assert found["EvalNets, other sides"]["result"] < 1e-5


def test_all_layers_of_a_u_net_take_part(found):
    names = found["U-Net, all levels"]
    # Convolutions and norms: stem 1 and 1; encoder and bottleneck 2 and 1 each; decoder 3 and 2 each; head 1 and 0.
    num_convolutions, num_norms = 1 + 5 * 2 + 4 * 3 + 1, 1 + 5 * 1 + 4 * 2
    assert sum("gradient" in name for name in names) == 2 * (num_convolutions + num_norms)
    assert sum("gradient" not in name for name in names) == 1 + 3 * num_norms


def test_sums_at_the_edges_are_those_pixel_by_pixel(found):
    assert list(found["edges"]) == ["1×1", "1×4", "5×1", "4×6"]
    assert not too_large(found["edges"], {"": 1e-4})


def test_the_largest_of_four_by_hand(found):
    """Windows 0 0 / 0 0, 1 2 / 2 0 and 0 1 / 2 2, whose results have the gradients 1, 10 and 100."""
    ties = found["ties"]
    # Doubled: the gradient goes to the first of equals, and is doubled.
    assert ties["pooled"][0] == [0, 4, 4]
    assert ties["values"][0] == [[2, 0, 0, 20, 0, 0], [0, 0, 0, 0, 200, 0]]
    # Times -1, plus 5: what was smallest is largest.
    assert ties["pooled"][1] == [5, 5, 5]
    assert ties["values"][1] == [[-1, 0, 0, 0, -100, 0], [0, 0, 0, -10, 0, 0]]
    # 0 × 1 + 2 × 10 + 2 × 100, and all gradients.
    assert ties["scale"] == [220, 0]
    assert ties["shift"] == [111, 111]


def test_values_that_become_equal_in_bfloat16_are_equal(found):
    """The first has the gradient, though the second was larger before it was rounded."""
    assert found["ties of bfloat16"] == [1, 0, 0, 0]


def test_a_norm_by_hand(found):
    """0 to 6 again and again, and a channel that is always 3; eps 0.01, a quarter of the new."""
    norm = found["begun norm"]
    # Mean 3, variance (9 + 4 + 1) × 2 / 7 = 4.
    deviation = math.sqrt(4.01)
    assert norm["mean"] == [3, 3]
    assert norm["reciprocal"] == pytest.approx([1 / deviation, 10])
    assert norm["scale"] == pytest.approx([2 / deviation, 10])
    assert norm["shift"] == pytest.approx([10 - 6 / deviation, 20 - 30])
    # From 1 and 2, and, without bias, from 3 and 4.
    assert norm["running mean"] == pytest.approx([0.75 + 3 / 4, 1.5 + 3 / 4])
    assert norm["running variance"] == pytest.approx([2.25 + 4 * 280 / 279 / 4, 3])


def test_programs_share_tiles(found):
    """As many as there are tiles, as a card has room for (2112 warps), and at least one."""
    assert found["programs"] == [10, 212, 1]
