"""What a run takes of memory and disk, counted before it begins; what a machine has not is refused."""

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from incmask.base.caller import another_folder, size_option
from incmask.base.device import resolve_device
from incmask.base.errors import fail
from incmask.base.files import nearest_existing
from incmask.base.records import RUN
from incmask.data.stack import row_names
from incmask.experiment.choices import Resolved
from incmask.experiment.control import num_controls
from incmask.experiment.evalnets import evalnet_spec
from incmask.experiment.setup import Setup
from incmask.method.growth import num_generations_inherited, num_generations_of, num_students_of, team_size
from incmask.nets.costs import count_parameters
from incmask.nets.spec import Spec
from incmask.training.capacity import PROCESS_BYTES, batch_bytes, training_bytes, weight_bytes
from incmask.training.rating_pairs import TRAINING_PASSES, VALIDATION_PASSES

_MASK_BYTES = 0.1
"""A pixel of an image whose mask, disputed pixels and disagreement are written, packed; of usual pictures."""

_VALUE_BYTES = 8.0
"""The same where targets are numbers: two of them in single precision, hardly packed."""

_PAGE_BYTES = 2**20
"""Of tables and the report, with its pictures."""

_FLOAT_BYTES = 4


@dataclass(frozen=True)
class Needs:
    """What a run takes at most, in bytes.

    Attributes:
        memory: of all its processes together.
        disk: in the run folder at its end.
    """

    memory: int
    disk: int

    def told(self) -> str:
        """Tell a person.

        Examples:
            >>> Needs(3 * 10**9, 42 * 10**6).told()
            '3.0 GB of memory and 42 MB of disk'
        """
        return f"{size_told(self.memory)} of memory and {size_told(self.disk)} of disk"


def size_told(num_bytes: float) -> str:
    """Tell a size.

    Examples:
        >>> [size_told(num) for num in (300, 42e6, 3.04e9)]
        ['1 MB', '42 MB', '3.0 GB']
    """
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{max(1, round(num_bytes / 1e6))} MB"


def needs_of(setup: Setup, rows: Mapping[str, int], *, num_workers: int, control: bool) -> Needs:
    """Count what a run takes.

    Args:
        setup: of the run; its stacks and folds are not asked for.
        rows: of the stack of each part.
        num_workers: that train side by side.
        control: base models are trained on, too, to compare with.
    """
    return Needs(_memory(setup, num_workers), _stacks(setup, rows) + _models(setup, control=control) + _masks(setup))


def check_room(plan: Resolved, out: Path, *, num_workers: int) -> None:
    """Refuse a run that is to begin where the disk has no room for it.

    Raises:
        IncmaskError: it has not.
    """
    if (out / RUN).exists():
        return
    fit, size = plan.settings.fit, plan.size
    volumes = plan.dataset.volumes
    rows = {
        part: len(row_names(items, size=size, fit=fit, volumes=volumes))
        for part, items in plan.dataset.parts()
        if items
    }
    needed = needs_of(plan.setup({}, ()), rows, num_workers=num_workers, control=True).disk
    free = shutil.disk_usage(nearest_existing(out.resolve())).free
    if needed > free:
        raise fail(
            out,
            f"takes about {size_told(needed)} of disk, {size_told(free)} are free",
            f"make room, {another_folder()}, or use a smaller {size_option(volumes=volumes is not None)} "
            "or fewer generations",
        )


def largest_networks(setup: Setup) -> list[Spec]:
    """Give the largest network of each kind that a run trains."""
    segmenting: Spec = setup.network(num_generations_of(setup.recipe, setup.settings))
    return [segmenting, evalnet_spec(setup)] if setup.recipe.evalnets else [segmenting]


def _memory(setup: Setup, num_workers: int) -> int:
    settings = setup.settings
    is_on_gpu = resolve_device(settings.device).type == "cuda"
    count = batch_bytes if is_on_gpu else training_bytes
    each = max(
        count(network, size=setup.size, batch_size=settings.batch_size) + weight_bytes(network)
        for network in largest_networks(setup)
    )
    return PROCESS_BYTES + num_workers * (PROCESS_BYTES + team_size(setup.recipe, settings) * each)


def _stacks(setup: Setup, rows: Mapping[str, int]) -> int:
    """Count images and labels at the networks' size, and those of all generations."""
    layers = (setup.num_classes if setup.labels.is_layered else 1) * np.dtype(setup.labels.dtype).itemsize
    pixels = math.prod(setup.size)
    images = sum(rows.values()) * setup.dataset.channels
    labelled = sum(num for part, num in rows.items() if part != "unlabelled" or setup.recipe.needs_truth)
    num_labellings = num_generations_of(setup.recipe, setup.settings) if setup.recipe.labeller else 0
    pairs = num_labellings * rows.get("unlabelled", 0) + _num_rated(setup, rows)
    return pixels * (images + layers * labelled + (layers + 1) * pairs)


def _num_rated(setup: Setup, rows: Mapping[str, int]) -> int:
    """Count the masks that EvalNets learn from, where validation has a part of its own."""
    evalnets = setup.recipe.evalnets
    if evalnets is None:
        return 0
    num_masks = 1 + setup.settings.num_base * len(evalnets.examples_from)
    to_train, to_choose = (TRAINING_PASSES, VALIDATION_PASSES) if evalnets.blocked else (num_masks, num_masks)
    return to_train * rows["labelled"] + to_choose * rows.get("val", 0)


def _models(setup: Setup, *, control: bool) -> int:
    """Count the weights of all models, and of those that are handed over."""
    recipe, settings = setup.recipe, setup.settings
    base = setup.settings.num_base * max(1, len(recipe.bases)) + settings.num_members
    if control and num_generations_inherited(recipe, settings):
        base += num_controls(settings, num_folds=1)
    num_weights = base * _num_weights(setup.network(0))
    for generation in range(1, num_generations_of(recipe, settings) + 1):
        num_weights += num_students_of(recipe, settings) * _num_weights(setup.network(generation))
    if recipe.evalnets:
        num_weights += settings.num_evalnets * _num_weights(evalnet_spec(setup))
    return _FLOAT_BYTES * num_weights


@lru_cache
def _num_weights(network: Spec) -> int:
    return count_parameters(network.build())


def _masks(setup: Setup) -> int:
    pixels = sum(item.height * item.width for item in setup.dataset.unlabelled)
    return round(pixels * (_VALUE_BYTES if setup.labels.is_continuous else _MASK_BYTES)) + _PAGE_BYTES
