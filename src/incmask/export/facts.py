"""What the records of a run say about its model."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from incmask.ensemble import ABOUT
from incmask.errors import fail
from incmask.evaluation import ScoreRow, from_csv, image_scores_from_csv
from incmask.results import IMAGE_SCORES, MODEL, SCORES
from incmask.rounds import ENVIRONMENT
from incmask.store import RUN, Records, read_records


@dataclass(frozen=True)
class CardFacts:
    """What is known of a model; what follows ``about`` is empty where its run folder is gone.

    Attributes:
        name: of the run, or else of the model folder.
        about: the content of ``model.json``.
        records: what the run was about.
        scores: of all models of the run.
        image_scores: each model's test scores, one an image, by names such as "gen-1/ensemble".
        versions: of the packages that the run used.
    """

    name: str
    about: dict[str, Any]
    records: Records | None = None
    scores: Sequence[ScoreRow] = ()
    image_scores: Mapping[str, Sequence[float]] | None = None
    versions: Mapping[str, str] | None = None

    @property
    def stage(self) -> str:
        """The stage whose models were handed over."""
        return str(self.about.get("validation", {}).get("stage", ""))


def read_facts(folder: Path) -> CardFacts:
    """Read the records of a run folder, or of its model folder.

    Raises:
        IncmaskError: there is no model, or a record is damaged.
    """
    folder = folder.resolve()
    model = folder / MODEL if (folder / MODEL / ABOUT).exists() else folder
    try:
        about = json.loads((model / ABOUT).read_text(encoding="utf-8"))
        root = model.parent
        if model.name != MODEL or not (root / RUN).exists():
            return CardFacts(model.name, about)
        return CardFacts(
            name=root.name,
            about=about,
            records=read_records(root),
            scores=from_csv(_text(root / SCORES)) if (root / SCORES).exists() else (),
            image_scores=_by_image(root / IMAGE_SCORES) if (root / IMAGE_SCORES).exists() else None,
            versions=json.loads(_text(root / ENVIRONMENT))["packages"] if (root / ENVIRONMENT).exists() else None,
        )
    except (FileNotFoundError, NotADirectoryError):
        raise fail(folder, "holds no model", "name a run folder whose run has ended, or a model folder") from None
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise fail(folder, f"has a damaged record ({error})", "restore it or run again") from error


def _by_image(path: Path) -> dict[str, list[float]]:
    """Each model's test scores, one an image: of tiles, the mean of their image."""
    found = image_scores_from_csv(_text(path))
    names, rows = np.unique(found.names, return_inverse=True)
    num_rows = np.bincount(rows, minlength=len(names))
    return {model: (np.bincount(rows, values) / num_rows).tolist() for model, values in found.scores.items()}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
