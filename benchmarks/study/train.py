"""The trainings of the study, each a line in a file."""

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.result_lines import RESULTS, add_line, read_lines
from benchmarks.study.approaches import APPROACHES
from benchmarks.study.sets import SETS, arrange

MEASURED = Path(__file__).with_name("measured.jsonl")
"""Lines of earlier studies, with the settings that approaches have still: one whose settings change loses its lines."""


@dataclass(frozen=True)
class Trial:
    """One training of the study.

    Attributes:
        set: a name of ``SETS``.
        draw: of the labelled images.
        seed: of the training.
        steps: of each member over all stages.
        approach: a name of ``APPROACHES``.
        device: where.
    """

    set: str
    draw: int
    seed: int
    steps: int
    approach: str
    device: str = "cpu"

    @property
    def key(self) -> str:
        """What it is found again by."""
        return "/".join(map(str, (self.set, self.draw, self.seed, self.steps, self.approach)))


def read(out: Path) -> list[dict[str, Any]]:
    """Read all lines that are there, those that were measured before first."""
    return read_lines(MEASURED, out / RESULTS)


def train_missing(trials: Sequence[Trial], *, data: Path, out: Path, num_jobs: int) -> None:
    """Train what has no line yet; each line is appended as it is known."""
    out.mkdir(parents=True, exist_ok=True)
    known = {line["key"] for line in read(out)}
    missing = [trial for trial in trials if trial.key not in known]
    for name, draw in dict.fromkeys((trial.set, trial.draw) for trial in missing):
        arrange(SETS[name], data, _folder(out, name, draw), draw=draw)
    with ProcessPoolExecutor(num_jobs, mp_context=get_context("spawn"), initializer=_one_thread) as processes:
        running = [processes.submit(train, trial, out) for trial in missing]
        for number, future in enumerate(as_completed(running), 1):
            line = future.result()
            add_line(out / RESULTS, line)
            print(
                f"{number} of {len(missing)}: {line['key']} {line['ensemble']:.3f}, {line['seconds']:.0f} s", flush=True
            )


def train(trial: Trial, out: Path) -> dict[str, Any]:
    """Train one; give its line: what was reached on test, and by each image."""
    folder, started = out / "runs" / trial.key.replace("/", "-").replace(" ", "-"), time.monotonic()
    settings = APPROACHES[trial.approach].resolved(steps=trial.steps, seed=trial.seed) | {"device": trial.device}
    data = _folder(out, trial.set, trial.draw)
    reached = scores_of(APPROACHES[trial.approach].recipe, data, folder, settings=settings)
    shutil.rmtree(folder)
    return {"key": trial.key, **asdict(trial), **reached, "seconds": time.monotonic() - started}


def scores_of(recipe: str, data: Path, folder: Path, *, settings: Mapping[str, object]) -> dict[str, Any]:
    """Train a recipe anew into a folder, and give what it reached on test, in all and by each image."""
    # Each process may have another device's settings, so nothing of this is loaded before.
    from incmask.base.pool import HerePool
    from incmask.experiment.executor import Executor
    from incmask.experiment.named import Choices
    from incmask.experiment.paths import IMAGE_SCORES
    from incmask.experiment.run import run
    from incmask.experiment.scores import image_scores_from_csv

    shutil.rmtree(folder, ignore_errors=True)
    outcome = run(
        data,
        folder,
        choices=Choices(recipe=recipe, settings=settings),
        executor=Executor(HerePool, lambda job, pool: 0.0),
    )
    # What the approach made, not what a user gets, who may be handed the base models.
    best = max(outcome.stages[1:] or outcome.stages, key=lambda stage: stage.score)
    images = image_scores_from_csv((folder / IMAGE_SCORES).read_text(encoding="utf-8"))
    by_image = sorted(zip(images.names, images.scores[f"{best.name}/ensemble"], strict=True))
    return {
        "stage": best.name,
        "validation": best.score,
        "ensemble": _test(outcome.scores, best.name, "ensemble"),
        "student": _test(outcome.scores, best.name, str(best.students[0].number)),
        "base": _test(outcome.scores, outcome.stages[0].name, "ensemble"),
        "by_image": dict(by_image),
    }


def _test(rows: Sequence[Any], stage: str, model: str) -> float:
    (row,) = (row for row in rows if (row.stage, row.model, row.split) == (stage, model, "test"))
    return float(row.score)


def _folder(out: Path, name: str, draw: int) -> Path:
    return out / "data" / f"{name}-{draw}"


def _one_thread() -> None:
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
    import cv2

    cv2.setNumThreads(0)
