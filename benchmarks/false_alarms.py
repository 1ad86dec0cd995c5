"""How often equal approaches are called different, how often intervals hold the truth, and what differences are seen.

    python -m benchmarks.false_alarms [--trials 4000] [--seed 1]

Scores are made up, so that the truth is known: each is the sum of what its training, its subject and its image bring
by chance. They go through the functions that make the verdicts of ``incmask compare`` and the report. Prints tables
in Markdown; takes about three minutes on one core. With 4,000 trials a rate of 5 % has an error of 0.35 %.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from scipy import stats
from scipy.special import expit

from incmask.base.tables import markdown_table
from incmask.insight.report.differences import (
    Estimate,
    by_subject,
    mean_over,
    paired_difference,
    unpaired_difference,
)
from incmask.insight.report.pairs import compare_pairs
from incmask.insight.report.statistics import SIGNIFICANCE, Floats

REPEATS = (2, 3, 5, 10)
FEW = (2, 3)
DIFFERENCES = (0.01, 0.02, 0.03, 0.05, 0.1)
Draw = Callable[[Generator, tuple[int, ...]], Floats]

DRAWS: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "heavy": lambda rng, shape: rng.standard_t(3, size=shape) / np.sqrt(3),
    "skewed": lambda rng, shape: (rng.gamma(2, size=shape) - 2) / np.sqrt(2),
}
"""Of mean 0 and variance 1; Student's t of 3 degrees for heavy tails."""


@dataclass(frozen=True)
class Case:
    """Two equal approaches.

    Attributes:
        name: in the table.
        sizes: images of each subject.
        seed_sd: of a training's mean score; of the two approaches.
        noise_sd: of an image's score by one training.
        subject_sd: of what a subject does for one approach and not for the other; of the two.
        shared: correlation of the two approaches' trainings in a repeat, through what they start from.
        draw: how all of these are distributed.
        squeezed: mean of the score where it has to stay within 0 and 1: the rest is added before the logistic
            function, ten times as large; None: scores are not bounded.
    """

    name: str
    sizes: tuple[int, ...] = (1,) * 300
    seed_sd: tuple[float, float] = (0.01, 0.01)
    noise_sd: float = 0.05
    subject_sd: tuple[float, float] = (0.0, 0.0)
    shared: float = 0.0
    draw: str = "normal"
    squeezed: float | None = None

    @property
    def subjects(self) -> list[str]:
        """Of each image."""
        return [str(subject) for subject, size in enumerate(self.sizes) for _ in range(size)]

    def scores(self, rng: Generator, num_trainings: Sequence[int]) -> list[Floats]:
        """Draw the scores of the two approaches: (trainings, images) each."""
        draw, num_images = DRAWS[self.draw], sum(self.sizes)
        common = draw(rng, (max(num_trainings), 1))
        found = []
        for num, seed_sd, subject_sd in zip(num_trainings, self.seed_sd, self.subject_sd, strict=True):
            seeds = np.sqrt(self.shared) * common[:num] + np.sqrt(1 - self.shared) * draw(rng, (num, 1))
            subject = subject_sd * np.repeat(draw(rng, (len(self.sizes),)), self.sizes)
            found.append(seed_sd * seeds + subject + self.noise_sd * draw(rng, (num, num_images)))
        if self.squeezed is not None:
            found = [expit(np.log(self.squeezed / (1 - self.squeezed)) + 10 * each) for each in found]
        return found


SEEDS_AND_IMAGES = Case("seeds .01, images .05: 300 images")
CASES = (
    SEEDS_AND_IMAGES,
    replace(SEEDS_AND_IMAGES, name="… 20 images", sizes=(1,) * 20),
    replace(SEEDS_AND_IMAGES, name="… 6 images", sizes=(1,) * 6),
    Case("seeds .03, images .05: 300 images", seed_sd=(0.03, 0.03)),
    Case("… 20 images", sizes=(1,) * 20, seed_sd=(0.03, 0.03)),
    Case("… 6 images", sizes=(1,) * 6, seed_sd=(0.03, 0.03)),
    Case("seeds .001, images .05: 300 images", seed_sd=(0.001, 0.001)),
    Case("one approach's seeds .01, the other's .1: 300 images", seed_sd=(0.01, 0.1)),
    Case("what a repeat's trainings share: correlation .8", shared=0.8),
    Case("images suit one approach or the other (.06): 300 images", subject_sd=(0.04, 0.04), noise_sd=0.02),
    Case("… 20 images", sizes=(1,) * 20, subject_sd=(0.04, 0.04), noise_sd=0.02),
    Case("3 frames of 140 crops", sizes=(140,) * 3, subject_sd=(0.04, 0.04)),
    Case("10 slides of 20 tiles", sizes=(20,) * 10, subject_sd=(0.04, 0.04)),
    Case("12 subjects of 1 to 100 images", sizes=(1, 1, 1, 2, 2, 3, 5, 8, 15, 30, 60, 100), subject_sd=(0.04, 0.04)),
    Case("heavy tails: 300 images", subject_sd=(0.04, 0.04), draw="heavy"),
    Case("heavy tails: 20 images", sizes=(1,) * 20, subject_sd=(0.04, 0.04), draw="heavy"),
    Case("scores near 1 (.97): 20 images", sizes=(1,) * 20, subject_sd=(0.07, 0.07), squeezed=0.97),
    Case("scores near 0 (.03): 20 images", sizes=(1,) * 20, subject_sd=(0.07, 0.07), squeezed=0.03),
    Case("10 slides of 20 tiles near 1 (.97)", sizes=(20,) * 10, subject_sd=(0.07, 0.07), squeezed=0.97),
)
SKEWED = Case(
    "beyond the rule: 20 subjects, on few of which one approach fails, and little else that scatters",
    sizes=(1,) * 20,
    seed_sd=(0.001, 0.001),
    noise_sd=0.01,
    subject_sd=(0.05, 0),
    draw="skewed",
)


def main() -> None:
    """Draw, judge and count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=4_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    for title, header, rows in tables(rng, options.trials):
        print(f"{title}\n\n{markdown_table(header, list(rows))}\n", flush=True)


def tables(rng: Generator, num_trials: int) -> Iterator[tuple[str, tuple[str, ...], Iterator[tuple[str, ...]]]]:
    """Give all tables: title, header and rows."""
    repeats = tuple(f"{num} repeats" for num in REPEATS)
    yield "False alarms in %, at most 5 are right", ("two equal approaches", *repeats), alarm_rows(rng, num_trials)
    rules = ("repeats", *(f"{num}: {rule}" for num in FEW for rule in RULES))
    yield "The same by other rules, in %", rules, rule_rows(rng, num_trials)
    yield "Any alarm among the 10 pairs of 5 equal approaches, in %", ("", *repeats), family_rows(rng, num_trials // 4)
    power = ("seeds", "repeats", *(f"{size:g}" for size in DIFFERENCES), "half of the interval")
    for title, level in (("one pair", SIGNIFICANCE), ("the smallest p-value of 10 pairs", SIGNIFICANCE / 10)):
        yield (
            f"Differences that are seen, in % of trials; 300 images (.05), {title}",
            power,
            power_rows(rng, num_trials // 4, level),
        )
    yield (
        "The report of one run: false alarms in %",
        ("models without and with", *RUN_IMAGES),
        run_rows(rng, num_trials),
    )
    yield (
        "95 % intervals of a score: how often they hold the truth, in %",
        (
            "score of a subject",
            *(f"{num} subjects{what}" for num in SUBJECTS for what in ("", ", drawn anew")),
        ),
        coverage_rows(rng, num_trials),
    )


def alarms(found: Sequence[bool]) -> str:
    """Write a rate in percent."""
    return f"{100 * np.mean(found):.1f}"


def differences(case: Case, num_repeats: int, rng: Generator, num_trials: int) -> Iterator[Estimate]:
    """Compare the two approaches again and again."""
    subjects = case.subjects
    for _ in range(num_trials):
        yield paired_difference(*(by_subject(each, subjects) for each in case.scores(rng, (num_repeats, num_repeats))))


def alarm_rows(rng: Generator, num_trials: int) -> Iterator[tuple[str, ...]]:
    """Count by case and number of repeats."""
    for case in (*CASES, SKEWED):
        yield (
            case.name,
            *(alarms([excludes(each) for each in differences(case, num, rng, num_trials)]) for num in REPEATS),
        )


def excludes(found: Estimate, level: float = SIGNIFICANCE) -> bool:
    """Tell whether the interval excludes 0."""
    return abs(found.mean) > found.reach(level)


def satterthwaite(first: Floats, second: Floats, subjects: Sequence[str]) -> bool:
    """Add the variances up, with Satterthwaite's degrees of freedom."""
    found = paired_difference(by_subject(first, subjects), by_subject(second, subjects))
    variance = sum(source.variance for source in found.sources)
    freedom = variance**2 / sum(source.variance**2 / (source.num - 1) for source in found.sources)
    return bool(abs(found.mean) > stats.t.isf(SIGNIFICANCE / 2, freedom) * np.sqrt(variance))


RULES: dict[str, Callable[[Floats, Floats, Sequence[str]], bool]] = {
    "this rule": lambda a, b, subjects: excludes(paired_difference(by_subject(a, subjects), by_subject(b, subjects))),
    "Satterthwaite": satterthwaite,
    "images alone, as before": lambda a, b, _: bool(stats.ttest_rel(a.mean(0), b.mean(0)).pvalue < SIGNIFICANCE),
    "repeats alone": lambda a, b, _: bool(stats.ttest_rel(a.mean(1), b.mean(1)).pvalue < SIGNIFICANCE),
}


def rule_rows(rng: Generator, num_trials: int) -> Iterator[tuple[str, ...]]:
    """Count by case and rule."""
    for case in CASES:
        rates = []
        for num in FEW:
            drawn = [case.scores(rng, (num, num)) for _ in range(num_trials // 4)]
            rates += [alarms([rule(*each, case.subjects) for each in drawn]) for rule in RULES.values()]
        yield case.name, *rates


def family_rows(rng: Generator, num_trials: int) -> Iterator[tuple[str, ...]]:
    """Count comparisons of five approaches in which any pair is called different."""
    for case in (SEEDS_AND_IMAGES, CASES[10]):
        rates = []
        for num in REPEATS:
            found = []
            for _ in range(num_trials):
                drawn = [case.scores(rng, (num, num))[0] for _ in range(5)]
                rows = compare_pairs({str(name): dict(enumerate(each)) for name, each in enumerate(drawn)})
                found.append(any(row.significant for row in rows))
            rates.append(alarms(found))
        yield case.name if case is SEEDS_AND_IMAGES else "images suit one approach or the other: 20 images", *rates


def power_rows(rng: Generator, num_trials: int, level: float) -> Iterator[tuple[str, ...]]:
    """Count how often a true difference is shown."""
    for seed_sd in (0.01, 0.03):
        case = replace(SEEDS_AND_IMAGES, seed_sd=(seed_sd, seed_sd))
        for num in REPEATS:
            found = list(differences(case, num, rng, num_trials))
            seen = (alarms([each.mean + size > each.reach(level) for each in found]) for size in DIFFERENCES)
            yield f"{seed_sd:g}", str(num), *seen, f"{np.median([each.reach(level) for each in found]):.3f}"


RUN_IMAGES = (
    "20 test images",
    "20 validation images, best of 3 generations",
    "6 subjects of 4 validation images, best of 3 generations",
)


def run_rows(rng: Generator, num_trials: int) -> Iterator[tuple[str, ...]]:
    """Count runs whose students are called better or worse than equal base models."""
    alone, grouped = CASES[10], Case("", sizes=(4,) * 6, subject_sd=(0.04, 0.04))
    for num_base, num_students in ((4, 3), (5, 3), (10, 5)):
        rates = []
        for case, num_generations in ((alone, 1), (alone, 3), (grouped, 3)):
            subjects, found = case.subjects, []
            for _ in range(num_trials):
                base, *others = (
                    case.scores(rng, (num, num))[0] for num in (num_base, *[num_students] * num_generations)
                )
                best = max(others, key=np.mean)
                difference = unpaired_difference(by_subject(best, subjects), by_subject(base, subjects))
                found.append(excludes(difference, SIGNIFICANCE / num_generations))
            rates.append(alarms(found))
        yield f"{num_base} and {num_students}", *rates


SUBJECTS = (3, 6, 20)
SCORES: dict[str, tuple[Callable[[Generator, tuple[int, int]], Floats], float]] = {
    "normal, .7 ± .1": (lambda rng, shape: rng.normal(0.7, 0.1, shape), 0.7),
    "beta(8, 2), mean .8": (lambda rng, shape: rng.beta(8, 2, shape), 0.8),
    "beta(20, 1), near 1": (lambda rng, shape: rng.beta(20, 1, shape), 20 / 21),
    "beta(.5, 5), near 0": (lambda rng, shape: rng.beta(0.5, 5, shape), 1 / 11),
}


def coverage_rows(rng: Generator, num_trials: int) -> Iterator[tuple[str, ...]]:
    """Count intervals that hold the true mean, and those of a bootstrap (BCa) of the subjects."""
    for name, (draw, truth) in SCORES.items():
        rates = []
        for num in SUBJECTS:
            values = draw(rng, (num_trials, num))
            ours = [mean_over("subject", each) for each in values]
            rates.append(alarms([each.low <= truth <= each.high for each in ours]))
            some = values[: num_trials // 4]
            drawn = stats.bootstrap((some,), np.mean, axis=1, n_resamples=999, batch=50, rng=rng).confidence_interval
            rates.append(alarms(((drawn.low <= truth) & (truth <= drawn.high)).tolist()))
        yield name, *rates


if __name__ == "__main__":
    main()
