"""Approaches side by side, for Python."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from incmask.api.given import single_settings
from incmask.api.listening import AnyPath, folder_of, listening, results_at, results_beside, run_at
from incmask.base.config import Effort, Preset
from incmask.base.progress import Progress
from incmask.base.trackers import TrackerName
from incmask.experiment.consent import Agreed, everybody, nobody
from incmask.experiment.executor import Executor
from incmask.experiment.named import Choices
from incmask.experiment.tracked import tracker_of
from incmask.insight.comparison.best_of import best_of as find_best
from incmask.insight.comparison.compare import Comparison
from incmask.insight.comparison.compare import compare as run_comparison
from incmask.insight.comparison.plan import ALL
from incmask.insight.comparison.present import Findings, find, write_findings, write_page
from incmask.method.profiles import ProfileName
from incmask.method.recipe import Recipe
from incmask.method.recipes import RecipeName


def compare(
    data: AnyPath,
    *,
    out: AnyPath | None = None,
    recipes: RecipeName | str | Recipe | Sequence[RecipeName | str | Recipe] = ALL,
    num_repeats: int = 3,
    equal_steps: bool = False,
    preset: Preset | None = None,
    effort: Effort | None = None,
    profile: ProfileName | None = None,
    group: str | None = None,
    net: str | None = None,
    encoder_weights: AnyPath | None = None,
    settings: Mapping[str, object] | None = None,
    grid: Mapping[str, Sequence[object]] | None = None,
    best_of: AnyPath | None = None,
    yes: bool = False,
    track: TrackerName | None = None,
    progress: Progress | bool = False,
    executor: Executor | None = None,
) -> Comparison:
    """Compare approaches on the same images: the same as ``incmask compare``, tables and page included.

    Args:
        data: folder with ``labelled/`` and ``unlabelled/``, or its URL.
        out: folder, or its URL; default: DATA with ``-compare`` behind its name. An unfinished comparison there goes
            on.
        recipes: names of ``RECIPES``, recipes of your own, or a single one of these; "all": those that the data allow.
        num_repeats: how often all is repeated with another seed.
        equal_steps: also train every approach for as many steps as FDT takes.
        preset: as for ``run``.
        effort: as for ``run``.
        profile: as for ``run``.
        group: as for ``run``.
        net: as for ``run``.
        encoder_weights: as for ``run``.
        settings: as for ``run``; the same for all approaches.
        grid: settings with several values, all of which are tried.
        best_of: as for ``run``; for all approaches with inconsistency masks.
        yes: also begin what takes longer than a day by estimate.
        track: as for ``run``, of each of its runs.
        progress: as for ``run``.
        executor: as for ``run``.

    Returns:
        Its rows: ``models``, ``totals``, ``images``, ``pseudo`` and ``frequencies``.

    Raises:
        IncmaskError: the data, a choice or the folder is wrong, or the packages for reports are not installed.

    Examples:
        >>> comparison = incmask.compare("mydata", recipes="me", num_repeats=1, effort="quick")
        >>> sorted({row.recipe for row in comparison.models})
        ['ldt', 'me']
    """
    choices = Choices(None, preset, effort, profile, group, settings=single_settings(settings, net, encoder_weights))
    with (
        listening(progress) as listener,
        compared(
            data,
            out,
            choices=choices,
            recipes=recipes,
            num_repeats=num_repeats,
            grid=grid or {},
            equal_steps=equal_steps,
            best_of=best_of,
            agreed=everybody if yes else nobody,
            track=track,
            executor=executor or Executor(),
            progress=listener,
        ) as (comparison, findings),
    ):
        write_page(comparison, findings)
    return comparison


@contextmanager
def compared(
    data: AnyPath,
    out: AnyPath | None,
    *,
    choices: Choices,
    recipes: str | Recipe | Sequence[str | Recipe],
    num_repeats: int,
    grid: Mapping[str, Sequence[object]],
    equal_steps: bool,
    best_of: AnyPath | None,
    agreed: Agreed = nobody,
    track: str | None = None,
    executor: Executor,
    progress: Progress,
) -> Iterator[tuple[Comparison, Findings]]:
    """Compare, and write all tables but no page, which is to be written inside; the arguments are those of ``compare``.

    Of a URL, what is there in the end is brought.
    """
    with results_at(out, progress) as results, ExitStack() as others:
        heard = results.progress
        folder = folder_of(data, heard)
        sweep = others.enter_context(run_at(best_of, heard, writes=False))[0] if best_of else None
        comparison = run_comparison(
            folder,
            results.folder or results_beside(data, folder, ending="compare"),
            choices=choices,
            executor=executor,
            recipes=_several(recipes),
            num_repeats=num_repeats,
            grid=grid,
            equal_steps=equal_steps,
            best_of=find_best(sweep, folder, choices, grid=grid) if sweep else None,
            agreed=agreed,
            track=tracker_of(track),
            progress=heard,
        )
        heard.doing("tables and figures")
        findings = find(comparison)
        write_findings(comparison, findings)
        yield comparison, findings


def _several(recipes: str | Recipe | Sequence[str | Recipe]) -> Sequence[str | Recipe]:
    """Give recipes one by one: text may name several, with commas between."""
    if isinstance(recipes, Recipe):
        return (recipes,)
    if isinstance(recipes, str):
        return tuple(name.strip() for name in recipes.split(",") if name.strip())
    return recipes
