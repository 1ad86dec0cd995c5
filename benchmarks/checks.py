"""What ``incmask check`` says of real data sets in good order: it should find no problem in any.

    python -m benchmarks.checks [--data ../shared/data] [--out checks]

Each set of the study, as it trains on it, and at full size the files as their owners wrote them: cats, aerial
photographs, and the numbered nuclei, which have to be told. Printed: problems, findings and notes, a line each.
"""

import argparse
import json
from pathlib import Path

from benchmarks.study.sets import SETS, arrange
from incmask.base.caller import on_command_line
from incmask.experiment.checked import check_data

AS_TRAINED = ("cats", "nuclei-44", "cells", "hippocampus", "aerial")
AS_WRITTEN = {"feral_cats": "masks", "aeroscapes": "masks", "nuclei": "labels"}
"""Folders, and that of their masks."""


def main() -> None:
    """Arrange the sets and check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("checks"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for name in AS_TRAINED:
        arrange(SETS[name], given.data, given.out / name, draw=0)
    for name, masks in AS_WRITTEN.items():
        link(given.data / name, given.out / f"{name}-as-written", masks)
    for folder in sorted(path for path in given.out.iterdir() if path.is_dir()):
        tell(folder)


def link(source: Path, target: Path, masks: str) -> None:
    """Arrange files as their parts tell, by links."""
    for part, names in json.loads((source / "split.json").read_text(encoding="utf-8")).items():
        for kind, of_source in (("images", "images"), ("masks", masks)):
            (target / part / kind).mkdir(parents=True, exist_ok=True)
            for name in names:
                (path := target / part / kind / name).unlink(missing_ok=True)
                path.symlink_to((source / of_source / name).resolve())


def tell(folder: Path) -> None:
    """Print what check says of a folder."""
    with on_command_line():
        found = check_data(folder)
    notes = [line for line in found.description if line.startswith("note: ")]
    counts = f"{len(found.problems)} problems, {len(found.findings)} findings, {len(notes)} notes"
    print(f"{folder.name}: {counts}")
    findings = [f"{each.severity}: {each}" for each in found.findings]
    for line in (*map(str, found.problems), *findings, *notes):
        print(f"  {line}")


if __name__ == "__main__":
    main()
