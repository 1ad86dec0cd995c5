import errno
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from incmask.base.errors import IncmaskError
from incmask.nets.spec import NetworkSpec, load_model, load_tensors, save_model, save_tensors
from small import blocks

SPEC = NetworkSpec(in_channels=3, out_channels=2, width=0.125, batch_norm_momentum=0.9)


def saved(path):
    network = SPEC.build(seed=1)
    save_model(path, network.state_dict(), SPEC)
    return network


def test_the_same_seed_gives_the_same_weights_and_another_other_ones():
    one, same, other = (SPEC.build(seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    convolutions = [name for name in one if one[name].ndim == 4]
    assert len(convolutions) > 10
    assert not any(torch.equal(one[name], other[name]) for name in convolutions)


def test_building_leaves_the_global_generator_as_it_was():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    SPEC.build(seed=1)
    assert torch.equal(torch.rand(4), expected)


def test_what_the_description_says_is_built():
    network = replace(SPEC, width=0.25).build()
    assert network.stem[0].weight.shape == (4, 3, 1, 1)
    assert network.head.weight.shape == (2, 4, 1, 1)
    # Keras's share that stays is torch's share that is new.
    assert network.stem[1].momentum == pytest.approx(0.1)
    assert network.encoder[1][0].weight.is_contiguous(memory_format=torch.channels_last)


def test_a_saved_model_comes_back(tmp_path):
    network = saved(tmp_path / "m.safetensors").eval()
    loaded = load_model(tmp_path / "m.safetensors")
    assert not loaded.training
    state = loaded.state_dict()
    for name, value in network.state_dict().items():
        assert torch.equal(state[name], value)
    image = torch.from_numpy(blocks(2, channels=3)).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        assert torch.equal(loaded(image), network(image))


def test_after_a_model_was_loaded_or_refused_networks_are_drawn_as_before(tmp_path):
    spec = NetworkSpec(1, 1, 0.125)
    before = spec.build(seed=1).state_dict()
    save_model(tmp_path / "model.safetensors", before, spec)
    load_model(tmp_path / "model.safetensors")
    save_model(tmp_path / "other.safetensors", {}, spec)
    with pytest.raises(IncmaskError, match="is no model of this program"):
        load_model(tmp_path / "other.safetensors")
    after = spec.build(seed=1).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_file_is_plain_safetensors_with_the_description_inside(tmp_path):
    saved(tmp_path / "m.safetensors")
    _, about = load_tensors(tmp_path / "m.safetensors")
    assert about == {"network": asdict(SPEC)}
    assert NetworkSpec(**about["network"]) == SPEC
    assert set(safetensors.torch.load_file(tmp_path / "m.safetensors")) == set(SPEC.build().state_dict())


def damage(path, how):
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "a folder":
        path.unlink()
        path.mkdir()
    elif how == "tensors without description":
        safetensors.torch.save_file({"x": torch.zeros(1)}, path)
    elif how == "another description":
        save_tensors(path, {"x": torch.zeros(1)}, {"history": []})
    elif how == "a network that cannot be":
        save_tensors(path, SPEC.build().state_dict(), {"network": asdict(replace(SPEC, width=0.001))})
    elif how == "other tensors":
        save_tensors(path, SPEC.build().state_dict(), {"network": asdict(replace(SPEC, width=0.25))})
    elif how == "a picture":
        path.write_bytes(b"\x89PNG" * 100)
    else:
        path.write_bytes(content[: int(how)])


@pytest.mark.parametrize(
    "how",
    [
        *("0", "5", "300", "-1", "missing", "a folder", "a picture", "tensors without description"),
        *("another description", "a network that cannot be", "other tensors"),
    ],
)
def test_a_file_that_is_no_whole_model_is_refused_in_a_line(tmp_path, how):
    path = tmp_path / "m.safetensors"
    saved(path)
    damage(path, how)
    with pytest.raises(IncmaskError) as caught:
        load_model(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "\n" not in text


def test_a_full_disk_is_told_and_leaves_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    saved(path)
    before = path.read_bytes()

    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(IncmaskError, match="No space left on device"):
        saved(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("change", [{"width": 1e5}, {"in_channels": 10**9}, {"out_channels": 3}, {"width": -1}])
def test_no_memory_is_taken_for_what_a_file_merely_says(tmp_path, change):
    """A hundred thousand times as wide, a network has more weights than any machine has memory."""
    save_model(tmp_path / "model.safetensors", SPEC.build().state_dict(), replace(SPEC, **change))
    with pytest.raises(IncmaskError, match="is no model of this program"):
        load_model(tmp_path / "model.safetensors")
