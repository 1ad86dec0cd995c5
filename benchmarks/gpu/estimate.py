"""Minutes of IM++ on ISIC 2018 with the paper's numbers: 10 base models, 5 EvalNets, 5 generations of 5 students.

Speeds of training and of forward passes are measured for base models, EvalNets and augmented students; at widths
between, time is interpolated on logarithmic scales. A forward pass costs what it costs in a validation. Compiling
counts once a stage. Reading, voting and writing images are not in it. The preset ``paper`` says float32: give
``--precision float32`` for what it takes as it is.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.gpu.bench import NUM_LABELLED, NUM_UNLABELLED, NUM_VAL, Bench, Results
from benchmarks.gpu.jobs import Group, Kind
from incmask.base.config import Settings
from incmask.method.growth import width_of
from incmask.method.recipes import RECIPES
from incmask.training.rating_pairs import TRAINING_PASSES, VALIDATION_PASSES

MEAN_COPIES = 3
"""Of a pseudo-labelled pair in IM++, where the band is the quintiles: 1 to 5 copies, a fifth of the pairs each."""

_MEAN_VOTERS = 3
"""That make a pair for the EvalNets: 2 to 4."""


@dataclass(frozen=True)
class Stage:
    """A part of a run.

    Attributes:
        name: for people.
        kind, width: of its networks.
        num_trained: images that all its networks are shown in training.
        num_forward: images times networks that only look at them.
    """

    name: str
    kind: Kind
    width: float
    num_trained: int
    num_forward: int


@dataclass(frozen=True)
class Speed:
    """Measured at a width: images a second in training and forward, and seconds to the first step."""

    width: float
    trained: float
    forward: float
    start: float


@dataclass(frozen=True)
class Minutes:
    """That a stage takes."""

    training: float
    forward: float
    start: float

    @property
    def total(self) -> float:
        return self.training + self.forward + self.start


def measure(bench: Bench, _: Results) -> Results:
    """Measure speeds, and tell minutes with one copy of each pseudo-labelled pair and with the paper's mean."""
    sizes = bench.sizes
    speeds: dict[Kind, list[Speed]] = {
        "base": [measure_speed(bench, "base", width=sizes.widths[0], num=sizes.num_base)],
        "evalnet": [measure_speed(bench, "evalnet", width=sizes.evalnet_width, num=sizes.num_evalnets)],
        "student": [measure_speed(bench, "student", width=width, num=sizes.num_students) for width in sizes.widths],
    }
    results: Results = {"speeds": {kind: [asdict(each) for each in known] for kind, known in speeds.items()}}
    for copies in (1, MEAN_COPIES):
        stages = stages_of(
            bench.settings, num_labelled=NUM_LABELLED, num_unlabelled=NUM_UNLABELLED, num_val=NUM_VAL, copies=copies
        )
        minutes = [minutes_of(stage, speeds[stage.kind]) for stage in stages]
        print(f"\nminutes, with {copies} of each pseudo-labelled pair on average")
        print_table(stages, minutes)
        results[f"copies_{copies}"] = {
            "stages": [
                asdict(stage) | asdict(each) | {"total": each.total}
                for stage, each in zip(stages, minutes, strict=True)
            ],
            "minutes": sum(each.total for each in minutes),
        }
    return results


def measure_speed(bench: Bench, kind: Kind, *, width: float, num: int) -> Speed:
    """Train ``num`` networks together, or as many as have room."""
    group = Group(bench, kind, width=width, num=num)
    found = Speed(width, group.speed(), group.forward_speed(), group.start_seconds)
    print(
        f"{kind:<8} width {width}, {group.num} of {num} at a time: {found.trained:.0f} images/s in training, "
        f"{found.forward:.0f} forward, {found.start:.0f} s to the first step"
    )
    return found


def print_table(stages: Sequence[Stage], minutes: Sequence[Minutes]) -> None:
    """Print a line for each stage, and their sum."""
    print(f"{'':<14}{'width':>6}{'trained':>12}{'training':>10}{'forward':>9}{'start':>7}{'total':>8}")
    for stage, each in zip(stages, minutes, strict=True):
        print(
            f"{stage.name:<14}{stage.width:>6}{stage.num_trained:>12,}{each.training:>10.1f}"
            f"{each.forward:>9.1f}{each.start:>7.1f}{each.total:>8.1f}"
        )
    print(f"{'all':<14}{sum(each.total for each in minutes):>52.1f}")


def stages_of(
    settings: Settings, *, num_labelled: int, num_unlabelled: int, num_val: int, copies: float
) -> list[Stage]:
    """Count what IM++ trains and looks at: one pass over the pairs an epoch, and a validation after each.

    Args:
        settings: of the run.
        num_labelled, num_unlabelled, num_val: images.
        copies: of a pseudo-labelled pair, on average; all are taken to be used.
    """

    def stage(name: str, kind: Kind, *, width: float, num: int, num_pairs: float, num_val: int, others: int) -> Stage:
        num_steps = settings.epochs * max(1, int(num_pairs) // settings.batch_size)
        return Stage(name, kind, width, num * num_steps * settings.batch_size, num * settings.epochs * num_val + others)

    num_pairs, num_val_pairs = TRAINING_PASSES * num_labelled, VALIDATION_PASSES * num_val
    base = stage(
        "base models",
        "base",
        width=settings.width,
        num=settings.num_base,
        num_pairs=num_labelled,
        num_val=num_val,
        # They make the pairs for the EvalNets.
        others=_MEAN_VOTERS * (num_pairs + num_val_pairs),
    )
    evalnets = stage(
        "EvalNets",
        "evalnet",
        width=settings.evalnet_width or 2 * settings.width,
        num=settings.num_evalnets,
        num_pairs=num_pairs,
        num_val=num_val_pairs,
        others=0,
    )
    students = [
        stage(
            f"generation {generation}",
            "student",
            width=width_of(RECIPES["im++"], settings, generation),
            num=settings.num_students,
            num_pairs=num_labelled + copies * num_unlabelled,
            num_val=num_val,
            # Labelled by members and rated by judges before, taken to be about as fast.
            others=(settings.num_members + settings.judging) * num_unlabelled,
        )
        for generation in range(1, settings.num_generations + 1)
    ]
    return [base, evalnets, *students]


def minutes_of(stage: Stage, speeds: Sequence[Speed]) -> Minutes:
    """Time a stage by speeds that were measured at one or more widths, narrowest first."""

    def at_width(values: Sequence[float]) -> float:
        known = np.log([speed.width for speed in speeds])
        return float(np.exp(np.interp(np.log(stage.width), known, np.log(values))))

    return Minutes(
        training=stage.num_trained / at_width([speed.trained for speed in speeds]) / 60,
        forward=stage.num_forward / at_width([speed.forward for speed in speeds]) / 60,
        start=at_width([speed.start for speed in speeds]) / 60,
    )
