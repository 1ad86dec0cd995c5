"""Write ``docs/licences.md``: the licences of all packages that incmask asks for, as they say themselves."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "licences.md"

WORDS = {
    r"apache[\s\w,-]*2\.0|apache software license": "Apache-2.0",
    r"\bmit\b|permission is hereby granted, free of charge": "MIT",
    r"bsd-2|bsd 2|freebsd": "BSD-2-Clause",
    r"bsd|redistribution and use in source and binary forms": "BSD-3-Clause",
    r"python software foundation": "PSF-2.0",
}
"""What packages call a licence that do not name it by its SPDX expression, in the order in which they are tried."""

WHOSE = {
    "": "always",
    "report": "`incmask[report]`",
    "export": "`incmask[export]`",
    "objects": "`incmask[objects]`",
    "pretrained": "`incmask[pretrained]`",
    "volumes": "`incmask[volumes]`",
    "cluster": "`incmask[cluster]`",
    "napari": "`incmask[napari]`",
    "remote": "`incmask[remote]`",
    "tensorboard": "`incmask[tensorboard]`",
    "mlflow": "`incmask[mlflow]`",
    "test": "to test incmask",
    "lint": "to change incmask",
}

HEAD = """# Licences

incmask is under the MIT licence. It holds no code of others: these are the packages that it asks for, with the licences
that they say they have. None asks that what uses it be under the same licence (MPL-2.0 asks that of changed files
alone). Wheels may hold libraries under others: those of OpenCV have FFmpeg under the LGPL. What these packages ask for
in turn, such as NVIDIA's libraries behind torch, is listed in the SBOM of each release (`sbom.cdx.json`, CycloneDX).
**Weights of pretrained encoders have licences of their own**: see [pretrained.md](pretrained.md).
`python docs/make_licences.py` makes this page from what is installed; a line of a package that is not installed stays
as it is.

| package | needed | licence |
|---|---|---|
"""


def requirements() -> Iterator[tuple[str, str]]:
    """Give every package that the project asks for, with the extra that does, "" for all."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    seen = {"incmask"}
    for extra, listed in {"": project["dependencies"], **project["optional-dependencies"]}.items():
        for name in (Requirement(each).name for each in listed):
            if name not in seen:
                yield name, extra
            seen.add(name)


def licence_of(found: Distribution) -> str | None:
    """Give the SPDX expression of an installed package's licence; None: it does not tell."""
    told = found.metadata
    if expression := told.get("License-Expression"):
        return str(expression)
    classifiers = [each for each in told.get_all("Classifier") or [] if each.startswith("License ::")]
    texts = (str(told.get("License") or "").partition("\n")[0], *classifiers, *_files(found))
    return next((spdx for text in texts for words, spdx in WORDS.items() if re.search(words, text.lower())), None)


def _files(found: Distribution) -> Iterator[str]:
    for path in found.files or ():
        if path.name.upper().startswith("LICEN") and ".dist-info" in str(path):
            yield path.read_text(encoding="utf-8")


def page(before: str) -> str:
    """Write the page; what is not installed has the line that it had before."""
    known = dict(re.findall(r"^\| (\S+) \| .* \| (.*) \|$", before, re.M))
    lines = []
    for name, extra in requirements():
        try:
            licence = licence_of(distribution(name)) or "not told"
        except PackageNotFoundError:
            licence = known.get(name, "not known")
        lines.append(f"| {name} | {WHOSE[extra]} | {licence} |\n")
    return HEAD + "".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""), encoding="utf-8")
