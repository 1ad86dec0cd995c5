"""Models that were handed over, and what their run folder tells of them where it is still there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incmask.base.errors import fail
from incmask.base.intact import intact
from incmask.base.parse import parse_json
from incmask.base.records import RUN
from incmask.experiment.record.run import DAMAGE, RunRecord, read_record
from incmask.nets.spec import Spec, read_spec
from incmask.prediction.model_folder import ABOUT, MODEL, model_folder


@dataclass(frozen=True)
class ModelRecord:
    """What is known of models that were handed over.

    Attributes:
        name: of the run, or else of the model folder.
        about: the content of ``model.json``.
        network: what their networks are.
        run: that they are of; None where its folder is gone.
    """

    name: str
    about: dict[str, Any]
    network: Spec
    run: RunRecord | None

    @property
    def stage(self) -> str:
        """The stage that they are of."""
        return str(self.about.get("validation", {}).get("stage", ""))


def read_model(folder: Path) -> ModelRecord:
    """Read the records of a run folder, or of its model folder.

    Raises:
        IncmaskError: there is no model, or a record is damaged.
    """
    folder = folder.resolve()
    model = model_folder(folder)
    try:
        about = parse_json(intact(model / ABOUT).read_text(encoding="utf-8"))
        root, network = model.parent, read_spec(model / Path(about["members"][0]).name)
        if model.name != MODEL or not (root / RUN).exists():
            return ModelRecord(model.name, about, network, None)
        run = read_record(root)
        # Now, so that what is damaged is told as such.
        _ = run.scores, run.image_scores, run.versions
        return ModelRecord(root.name, about, network, run)
    except (FileNotFoundError, NotADirectoryError):
        raise fail(folder, "holds no model", "name a run folder whose run has ended, or a model folder") from None
    except DAMAGE as error:
        raise fail(folder, f"has a damaged record ({error})", "restore it or run again") from error
