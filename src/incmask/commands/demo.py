"""The whole job on built-in images: four approaches side by side, in a few minutes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incmask.base.config import resolve_settings
from incmask.base.progress import Joint, Progress
from incmask.data.synthetic import write_dataset
from incmask.experiment.choices import Choices
from incmask.experiment.deliver import Stage
from incmask.experiment.executor import Executor
from incmask.experiment.outcome_text import ensemble_score
from incmask.experiment.run import Outcome, run
from incmask.experiment.workload import planned_work
from incmask.insight.finish import FinishedFiles, finish
from incmask.method.recipes import RECIPES

APPROACHES = ("ldt", "me", "im", "fdt")
SHOWN = "im"
"""The approach whose masks and report a person is sent to."""
SETTINGS: dict[str, object] = {
    "num_base": 3,
    "num_students": 2,
    "num_generations": 2,
    "epochs": 5,
    "steps_per_epoch": 80,
    # The members' outlines differ everywhere by a pixel; what is left after thinning are doubtful cells.
    "erode_px": 3,
    "batch_size": 8,
    "width": 0.5,
}
NUM_LABELLED, NUM_UNLABELLED, NUM_VAL, NUM_TEST = 12, 200, 40, 100
SIZE = (64, 64)


@dataclass(frozen=True)
class Demo:
    """What the demo came to: the outcome of each approach, by its name, and the report of one of them."""

    root: Path
    outcomes: dict[str, Outcome]
    finished: FinishedFiles

    def best(self, approach: str) -> Stage:
        """Give the approach's own best models by validation: of its generations, where it has any."""
        stages = self.outcomes[approach].stages
        return max(stages[1:] or stages, key=lambda stage: stage.score)

    def as_dict(self) -> dict[str, Any]:
        """Give the table for machines."""
        return {
            "out": str(self.root),
            "scores": {
                name: {
                    "stage": self.best(name).name,
                    "validation": self.best(name).score,
                    "test": ensemble_score(outcome, self.best(name).name).details,
                }
                for name, outcome in self.outcomes.items()
            },
        } | self.finished.as_dict()


def run_demo(out: Path, *, executor: Executor, progress: Progress) -> Demo:
    """Make images in ``out/data`` and run the approaches into folders beside them; goes on where it was stopped.

    Raises:
        IncmaskError: ``out`` cannot be written or holds other things.
    """
    data = out / "data"
    if not (data / "incmask.toml").exists():
        progress.doing("making images")
        write_dataset(
            data,
            num_labelled=NUM_LABELLED,
            num_unlabelled=NUM_UNLABELLED,
            num_val=NUM_VAL,
            num_test=NUM_TEST,
            seed=7,
            size=SIZE,
            task="multilabel",
        )
    progress.say(
        f"{NUM_LABELLED} labelled and {NUM_UNLABELLED} unlabelled fields of cells in {data}; the demo trains small "
        f"networks for few steps, which takes about 4 minutes on 2 cores"
    )
    settings = resolve_settings(overrides=SETTINGS)
    progress.expect(
        sum(
            planned_work(
                RECIPES[name],
                settings,
                num_labelled=NUM_LABELLED,
                num_unlabelled=NUM_UNLABELLED,
                taken_over=RECIPES[name].bases,
            )
            for name in APPROACHES
        )
    )
    joint = Joint(progress)
    outcomes = {}
    for name in APPROACHES:
        joint.begin(name)
        progress.say(f"{name}: {RECIPES[name].title}")
        outcomes[name] = run(
            data,
            out / name,
            choices=Choices(recipe=name, settings=SETTINGS),
            executor=executor,
            progress=joint,
            bases={"ldt": out / "ldt"} if RECIPES[name].teachers else None,
        )
    progress.doing("writing the report")
    return Demo(out, outcomes, finish(outcomes[SHOWN], open_pool=executor.open_pool))


def to_table(demo: Demo) -> str:
    """LDT, ME, IM+ and FDT in a line each, and where the files are."""
    scoring = next(iter(demo.outcomes.values())).scoring
    lines = [f"{'approach':<10}{'stage':<8}{'validation':>12}{'test':>8}"]
    for name, outcome in demo.outcomes.items():
        stage = demo.best(name)
        test = ensemble_score(outcome, stage.name)
        lines.append(f"{name:<10}{stage.name:<8}{stage.score:>12.3f}{test.score:>8.3f}   {RECIPES[name].title}")
    folder = demo.root / SHOWN
    return "\n".join(
        [
            *lines,
            f"{scoring.full_name}; two members vote in each line, and all models took the same number of steps",
            f"masks of all unlabelled images   {folder / 'masks'}",
            f"pixels not to be trusted         {folder / 'inconsistent'}",
            f"models                           {folder / 'model'}",
            f"all scores                       {folder / 'scores.csv'}",
            f"what to label next               {folder / 'ranking.csv'}",
            f"report                           {folder / 'report.html'}",
            *demo.finished.problems,
        ]
    )
