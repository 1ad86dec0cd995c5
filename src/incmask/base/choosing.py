"""What a person chose, laid over presets and checked: ``incmask.toml`` and single settings."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from incmask.base.bounds import HIGHEST_SIDE_PX, LEAST_WIDTH, UNET, step_px
from incmask.base.caller import option
from incmask.base.caller import settings as settings_of
from incmask.base.config import ENCODER_SETTINGS, WIDTH_SETTINGS, Settings
from incmask.base.errors import IncmaskError, Problem, fail
from incmask.base.parse import parse_toml
from incmask.base.presets import EFFORTS, PRESETS, default_effort
from incmask.base.validation import ConfigSection, choose, validated

CONFIG_NAME = "incmask.toml"


class ConfigFile(ConfigSection):
    """``incmask.toml``: the same choices as the command line's options, which win over it."""

    recipe: str | None = None
    preset: str | None = None
    effort: str | None = None
    profile: str | None = None
    time: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    data: dict[str, Any] = Field(default_factory=dict)


def read_config(folder: Path) -> ConfigFile:
    """Read ``folder/incmask.toml``; an absent file is an empty one.

    Raises:
        IncmaskError: no valid TOML, an unknown name, or a value of the wrong type.
    """
    path = folder / CONFIG_NAME
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return ConfigFile()
    except OSError:
        # Told as what cannot be read.
        pass
    return read_config_file(path)


def read_config_file(path: Path) -> ConfigFile:
    """Read a file of the form of ``incmask.toml``.

    Raises:
        IncmaskError: it is not there, no valid TOML, has an unknown name, or a value of the wrong type.
    """
    try:
        content = parse_toml(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise fail(path, f"is no readable TOML file ({error})", "mend the line or remove the file") from error
    return validated(ConfigFile, content, where=str(path))


def resolve_settings(
    *,
    preset: str = "default",
    effort: str | None = None,
    from_file: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Lay the choices over each other: defaults < effort < preset < ``incmask.toml`` < ``--set``.

    Without an ``effort``, the preset ``paper`` takes the effort ``paper`` and ``default`` takes ``normal``.

    Raises:
        IncmaskError: an unknown preset, effort or setting, or a value outside its range.
    """
    preset_values = choose(PRESETS, preset, option="preset")
    effort_values = choose(EFFORTS, effort or default_effort(preset), option="effort")
    laid = effort_values | preset_values
    # Each source is checked alone first, so that the message names the place that holds the mistake.
    for where, values in ((CONFIG_NAME, from_file), (option("set"), overrides)):
        laid = laid | dict(values or {})
        validated(Settings, laid, where=where)
    settings = Settings(**laid)
    if problems := list(_problems(settings)):
        raise IncmaskError(problems)
    return settings


def resolve_again(settings: Settings, changes: Mapping[str, Any], *, where: str) -> Settings:
    """Change single settings of those that were resolved already.

    Raises:
        IncmaskError: an unknown setting, or a value outside its range.
    """
    laid = settings.model_dump() | dict(changes)
    changed = validated(Settings, laid, where=where)
    if problems := list(_problems(changed)):
        raise IncmaskError(problems)
    return changed


def _problems(settings: Settings) -> Iterator[Problem]:
    if settings.streams == "two" and settings.batch_size < 2:
        yield Problem("setting streams", "a batch of 1 has no room for two streams", "use a batch_size of 2 or more")
    if settings.num_judges > settings.num_evalnets:
        yield Problem(
            "setting num_judges",
            f"{settings.num_judges} of {settings.num_evalnets} networks that rate",
            "use fewer, more of num_evalnets, or 0: as many as num_members",
        )
    if settings.position_target != 1 and settings.loss not in ("auto", "mse"):
        yield Problem(
            "setting position_target",
            f"{settings.position_target:g} with the loss {settings.loss}, which asks for 1",
            f"use {settings_of(loss='mse')}, or leave it out",
        )
    if settings.quality_band and not 0 <= settings.quality_band[0] <= settings.quality_band[1] <= 1:
        yield Problem(
            "setting quality_band", f"expected 0 <= low <= high <= 1, got {settings.quality_band}", "use [0.6, 0.8]"
        )
    yield from _problems_of_encoder(settings)
    for name in ("erode_px", "dilate_px", "detail_px"):
        side = getattr(settings, name)
        if side and side % 2 == 0:
            yield Problem(f"setting {name}", f"must be odd or 0, got {side}", f"use {side - 1} or {side + 1}")
    step = step_px(settings.net)
    sides = settings.size[1:] if settings.size and settings.size[0] == 1 and settings.net == UNET else settings.size
    if settings.size and any(side < step or side % step for side in sides or ()):
        given = " ".join(map(str, settings.size))
        near = " ".join(str(max(step, round(side / step) * step)) for side in settings.size)
        networks = "" if settings.net == UNET else f" for {settings.net}"
        yield Problem("setting size", f"must be multiples of {step}{networks}, got {given}", f"use {near}")
    elif settings.size and max(settings.size) > HIGHEST_SIDE_PX:
        yield Problem(
            "setting size",
            f"{max(settings.size)} pixels a side need more memory than any machine has",
            f"use {HIGHEST_SIDE_PX} at most, or cut tiles with {settings_of(fit='tile')}",
        )
    if 0 < settings.evalnet_width < LEAST_WIDTH:
        yield Problem(
            "setting evalnet_width",
            f"layers of width {settings.evalnet_width:g} have no channel left",
            f"use {LEAST_WIDTH} or more, or 0: twice the networks'",
        )


def _problems_of_encoder(settings: Settings) -> Iterator[Problem]:
    def changed(names: tuple[str, ...]) -> list[str]:
        return [name for name in names if getattr(settings, name) != Settings.model_fields[name].default]

    if settings.net == UNET:
        for name in changed(ENCODER_SETTINGS):
            yield Problem(
                f"setting {name}", "is of a pretrained encoder, which unet has not", "choose a net, or leave it out"
            )
        return
    for name in changed(WIDTH_SETTINGS):
        yield Problem(f"setting {name}", f"is of unet; {settings.net} is as wide as it is", "leave it out")
