"""Which unlabelled images of a finished run to label next, and why."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from incmask.base.caller import either, option
from incmask.base.errors import fail
from incmask.base.files import write_text
from incmask.base.machine import num_cores
from incmask.base.pool import OpenPool, Pool
from incmask.base.progress import Progress, Silent
from incmask.base.store import reopen
from incmask.base.validation import choose
from incmask.base.words import counted
from incmask.experiment.paths import RANKING
from incmask.experiment.record.images import StackImage
from incmask.experiment.record.run import RunRecord, open_run
from incmask.insight.ranking.diversity import LABELLED, Floats, greedy_order, nearest_of
from incmask.insight.ranking.entropy import image_entropies
from incmask.insight.ranking.features import standardise
from incmask.insight.ranking.measure import Measured, MeasureJob, join_measured, measure
from incmask.insight.ranking.orders import ENTROPY, ORDERS, RANKED, order_of
from incmask.insight.ranking.reasons import RegionFacts, reason
from incmask.insight.ranking.regions import check_crop, spread
from incmask.insight.ranking.rows import RankedRow, Ranking, Region, to_csv
from incmask.insight.ranking.scores import expected_error, inconsistent_share, smoothed_share, worth
from incmask.method.labels import check_classes
from incmask.nets.forward import CHUNK

_RANDOM_STREAM = 4000
"""Beside a run's seed, so that the order has a draw of its own."""

_NOVEL_QUANTILE = 0.9
"""Of the distances of labelled things to the nearest other one: what is farther from all of them is unlike them."""


def write_ranking(
    run: Path,
    *,
    open_pool: OpenPool,
    out: Path | None = None,
    crop_px: int | None = None,
    top: int | None = None,
    order: str = RANKED,
    progress: Progress | None = None,
) -> Ranking:
    """Do what ``rank_run`` does, and write it to ``out`` or else to ``ranking.csv`` in the run folder.

    That file is the run's record of all its images as wholes, which a view of them never replaces: the first ``top``,
    or crops, go to ``out`` or nowhere.

    Raises:
        IncmaskError: as ``rank_run`` does, or ``out`` is that record and this is a view.
    """
    is_view = top is not None or crop_px is not None
    if is_view and out is not None and out.resolve() == (run / RANKING).resolve():
        raise fail(
            out, "is the run's ranking of all its images as wholes", f"name another file{either(' with -o', '')}"
        )
    ranking = rank_run(run, open_pool=open_pool, crop_px=crop_px, top=top, order=order, progress=progress)
    text = to_csv(ranking.rows)
    if out is not None:
        write_text(out, text)
    elif not is_view:
        with reopen(run) as store:
            store.write(run / RANKING, text)
    return ranking


def rank_run(
    run: Path,
    *,
    open_pool: OpenPool,
    crop_px: int | None = None,
    top: int | None = None,
    order: str = RANKED,
    num_workers: int = 0,
    progress: Progress | None = None,
) -> Ranking:
    """Rank the unlabelled images of a finished run, or crops of them.

    Masks and disputed pixels are those of the run folder; the images' files are not needed.

    Args:
        run: its folder.
        open_pool: gives workers.
        crop_px: side of the crops; None: whole images.
        top: so many rows; None: all.
        order: one of ``ORDERS``.
        num_workers: processes; 0: one a core, as many as are worth starting.
        progress: a listener.

    Raises:
        IncmaskError: the folder holds no finished run, the run has no unlabelled images, or a file is missing.
    """
    check_crop(crop_px)
    choose(dict.fromkeys(ORDERS), order, option=option("order"))
    if order == ENTROPY and crop_px is not None:
        raise fail(option("order", order), "is of whole images", "use another order, or leave out the crops")
    if top is not None and top < 1:
        raise fail(option("top"), f"got {top}, expected 1 or more", f"use {option('top', 20)}")
    finished = open_run(run)
    check_classes(finished.task, "ranking by disputed pixels")
    num_images = len(finished.images("unlabelled"))
    with open_pool(min(num_workers or num_cores(), max(1, -(-num_images // CHUNK)))) as pool:
        progress = progress or Silent()
        return rank_finished(finished, crop_px=crop_px, top=top, order=order, pool=pool, progress=progress)


def rank_finished(
    run: RunRecord,
    *,
    crop_px: int | None = None,
    top: int | None = None,
    order: str = RANKED,
    among: Collection[str] | None = None,
    pool: Pool,
    progress: Progress,
) -> Ranking:
    """Do what ``rank_run`` does, with workers that are there already.

    Args:
        run: whose unlabelled images.
        crop_px, top, order: as for ``rank_run``.
        among: names of the images that may be labelled; None: all unlabelled ones.
        pool: workers.
        progress: a listener.
    """
    candidates = [image for image in run.images("unlabelled") if among is None or image.name in among]
    labelled = run.images("labelled")
    if not candidates:
        raise fail(run.root, "has no unlabelled images to rank", "put some into unlabelled/ and run again")
    notes = []
    if run.judges_useful is False:
        notes.append("the EvalNets know no more than the mean, so their ratings are left out")
    if len(run.members) < 2:
        rated = ", weighed by rating" if run.judges else ""
        notes.append(f"a single model disputes nothing: ranked by how many others each stands for{rated}")
    progress.expect(sum(len(image.rows) for image in (*candidates, *labelled)))
    progress.doing(f"ranking {counted(len(candidates), 'image')}")
    known = _measure(run, labelled, "labelled", crop_px, pool=pool, progress=progress)
    found = _measure(run, candidates, "unlabelled", crop_px, pool=pool, progress=progress)
    features, references = standardise(found.features, known.features)
    given = order_of(
        order,
        features,
        references,
        entropies=image_entropies(run, candidates, pool=pool) if order == ENTROPY else None,
        seed=[run.settings.seed, _RANDOM_STREAM, len(labelled)],
    )
    regions = {"found_in": _regions(candidates, crop_px), "known_in": _regions(labelled, crop_px)}
    rows = _rows(run, found, features, references, given=given, **regions)
    return Ranking(tuple(rows[:top]), tuple(notes), order)


def _measure(
    run: RunRecord,
    images: Sequence[StackImage],
    part: str,
    crop_px: int | None,
    *,
    pool: Pool,
    progress: Progress,
) -> Measured:
    jobs = []
    first = 0
    for group in spread(images, 4 * pool.num_workers):
        jobs.append(
            MeasureJob(
                first=first,
                images=group,
                stack=run.stack(part).images,
                crop_px=crop_px,
                member=run.members[0],
                run=run.root if part == "unlabelled" else None,
                judges=run.judges if part == "unlabelled" else (),
                judges_blocked=run.judges_blocked,
                scheme=run.scheme,
                settings=run.settings,
                shown=run.volumes,
                grids=tuple(grid for image in group if (grid := run.grid(part, image.name))),
            )
        )
        first += sum(len(image.regions(crop_px)) for image in group)
    done = pool.run(measure, jobs, progress.advance)
    return join_measured(sorted((found for _, found in done), key=lambda found: found.first))


def _regions(images: Sequence[StackImage], crop_px: int | None) -> list[Region]:
    return [Region(image.name, crop if crop_px else None) for image in images for crop in image.regions(crop_px)]


def _rows(
    run: RunRecord,
    found: Measured,
    features: Floats,
    references: Floats,
    *,
    given: NDArray[np.int64] | None,
    found_in: Sequence[Region],
    known_in: Sequence[Region],
) -> list[RankedRow]:
    """Put the candidates into their order, or one that is given."""
    assert found.inconsistent is not None, "there are masks of all candidates"
    inconsistent, quality = found.inconsistent, found.quality
    votes = len(run.members) > 1
    error = expected_error(smoothed_share(inconsistent) if votes else None, quality)
    nearest = nearest_of(features, references)
    among_labelled = nearest_of(references, references, leave_self_out=True).distance
    is_novel = nearest.distance > np.quantile(among_labelled, _NOVEL_QUANTILE, method="lower")
    chosen = greedy_order(features, worth(error, num=len(features)), to_labelled=nearest.distance, given=given)
    share, class_names = inconsistent_share(inconsistent), run.class_names
    rows = []
    for place, index in enumerate(chosen.order.tolist()):
        like = int(chosen.nearest[place])
        facts = RegionFacts(
            inconsistent_px=int(inconsistent.inconsistent_px[index]) if votes else None,
            object_px=int(inconsistent.object_px[index]),
            inconsistent_px_by_class=tuple(inconsistent.by_class[index].tolist()),
            expected_quality=None if quality is None else float(quality[index]),
            is_novel=bool(is_novel[index]),
            novelty=float(chosen.novelty[place]),
            like=known_in[nearest.index[index]].title if like == LABELLED else found_in[like].title,
            like_labelled=like == LABELLED,
            num_alike=int(chosen.num_alike[place]),
        )
        region = found_in[index]
        rows.append(
            RankedRow(
                rank=place + 1,
                name=region.name,
                crop=region.crop,
                score=float(chosen.gain[place]),
                disputed_of_foreground=float(share[index]) if votes else None,
                inconsistent_fraction=(
                    float(inconsistent.inconsistent_px[index] / inconsistent.area_px[index]) if votes else None
                ),
                expected_quality=facts.expected_quality,
                novelty=facts.novelty,
                reason=reason(facts, task=run.task, class_names=class_names),
            )
        )
    return rows
