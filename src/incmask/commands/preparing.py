"""Commands that look at data and prepare it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from incmask.base.words import counted
from incmask.commands.arguments import Data, DryRun, GroupOption, Json, On, Quiet, RayAddress, Sbatch, SlurmTasks
from incmask.commands.shell import executor, listener, print_result

if TYPE_CHECKING:
    from incmask.data.doctor.fix import Change
    from incmask.experiment.checked import Checked


def check(
    data: Data,
    group: GroupOption = None,
    show: Annotated[
        Path | None,
        typer.Option("--show", metavar="OUT.html", help="page to write: pictures with the masks drawn on them"),
    ] = None,
    fix: Annotated[
        Path | None,
        typer.Option("--fix", metavar="OUT", help="corrected copy to write, of what can be mended without asking"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell what is in a folder, what is wrong with it and how to mend it; touches nothing in it."""
    from incmask.api.folders import check as check_folder
    from incmask.data.storage import is_url

    with listener(as_json or not is_url(data)) as progress:
        found = check_folder(data, group=group, show=show, fix=fix, progress=progress)
    lines, values = _told(found), found.as_dict()
    if fix is not None:
        lines.append(_changed(fix, found.changes))
    if fix is not None and found.changes:
        found = check_folder(fix, group=group)
        lines += _told(found)
        values["fixed"] = found.as_dict()
    print_result("\n".join(lines), values, as_json=as_json)
    if found.problems:
        raise typer.Exit(1)


def _told(found: "Checked") -> list[str]:
    problems = [f"problem: {problem}" for problem in found.problems]
    findings = [f"{finding.severity}: {finding}" for finding in found.findings]
    return [*found.description, *problems, *findings, _verdict(found)]


def _verdict(found: "Checked") -> str:
    num_warnings = sum(each.severity == "warning" for each in found.findings)
    if found.problems:
        return counted(len(found.problems), "problem")
    warnings = f", {counted(num_warnings, 'warning')}" if num_warnings else ""
    return f"no problems{warnings}: ready for `incmask run`"


def _changed(out: Path, changes: "Sequence[Change]") -> str:
    from incmask.data.doctor.fix import CHANGES

    if not changes:
        return f"nothing to mend without asking: {out} was not written"
    counts = Counter(each.change for each in changes)
    listed = ", ".join(f"{counted(num, 'file')} {change}" for change, num in counts.items())
    return f"corrected copy {out}: {listed}; each is in {out / CHANGES}. It holds:"


def prepare(
    kind: Annotated[str, typer.Argument(help="isic2018, hela, suim or cityscapes; folder: your own data")],
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="the download: archives or unpacked folders, or their URL")
    ],
    target: Annotated[
        Path, typer.Argument(metavar="DST", help="data folder to make, or its URL; an unfinished one goes on")
    ],
    paper: Annotated[bool, typer.Option("--paper", help="do as the paper did, even where that is worse")] = False,
    ids: Annotated[
        Literal["all", "train"], typer.Option("--ids", help="cityscapes: all 34 ids, or the usual 19 to train on")
    ] = "all",
    group_split: Annotated[
        bool, typer.Option("--group-split/--no-group-split", help="hela: all crops of a frame stay together")
    ] = True,
    layout: Annotated[
        str | None,
        typer.Option(
            "--layout",
            help="folder: pairs, class-folders, coco, panoptic, cvat, label-studio, labelme, via, yolo, geojson, "
            "instances or objects (these also with -binary)  [default: recognised]",
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            help="folder: regular expression for the part of a name that stays together (patient), or none  "
            "[default: as names tell]",
        ),
    ] = None,
    val_fraction: Annotated[
        float, typer.Option("--val-fraction", min=0, max=1, help="folder: share to validate")
    ] = 0.1,
    test_fraction: Annotated[float, typer.Option("--test-fraction", min=0, max=1, help="folder: share to test")] = 0.1,
    labelled_fraction: Annotated[
        float, typer.Option("--labelled-fraction", min=0, max=1, help="folder: share of the rest that keeps its masks")
    ] = 1.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="of every split and crop")] = 42,
    on: On = None,
    ray_address: RayAddress = None,
    sbatch: Sbatch = None,
    slurm_tasks: SlurmTasks = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Make a data folder of a data set as its owner distributes it, or of your own files in other formats."""
    from incmask.api.exchanging import prepare as prepare_data
    from incmask.exchange.prepare.prepare import prepared_as_dict, prepared_text

    where = executor(on, ray_address=ray_address, sbatch=sbatch, slurm_tasks=slurm_tasks, dry_run=dry_run)
    with listener(quiet or as_json) as progress:
        prepared = prepare_data(
            kind,  # type: ignore[arg-type]
            source,
            target,
            paper=paper,
            ids=ids,
            group_split=group_split,
            layout=layout,
            group=group,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            labelled_fraction=labelled_fraction,
            seed=seed,
            progress=progress,
            executor=where,
        )
    print_result(prepared_text(prepared), prepared_as_dict(prepared), as_json=as_json)
