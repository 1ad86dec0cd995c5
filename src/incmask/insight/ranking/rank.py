"""Which unlabelled images of a finished run to label next, and why."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from incmask.base.caller import either, option
from incmask.base.errors import fail
from incmask.base.files import write_parts
from incmask.base.machine import num_cores
from incmask.base.made import Made, MadeBy
from incmask.base.npy_rows import Rows
from incmask.base.pool import OpenPool, Pool
from incmask.base.progress import Progress, Silent
from incmask.base.store import reopen
from incmask.base.validation import choose
from incmask.base.words import counted
from incmask.experiment.paths import RANKING
from incmask.experiment.record.images import StackImage
from incmask.experiment.record.run import RunRecord, open_run
from incmask.insight.ranking.diversity import LABELLED, GreedyOrder, Points, greedy_order, nearest_of
from incmask.insight.ranking.entropy import image_entropies
from incmask.insight.ranking.features import Floats, standardise
from incmask.insight.ranking.measure import InconsistentPixels, Measured, MeasureJob, gathered, measure
from incmask.insight.ranking.orders import ENTROPY, ORDERS, RANKED, order_of
from incmask.insight.ranking.reasons import RegionFacts, reason
from incmask.insight.ranking.regions import Regions, check_crop, spread
from incmask.insight.ranking.rows import RankedRow, Ranking, Region, csv_of
from incmask.insight.ranking.scores import expected_error, inconsistent_share, smoothed_share, worth
from incmask.method.labels import check_classes
from incmask.nets.forward import CHUNK

_RANDOM_STREAM = 4000
"""Beside a run's seed, so that the order has a draw of its own."""

_MOST_IMAGES = 1_000
"""Of a job."""

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
    if out is not None:
        write_parts(out, csv_of(ranking.rows))
    elif not is_view:
        with reopen(run) as store:
            store.write_parts(run / RANKING, csv_of(ranking.rows))
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
    num_images = len(finished.part("unlabelled"))
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
    candidates = run.images("unlabelled")
    if among is not None:
        candidates = [image for image in candidates if image.name in among]
    labelled = run.images("labelled")
    if not candidates:
        raise fail(run.root, "has no unlabelled images to rank", "put some into unlabelled/ and run again")
    notes = []
    if run.judges_useful is False:
        notes.append("the EvalNets know no more than the mean, so their ratings are left out")
    if len(run.members) < 2:
        rated = ", weighed by rating" if run.judges else ""
        notes.append(f"a single model disputes nothing: ranked by how many others each stands for{rated}")
    progress.expect(sum(len(image.rows) for image in chain(candidates, labelled)))
    progress.doing(f"ranking {counted(len(candidates), 'image')}")
    with TemporaryDirectory() as folder:
        known = _measure(run, labelled, "labelled", crop_px, folder=Path(folder, "known"), pool=pool, progress=progress)
        found = _measure(run, candidates, "unlabelled", crop_px, folder=Path(folder), pool=pool, progress=progress)
        assert isinstance(found.features, Rows), "they are on disk"
        features, references = standardise(found.features, known.features, into=found.features)
        given = order_of(
            order,
            features,
            references,
            entropies=image_entropies(run, candidates, pool=pool) if order == ENTROPY else None,
            seed=[run.settings.seed, _RANDOM_STREAM, len(labelled)],
        )
        judged = _judged(run, found, features, references, given=given)
    rows = _RankedRows(run, judged, found_in=Regions(candidates, crop_px), known_in=Regions(labelled, crop_px))
    return Ranking(rows if top is None else rows[:top], tuple(notes), order)


def _measure(
    run: RunRecord,
    images: Sequence[StackImage],
    part: str,
    crop_px: int | None,
    *,
    folder: Path,
    pool: Pool,
    progress: Progress,
) -> Measured:
    """Look at images; what is known of their features lies in the folder."""
    folder.mkdir(exist_ok=True)
    regions = Regions(images, crop_px)
    # Each job is small where there are very many, so that none of them takes much memory.
    groups = spread(images, max(4 * pool.num_workers, -(-len(images) // _MOST_IMAGES)))

    def job(places: range) -> MeasureJob:
        some = tuple(images[places[0] : places[-1] + 1])
        volumes = some if run.volumes else ()
        return MeasureJob(
            first=regions.begin(places[0]),
            images=some,
            stack=run.stack_files(part).images,
            crop_px=crop_px,
            member=run.members[0],
            run=run.root if part == "unlabelled" else None,
            judges=run.judges if part == "unlabelled" else (),
            judges_blocked=run.judges_blocked,
            scheme=run.scheme,
            settings=run.settings,
            shown=run.volumes,
            grids=tuple(grid for image in volumes if (grid := run.grid(part, image.name))),
        )

    done = pool.run(measure, MadeBy(job, groups), progress.advance)
    return gathered((found for _, found in done), len(regions), folder=folder)


@dataclass(frozen=True)
class _Judged:
    """What is known of the candidates, and their order.

    Attributes:
        share, inconsistent: disputed share of the foreground of each, and its disputed pixels.
        quality: expected, of each; None: nothing rates.
        nearest: the nearest labelled region of each.
        is_novel: whether each is unlike what is labelled.
        chosen: the order, and how each was judged.
        votes: several models dispute.
    """

    share: NDArray[np.float64]
    inconsistent: InconsistentPixels
    quality: NDArray[np.floating] | None
    nearest: NDArray[np.int64]
    is_novel: NDArray[np.bool_]
    chosen: GreedyOrder
    votes: bool


def _judged(
    run: RunRecord, found: Measured, features: Points, references: Floats, *, given: NDArray[np.int64] | None
) -> _Judged:
    """Put the candidates into their order, or one that is given."""
    assert found.inconsistent is not None, "there are masks of all candidates"
    inconsistent, quality = found.inconsistent, found.quality
    votes = len(run.members) > 1
    error = expected_error(smoothed_share(inconsistent) if votes else None, quality)
    nearest = nearest_of(features, references)
    among_labelled = nearest_of(references, references, leave_self_out=True).distance
    is_novel = nearest.distance > np.quantile(among_labelled, _NOVEL_QUANTILE, method="lower")
    chosen = greedy_order(features, worth(error, num=len(features)), to_labelled=nearest.distance, given=given)
    share = inconsistent_share(inconsistent)
    return _Judged(share, inconsistent, quality, nearest.index, is_novel, chosen, votes)


class _RankedRows(Made[RankedRow]):
    """The rows of a ranking, each made when it is asked for, as there may be a million."""

    def __init__(self, run: RunRecord, judged: _Judged, *, found_in: Sequence[Region], known_in: Sequence[Region]):
        self._task, self._class_names = run.task, run.class_names
        self._judged, self._found_in, self._known_in = judged, found_in, known_in

    def __len__(self) -> int:
        return len(self._judged.chosen.order)

    def _at(self, place: int) -> RankedRow:
        judged, chosen, inconsistent = self._judged, self._judged.chosen, self._judged.inconsistent
        index, like = int(chosen.order[place]), int(chosen.nearest[place])
        known = self._known_in[int(judged.nearest[index])] if like == LABELLED else self._found_in[like]
        facts = RegionFacts(
            inconsistent_px=int(inconsistent.inconsistent_px[index]) if judged.votes else None,
            object_px=int(inconsistent.object_px[index]),
            inconsistent_px_by_class=tuple(inconsistent.by_class[index].tolist()),
            expected_quality=None if judged.quality is None else float(judged.quality[index]),
            is_novel=bool(judged.is_novel[index]),
            novelty=float(chosen.novelty[place]),
            like=known.title,
            like_labelled=like == LABELLED,
            num_alike=int(chosen.num_alike[place]),
        )
        region, area_px = self._found_in[index], inconsistent.area_px[index]
        return RankedRow(
            rank=place + 1,
            name=region.name,
            crop=region.crop,
            score=float(chosen.gain[place]),
            disputed_of_foreground=float(judged.share[index]) if judged.votes else None,
            inconsistent_fraction=float(inconsistent.inconsistent_px[index] / area_px) if judged.votes else None,
            expected_quality=facts.expected_quality,
            novelty=facts.novelty,
            reason=reason(facts, task=self._task, class_names=self._class_names),
        )
