"""Plans on paper: the paper's whole study, and ten million unlabelled images, on 1, 8 and 64 GPUs.

    python -m benchmarks.plan [--gpu-hour 3] [--core-hour 0.05]

Nothing is trained: what the settings ask for is counted by the package's own functions, and divided by the constants
below, each measured once and named with its table of ``docs/results.md``. A stage (the models of a generation) runs on
one GPU; stages of a run follow one another, and runs of one set and repeat wait for their base models: a list schedule
of these on so many GPUs gives the hours. Each line says which bound holds: the sum of the work over the GPUs, or the
longest chain of stages.
"""

import argparse
import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from incmask.base.choosing import resolve_settings
from incmask.base.config import Settings
from incmask.experiment.setup import base_folders
from incmask.experiment.workload import base_steps, student_steps
from incmask.method.growth import num_generations_of, num_students_of, width_of
from incmask.method.recipe import Recipe
from incmask.method.recipes import RECIPES
from incmask.training.rating_pairs import TRAINING_PASSES

APPROACHES = (
    *("fdt", "ldt", "aldt", "cl", "me", "ie", "ns", "evalnet"),
    *("im", "im+", "im++", "aim+", "aim++"),
)
"""The paper's thirteen."""

SETS = {
    "isic2018": (259, 2335, 256 * 256),
    "hela": (280, 2100, 256 * 256),
    "suim": (276, 2468, 256 * 256),
    "cityscapes": (297, 2678, 208 * 416),
}
"""Labelled and unlabelled images, and pixels of each (docs/prepare.md)."""

NUM_REPEATS = 3

WIDTHS = {0.5: 12_562.0, 1.5: 3_971.0}
"""Images a second in training of 256×256, five students as one program, machine C ("Speed on a GPU")."""

FORWARD = 3.0
"""Images a second of a forward pass over those of training: an assumption, as a step is a way forth and two back."""

VALIDATION = 4 / 14.5
"""Share of a run's time that validations and labelling take ("Speed on a GPU": 4 of 14.5 minutes)."""

COMPILING_S = 80 * 0.8
"""A width's kernels, once a machine."""

CORE_IMAGES = 17.2 * 0.22**-1 / 2
"""Images a second and core that are decoded, voted on and written ("Speed on a CPU": 22 % of the time at 17.2/s)."""

JOBS_S = 0.05
"""Of a cluster, a job: an upper bound of what ``benchmarks.cluster`` shows."""


@dataclass(frozen=True)
class Stage:
    """Models that train side by side on a GPU.

    Attributes:
        name: for people.
        seconds: on one GPU.
        after: names of the stages that must have ended.
    """

    name: str
    seconds: float
    after: tuple[str, ...] = ()


def images_a_second(width: float, pixels: int = 256 * 256) -> float:
    """Give the speed of training at a width, on a line between the measured ones on logarithmic scales."""
    (low, slow), (high, fast) = sorted(WIDTHS.items())
    power = math.log(fast / slow) / math.log(high / low)
    return slow * (width / low) ** power * 256 * 256 / pixels


def stages_of(name: str, recipe: Recipe, settings: Settings, data: tuple[int, int, int]) -> Iterator[Stage]:
    """Give the stages of a run; base models are the run's of their own recipe, where that is among the approaches."""
    num_labelled, num_unlabelled, pixels = data
    images = {"num_labelled": num_labelled, "num_unlabelled": num_unlabelled}

    def seconds(num: int, steps: float, width: float) -> float:
        return num * steps * settings.batch_size / images_a_second(width, pixels) / (1 - VALIDATION) + JOBS_S

    if not recipe.teachers:
        yield Stage(name, seconds(settings.num_base, base_steps(recipe, settings, **images), settings.width))
        return
    before = tuple(str(base) for base in base_folders(recipe).values())
    if recipe.evalnets:
        num_masks = 1 + settings.num_base * len(recipe.evalnets.examples_from)
        num_pairs = num_labelled * (TRAINING_PASSES if recipe.evalnets.blocked else num_masks)
        steps = settings.epochs * max(1, num_pairs // settings.batch_size)
        width = settings.evalnet_width or 2 * settings.width
        yield Stage(f"{name}/evalnets", seconds(settings.num_evalnets, steps, width), before)
        before = (f"{name}/evalnets",)
    steps = student_steps(recipe, settings, **images)
    for generation in range(1, num_generations_of(recipe, settings) + 1):
        width = width_of(recipe, settings, generation)
        stage = Stage(f"{name}/{generation}", seconds(num_students_of(recipe, settings), steps, width), before)
        yield stage
        before = (stage.name,)


def schedule(stages: Sequence[Stage], num_gpus: int) -> float:
    """Give the seconds until all stages have ended, each begun by the first free GPU, the longest chains first."""
    by_name = {stage.name: stage for stage in stages}
    chain = chains(by_name)
    waiting = {stage.name: {each for each in stage.after if each in by_name} for stage in stages}
    ready = [(-chain[name], name) for name, others in waiting.items() if not others]
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < num_gpus:
            _, name = heapq.heappop(ready)
            heapq.heappush(running, (now + by_name[name].seconds, name))
        now, done = heapq.heappop(running)
        for name, others in waiting.items():
            if done in others:
                others.discard(done)
                if not others:
                    heapq.heappush(ready, (-chain[name], name))
    return now


def chains(by_name: Mapping[str, Stage]) -> dict[str, float]:
    """Give, for each stage, its seconds and those of the longest chain of stages that wait for it."""
    following: dict[str, list[str]] = {name: [] for name in by_name}
    for stage in by_name.values():
        for name in stage.after:
            if name in following:
                following[name].append(stage.name)
    known: dict[str, float] = {}

    def length(name: str) -> float:
        if name not in known:
            known[name] = by_name[name].seconds + max(map(length, following[name]), default=0.0)
        return known[name]

    return {name: length(name) for name in by_name}


def study(settings: Settings) -> list[Stage]:
    """Give all stages of the paper's study."""
    stages = []
    for place, data in SETS.items():
        for repeat in range(NUM_REPEATS):
            prefix = f"{place}/{repeat}/"
            for name in APPROACHES:
                for stage in stages_of(name, RECIPES[name], settings, data):
                    after = tuple(prefix + each for each in stage.after)
                    stages.append(Stage(prefix + stage.name, stage.seconds, after))
    return stages


def print_study(gpu_hour: float) -> None:
    """Print the hours, the cost and the bound of the paper's study."""
    stages = study(resolve_settings(preset="paper"))
    work = sum(stage.seconds for stage in stages) / 3600
    chain = max(chains({stage.name: stage for stage in stages}).values()) / 3600
    print(f"study: {len(stages)} stages, {work:.1f} GPU hours, the longest chain {chain:.2f} hours\n")
    print("| GPUs | hours | busy | cost | bound |\n|---|---|---|---|---|")
    for num in (1, 8, 64):
        hours = schedule(stages, num) / 3600 + COMPILING_S * 7 / 3600
        bound = "work" if work / num > chain else "the longest chain of generations"
        print(f"| {num} | {hours:.1f} | {work / num / hours:.0%} | ${hours * num * gpu_hour:,.0f} | {bound} |")
    read = sum((labelled + unlabelled) * pixels * 4 for labelled, unlabelled, pixels in SETS.values())
    print(f"\nStacks that each stage reads once: {read / 1e9:.1f} GB for all sets; models are a few MB each.")


@dataclass(frozen=True)
class Million:
    """What a run on very many unlabelled images takes.

    Attributes:
        gpu: seconds of one GPU.
        core: seconds of one core.
        moved: bytes that are read from and written to the shared storage.
    """

    gpu: float
    core: float
    moved: float


def ten_million(settings: Settings, num: int = 10_000_000, pixels: int = 256 * 256) -> Million:
    """Count a run of recipe ``im`` with all defaults: labels anew in each generation, and masks at the end."""
    generations = settings.num_generations
    looks = (generations + 1) * settings.num_members * num
    speed = images_a_second(settings.width, pixels)
    steps = settings.epochs * settings.steps_per_epoch
    trained = (settings.num_base + generations * settings.num_students) * steps * settings.batch_size
    gpu = looks / (FORWARD * speed) + trained / speed
    # Decoded for the stack and again for the masks at the end, and votes in between.
    core = (generations + 2) * num / CORE_IMAGES
    stack, labels = 3 * pixels * num, 2 * pixels * num
    moved = stack + generations * (stack + labels) + stack + 3 * num * 10_000
    return Million(gpu, core, moved)


def print_million(gpu_hour: float, core_hour: float) -> None:
    """Print hours, bytes and cost of ten million images, by what bounds them."""
    found = ten_million(resolve_settings())
    print(
        f"\nten million unlabelled images: {found.gpu / 3600:.1f} GPU hours, {found.core / 3600:,.0f} core hours, "
        f"{found.moved / 1e12:.1f} TB moved\n"
    )
    print("| GPUs | cores | hours by GPU | by cores | by storage at 2 GB/s | hours | cost | bound |")
    print("|---|---|---|---|---|---|---|---|")
    for num_gpus, num_cores in ((1, 16), (8, 128), (64, 1024)):
        by = {
            "GPU": found.gpu / num_gpus / 3600,
            "cores": found.core / num_cores / 3600,
            "storage": found.moved / 2e9 / 3600,
        }
        bound = max(by, key=lambda name: by[name])
        hours = by[bound]
        cost = hours * (num_gpus * gpu_hour + num_cores * core_hour)
        told = " | ".join(f"{value:.1f}" for value in by.values())
        print(f"| {num_gpus} | {num_cores:,} | {told} | {hours:.1f} | ${cost:,.0f} | {bound} |")


def main() -> None:
    """Print both plans."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gpu-hour", type=float, default=3.0, help="price of an hour of a GPU, an assumption")
    parser.add_argument("--core-hour", type=float, default=0.05, help="price of an hour of a core, an assumption")
    options = parser.parse_args()
    print_study(options.gpu_hour)
    print_million(options.gpu_hour, options.core_hour)


if __name__ == "__main__":
    main()
