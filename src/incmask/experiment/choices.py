"""What to run: the command line's options laid over ``incmask.toml`` and the data, resolved and checked."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from incmask.base.bounds import GREATEST_WIDTH, UNET, step_px
from incmask.base.caller import option
from incmask.base.caller import settings as settings_of
from incmask.base.choosing import CONFIG_NAME, ConfigFile, read_config
from incmask.base.config import Settings
from incmask.base.errors import fail
from incmask.base.validation import validated
from incmask.data.dataset import DataOptions, Dataset
from incmask.data.folder.groups import AUTO
from incmask.data.folder.scan import load_dataset
from incmask.data.rounds import Round, read_rounds
from incmask.data.split import Fold
from incmask.data.stack import Stack, derive_size
from incmask.experiment.described_items import DescribedItems
from incmask.experiment.named import Choices, named_by
from incmask.experiment.pretrained import Pretrained, find_pretrained, told_of
from incmask.experiment.setup import Setup, Start
from incmask.experiment.value_recipes import check_values
from incmask.experiment.volumes import check_volumes
from incmask.experiment.watch import Stamps, stamps_of
from incmask.method.blocking import blocking_of
from incmask.method.growth import num_generations_of, num_students_of, width_of
from incmask.method.labels import labels_of
from incmask.method.profiles import PROFILES, Profile
from incmask.method.recipe import Recipe
from incmask.method.recipes import RECIPES
from incmask.method.scoring import Scoring
from incmask.training.online import batch_parts


def given(**options: object) -> dict[str, object]:
    """Give the settings that have options or arguments of their own, those that somebody named."""
    return {name: value for name, value in options.items() if value}


@dataclass(frozen=True)
class Resolved:
    """Everything that decides a run.

    Attributes:
        names: of recipe, preset, effort and profile, by these words; a recipe of one's own is "own". Where groups were
            asked for, also "group"; where a time was given, also "time".
        recipe, profile, settings: what they stand for.
        dataset: what the folder holds.
        size: height and width of the networks' input.
        notes: what a person should be told.
        rounds: of corrected labels that were added to the data.
        start: models of an earlier round to begin with.
        given: names of the single settings that somebody chose.
        pretrained: what networks begin with that stand on an encoder.
        stamps: of the data's files, by which one is noticed that changes later.
    """

    names: dict[str, str]
    recipe: Recipe
    profile: Profile
    settings: Settings
    dataset: Dataset
    size: tuple[int, int]
    notes: tuple[str, ...]
    rounds: tuple[Round, ...] = ()
    start: Start | None = None
    given: frozenset[str] = frozenset()
    pretrained: Pretrained | None = None
    stamps: Stamps = field(default_factory=Stamps, compare=False, repr=False)

    def setup(self, stacks: dict[str, Stack], folds: Sequence[Fold]) -> Setup:
        """Tell what stays the same over the run; without stacks and folds, what networks it has."""
        common = (self.dataset, self.recipe, self.profile, self.settings, self.size)
        return Setup(*common, stacks, tuple(folds), self.pretrained)

    @property
    def scoring(self) -> Scoring:
        """How models are scored."""
        return self.setup({}, ()).scoring

    def describe_run(self) -> dict[str, Any]:
        """Every choice, for ``run.toml``; how the work is shared out changes no number and is left out."""
        settings = self.settings.model_dump(mode="json", exclude=self.settings.unsaid)
        # Where a file of weights lies makes no difference; its content does.
        encoder = {"encoder": self.pretrained.describe()} if self.pretrained else {}
        start = {"start": self.start.describe()} if self.start else {}
        # All that it is, so that the same one goes on and another is refused.
        own = {} if RECIPES.get(self.names["recipe"]) == self.recipe else {"own_recipe": repr(self.recipe)}
        return {**self.names, **own, "size": list(self.size), **start, **encoder, "settings": settings}

    def describe_data(self) -> dict[str, Any]:
        """Everything about the data that a run depends on, for ``data.json``."""
        dataset = self.dataset
        return {
            "task": dataset.task,
            "classes": [asdict(each) for each in dataset.classes],
            "encoding": asdict(dataset.encoding),
            "channels": dataset.channels,
            "intensity": dataset.intensity,
            "position_class": dataset.position_class,
            **({} if dataset.target is None else {"target": asdict(dataset.target)}),
            **({} if dataset.volumes is None else {"volumes": asdict(dataset.volumes)}),
            "parts": {part: DescribedItems(items, dataset.root) for part, items in dataset.parts()},
        }


def resolve(data: Path, choices: Choices) -> Resolved:
    """Read ``incmask.toml`` and the folder, and settle every choice.

    Raises:
        IncmaskError: an unknown name, a value outside its range, or data with problems.
    """
    file = read_config(data)
    named = named_by(file, choices)
    names, settings, recipe = named.names, named.settings, named.recipe
    options = data_options(data, file, choices.group)
    if choices.group is not None or options.group != AUTO:
        names = names | {"group": options.group}
    dataset = load_dataset(data, options)
    notes = list(dataset.notes)
    base_name = "ldt" if recipe.labelled == "full" else recipe.teachers
    if base_name and not dataset.unlabelled:
        notes.append(f"no unlabelled images: {names['recipe']} is {base_name} alone")
        names, recipe = names | {"recipe": base_name}, RECIPES[base_name]
    check_recipe(settings, dataset, recipe, name=names["recipe"])
    if dataset.target is not None:
        check_values(settings, dataset.task, recipe, name=names["recipe"])
    pretrained = None if settings.net == UNET else find_pretrained(data, settings, channels=dataset.channels)
    size = size_of(dataset, settings)
    if "time" in names:
        # What follows from it is told when this machine was timed.
        notes.append(f"recipe {names['recipe']} ({recipe.title}), preset {names['preset']}")
    else:
        notes.append(
            f"recipe {names['recipe']} ({recipe.title}), preset {names['preset']}, effort {names['effort']}, "
            f"networks of {dataset.size_told(size)}×{dataset.channels} and {settings.networks}"
        )
    if pretrained:
        notes += told_of(pretrained, recipe, channels=dataset.channels)
    if recipe.has_teams and (num := num_students_of(recipe, settings)) > settings.num_students:
        notes.append(
            f"{num} students instead of {settings.num_students}: they train in teams of {settings.num_members}"
        )
    profile, rounds = PROFILES[names["profile"]], read_rounds(data)
    if labels_of(dataset.task).follows_intensity:
        profile = profile.geometry_alone()
    return Resolved(
        names,
        recipe,
        profile,
        settings,
        dataset,
        size,
        tuple(notes),
        rounds,
        given=named.given,
        pretrained=pretrained,
        stamps=stamps_of(dataset),
    )


def size_of(dataset: Dataset, settings: Settings) -> tuple[int, int]:
    """Give height and width of the networks' input, of volumes those of a sheet: as asked for, or as the data are."""
    if dataset.volumes is not None:
        return dataset.volumes.sheet
    step, signals = step_px(settings.net), dataset.is_of_signals and settings.net == UNET
    if settings.size and settings.size[0] == 1 and not signals:
        what = "has one row, as signals have that are learnt from as numbers"
        raise fail(option("size"), what, f"use {step} rows or more")
    return settings.size or derive_size(dataset.labelled, fit=settings.fit, step=step, signals=signals)


def data_options(data: Path, file: ConfigFile, group: str | None) -> DataOptions:
    """Give the ``[data]`` section of a folder, with the groups that were asked for."""
    options = validated(DataOptions, file.data, where=str(data / CONFIG_NAME))
    return (
        options if group is None else validated(DataOptions, {**dict(options), "group": group}, where=option("group"))
    )


def check_recipe(settings: Settings, dataset: Dataset, recipe: Recipe, *, name: str) -> None:
    """Refuse a recipe that the data or the settings do not allow.

    Raises:
        IncmaskError: true masks lack, there are too few models to vote, a batch is too small to be shared, or workers
            cannot import the labeller.
    """
    if dataset.volumes is not None:
        check_volumes(settings)
    if recipe.needs_truth and any(item.masks is None for item in dataset.unlabelled):
        raise fail(
            dataset.root / "unlabelled",
            f"recipe {name} needs the true masks of all unlabelled images",
            "put them into unlabelled/masks, or choose another recipe",
        )
    if type(recipe.labeller).__module__ == "__main__":
        raise fail(
            f"recipe {name}",
            f"{type(recipe.labeller).__name__} is defined in the script itself, which worker processes do not run",
            "put it into a module beside the script, and import it",
        )
    if (widest := width_of(recipe, settings, num_generations_of(recipe, settings))) > GREATEST_WIDTH:
        raise fail(
            "setting width_step",
            f"networks of the last generation would be {widest:g} wide, more than {GREATEST_WIDTH}",
            "use a smaller one, or fewer of num_generations",
        )
    if recipe.is_online:
        batch_parts(settings)
        blocking = blocking_of(recipe, settings)
        if blocking is not None and blocking.fill != "zero":
            raise fail(
                "setting blocking",
                f"{settings.blocking!r} takes images whose masks are known before, which recipe {name} has not",
                "use zero_ignore or ignore",
            )
    least = min(settings.num_base, settings.num_students, settings.num_kept)
    num_voters = recipe.labeller.num_voters(settings) if recipe.labeller else None
    if num_voters is not None and num_voters > least:
        raise fail(
            "setting num_members",
            f"{num_voters} voting members, but only {least} models to take them from",
            (f"use {settings_of(num_members=least)}, or " if least >= 2 else "use ")
            + "more of num_base, num_students and num_kept",
        )
