"""Every approach on tiny data for every task: who labelled, and what students were given to learn from."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from incmask.base.pool import HerePool
from incmask.base.progress import Report
from incmask.experiment import evalnets, scores, stages
from incmask.experiment import run as experiment
from incmask.experiment import train as training
from incmask.experiment.choices import resolve
from incmask.experiment.named import Choices
from incmask.method.augment import Strength
from incmask.method.copies import Band, num_copies
from incmask.method.mixture import PLAIN
from incmask.method.profiles import PROFILES
from incmask.method.quality import true_quality
from incmask.method.recipe import Blocking
from incmask.nets.spec import load_model
from incmask.training.jobs import FitJob
from incmask.training.loop import fit, fit_group
from nightly import NIGHTLY
from runs import HERE, SETTINGS, Listener, make_data
from small import NUM_CLASSES, TASKS, fit_nothing, fit_nothing_together, some_setup

PARTS = {"labelled": 3, "unlabelled": 5, "val": 2, "test": 2}
FEW = SETTINGS | {"epochs": 1, "steps_per_epoch": 1, "num_base": 2}
NOISE, BLUR, CONTRAST, BRIGHTNESS = (5, 10, 15, 20, 25), (0, 1, 1, 2, 3), (0.1, 0.1, 0.2, 0.2, 0.3), (3, 6, 9, 12, 15)
STRENGTHS = [
    Strength(max_blur_px=blur, max_noise=noise, contrast=contrast, brightness=brightness, free_rotation=True)
    for blur, noise, contrast, brightness in zip(BLUR, NOISE, CONTRAST, BRIGHTNESS, strict=True)
]
"""Of the generations, counted from 0, for images of no special kind."""


@dataclass(frozen=True)
class Approach:
    """What the paper says of one; ``strength``: of pseudo-labelled images, by generation.

    Attributes:
        labelled: "plain", "augmented", "full" or "strong".
        pseudo: whether there are pseudo-labels.
        growing: pseudo-labelled images are augmented more strongly each generation, and networks get wider.
        beside: an augmented pair is used as it is, too.
        by_quality: a pair is used once, or up to five times.
        blocked: disputed pixels turn 0 in image and label.
        left_out: they turn 0 in the image and leave the loss.
    """

    labelled: str = "plain"
    pseudo: bool = True
    growing: bool = False
    beside: bool = False
    by_quality: bool = False
    blocked: bool = False
    left_out: bool = False


APPROACHES = {
    "ldt": Approach(pseudo=False),
    "strong-ldt": Approach(labelled="strong", pseudo=False),
    "aldt": Approach(labelled="augmented", pseudo=False),
    "fdt": Approach(labelled="full", pseudo=False),
    "me": Approach(),
    "ie": Approach(),
    "cl": Approach(pseudo=False),
    "ns": Approach(growing=True),
    "evalnet": Approach(),
    "im": Approach(blocked=True),
    "im+": Approach(blocked=True, growing=True),
    "im++": Approach(blocked=True, growing=True, by_quality=True),
    "aim+": Approach(labelled="augmented", blocked=True, growing=True, beside=True),
    "aim++": Approach(labelled="augmented", blocked=True, growing=True, beside=True, by_quality=True),
    "gt-im++": Approach(blocked=True, growing=True, by_quality=True),
    **{name: Approach(labelled="strong", pseudo=False) for name in ("mt", "cps", "fixmatch")},
    **{name: Approach(labelled="strong", pseudo=False, left_out=True) for name in ("im-online", "fixmatch+im")},
}
ALONE = ("ldt", "strong-ldt", "aldt", "fdt")


@dataclass
class Watch:
    """What went on in a run.

    Attributes:
        jobs: by folder.
        before, after: stacks, and folders of images, that were read before the last evaluation and from then on.
        at_the_end: whether it has begun.
        to_the_end: whether it takes place.
        fit, fit_together: what trains.
    """

    jobs: dict[str, FitJob] = field(default_factory=dict)
    before: set[str] = field(default_factory=set)
    after: set[str] = field(default_factory=set)
    at_the_end: bool = False
    to_the_end: bool = False
    fit: Callable[[FitJob, Report], None] = fit
    fit_together: Callable[[Sequence[FitJob], Report], None] = fit_group

    def begin(self) -> None:
        """Forget what base models of others needed."""
        for noted in (self.jobs, self.before, self.after):
            noted.clear()
        self.at_the_end = False


@dataclass(frozen=True)
class Made:
    """A run that has ended."""

    outcome: experiment.Outcome
    watch: Watch
    said: Listener

    @property
    def root(self) -> Path:
        return self.outcome.root

    def jobs(self, stage: str) -> list[FitJob]:
        """Those of a stage, the first student first."""
        return [self.watch.jobs[name] for name in sorted(self.watch.jobs) if name.startswith(f"{stage}/")]

    def index(self, generation: int) -> list[dict[str, str]]:
        with open(self.root / f"gen-{generation}" / "pseudo" / "index.csv", newline="", encoding="utf-8") as handle:
            return list(csv.DictReader(handle))

    def stack(self, generation: int, name: str) -> np.ndarray:
        return np.load(self.root / f"gen-{generation}" / "pseudo" / f"{name}.npy")


@pytest.fixture
def watch(monkeypatch) -> Watch:
    watch = Watch()
    load, read, evaluate_all = np.load, scores.read_network_image, experiment.evaluate_all

    def noted_fit(job, report):
        watch.jobs["/".join(job.folder.parts[-3:])] = job
        watch.fit(job, report)

    def noted_load(path, *rest, **options):
        # What is being written has another name.
        if "stacks" in Path(path).parts and Path(path).suffix == ".npy":
            (watch.after if watch.at_the_end else watch.before).add("/".join(Path(path).parts[-2:]))
        return load(path, *rest, **options)

    def noted_read(path, **options):
        (watch.after if watch.at_the_end else watch.before).add("/".join(path.parts[-3:-1]))
        return read(path, **options)

    def noted_end(*arguments):
        watch.at_the_end = True
        # It takes as long as all the rest, and asks nothing of the approach.
        return evaluate_all(*arguments) if watch.to_the_end else []

    def noted_fit_together(jobs, report):
        for job in jobs:
            watch.jobs["/".join(job.folder.parts[-3:])] = job
        watch.fit_together(jobs, report)

    monkeypatch.setattr(training, "fit", noted_fit)
    monkeypatch.setattr(training, "fit_group", noted_fit_together)
    monkeypatch.setattr(np, "load", noted_load)
    monkeypatch.setattr(scores, "read_network_image", noted_read)
    monkeypatch.setattr(experiment, "evaluate_all", noted_end)
    return watch


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Callable[..., Path]:
    """Data of a task, and a run of a base recipe on it that others take over; each made once."""
    root, made = tmp_path_factory.mktemp("shared"), {}

    def share(task: str, base: str = "") -> Path:
        folder = root / task / (base or "data")
        if folder not in made:
            made[folder] = True
            make(share(task), folder, base) if base else make_data(folder, task, PARTS)
        return folder

    return share


def make(
    data: Path, out: Path, recipe: str, *, bases=None, profile: str = "generic", **values: object
) -> tuple[experiment.Outcome, Listener]:
    """Train all models of a recipe and score them; no masks of whole images."""
    chosen = resolve(data, Choices(recipe=recipe, profile=profile, settings=FEW | values))
    said, pool = Listener(), HerePool(1)
    outcome = experiment.run_resolved(
        chosen,
        out,
        data=chosen.describe_data(),
        pool=pool,
        clock=HERE.seconds_per_step,
        progress=said,
        bases=bases,
        deliver=False,
    )
    return outcome, said


@pytest.fixture
def play(tmp_path, shared, watch) -> Callable[..., Made]:
    """Run a recipe on base models that are there already."""

    def start(recipe: str, task: str, *, fit=fit, **values: object) -> Made:
        names = {"evalnet": ("ldt", "aldt"), "aim+": ("aldt",), "aim++": ("aldt",)}.get(recipe, ("ldt",))
        bases = {} if recipe in ALONE else {name: shared(task, name) for name in names}
        data = shared(task)
        watch.begin()
        watch.fit, watch.fit_together = fit, fit_nothing_together if fit is fit_nothing else fit_group
        outcome, said = make(data, tmp_path / "run", recipe, bases=bases, **values)
        return Made(outcome, watch, said)

    return start


QUICK = ("ldt", "fdt", "cl", "im-online", "aim++")
"""Those that differ most from each other."""

OTHERS = {
    "multilabel": ("fdt", "ie", "cl", "im", "im++", "fixmatch+im"),
    "multiclass": ("me", "ns", "evalnet", "im", "gt-im++", "im-online"),
}
"""Each way to labels for another task than the binary one; what follows from them asks nothing of the task."""


@pytest.mark.parametrize(
    ("recipe", "task"),
    [pytest.param(recipe, "binary", marks=() if recipe in QUICK else pytest.mark.slow) for recipe in APPROACHES]
    + [pytest.param(name, task, marks=NIGHTLY) for task, names in OTHERS.items() for name in names],
)
def test_what_students_learn_from(recipe, task, play, watch):
    approach, watch.to_the_end = APPROACHES[recipe], task == "binary"
    num_generations = 0 if recipe in ALONE else 2 if approach.growing and task == "binary" else 1
    made = play(recipe, task, fit=fit_nothing, num_generations=max(1, num_generations))
    assert made.said.done == pytest.approx(made.said.expected)
    assert len(made.outcome.stages) == 1 + num_generations
    names = [f"gen-{number}" for number in range(1, num_generations + 1)] or ["base"]
    for number, stage in enumerate(names, 1):
        jobs = made.jobs(f"{stage}/students")
        assert len(jobs) == 2
        for job in jobs:
            check_training_set(made, approach, job, number)
            assert job.network.width == 0.125 + (0.0625 * (number - 1) if approach.growing else 0)
            assert (job.objective.unlabelled is not None) == (recipe == "cl")
    check_reads(made, recipe)


def check_training_set(made, approach, job, number):
    """Count the rows of each image: where it and its label come from, and how strongly it is augmented."""
    training = job.objective.training
    rows = Counter()
    for row in training.rows:
        source = training.sources[row["source"]]
        strength = None if row["strength"] == PLAIN else training.strengths[row["strength"]]
        paths = tuple(path and path.relative_to(made.root).as_posix() for path in (source.images, source.labels))
        rows[*paths, int(row["index"]), strength] += 1
        of_pseudo = "gen-" in source.labels.as_posix()
        assert source.inconsistent == (source.labels.parent / "inconsistent.npy" if of_pseudo else None)
    expected = Counter()
    labelled = ("stacks/labelled/images.npy", "stacks/labelled/labels.npy")
    for image in range(PARTS["labelled"]):
        expected[*labelled, image, STRENGTHS[0] if approach.labelled == "strong" else None] += 1
        if approach.labelled == "augmented":
            expected[*labelled, image, STRENGTHS[4]] += 9
    if approach.labelled == "full":
        for image in range(PARTS["unlabelled"]):
            expected["stacks/unlabelled/images.npy", "stacks/unlabelled/labels.npy", image, None] += 1
    if approach.pseudo:
        pseudo = ("stacks/unlabelled/images.npy", f"gen-{number}/pseudo/label.npy")
        for image, line in enumerate(made.index(number)):
            copies = int(line["copies"])
            assert copies == 1 or (approach.by_quality and 1 < copies <= 5)
            if line["admitted"] == "True":
                expected[*pseudo, image, STRENGTHS[number - 1] if approach.growing else None] += copies
                if approach.beside:
                    expected[*pseudo, image, None] += 1
    assert rows == expected
    # Each copy has an augmentation of its own.
    assert len(set(training.rows["seed"].tolist())) == len(training.rows)
    is_blocked = approach.blocked or approach.left_out
    assert training.blocking == (Blocking(image=True, label=True, in_loss=approach.blocked) if is_blocked else None)


def check_reads(made, recipe):
    """Whatever chooses reads validation; the truth of unlabelled images is read by those that need it alone."""
    # Epochs are chosen at the networks' size, models by whole images.
    expected = {"labelled/images.npy", "labelled/labels.npy", "val/images.npy", "val/labels.npy", "val/images"}
    if recipe not in ALONE or recipe == "fdt":
        expected |= {"unlabelled/images.npy"}
    if recipe in ("fdt", "gt-im++"):
        expected |= {"unlabelled/labels.npy"}
    assert made.watch.before == expected
    assert made.watch.at_the_end
    assert made.watch.after == ({"test/images", "val/images"} if made.watch.to_the_end else set())


def likelihoods(models, images, task):
    """Probabilities of each model, (n, N, C, H, W)."""
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        logits = torch.stack([load_model(model)(tensor) for model in models])
        return (logits.softmax(2) if task == "multiclass" else logits.sigmoid()).numpy()


def hard(likelihood, task):
    """Labels of one model or of the mean of several, (N, H, W) or (N, H, W, K)."""
    if task == "multiclass":
        return likelihood[:, 1:].argmax(1)
    votes = likelihood > 0.5
    return votes[:, 0] if task == "binary" else np.moveaxis(votes, 1, -1)


@pytest.mark.parametrize("task", [pytest.param(task, marks=() if task == "binary" else NIGHTLY) for task in TASKS])
@pytest.mark.parametrize("recipe", ["ns", "me", "im"])
def test_whose_labels_they_are(recipe, task, play):
    """The best by validation, or the two best; each generation the students of the one before teach."""
    made = play(recipe, task, epochs=2, admit="all", num_generations=2 if recipe == "ns" else 1)
    images = np.load(made.root / "stacks" / "unlabelled" / "images.npy")
    for number, before in enumerate(made.outcome.stages[:-1], 1):
        ranked = sorted(before.students, key=lambda student: (-student.score, student.number))
        said = likelihoods([student.model for student in ranked[:2]], images, task)
        label, disputed = made.stack(number, "label"), made.stack(number, "inconsistent")
        if recipe == "ns":
            assert np.array_equal(label, hard(said[0], task))
            assert not disputed.any()
            continue
        # Of the masked class, too, multiclass members may be agreed.
        channel = 2 if task == "multiclass" else None
        votes = said.argmax(channel) if channel else said > 0.5
        agreed = votes[0] == votes[1]
        if task == "multiclass":
            assert np.array_equal(disputed, ~agreed | (votes[0] == 0))
        else:
            assert np.array_equal(disputed, ~agreed.all(1))
        if recipe == "me" and task != "binary":
            assert np.array_equal(label, hard(said.mean(0), task))
        elif task == "binary":
            assert np.array_equal(label, (votes[0] & votes[1])[:, 0])
        else:
            clear = ~disputed
            assert np.array_equal(label[clear], hard(said[0], task)[clear])
        assert [row["admitted"] for row in made.index(number)] == ["True"] * 5


def test_the_consistency_loss_begins_with_the_best_base_model(play):
    made = play("cl", "binary", epochs=2, steps_per_epoch=2)
    best = max(made.outcome.stages[0].students, key=lambda student: (student.score, -student.number))
    for job in made.jobs("gen-1/students"):
        assert job.start == best.model
        assert job.settings.select_by == "loss"
        assert job.objective.unlabelled.images == made.root / "stacks" / "unlabelled" / "images.npy"
        # "mid" of images of no special kind.
        assert job.objective.unlabelled.strength == Strength(2, 17, 0.3, 17, free_rotation=True)
        with open(job.folder / "history.csv", newline="") as handle:
            history = list(csv.DictReader(handle))
        # Two validations an epoch, of which the one of the least loss is kept.
        assert [(line["epoch"], line["step"]) for line in history] == [("1", "1"), ("1", "2"), ("2", "3"), ("2", "4")]
    assert not (made.root / "gen-1" / "pseudo").exists()


def test_in_paper_mode_the_consistency_loss_trains_twice_as_long(play):
    made = play("cl", "multilabel", fit=fit_nothing, steps_per_epoch=0, batch_size=2)
    for job in made.jobs("gen-1/students"):
        # Twice one epoch of one step with 3 labelled images and two steps with 5 unlabelled ones.
        assert (job.settings.epochs, job.num_steps) == (2, 6)
    assert made.said.done == pytest.approx(made.said.expected)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_copies_by_true_quality(task, play):
    made = play("gt-im++", task, quality_band=(0.1, 0.6), admit="all")
    truth = np.load(made.root / "stacks" / "unlabelled" / "labels.npy")
    quality = true_quality(
        made.stack(1, "label"), truth, made.stack(1, "inconsistent"), task=task, num_classes=NUM_CLASSES[task]
    )
    assert [float(line["quality"]) for line in made.index(1)] == quality.tolist()
    assert [int(line["copies"]) for line in made.index(1)] == num_copies(quality, band=Band(0.1, 0.6)).tolist()
    # Neither EvalNets nor another recipe's models are needed for it.
    assert not (made.root / "evalnets").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "teachers"), [("im++", "ldt"), ("aim++", "aldt"), ("evalnet", "ldt")])
def test_the_models_that_evalnets_learn_from(recipe, teachers, play, shared, monkeypatch):
    asked = []
    make_pairs = evalnets.make_pairs

    def noted(job, report):
        asked.append(job)
        return make_pairs(job, report)

    monkeypatch.setattr(evalnets, "make_pairs", noted)
    made = play(recipe, "binary", fit=fit_nothing, quality_threshold=0.0)
    training, validation = asked
    members = [path.relative_to(made.root).as_posix() for path in training.members]
    expected = [f"base/students/{number}/model.safetensors" for number in (1, 2)]
    if recipe == "evalnet":
        expected += [f"base-aldt/students/{number}/model.safetensors" for number in (1, 2)]
    assert members == expected
    assert validation.members == training.members
    for number in (1, 2):
        name = f"base/students/{number}/model.safetensors"
        theirs = shared("binary", teachers) / name
        assert (made.root / name).read_bytes() == theirs.read_bytes()
    assert (training.rows, validation.rows) == ((0, 1, 2), (0, 1))
    assert (training.inconsistent is None) == (recipe == "evalnet")
    assert (training.num_passes, validation.num_passes) == (10, 3)
    (job, *_) = made.jobs("evalnets/students")
    strength = job.objective.training.strength
    # Half of the blocked pairs are augmented, with their own maxima.
    assert strength == (None if recipe == "evalnet" else Strength(1, 10, 0.2, 10, free_rotation=True))
    assert job.objective.validation.strength is None


@pytest.mark.slow
@pytest.mark.parametrize(("threshold", "accepted"), [(0.0, 5), (1.0, 0)])
def test_the_threshold_decides_which_candidates_are_used(threshold, accepted, play):
    made = play("evalnet", "binary", quality_threshold=threshold, num_generations=2)
    for number in (1, 2):
        lines = made.index(number)
        assert [line["admitted"] for line in lines].count("True") == accepted
        (job, *_) = made.jobs(f"gen-{number}/students")
        assert len(job.objective.training.rows) == 3 + accepted
        assert not made.stack(number, "inconsistent").any()
        quality = [float(line["quality"]) for line in lines]
        # A mask stays unless a better one comes.
        if number == 1:
            first = quality
        assert accepted == 0 or all(now >= before for now, before in zip(quality, first, strict=True))


class Stopped(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize(
    ("profile", "values", "threshold"),
    [
        ("generic", {"quality_threshold": 0.25}, 0.25),
        ("hela", {"quality_threshold": 0.25}, 0.25),
        # The paper's, for images of this kind.
        ("hela", {}, 0.62),
        ("generic", {}, None),
    ],
)
def test_where_the_threshold_comes_from(profile, values, threshold, tmp_path, shared, monkeypatch):
    """The last resort is the validation score of the best model with augmented copies."""
    found = []

    def stop(run, teachers, generation):
        found.append(run.threshold)
        raise Stopped

    monkeypatch.setattr(stages, "run_generation", stop)
    data = shared("binary")
    with pytest.raises(Stopped):
        make(data, tmp_path / "run", "evalnet", profile=profile, **values)
    if threshold is None:
        paths = [tmp_path / "run" / "base-aldt" / "students" / f"{number}" / "scores.json" for number in (1, 2)]
        threshold = max(json.loads(path.read_text())["validation_score"] for path in paths)
    assert found == [threshold]


@pytest.mark.parametrize(
    ("recipe", "profile", "values", "told"),
    [
        ("im++", "hela", {}, ["copies go from 1 to 5 between qualities of 0.59 and 0.62"]),
        ("gt-im++", "generic", {"quality_band": (0.72, 0.75)}, ["copies go from 1 to 5 between qualities of 0.72"]),
        ("im++", "hela", {"quality_band": (0.5, 0.75)}, []),
        ("im++", "generic", {}, []),
        ("im+", "hela", {}, []),
        ("evalnet", "suim", {}, ["masks that are rated 0.51 or more are accepted"]),
        ("evalnet", "suim", {"quality_threshold": 0.4}, []),
        ("evalnet", "generic", {}, []),
    ],
)
def test_what_is_known_from_all_true_masks_is_told(recipe, profile, values, told, tmp_path):
    this = some_setup(tmp_path, recipe=recipe, task="binary", **values)
    found = list(stages.resting_on_truth(replace(this, profile=PROFILES[profile])))
    assert len(found) == len(told)
    for sentence, beginning in zip(found, told, strict=True):
        assert sentence.startswith(beginning)
        assert sentence.endswith("which the paper knows from models that learnt from all true masks")
