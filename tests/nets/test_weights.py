import pickle

import pytest
import torch
from safetensors.torch import save_file

from incmask.base.errors import IncmaskError
from incmask.nets.encoders.weights import read_weights, under_names

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "b.running_mean": torch.ones(2)}


class Opens:
    """What a pickle may make a careless reader do."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def same(found, expected=TENSORS):
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("ending", ["safetensors", "pth", "bin"])
def test_tensors_are_read_whatever_the_file_is_called(tmp_path, ending):
    save_file(TENSORS, tmp_path / f"s.{ending}")
    assert same(read_weights(tmp_path / f"s.{ending}"))
    torch.save(TENSORS, tmp_path / f"t.{ending}")
    assert same(read_weights(tmp_path / f"t.{ending}"))
    torch.save(TENSORS, tmp_path / f"o.{ending}", _use_new_zipfile_serialization=False)
    assert same(read_weights(tmp_path / f"o.{ending}"))


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_tensors_among_other_things_are_found(tmp_path, key):
    torch.save({"epoch": 3, key: TENSORS, "note": "text"}, tmp_path / "t.pth")
    assert same(read_weights(tmp_path / "t.pth"))


def test_nothing_in_a_file_is_run(tmp_path):
    torch.save({"state_dict": TENSORS, "x": Opens(str(tmp_path / "made"))}, tmp_path / "t.pth")
    with pytest.raises(IncmaskError, match="objects that may run code, which are not read; save the tensors alone"):
        read_weights(tmp_path / "t.pth")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "is no file"),
        (b"", "is no file of weights"),
        (b"some text\n", "is no file of weights"),
        (pickle.dumps({"a": 1}), "is no file of weights"),
    ],
)
def test_other_files_are_refused_in_a_line(tmp_path, content, told):
    path = tmp_path / "t.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(IncmaskError) as caught:
        read_weights(path)
    assert str(caught.value).startswith(str(path))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, torch.ones(2)])
def test_a_file_without_named_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "t.pth")
    with pytest.raises(IncmaskError, match="no tensors by name"):
        read_weights(tmp_path / "t.pth")


def test_a_number_that_is_not_finite_is_refused(tmp_path):
    save_file(TENSORS | {"c": torch.tensor([1.0, float("nan")])}, tmp_path / "s.safetensors")
    with pytest.raises(IncmaskError, match="not finite, in c"):
        read_weights(tmp_path / "s.safetensors")


@pytest.mark.parametrize("prefix", ["", "module.", "encoder.", "backbone."])
def test_what_is_wanted_is_found_behind_a_prefix(tmp_path, prefix):
    there = {prefix + name: value for name, value in TENSORS.items()} | {"decoder.weight": torch.ones(9)}
    wanted = {name: torch.zeros_like(value) for name, value in TENSORS.items()}
    assert same(under_names(there, wanted, tmp_path))


def test_how_often_a_norm_was_used_need_not_be_there(tmp_path):
    wanted = TENSORS | {"b.num_batches_tracked": torch.tensor(0)}
    assert same(under_names(TENSORS, wanted, tmp_path), wanted)


@pytest.mark.parametrize("there", [{"a.weight": torch.ones(2, 3)}, TENSORS | {"b.running_mean": torch.ones(3)}])
def test_the_weights_of_another_encoder_are_refused(tmp_path, there):
    with pytest.raises(IncmaskError, match=r"1 of the encoder's 2 tensors .*, b\.running_mean first"):
        under_names(there, TENSORS, tmp_path)
