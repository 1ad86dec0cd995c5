"""Warm starts: base models begin with those of an earlier round that have not seen what chooses between them."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from incmask.data.split import make_folds
from incmask.errors import IncmaskError
from incmask.fit import MODEL, SCORES
from incmask.models import Spec, load_tensors
from incmask.recipes import RECIPES
from incmask.store import Records, hash_file, read_records
from incmask.students import BASE


@dataclass(frozen=True)
class Start:
    """Models to begin with.

    Attributes:
        run: the run folder that trained them.
        models: by the folder of the new run that base models go into, for each of them the model that it begins
            with; None: it begins anew.
    """

    run: Path
    models: Mapping[str, tuple[Path | None, ...]]

    def describe(self) -> dict[str, Any]:
        """What ``run.toml`` tells: the run's name and a hash of the weights, so that another run of it is noticed."""
        paths = [path for name in sorted(self.models) for path in self.models[name] if path is not None]
        hashes = "".join(hash_file(path) for path in paths)
        return {"run": self.run.name, "num_models": len(paths), "sha256": hashlib.sha256(hashes.encode()).hexdigest()}


def find_start(
    run: Path, records: Records, *, recipes: Mapping[str, str], specs: Mapping[str, Spec], num_models: int
) -> Start | None:
    """Choose for each base model one of an earlier round, the one of its own number where that is possible.

    A model may begin with another that has the same network and was trained on none of the images that validate it.

    Args:
        run: the earlier round's run folder.
        records: what the new run says of itself.
        recipes: names of the new run's base recipes, by the folder that they are kept in.
        specs: their networks, by the same.
        num_models: base models of each.

    Returns:
        None where no model can be taken.
    """
    try:
        theirs = read_records(run)
        kept = {name: folder for folder, name in base_folders(theirs.run["recipe"]).items()}
        validation = list(_validation(records))
        models = {}
        for folder, name in recipes.items():
            if name not in kept:
                continue
            usable = list(_usable(run / kept[name], theirs, spec=specs[folder], full=RECIPES[name].labelled == "full"))
            chosen = [_choose(usable, index, validation[index % len(validation)]) for index in range(num_models)]
            if any(chosen):
                models[folder] = tuple(chosen)
    except (IncmaskError, KeyError, TypeError, ValueError, OSError):
        # The earlier run is gone or damaged, which is no reason not to begin anew.
        return None
    return Start(run, models) if models else None


def base_folders(recipe: str) -> dict[str, str]:
    """Give the names of a recipe's base recipes by the folders that a run keeps their models in."""
    names = RECIPES[recipe].bases or (recipe,)
    return {f"{BASE}-{name}" if place else BASE: name for place, name in enumerate(names)}


def validation_images(records: Records) -> frozenset[str]:
    """Give the hashes of all images that choose between the models of a run."""
    return frozenset().union(*_validation(records))


@dataclass(frozen=True)
class _Model:
    """A trained model, its score, and the hashes of the images that it has seen."""

    number: int
    path: Path
    score: float
    seen: frozenset[str]


def _usable(folder: Path, records: Records, *, spec: Spec, full: bool) -> Iterator[_Model]:
    training = list(_training(records, full=full))
    for index in range(int(records.run["settings"]["num_base"])):
        path = folder / "students" / str(index + 1) / MODEL
        _, about = load_tensors(path)
        if about == {"network": asdict(spec)}:
            score = json.loads((path.parent / SCORES).read_text(encoding="utf-8"))["validation_score"]
            yield _Model(index + 1, path, float(score), training[index % len(training)])


def _choose(models: Sequence[_Model], index: int, validation: frozenset[str]) -> Path | None:
    # Each its own, since members that begin alike would disagree less.
    fitting = [model for model in models if not model.seen & validation]
    ordered = sorted(fitting, key=lambda model: (model.number != index + 1, -model.score))
    return ordered[0].path if ordered else None


def _validation(records: Records) -> Iterator[frozenset[str]]:
    """Give the images that validate the models of each fold."""
    parts = records.data["parts"]
    if parts.get("val"):
        yield frozenset(map(_image_hash, parts["val"].values()))
        return
    names = list(parts["labelled"])
    for fold in _folds(records):
        yield frozenset(_image_hash(parts["labelled"][names[row]]) for row in fold.validation or ())


def _training(records: Records, *, full: bool) -> Iterator[frozenset[str]]:
    """Give the images that the base models of each fold were trained on."""
    parts = records.data["parts"]
    names = list(parts["labelled"])
    others = frozenset(map(_image_hash, parts["unlabelled"].values())) if full else frozenset()
    for fold in _folds(records):
        yield others | {_image_hash(parts["labelled"][names[row]]) for row in fold.training}


def _folds(records: Records) -> Sequence[Any]:
    settings, parts = records.run["settings"], records.data["parts"]
    num_models = min(settings["num_base"], settings["num_students"])
    has_val = bool(parts.get("val"))
    return make_folds(list(parts["labelled"]), has_val=has_val, seed=settings["seed"], num_models=num_models)


def _image_hash(item: Mapping[str, Any]) -> str:
    """Give the hash of an image, which is listed before its masks."""
    return str(next(iter(item["files"].values())))
