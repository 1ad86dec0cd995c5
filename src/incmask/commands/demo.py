"""The whole job on built-in images: five approaches side by side, in a few minutes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incmask.base.choosing import resolve_settings
from incmask.base.progress import Joint, Progress
from incmask.data.synthetic import write_dataset
from incmask.experiment.deliver import Stage
from incmask.experiment.executor import Executor
from incmask.experiment.named import Choices
from incmask.experiment.outcome_text import ensemble_score
from incmask.experiment.run import Outcome, run
from incmask.experiment.workload import planned_work
from incmask.insight.finish import FinishedFiles, finish
from incmask.method.recipes import RECIPES

NUM_MODELS, NUM_GENERATIONS = 2, 2
EPOCHS = 5
APPROACHES = ("im", "me", "ldt", "fdt")
"""What is trained, each into a folder of its name; base models are trained once, by the first."""
SHOWN = "im"
"""The approach whose masks and report a person is sent to, and which trains on without unlabelled images, too."""
CONTROL = "strong-ldt"
"""What that makes: labelled images alone, augmented as all the others but "ldt" are."""
SETTINGS: dict[str, object] = {
    "num_base": NUM_MODELS,
    "num_students": NUM_MODELS,
    "num_generations": NUM_GENERATIONS,
    "epochs": EPOCHS,
    "steps_per_epoch": 48,
    "batch_size": 8,
    # Filters in multiples of 8, which processors take at a time: faster than 0.375, and better.
    "width": 0.5,
}
NUM_LABELLED, NUM_UNLABELLED, NUM_VAL, NUM_TEST = 5, 120, 40, 100
SIZE = (48, 48)


@dataclass(frozen=True)
class Demo:
    """What the demo came to: the outcome of each approach, by its folder, and the report of one of them."""

    root: Path
    outcomes: dict[str, Outcome]
    finished: FinishedFiles

    def lines(self) -> dict[str, tuple[Outcome, Stage]]:
        """Give what is compared: of each approach its own best models by validation, all trained for as many steps."""
        shown, me, ldt, fdt = (self.outcomes[name] for name in APPROACHES)
        assert shown.trained.control is not None
        return {
            "ldt": (ldt, _best(ldt.stages)),
            CONTROL: (shown, shown.trained.control),
            "me": (me, _best(me.stages[1:])),
            SHOWN: (shown, _best(shown.stages[1:])),
            "fdt": (fdt, _best(fdt.stages)),
        }

    def as_dict(self) -> dict[str, Any]:
        """Give the table for machines."""
        return {
            "out": str(self.root),
            "scores": {
                name: {
                    "stage": stage.name,
                    "validation": stage.score,
                    "test": ensemble_score(outcome, stage.name).details,
                }
                for name, (outcome, stage) in self.lines().items()
            },
        } | self.finished.as_dict()


def _best(stages: Sequence[Stage]) -> Stage:
    return max(stages, key=lambda stage: stage.score)


def run_demo(out: Path, *, executor: Executor, progress: Progress, seed: int = 7) -> Demo:
    """Make images in ``out/data`` and run the approaches into folders beside them; goes on where it was stopped.

    Args:
        out: the folder; made if need be.
        executor: where networks are trained.
        progress: listens.
        seed: of the images.

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
            seed=seed,
            size=SIZE,
            of="leaves",
        )
    progress.say(
        f"{NUM_LABELLED} labelled and {NUM_UNLABELLED} unlabelled photographs of leaves in {data}; the demo trains "
        f"small networks for few steps, which takes about 4 minutes on 2 cores with nothing else to do"
    )
    progress.expect(
        sum(
            planned_work(
                RECIPES[name],
                resolve_settings(overrides=settings_of(name)),
                num_labelled=NUM_LABELLED,
                num_unlabelled=NUM_UNLABELLED,
                taken_over=() if name == SHOWN else RECIPES[name].bases,
                num_controls=NUM_MODELS if name == SHOWN else 0,
            )
            for name in APPROACHES
        )
    )
    joint = Joint(progress)
    outcomes = {}
    with executor.kept() as kept:
        for name in APPROACHES:
            progress.say(f"{name}: {RECIPES[name].title}")
            outcomes[name] = run(
                data,
                out / name,
                choices=Choices(recipe=name, settings=settings_of(name)),
                executor=kept,
                progress=joint.begin(name),
                bases={"ldt": out / SHOWN} if RECIPES[name].teachers and name != SHOWN else None,
            )
    progress.doing("writing the report")
    return Demo(out, outcomes, finish(outcomes[SHOWN], open_pool=executor.open_pool))


def settings_of(name: str) -> dict[str, object]:
    """Give the settings of an approach: without teachers it takes as many steps as the others in all stages.

    What labels alone give has nothing that helps beside them, such as augmentation.
    """
    # What is compared is compared to its end.
    ignored = {"on_collapse": "ignore"}
    whole = {} if RECIPES[name].teachers else {"epochs": EPOCHS * (1 + NUM_GENERATIONS)}
    return SETTINGS | ignored | whole | ({"augment": "recipe"} if name == "ldt" else {})


def to_table(demo: Demo) -> str:
    """Give each approach in a line, and where the files are."""
    scoring = demo.outcomes[SHOWN].scoring
    lines = [f"{'approach':<12}{'stage':<8}{'validation':>12}{'test':>8}"]
    for name, (outcome, stage) in demo.lines().items():
        test = ensemble_score(outcome, stage.name)
        lines.append(f"{name:<12}{stage.name:<8}{stage.score:>12.3f}{test.score:>8.3f}   {_title(name)}")
    folder = demo.root / SHOWN
    return "\n".join(
        [
            *lines,
            f"{scoring.full_name}; two networks vote in each line, each trained for the same number of steps in all",
            f"a demonstration: with {NUM_LABELLED} other labelled images, all lines but ldt and fdt can change places",
            f"masks of all unlabelled images   {folder / 'masks'}",
            f"pixels not to be trusted         {folder / 'inconsistent'}",
            f"models                           {folder / 'model'}",
            f"all scores                       {folder / 'scores.csv'}",
            f"what to label next               {folder / 'ranking.csv'}",
            f"report                           {folder / 'report.html'}",
            *demo.finished.problems,
        ]
    )


def _title(name: str) -> str:
    return "the same with augmented images" if name == CONTROL else RECIPES[name].title
