import pytest
import torch
from torch import nn

from incmask.nets.costs import PAPER_GFLOPS, count_parameters, flops_an_image, paper_costs
from incmask.nets.spec import NetworkSpec

# Table 3 of the paper: parameters in millions. GFLOPs: counted apart from this program.
PARAMETERS_M = (0.1716, 0.3843, 0.6817, 1.0637, 1.5304, 2.0817, 2.7176)
GFLOPS = (0.625, 1.403, 2.4914, 3.890, 5.599, 7.619, 9.949)


@pytest.fixture(scope="module")
def table():
    return paper_costs()


def multiply_adds(width, side):
    """The U-Net's convolutions by hand: pixels × kernel × inputs × outputs, summed."""
    f0, f1, f2, f3, f4 = (int(16 * 2**i * width) for i in range(5))
    total = side**2 * (3 * f0 + f0 * 1)
    for level, (a, b) in enumerate(((f0, f0), (f0, f1), (f1, f2), (f2, f3))):
        total += (side >> level) ** 2 * (9 * a * b + b * b)
    total += (side >> 4) ** 2 * (9 * f3 * f4 + f4 * f3)
    for level, (a, b) in zip((3, 2, 1, 0), ((f3, f2), (f2, f1), (f1, f0), (f0, f0)), strict=True):
        total += (side >> level) ** 2 * (a * a + 9 * a * a + a * b)
    return total


class TwoInputs(nn.Module):
    """Like an EvalNet: an image and a mask, pooled to one value, then a linear layer; a norm on 1 value a channel."""

    def __init__(self):
        super().__init__()
        self.image, self.mask = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(1, 4, 1)
        self.norm, self.head = nn.BatchNorm1d(8), nn.Linear(8, 2)

    def forward(self, image, mask):
        both = torch.cat([self.image(image), self.mask(mask)], dim=1)
        return self.head(self.norm(both.mean(dim=(2, 3))))


def test_all_widths_have_the_papers_parameters(table):
    assert [round(row.num_parameters / 1e6, 4) for row in table] == list(PARAMETERS_M)
    assert table[0].num_parameters == 171_561


def test_all_widths_cost_what_their_convolutions_multiply_and_add(table):
    assert [row.width for row in table] == list(PAPER_GFLOPS)
    for row, expected in zip(table, GFLOPS, strict=True):
        assert row.gflops == pytest.approx(expected, abs=5e-4)
        assert row.gflops == 2 * multiply_adds(row.width, 256) / 1e9


def test_a_whole_image_of_the_paper_costs_what_the_table_says(table):
    network = NetworkSpec(in_channels=3, out_channels=1, width=0.5).build()
    assert flops_an_image(network, (3, 256, 256)) / 1e9 == table[0].gflops


def test_the_papers_figures_are_100_times_too_small(table):
    assert [row.ratio for row in table] == pytest.approx([100] * 7, rel=0.01)


def test_several_inputs_and_linear_layers_count_and_the_network_stays_as_it_was():
    network = TwoInputs().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert flops_an_image(network, (3, 5, 6), (1, 5, 6)) == 2 * (30 * (9 * 3 * 4 + 1 * 4) + 8 * 2)
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_frozen_weights_are_no_parameters_and_statistics_are():
    network = TwoInputs()
    everything = (3 * 9 * 4 + 4) + (1 * 4 + 4) + (8 * 2 + 2) + (8 + 8) + (8 + 8)
    assert count_parameters(network) == everything
    network.head.requires_grad_(False)
    assert count_parameters(network) == everything - 18


def test_other_channels_and_sides_cost_otherwise():
    network = NetworkSpec(in_channels=1, out_channels=3, width=0.25).build()
    square = 2 * (multiply_adds(0.25, 32) + 32**2 * (4 - 3 * 4) + 32**2 * (3 * 4 - 4))
    assert flops_an_image(network, (1, 32, 32)) == square
    assert flops_an_image(network, (1, 32, 64)) == 2 * square
