"""What records a network, with a stand-in for the CUDA graphs."""

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import nn

import incmask

# By its file: what lies around it needs Triton.
_SPEC = importlib.util.spec_from_file_location(
    "recorded_networks", Path(incmask.__file__).parent / "training" / "together" / "kernels" / "graph.py"
)
graph = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(graph)

pytestmark = pytest.mark.filterwarnings("ignore:User provided device_type of 'cuda'")


class Network(nn.Module):
    """A norm, which sees its inputs; counts its calls."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(1, momentum=0.5)
        self.num = 0

    def forward(self, image, mask):
        self.num += 1
        return self.norm(image) + mask


class Graphs:
    """Stands in for ``make_graphed_callables``: runs a module three times, then repeats it."""

    def __init__(self):
        self.samples = []
        self.replayed = []

    def __call__(self, module, samples):
        self.samples.append(samples)
        for _ in range(3):
            module(*samples)
        run = module.forward

        def replay(*inputs):
            self.replayed.append([each.shape for each in inputs])
            return run(*inputs)

        # As torch does to a module.
        module.forward = replay
        return module


@pytest.fixture
def graphs(monkeypatch):
    made = Graphs()
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", made)
    return made


def images(num=4, *, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(num, 1, 3, 2, generator=generator) for _ in range(2)]


def test_a_network_is_recorded_once_and_repeated(graphs):
    network, alone = Network(), Network()
    recorded = graph.Recorded(network)
    for seed in range(3):
        assert torch.equal(recorded(*images(seed=seed)), alone(*images(seed=seed)))
    assert len(graphs.samples) == 1
    assert graphs.replayed == [[(4, 1, 3, 2)] * 2] * 3


def test_recording_leaves_no_trace_in_the_statistics(graphs):
    """Neither in those of the first batch nor in how many there were."""
    network, alone = Network(), Network()
    recorded = graph.Recorded(network)
    for seed in range(2):
        recorded(*images(seed=seed))
        alone(*images(seed=seed))
        for name, buffer in alone.named_buffers():
            assert torch.equal(network.get_buffer(name), buffer), name
    # Three calls more than the statistics know of.
    assert (network.num, int(network.norm.num_batches_tracked)) == (5, 2)


def test_inputs_of_other_shapes_go_to_the_network_itself(graphs):
    network, alone = Network(), Network()
    recorded = graph.Recorded(network)
    for num in (4, 3, 4, 2):
        assert torch.equal(recorded(*images(num)), alone(*images(num)))
    assert recorded.unrecorded is network
    assert graphs.replayed == [[(4, 1, 3, 2)] * 2] * 2
    assert len(graphs.samples) == 1
    # A second input alone that is of another shape counts too.
    image, mask = images()
    recorded(image, mask[:, :, :1])
    assert len(graphs.replayed) == 2


def test_what_is_recorded_does_not_hold_the_first_batch(graphs):
    image, mask = images()
    recorded = graph.Recorded(Network())
    image = image.contiguous(memory_format=torch.channels_last).requires_grad_()
    recorded(image, mask)
    (sample, _) = graphs.samples[0]
    assert torch.equal(sample, image)
    assert sample.data_ptr() != image.data_ptr()
    assert not sample.requires_grad
    assert sample.stride() == image.stride()


def test_weights_have_their_gradients(graphs):
    network, alone = Network(), Network()
    recorded = graph.Recorded(network)
    for each in (recorded, alone):
        each(*images()).square().sum().backward()
    assert torch.equal(network.norm.weight.grad, alone.norm.weight.grad)
    assert {name.removeprefix("unrecorded.") for name, _ in recorded.named_parameters()} >= {"norm.weight"}
