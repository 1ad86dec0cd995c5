"""What trains: a run, and a comparison of approaches."""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from incmask.api.given import single_settings
from incmask.api.listening import AnyPath, folder_of, listening, results_at, results_beside, run_at
from incmask.api.result import Result
from incmask.base.caller import option
from incmask.base.config import Effort, OnCollapse, Preset
from incmask.base.errors import fail
from incmask.base.progress import Progress
from incmask.base.trackers import TrackerName
from incmask.data.from_arrays import ArrayData, write_data
from incmask.data.rounds import data_folder
from incmask.data.storage import name_of_url, url_of
from incmask.experiment import run as experiment
from incmask.experiment.consent import Agreed, everybody, nobody
from incmask.experiment.executor import Executor
from incmask.experiment.named import AUTO_TIME, Choices, with_config
from incmask.experiment.record.run import read_run
from incmask.experiment.reproduce import Reproduced, changes, check_folder, choices_of
from incmask.experiment.reproduce import compare as compare_files
from incmask.experiment.run import Outcome
from incmask.experiment.tracked import tracker_of
from incmask.insight.comparison.best_of import BestOf
from incmask.insight.comparison.best_of import best_of as find_best
from incmask.insight.finish import FinishedFiles, finish
from incmask.method.profiles import ProfileName
from incmask.method.recipe import Recipe
from incmask.method.recipes import RecipeName


@dataclass(frozen=True)
class Trained:
    """A run with all that follows it.

    Attributes:
        outcome: stages, scores and the folder.
        finished: what was made of the run; empty without a report.
        best: where erosion and dilation come from; None: from the choices.
        reproduced: how it compares with the run that it repeats; None: it repeats none.
    """

    outcome: Outcome
    finished: FinishedFiles = field(default_factory=FinishedFiles)
    best: BestOf | None = None
    reproduced: Reproduced | None = None


def train(
    data: AnyPath | None,
    out: AnyPath | None,
    *,
    choices: Choices,
    best_of: AnyPath | None,
    fresh: bool,
    reproduce: AnyPath | None = None,
    report: bool,
    agreed: Agreed = nobody,
    track: str | None = None,
    executor: Executor,
    progress: Progress,
) -> Trained:
    """Do the main job with a data folder, and write what follows; the arguments are those of ``run``."""
    if out is None and reproduce and (url := url_of(reproduce)):
        out = Path.cwd() / f"{name_of_url(url)}-reproduced"
    with results_at(out, progress) as results, ExitStack() as others:
        heard = results.progress
        sweep, source = (
            others.enter_context(run_at(each, heard, writes=False))[0] if each else None
            for each in (best_of, reproduce)
        )
        return _train(
            data,
            results.folder,
            choices=choices,
            best_of=sweep,
            fresh=fresh,
            reproduce=source,
            report=report,
            agreed=agreed,
            track=track,
            executor=executor,
            progress=heard,
        )


def _train(
    data: AnyPath | None,
    out: Path | None,
    *,
    choices: Choices,
    best_of: Path | None,
    fresh: bool,
    reproduce: Path | None,
    report: bool,
    agreed: Agreed,
    track: str | None,
    executor: Executor,
    progress: Progress,
) -> Trained:
    if reproduce:
        if best_of or replace(choices, settings=choices.settings or None) != Choices(time=AUTO_TIME):
            what = "is given together with choices, which that run recorded"
            raise fail(option("reproduce"), what, f"leave them out, or {option('reproduce')}")
        return _reproduce(
            reproduce, data, out, report=report, agreed=agreed, track=track, executor=executor, progress=progress
        )
    if data is None:
        raise fail("DATA", "is not given", f"name the folder with the images, or a run with {option('reproduce')}")
    folder = folder_of(data, progress)
    best = find_best(best_of, folder, choices) if best_of else None
    if best:
        progress.say(best.told)
    outcome = experiment.run(
        folder,
        out or results_beside(data, folder, ending="run"),
        choices=best.over(choices) if best else choices,
        executor=executor,
        progress=progress,
        warm=not fresh,
        agreed=agreed,
        track=tracker_of(track),
    )
    finished = finish(outcome, open_pool=executor.open_pool, progress=progress) if report else FinishedFiles()
    return Trained(outcome, finished, best)


def _reproduce(
    source: Path,
    data: AnyPath | None,
    out: Path | None,
    *,
    report: bool,
    agreed: Agreed,
    track: str | None,
    executor: Executor,
    progress: Progress,
) -> Trained:
    record = read_run(source)
    folder = data_folder(source) if data is None else folder_of(data, progress)
    out = out or source.with_name(f"{source.name}-reproduced")
    check_folder(source, out)
    chosen = choices_of(record, folder)
    described = chosen.describe_data()
    changed = tuple(changes(record, chosen, described))
    progress.say(f"reproduces {source}: " + ("; ".join(changed) or "versions, machine, data and choices are as then"))
    outcome = experiment.run_chosen(
        chosen,
        described,
        out,
        executor,
        progress,
        warm=False,
        agreed=agreed,
        track=tracker_of(track),
        is_planned=True,
    )
    finished = finish(outcome, open_pool=executor.open_pool, progress=progress) if report else FinishedFiles()
    return Trained(outcome, finished, reproduced=compare_files(source, out, changed))


def run(
    data: AnyPath | ArrayData | None = None,
    *,
    out: AnyPath | None = None,
    recipe: RecipeName | str | Recipe | None = None,
    preset: Preset | None = None,
    effort: Effort | None = None,
    profile: ProfileName | None = None,
    group: str | None = None,
    time: str | None = AUTO_TIME,
    net: str | None = None,
    encoder_weights: AnyPath | None = None,
    settings: Mapping[str, object] | None = None,
    config: AnyPath | None = None,
    best_of: AnyPath | None = None,
    on_collapse: OnCollapse | None = None,
    deterministic: bool = False,
    fresh: bool = False,
    reproduce: AnyPath | None = None,
    report: bool = True,
    yes: bool = False,
    track: TrackerName | None = None,
    progress: Progress | bool = False,
    executor: Executor | None = None,
) -> Result:
    """Do the main job: train on labelled and unlabelled images, as ``incmask run`` does.

    Args:
        data: folder with ``labelled/`` and ``unlabelled/``, or its URL, such as "s3://bucket/data", or arrays; may be
            left out with ``reproduce``.
        out: run folder, or its URL; default: DATA with ``-run`` behind its name, of a URL in the current folder, and
            for arrays a temporary folder, which goes with the result unless the process is killed. An unfinished run
            there goes on.
            The arrays themselves are not kept there: see ``write_data``.
        recipe: a name of ``RECIPES``, or a recipe of your own; default "im".
        preset: "default" or "paper".
        effort: "quick", "normal" or "paper".
        profile: kind of images, for the augmentation.
        group: which images show the same subject and are never on both sides of a split: "auto" (``split.csv``, or
            names that tell), "none", a CSV file of names and groups, or a regular expression whose first group, or else
            whole match, in an image's name is the subject.
        time: how long it may take, such as "20m" or "2h": sizes, models and steps follow from it, and a longer one
            later goes on. "auto": 20 minutes where nothing else says how much; None: as long as it takes.
        net: the networks: "unet", or with a pretrained encoder "efficientnet-lite0", "timm:ENCODER" or
            "smp:ARCHITECTURE/ENCODER"; default "unet".
        encoder_weights: what the encoder begins with: a file, "none", or "auto", those of its package or in this
            machine's cache.
        settings: single settings by name.
        config: file of choices, or its URL, in the form of ``incmask.toml``, such as ``tune`` writes; it is laid over
            that of the data, and other arguments over it.
        best_of: folder of a comparison, or its URL, on the same data that swept ``erode_px`` and ``dilate_px`` of "im":
            the best of them by validation are taken.
        on_collapse: what becomes of a generation whose labels lose a class or that falls on validation: "keep-best",
            the run ends with the best so far; "stop", with an error; "ignore", it goes on. Default:
            "keep-best", with the preset "paper" "ignore".
        deterministic: let a GPU compute the same bits each time; a CPU does so anyway.
        fresh: after corrected labels were imported: do not begin with the earlier round's models.
        reproduce: a run, or its URL, to repeat with the choices that it recorded, on its data or others; no choice
            stands beside it. ``result.reproduced`` says what differs between then and now, and which files do.
        report: also write ``report.html``, ``ranking.csv``, the model card, and what disagreement says about errors.
        yes: also begin what takes longer than a day by estimate; a ``time`` that says so is enough, too.
        track: show curves elsewhere, too: "tensorboard" (in ``OUT/tensorboard``) or "mlflow".
        progress: True shows lines and a bar, here or in the notebook; or a listener.
        executor: where the work is done; default: in processes of this machine.

    Returns:
        The result: scores, history, and models that predict.

    Raises:
        IncmaskError: the data, a choice or the folder is wrong; each problem says how to mend it.

    Examples:
        >>> result = incmask.run("mydata", out="another run", recipe="im", effort="quick", report=False)
        >>> result.chosen in result.stages
        True
    """
    single = single_settings(settings, net, encoder_weights, on_collapse=on_collapse, deterministic=deterministic)
    with listening(progress) as listener:
        choices = with_config(
            Choices(recipe, preset, effort, profile, group, time, single),
            folder_of(config, listener) if config else None,
        )

        def run_data(data: AnyPath | None, out: AnyPath | None) -> Result:
            trained = train(
                data,
                out,
                choices=choices,
                best_of=best_of,
                fresh=fresh,
                reproduce=reproduce,
                report=report,
                agreed=everybody if yes else nobody,
                track=track,
                executor=executor or Executor(),
                progress=listener,
            )
            return Result(trained.outcome.root, problems=trained.finished.problems, reproduced=trained.reproduced)

        if isinstance(data, ArrayData):
            return _run_arrays(data, out, run_data)
        return run_data(data, out)


def _run_arrays(data: ArrayData, out: AnyPath | None, run_data: Callable[[Path, AnyPath], Result]) -> Result:
    with tempfile.TemporaryDirectory(prefix="incmask-") as folder:
        write_data(data, Path(folder) / "data")
        if out is not None:
            return run_data(Path(folder) / "data", out)
        kept = tempfile.mkdtemp(prefix="incmask-")
        try:
            result = run_data(Path(folder) / "data", Path(kept) / "run")
        except BaseException:
            shutil.rmtree(kept, ignore_errors=True)
            raise
    weakref.finalize(result, shutil.rmtree, kept, ignore_errors=True)
    return result
