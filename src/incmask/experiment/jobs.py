"""What worker processes are given: students to train, and images to label."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from incmask.base.config import Settings
from incmask.experiment.labelling import LabelJob
from incmask.experiment.paths import LABEL, PSEUDO, student_folder
from incmask.experiment.pseudo_labels import accepted_before
from incmask.experiment.setup import RunContext, Setup, seed_for
from incmask.experiment.student import Student
from incmask.method import growth
from incmask.method.blocking import blocking_of
from incmask.method.detail import detail_side
from incmask.method.growth import begins_with_teacher, team_size, training_settings
from incmask.method.mixture import TrainingPart, TrainingSet, TrainingStacks, mix
from incmask.method.recipe import Labeller
from incmask.nets.forward import CHUNK
from incmask.training.jobs import FitJob
from incmask.training.online import OnlineSegmentation, Team
from incmask.training.segmentation import Segmentation

_JOB_IMAGES = 8 * CHUNK
_VIEWS_STREAM, _TEAM_STREAM = 2000, 4000
"""In place of the number of a student, so that views and teams have seeds of their own."""


def mix_folds(setup: Setup, generation: int, pseudo: TrainingPart | None) -> tuple[TrainingSet, ...]:
    """Tell what the students of each fold learn from, of as many folds as there are students for.

    Args:
        setup: of the run.
        generation: 0 for base models.
        pseudo: pairs beside the labelled part.
    """
    labelled, sets = setup.stacks["labelled"], []
    for fold in setup.folds[: num_students_of(setup, generation)]:
        parts = [TrainingPart(TrainingStacks(labelled.images, labelled.labels), fold.training)]
        if setup.recipe.labelled == "full":
            others = setup.stacks["unlabelled"]
            parts.append(TrainingPart(TrainingStacks(others.images, others.labels), range(len(others))))
        sets.append(
            mix(
                setup.recipe,
                labelled=parts,
                pseudo=pseudo,
                generation=generation,
                profile=setup.profile,
                settings=setup.settings,
                task=setup.task,
                depth=setup.dataset.depth,
            )
        )
    return tuple(sets)


def fit_jobs(
    setup: Setup, generation: int, data: Sequence[TrainingSet], *, folder: Path, teachers: Sequence[Student] = ()
) -> list[FitJob]:
    """Give the students of a generation, ready to train.

    Args:
        setup: of the run.
        generation: 0 for base models.
        data: of each fold.
        folder: that a folder for each student is made in.
        teachers: all students of the generation before, best first, where the recipe or the settings let students
            begin with their weights.
    """
    jobs, size = [], team_size(setup.recipe, setup.settings) if generation else 1
    for index in range(num_students_of(setup, generation)):
        fold = index % len(setup.folds)
        used = training_settings(
            setup.recipe,
            setup.settings,
            num_pairs=len(data[fold].rows),
            num_full=len(setup.folds[fold].training) + len(setup.stacks.get("unlabelled", ())),
        )
        jobs.append(
            FitJob(
                folder=student_folder(folder, index + 1),
                network=setup.network(generation, momentum=used.batch_norm_momentum),
                objective=_objective(
                    setup, generation, data[fold], used, fold=fold, team=index // size, place=index % size
                ),
                settings=used,
                seed=seed_for(setup.settings.seed, generation, index),
                start=_start(setup, generation, index, [each.model for each in teachers if each.fold == fold]),
                encoder=setup.encoder,
                team=index // size if size > 1 else None,
            )
        )
    return jobs


def _objective(
    setup: Setup, generation: int, training: TrainingSet, used: Settings, *, fold: int, team: int, place: int
) -> Segmentation:
    """Give what a student of a fold learns with the settings used, the one at a place in its team."""
    alone = Segmentation(
        training=training,
        validation=setup.validation(fold),
        num_classes=setup.num_classes,
        scoring=setup.scoring,
        unlabelled=setup.views(),
        target_values=setup.target_values(used),
    )
    if not (generation and setup.recipe.is_online):
        return alone
    shared = Team(
        images=setup.stacks["unlabelled"].images,
        online=setup.recipe.online,
        blocking=blocking_of(setup.recipe, setup.settings),
        strength=setup.profile.strongest,
        seed=seed_for(setup.settings.seed, generation, _TEAM_STREAM + team),
        num_validation=max(len(setup.validation(each)) for each in range(len(setup.folds))),
        depth=setup.dataset.depth,
    )
    return OnlineSegmentation(**vars(alone), team=shared, place=place)


def _start(setup: Setup, generation: int, index: int, teachers: Sequence[Path]) -> Path | None:
    """Choose the model that a student begins with; None: new weights.

    Args:
        setup: of the run.
        generation: counted from 1; 0 for base models.
        index: of the student, from 0.
        teachers: of its own fold, best first: others have seen the images that choose its epoch.
    """
    if not teachers:
        return None
    if setup.recipe.objective == "consistency":
        return teachers[0]
    if not begins_with_teacher(setup.recipe, setup.settings, generation):
        return None
    # Each with another one, so that students go on to disagree.
    return teachers[index // len(setup.folds) % len(teachers)]


def num_students_of(setup: Setup, generation: int) -> int:
    """Models of a generation; 0 is the base."""
    return growth.num_students_of(setup.recipe, setup.settings) if generation else setup.settings.num_base


def voters_of(labeller: Labeller, settings: Settings, teachers: Sequence[Student]) -> Sequence[Student]:
    """Choose those that are asked, of all students of the generation before, best first."""
    num_voters = labeller.num_voters(settings)
    return teachers if num_voters is None else teachers[: settings.num_kept][:num_voters]


def label_jobs(
    run: RunContext, teachers: Sequence[Student], generation: int, pairs: TrainingStacks
) -> Iterator[LabelJob]:
    """Give the unlabelled images in ranges, ready to be labelled.

    Args:
        run: the run.
        teachers: all students of the generation before, best first.
        generation: counted from 1.
        pairs: whose labels and masks are filled in.
    """
    setup, settings = run.setup, run.setup.settings
    unlabelled, labeller = setup.stacks["unlabelled"], setup.recipe.labeller
    assert labeller is not None
    assert pairs.inconsistent is not None
    voters = voters_of(labeller, settings, teachers)
    before = run.folder(generation - 1) / PSEUDO if labeller.rates and generation > 1 else None
    quality = accepted_before(before, len(unlabelled))
    for first in range(0, len(quality), _JOB_IMAGES):
        last = min(first + _JOB_IMAGES, len(quality))
        yield LabelJob(
            recipe=setup.recipe,
            teachers=tuple(voter.model for voter in voters),
            judges=run.judges if labeller.rates or setup.recipe.copies == "by_quality" else (),
            images=pairs.images,
            truth=unlabelled.labels if setup.recipe.copies == "by_true_quality" else None,
            label=pairs.labels,
            inconsistent=pairs.inconsistent,
            first=first,
            last=last,
            task=setup.task,
            num_classes=setup.num_classes,
            settings=settings,
            strength=setup.profile.moderate,
            seed=seed_for(settings.seed, generation, _VIEWS_STREAM),
            before=before / LABEL if before else None,
            quality=quality[first:last],
            position=setup.scoring.position if settings.redraw_positions else None,
            depth=setup.dataset.depth,
            detail_px=detail_side(setup.recipe, settings, generation),
        )
