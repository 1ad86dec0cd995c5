"""Files of weights that others have made, read without running what may be inside."""

import pickle
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor

from incmask.base.errors import fail
from incmask.base.parse import parse_json

_WRAPPED = ("state_dict", "model_state_dict", "model")
"""What a dictionary of tensors lies under, in a file that holds more."""
_PREFIXES = ("", "module.", "encoder.", "backbone.", "model.")
"""What may stand before the names of an encoder's tensors, where it was saved as a part."""
_COUNTER = "num_batches_tracked"


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file, or of a dictionary that torch saved.

    Raises:
        IncmaskError: there is no such file, it holds something else, or a number in it is not finite.
    """
    if not path.is_file():
        raise fail(path, "is no file", "name a file of weights: safetensors, or a dictionary of tensors saved by torch")
    try:
        tensors = load_file(path)
    except safetensors.SafetensorError:
        tensors = _tensors_of(_read_torch(path), path)
    wrong = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if wrong:
        raise fail(path, f"has numbers that are not finite, in {wrong[0]}", "name another file of weights")
    return tensors


def told_inside(path: Path) -> tuple[str, str] | None:
    """Give origin and licence of weights where the file is one of ours that tells; None: it is not."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            about = parse_json((file.metadata() or {})["about"])
        about = about.get("encoder", about)
        return str(about["origin"]), str(about["licence"])
    except (OSError, KeyError, ValueError, AttributeError, TypeError, safetensors.SafetensorError):
        return None


def under_names(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Give the tensors of a file that are wanted, whatever stands before their names.

    Args:
        tensors: of the file.
        wanted: tensors of the same shapes, by name.
        path: the file, for the message.

    Raises:
        IncmaskError: one lacks, or has another shape.
    """
    needed = [name for name in wanted if not name.endswith(_COUNTER)]
    prefix = max(_PREFIXES, key=lambda each: sum(each + name in tensors for name in needed))
    fitting = {name: tensors[prefix + name] for name in wanted if prefix + name in tensors}
    missing = [name for name in needed if name not in fitting or fitting[name].shape != wanted[name].shape]
    if missing:
        raise _foreign(path, missing, num=len(needed))
    # How many batches a norm has seen is not in every file.
    return {name: fitting.get(name, own) for name, own in wanted.items()}


def _foreign(path: Path, missing: Collection[str], *, num: int) -> Exception:
    what = f"{len(missing)} of the encoder's {num} tensors are not there or have another shape, {min(missing)} first"
    return fail(path, what, "name the weights of this very encoder")


def _read_torch(path: Path) -> Any:
    try:
        # By its content: torch takes some endings for other formats. What it warns of is told as an error, or nothing.
        with open(path, "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise fail(
            path,
            "is no file of weights, or holds objects that may run code, which are not read",
            "save the tensors alone: as safetensors, or torch.save(model.state_dict(), ...)",
        ) from error
    except Exception as error:  # a pickle that is none fails in any way
        reason = str(error).partition("\n")[0]
        remedy = "name a safetensors file, or one that torch saved"
        raise fail(path, f"is no file of weights ({reason})", remedy) from error


def _tensors_of(content: Any, path: Path) -> dict[str, Tensor]:
    for key in _WRAPPED:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    tensors = (
        {str(name): each for name, each in content.items() if isinstance(each, Tensor)}
        if isinstance(content, Mapping)
        else {}
    )
    if not tensors:
        raise fail(path, "holds no tensors by name", "save them with torch.save(model.state_dict(), ...)")
    return tensors
