"""The folder of some networks and what tells of them."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import pydantic

from incmask.base.bounds import HIGHEST_SIDE_PX
from incmask.base.errors import fail
from incmask.base.files import whole_file, write_text
from incmask.base.intact import intact
from incmask.base.parse import parse_json
from incmask.prediction.values import About

MODEL, ABOUT = "model", "model.json"
"""The folder of the models in a run folder, and what tells of them there."""
FORMAT = 1


_ABOUT = pydantic.TypeAdapter(About)
_MEMBERS = pydantic.TypeAdapter(Annotated[tuple[str, ...], pydantic.Field(min_length=1)])


def model_folder(folder: Path) -> Path:
    """Give the model folder in a run folder; any other folder as it is."""
    return folder / MODEL if intact(folder / MODEL / ABOUT).exists() else folder


def read_about(folder: Path) -> tuple[About, list[Path]]:
    """Read what a model folder tells of its networks, and give their files.

    Raises:
        IncmaskError: it holds no model, or what tells of them is damaged.
    """
    try:
        content = parse_json(intact(folder / ABOUT).read_text(encoding="utf-8"))
        about, members = _about_from(content), _MEMBERS.validate_python(content["members"])
    except (FileNotFoundError, NotADirectoryError):
        raise fail(folder, "holds no model", "name a run folder whose run has ended, or a model folder") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise fail(folder / ABOUT, f"cannot be read ({_in_a_line(error)})", "restore the file or run again") from error
    return about, [folder / Path(name).name for name in members]


def save_ensemble(folder: Path, members: Sequence[Path], about: About, *, scores: dict[str, Any]) -> list[Path]:
    """Copy members' files to a model folder and write what belongs to them; return all paths."""
    paths = [folder / f"member-{number}.safetensors" for number in range(1, len(members) + 1)]
    for source, path in zip(members, paths, strict=True):
        with whole_file(path) as temporary:
            shutil.copyfile(source, temporary)
    content = {"format": FORMAT, "members": [path.name for path in paths], **about.as_dict(), "validation": scores}
    write_text(folder / ABOUT, json.dumps(content, indent=1, ensure_ascii=False))
    return [*paths, folder / ABOUT]


def _about_from(content: dict[str, Any]) -> About:
    if content["format"] != FORMAT:
        raise ValueError(f"format {content['format']}, this version reads {FORMAT}")
    about = _ABOUT.validate_python(content)
    if not all(1 <= side <= HIGHEST_SIDE_PX for side in about.size):
        raise ValueError(f"size {about.size}, expected sides of 1 to {HIGHEST_SIDE_PX} pixels")
    if about.volumes is not None and (about.size != about.volumes.sheet or min(about.volumes.spacing) <= 0):
        raise ValueError(f"size {about.size}, expected that of patches of {about.volumes.patch}")
    return about


def _in_a_line(error: Exception) -> str:
    if not isinstance(error, pydantic.ValidationError):
        return str(error)
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg'].lower()}"
