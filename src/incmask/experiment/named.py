"""What a person named, before the data are looked at: options laid over ``incmask.toml``."""

from dataclasses import dataclass, replace
from pathlib import Path

from incmask.base.bounds import UNET
from incmask.base.caller import option
from incmask.base.choosing import ConfigFile, read_config_file, resolve_settings
from incmask.base.config import Settings
from incmask.base.errors import fail
from incmask.base.presets import default_effort
from incmask.base.validation import choose, validated
from incmask.method.profiles import PROFILES
from incmask.method.recipe import Recipe
from incmask.method.recipes import DEFAULT_RECIPE, RECIPES
from incmask.nets.encoders.named import architecture_of

AUTO_TIME, DEFAULT_TIME = "auto", "20m"
AMOUNTS = frozenset({"num_base", "num_students", "num_generations", "epochs", "steps_per_epoch"})
"""Settings that say how much is trained, beside the size of the images."""

OWN_RECIPE = "own"
"""What a recipe that is not in ``RECIPES`` is called."""


@dataclass(frozen=True)
class Choices:
    """What to run; None leaves the choice to ``incmask.toml``, and to the defaults after that.

    Attributes:
        recipe: a name of ``RECIPES``, or one of your own.
        preset, effort: names of ``PRESETS`` and ``EFFORTS``.
        profile: a name of ``PROFILES``.
        group: which images show the same subject, as ``DataOptions.group``.
        time: how long a run may take, such as "20m": size, number of models and steps follow from it, as far as no
            single setting says otherwise. ``AUTO_TIME``: ``DEFAULT_TIME``, where nothing says how much is trained.
        settings: single settings, which win over all else.
    """

    recipe: str | Recipe | None = None
    preset: str | None = None
    effort: str | None = None
    profile: str | None = None
    group: str | None = None
    time: str | None = None
    settings: dict[str, object] | None = None


def with_config(choices: Choices, path: Path | None) -> Choices:
    """Lay choices over those in a file of the form of ``incmask.toml``; None: there is no such file.

    Raises:
        IncmaskError: it is no such file, or says what the data are.
    """
    if path is None:
        return choices
    file = read_config_file(path)
    if file.data:
        raise fail(path, "has [data], which belongs to the data's own incmask.toml", "move it there")
    validated(Settings, file.settings, where=str(path))
    return replace(
        choices,
        recipe=choices.recipe or file.recipe,
        preset=choices.preset or file.preset,
        effort=choices.effort or file.effort,
        profile=choices.profile or file.profile,
        time=file.time or choices.time if choices.time == AUTO_TIME else choices.time,
        settings={**file.settings, **(choices.settings or {})},
    )


@dataclass(frozen=True)
class Named:
    """Choices that need no data: names of recipe, preset, effort and profile, the recipe, and the settings."""

    names: dict[str, str]
    recipe: Recipe
    settings: Settings
    given: frozenset[str]


def named_by(file: ConfigFile, choices: Choices) -> Named:
    preset = choices.preset or file.preset or "default"
    effort = choices.effort or file.effort or default_effort(preset)
    given, profile = choices.recipe or file.recipe or DEFAULT_RECIPE, choices.profile or file.profile or "generic"
    name = name_of(given)
    recipe = given if isinstance(given, Recipe) else choose(RECIPES, name, option="recipe")
    choose(PROFILES, profile, option="profile")
    settings = resolve_settings(preset=preset, effort=effort, from_file=file.settings, overrides=choices.settings)
    if settings.net != UNET:
        architecture_of(settings.net)
    names = {"recipe": name, "preset": preset, "effort": effort, "profile": profile}
    named = frozenset({*file.settings, *(choices.settings or {})})
    time = _time(file, choices, preset=preset, given=named)
    return Named(names | ({"time": time} if time else {}), recipe, settings, named)


def _time(file: ConfigFile, choices: Choices, *, preset: str, given: frozenset[str]) -> str | None:
    """Settle how long a run may take; None: as long as it takes."""
    says_how_much = choices.effort or file.effort or preset == "paper"
    if choices.time != AUTO_TIME:
        if choices.time and says_how_much:
            raise fail(
                option("time"),
                "effort and the preset paper say how much is trained, too",
                f"use one of them, or {option('set')} for single numbers",
            )
        return choices.time
    return file.time or (None if says_how_much or given & AMOUNTS else DEFAULT_TIME)


def name_of(recipe: str | Recipe) -> str:
    """Give the name that stands in files and tables: that in ``RECIPES``, or "own"."""
    if isinstance(recipe, str):
        return recipe
    return next((name for name, known in RECIPES.items() if known == recipe), OWN_RECIPE)
