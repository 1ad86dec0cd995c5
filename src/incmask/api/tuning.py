"""Search for settings that are better on validation images."""

from collections.abc import Mapping, Sequence

from incmask.api.listening import AnyPath, folder_of, listening, results_at, results_beside
from incmask.base.caller import option
from incmask.base.config import Preset
from incmask.base.errors import fail
from incmask.base.progress import Progress
from incmask.experiment.executor import Executor
from incmask.experiment.named import Choices
from incmask.insight.tuning.tune import Tuning
from incmask.insight.tuning.tune import tune as search
from incmask.method.profiles import ProfileName
from incmask.method.recipes import RecipeName

DEFAULT_STEPS = 20_000


def tune(
    data: AnyPath,
    *,
    out: AnyPath | None = None,
    num_steps: int = DEFAULT_STEPS,
    num_trials: int | None = None,
    recipe: RecipeName | str | None = None,
    preset: Preset | None = None,
    profile: ProfileName | None = None,
    settings: Mapping[str, object] | None = None,
    grid: Mapping[str, Sequence[object]] | None = None,
    progress: Progress | bool = False,
    executor: Executor | None = None,
) -> Tuning:
    """Try settings at random and write the best by validation, as ``incmask tune`` does.

    All trials train for equally few steps, the best third of them anew for three times as many, until three or fewer
    are left; the settings as they are come along to the end. Test images choose nothing.

    Args:
        data: folder with ``labelled/`` and ``unlabelled/``, or its URL.
        out: folder of the search, or its URL, with a run folder for each trial; default: DATA with ``-tune`` behind
            its name. An unfinished search there goes on.
        num_steps: of all networks of all trials together, at most.
        num_trials: that begin; default: as many as these steps allow, 2 to 27.
        recipe: as for ``run``.
        preset: as for ``run``.
        profile: as for ``run``.
        settings: single settings, which are not tried; also how much a trial trains (``num_base``, ``num_students``,
            ``num_generations``, ``num_evalnets``; by default 2, 2, 1 and 2).
        grid: values of settings to try, in place of the standard ones: learning rate, batch size, width, augmentation
            (``augment``, ``strong``, ``cutmix``), and ``erode_px`` and ``dilate_px`` of disputed pixels.
        progress: True shows lines and a bar, here or in the notebook; or a listener.
        executor: where the work is done; default: in processes of this machine.

    Returns:
        What was tried and chosen; its ``config`` is a file that ``run`` takes.

    Raises:
        IncmaskError: the data, a choice or a folder is wrong, or the steps are too few.

    Examples:
        >>> found = incmask.tune("mydata", num_steps=20_000)  # doctest: +SKIP
        >>> incmask.run("mydata", config=found.config)  # doctest: +SKIP
    """
    for name, number in (("steps", num_steps), ("trials", num_trials)):
        if number is not None and number < 1:
            raise fail(option(name), f"got {number}, expected 1 or more", f"use {option(name, 9)}")
    with listening(progress) as listener, results_at(out, listener) as results:
        folder = folder_of(data, results.progress)
        return search(
            folder,
            results.folder or results_beside(data, folder, ending="tune"),
            choices=Choices(recipe, preset, profile=profile, settings=dict(settings or {})),
            budget=num_steps,
            num_trials=num_trials,
            given=grid or {},
            executor=executor or Executor(),
            progress=results.progress,
        )
