"""Students that learn from labels and from what their team's averaged copies say of unlabelled images at each step."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from incmask.base.config import Settings
from incmask.base.device import autocast
from incmask.base.errors import fail
from incmask.base.npy_rows import Rows
from incmask.method.agreement import Inconsistency
from incmask.method.augment import Strength
from incmask.method.cutmix import Cuts, cut_mix, draw_cuts
from incmask.method.labels import labels_of
from incmask.method.losses import two_stream_loss
from incmask.method.online import online_labels
from incmask.method.recipe import Blocking, Online
from incmask.method.streams import Streams, streams_of
from incmask.method.views import draw_view, relit, turned
from incmask.nets.forward import as_floats
from incmask.training.batches import Batch, finish
from incmask.training.on_gpu.augment import upload
from incmask.training.order import BatchOrder, DrawnExample, steps_of_epoch
from incmask.training.segmentation import Segmentation, SegmentationLessons

_CUTS = 1
"""So that cuts have seeds of their own."""


@dataclass(frozen=True)
class Team:
    """What students share that learn from each other's averaged copies; one alone is a team, too.

    Attributes:
        images: unlabelled ones, ``.npy``, uint8, (N, H, W, C).
        online: whose label a student learns.
        blocking: what is done to pixels that the copies dispute; None: nothing.
        strength: maxima by which what students are shown differs from what copies look at; its flips and turns are
            done to both alike.
        seed: of the order of the images, and of flips and turns.
        num_validation: images of the largest validation of the students, so that all validate at the same steps.
        depth: slices of each image, where they are sheets of volumes; None: they are images.
    """

    images: Path
    online: Online
    blocking: Blocking | None
    strength: Strength
    seed: int
    num_validation: int
    depth: int | None = None


@dataclass(frozen=True, kw_only=True)
class OnlineSegmentation(Segmentation):
    """To predict the labels of a training set, and what the team says of unlabelled images.

    Attributes:
        team: that the student is of.
        place: of the student in it, from 0.
    """

    team: Team
    place: int = 0

    def open(self, settings: Settings, *, seed: int) -> "OnlineLessons":
        """Make ready to draw batches."""
        return OnlineLessons(self, settings, seed=seed)


@dataclass(frozen=True)
class Look:
    """What the averaged copies of a team were shown in a step, and what they said.

    Attributes:
        images: uint8, (N, H, W, C), flipped and turned alone.
        labels: for each student of the team.
    """

    images: Tensor
    labels: tuple[Inconsistency, ...]


class Views(Protocol):
    """Draws the unlabelled images of any step, counted from 0 over all epochs: uint8, (N, H, W, C)."""

    def weak(self, step: int) -> Tensor:
        """What copies look at, the same for all students of a team."""
        ...

    def strong(self, weak: Tensor, step: int, *, seed: int) -> Tensor:
        """The same images as a student is shown them."""
        ...


class FileViews:
    """Draws unlabelled images from a file, and changes them on the CPU.

    Attributes:
        team: whose they are.
        order: which of them each step has.
    """

    def __init__(self, team: Team, order: BatchOrder):
        self._images = Rows(team.images)
        self.team, self.order = team, order

    def weak(self, step: int) -> Tensor:
        """See ``Views.weak``."""
        moved, depth = [], self.team.depth
        for place in self.order.draw(step):
            image, generator = self._images[place.example], generator_of(self.team.seed, place)
            geometry = draw_view(self.team.strength, image.shape, generator, depth=depth)
            moved.append(turned(image, geometry, depth=depth))
        return torch.from_numpy(np.stack(moved))

    def strong(self, weak: Tensor, step: int, *, seed: int) -> Tensor:
        """See ``Views.strong``."""
        shown = [
            relit(image, strength=self.team.strength, generator=generator_of(seed, place), depth=self.team.depth)
            for image, place in zip(weak.cpu().numpy(), self.order.draw(step), strict=True)
        ]
        return torch.from_numpy(np.stack(shown)).to(weak.device)


def generator_of(seed: int, place: DrawnExample) -> np.random.Generator:
    """Give the source of all draws for an image in a pass."""
    return np.random.default_rng([seed, place.number_of_pass, place.example])


def batch_parts(settings: Settings) -> tuple[int, int]:
    """Count the labelled and the unlabelled images of a batch.

    Raises:
        IncmaskError: it has not one of each.
    """
    if settings.batch_size < 2:
        raise fail(
            "setting batch_size", "1 image a step, where labelled and unlabelled ones go together", "use 2 or more"
        )
    num_labelled = _two_streams(settings, num_steps=0).num_labelled
    return num_labelled, settings.batch_size - num_labelled


def _two_streams(settings: Settings, *, num_steps: int) -> Streams:
    return streams_of(settings.model_copy(update={"streams": "two"}), num_steps=num_steps, has_pseudo=True)


class OnlineLessons(SegmentationLessons):
    """Batches and losses of an ``OnlineSegmentation``.

    Attributes:
        team: of the objective.
        place: in the team, from 0.
        views: of unlabelled images.
    """

    def __init__(self, objective: OnlineSegmentation, settings: Settings, *, seed: int):
        team = objective.team
        num_images, (num_labelled, num_unlabelled) = len(Rows(team.images)), batch_parts(settings)
        steps = steps_of_epoch(num_images, batch_size=num_unlabelled, steps_per_epoch=settings.steps_per_epoch)
        super().__init__(
            objective,
            settings.model_copy(update={"batch_size": num_labelled, "steps_per_epoch": steps}),
            seed=seed,
        )
        self.team, self.place, self._seed = team, objective.place, seed
        self._two = _two_streams(settings, num_steps=settings.epochs * steps)
        order = BatchOrder(num_images, batch_size=num_unlabelled, steps_per_epoch=steps, seed=team.seed)
        self.views: Views = FileViews(team, order)
        self.batch_sizes = (settings.batch_size,)
        self.num_validation = team.num_validation

    def ask(self, copies: Sequence[nn.Module], step: int, *, num_parts: int = 1) -> Look:
        """Show the averaged copies of the team the unlabelled images of a step.

        Args:
            copies: in evaluation mode, one for each student.
            step: counted from 0.
            num_parts: that the images go through them in, where memory is scarce.
        """
        device, settings = next(copies[0].parameters()).device, self._settings
        images = self.views.weak(step).to(device)
        task, sides_px = self._objective.training.task, {}
        if self.team.blocking:
            sides_px = {"erode_px": settings.erode_px, "dilate_px": settings.dilate_px}
        with torch.inference_mode(), autocast(device, settings.precision):
            parts = as_floats(images).chunk(num_parts)
            logits = torch.stack([torch.cat([copy(part) for part in parts]) for copy in copies])
            says = torch.stack([labels_of(task).probabilities(each.float()) for each in logits])
            return Look(images, online_labels(says, self.team.online, task=task, **sides_px, depth=self.team.depth))

    def loss_with(self, look: Look, network: nn.Module, step: int) -> Tensor:
        """Loss of a step: of its labelled images, and of what the copies said, each averaged apart."""
        labelled, pseudo = self.batches.draw(step).to(look.images.device), self._shown(look, step)
        logits = self._forward(network, torch.cat([labelled.image, pseudo.image]))
        parts = logits.split([len(labelled.image), len(pseudo.image)])
        losses = (self._compare(part, batch) for part, batch in zip(parts, (labelled, pseudo), strict=True))
        return two_stream_loss(*losses, pseudo_weight=self._two.weight_at(step))

    def _shown(self, look: Look, step: int) -> Batch:
        """Change the images strongly, cut them with their labels, and block what is disputed."""
        team, said = self.team, look.labels[self.place]
        num, height, width, _ = look.images.shape
        generator = np.random.default_rng([self._seed, step, 0, _CUTS])
        cuts = draw_cuts(num, (height, width), share=team.online.cutmix, generator=generator, depth=team.depth)
        # Once, since three arrays are cut with them.
        cuts = Cuts(*(upload(torch.from_numpy(each), look.images.device) for each in (cuts.source, cuts.inside)))
        shown = self.views.strong(look.images, step, seed=self._seed)
        images, label, inconsistent = (cut_mix(each, cuts) for each in (shown, said.label, said.inconsistent))
        return finish(
            images,
            label,
            inconsistent if team.blocking else None,
            task=self._objective.training.task,
            blocking=team.blocking,
            has_ignored=team.online.confidence > 0,
        ).batch()


@dataclass(frozen=True)
class TaughtLessons:
    """Lessons of one step, with what the copies said.

    Attributes:
        lessons: of the student.
        look: of its team's copies.
    """

    lessons: OnlineLessons
    look: Look

    def loss(self, network: nn.Module, *, phase: int, step: int) -> Tensor:
        """Loss of the step; there is one phase."""
        return self.lessons.loss_with(self.look, network, step)


class Teams:
    """The teams of a group of students.

    Args:
        lessons: of all students, those of a team one after the other.
        copies: their averaged copies, in evaluation mode.
    """

    def __init__(self, lessons: Sequence[OnlineLessons], copies: Sequence[nn.Module]):
        pairs = groupby(zip(lessons, copies, strict=True), key=lambda pair: pair[0].team)
        self._teams = [tuple(zip(*members, strict=True)) for _, members in pairs]

    def taught(self, step: int, *, num_parts: int) -> list[TaughtLessons]:
        """Let all copies look at a step's images; give each student its lessons of this step."""
        return [
            TaughtLessons(each, look)
            for lessons, copies in self._teams
            for look in [lessons[0].ask(copies, step, num_parts=num_parts)]
            for each in lessons
        ]
