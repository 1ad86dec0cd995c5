"""The stacks of a run: built from the images, or taken over from another run of the same data."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from incmask.base.packed import Packed
from incmask.base.store import Store
from incmask.data.dataset import Item
from incmask.data.stack import Stack, read_stack
from incmask.data.volumes.patches import stack_of
from incmask.experiment.choices import Resolved
from incmask.experiment.paths import stack_folder
from incmask.experiment.watch import check_unchanged


def build_stacks(
    chosen: Resolved, store: Store, *, num_threads: int, with_truth: bool, sources: Sequence[Path]
) -> dict[str, Stack]:
    """Build the stacks of all parts, or take them over from another run of the same data.

    Args:
        chosen: the data and the networks' size.
        store: of the run; the stacks lie in its ``stacks/``.
        num_threads: that read images.
        with_truth: true masks of the unlabelled images are wanted; else they are left out.
        sources: folders of other runs.
    """
    stacks = {}
    for part, items in chosen.dataset.parts():
        if not items:
            continue
        labelled = part != "unlabelled" or with_truth
        if not labelled:
            items = Packed(Item, (replace(item, masks=None) for item in items))
        folder = stack_folder(store.root, part)
        stack = Stack(folder, ())
        if store.lost(folder) or not store.has(stack.index, stack.images):
            if (theirs := _stack_to_take(sources, part, labelled=labelled)) is not None:
                store.adopt({path: folder / path.name for path in theirs.files if labelled or path != theirs.labels})
            else:
                built = stack_of(
                    items,
                    chosen.dataset,
                    size=chosen.size,
                    fit=chosen.settings.fit,
                    folder=folder,
                    num_threads=num_threads,
                )
                check_unchanged(chosen.stamps)
                store.record(*built.files)
        stacks[part] = read_stack(folder)
    return stacks


def _stack_to_take(sources: Sequence[Path], part: str, *, labelled: bool) -> Stack | None:
    for source in sources:
        folder = stack_folder(source, part)
        if Stack(folder, ()).index.exists():
            stack = read_stack(folder)
            if stack.labels.exists() or not labelled:
                return stack
    return None
