"""The packages that hold encoders of others: imported when they are used, and their cache looked into, never filled."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from incmask.base.errors import fail

PRETRAINED = "pip install 'incmask[pretrained]'"
_FILES = ("model.safetensors", "pytorch_model.bin")


def load_package(module: str, *, where: str) -> Any:
    """Import a package of encoders.

    Args:
        module: its name in Python.
        where: the choice that asks for it.

    Raises:
        IncmaskError: it is not installed, or cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise fail(where, f"{error.name or module} is not installed", PRETRAINED) from error
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        reason = str(error).partition("\n")[0]
        raise fail(
            where,
            f"{module} cannot be imported ({reason})",
            "most often torchvision is of another torch: install the one that belongs to yours, CPU or CUDA",
        ) from error


def in_cache(repository: str, *, revision: str | None = None, files: Sequence[str] = _FILES) -> Path | None:
    """Find a file of a repository of the Hugging Face hub in this machine's cache; nothing is fetched.

    Args:
        repository: owner and name.
        revision: of it; None: the newest that is there.
        files: the first of these that is there.
    """
    hub = load_package("huggingface_hub", where=repository)
    found = (hub.try_to_load_from_cache(repository, file, revision=revision) for file in files)
    return next((Path(path) for path in found if isinstance(path, str)), None)
