"""Base models of another run, which this one would have trained itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from incmask.base.errors import IncmaskError, Problem
from incmask.base.images_on_disk import read_records
from incmask.base.records import Records, as_records, differences
from incmask.experiment.choices import Resolved
from incmask.method.recipes import RECIPES


def check_source(source: Path, chosen: Resolved, data: Mapping[str, Any]) -> None:
    """Refuse base models that this run would not have trained itself."""
    theirs = read_records(source)
    if theirs.run.get("recipe") not in chosen.recipe.bases:
        return
    ours = as_records(run={**chosen.describe_run(), "recipe": theirs.run["recipe"]}, data=data)
    told = differences(*(_of_base(each) for each in (theirs, ours))) + differences(theirs.data, ours.data)
    if told:
        remedy = "take it back, or train the base models anew"
        raise IncmaskError([Problem(str(source), difference, remedy) for difference in told])


def _of_base(records: Records) -> dict[str, Any]:
    """Give the choices that base models depend on."""
    run = records.run
    recipe = RECIPES[run["recipe"]]
    # How many there are makes no difference to any of them.
    settings = {
        name: value for name, value in run["settings"].items() if name != "num_base" and recipe.depends_on(name)
    }
    if not records.data["parts"].get("val"):
        # There may be as many folds of the labelled images.
        settings["models of the smallest stage"] = min(run["settings"][name] for name in ("num_base", "num_students"))
    names = ("size", "profile", "recipe", "start", "encoder")
    return {**{name: run[name] for name in names if name in run}, "settings": settings}
