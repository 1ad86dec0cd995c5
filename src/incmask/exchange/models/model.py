"""A model in a form that other programs run, compared with the networks before it appears."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from incmask.base.caller import either, option
from incmask.base.errors import fail
from incmask.base.files import write_bytes, write_text
from incmask.base.progress import Progress
from incmask.base.validation import choose
from incmask.exchange.models import bioimageio, programs
from incmask.exchange.models.parity import Arrays, Parity, ParityImages, check_parity, find_examples, made_up_images
from incmask.exchange.models.pipeline import OUTPUTS, AnyPipeline, describe, pipeline_of
from incmask.insight import card
from incmask.method.labels import check_classes
from incmask.method.sheets import unfolded
from incmask.prediction.ensemble import Ensemble


@dataclass(frozen=True)
class ExportedModel:
    """What was written.

    Attributes:
        path: the model.
        parity_file: how it compares with the networks in PyTorch.
        card: the model card.
        parity: what ``parity_file`` says.
    """

    path: Path
    parity_file: Path
    card: Path
    parity: Parity


@dataclass(frozen=True)
class _Source:
    """What exports are made from.

    Attributes:
        ensemble: in float32, whatever the run computed in.
        pipeline: of the ensemble.
        examples: images to compare on.
        card: the model card.
        where: the file to be written, for messages.
    """

    ensemble: Ensemble
    pipeline: AnyPipeline
    examples: ParityImages
    card: str
    where: Path


@dataclass(frozen=True)
class _Made:
    """The content of a file, and the same as a function of images."""

    content: bytes
    run: Callable[[np.ndarray], Arrays]


def export_model(model: Path, out: Path, *, target: str, progress: Progress) -> ExportedModel:
    """Write a model of a run for other programs, with a parity file and a model card beside it.

    Args:
        model: run folder or model folder.
        out: the file, with the ending of the target.
        target: a name of ``MODEL_TARGETS``.
        progress: a listener.

    Raises:
        IncmaskError: there is no model, the ending is another, a package lacks, the file cannot be written, or what
            was made does not say the same as the networks. Nothing is written then.
    """
    kind: _Kind = choose(_KINDS, target, option=option("to"))
    if out.suffix.casefold() != kind.suffix:
        raise fail(
            out, f"a file for {target} ends in {kind.suffix}", f"use {either('-o ', '')}{out.with_suffix(kind.suffix)}"
        )
    if kind.needs_onnx:
        programs.check_installed()
    progress.doing("reading the model")
    loaded = Ensemble.load(model, device="cpu")
    if loaded.about.volumes is not None:
        check_classes(loaded.about.task, "export of models of volumes")
    if kind.is_packed:
        check_classes(loaded.about.task, option("to", target))
    about = replace(loaded.about, precision="float32")
    ensemble = Ensemble(loaded.networks, about, device="cpu")
    depth = about.volumes.depth if about.volumes else None
    examples = find_examples(model, channels=about.channels, size=about.size, depth=depth)
    source = _Source(ensemble, pipeline_of(ensemble), examples, card.model_card(model), out)
    progress.doing(f"exporting for {target} and comparing with PyTorch")
    made = kind.make(source)
    parity = check_parity(out, made.run, pipeline=source.pipeline, ensemble=ensemble, examples=examples)
    content = made.content
    if kind.is_packed:
        example = _example(source, made.run)
        content = _packed(source, made.content, example, parity)
        if example.source == "run":
            progress.say(f"{out} holds an image of the run as its example: publish it only if you may publish that")
    written = ExportedModel(out, out.with_suffix(".parity.json"), out.with_suffix(".card.md"), parity)
    write_text(written.card, source.card)
    write_text(written.parity_file, parity.to_json())
    # Last, so that a model is never without them.
    write_bytes(out, content)
    return written


def _make_onnx(source: _Source) -> _Made:
    about = source.ensemble.about
    content = programs.onnx_bytes(programs.trace(source.pipeline, channels=about.channels), description=describe(about))
    return _Made(content, programs.loaded_onnx(content, where=source.where))


def _make_program(source: _Source) -> _Made:
    about = source.ensemble.about
    traced = programs.trace(source.pipeline, channels=about.channels)
    content = programs.program_bytes(traced, description=describe(about))
    return _Made(content, programs.loaded_program(content))


def _packed(source: _Source, weights: bytes, example: "_Example", parity: Parity) -> bytes:
    outputs = dict(zip(OUTPUTS, example.outputs, strict=True))
    if not outputs["disagreement"].any():
        # The model zoo takes no output that is 0 everywhere, as that of a single member is.
        del outputs["disagreement"]
        weights = programs.without_output(weights, "disagreement")
    return bioimageio.package(
        source.ensemble.about,
        name=source.where.stem,
        weights=weights,
        opset=programs.OPSET,
        image=example.image,
        outputs=outputs,
        card=source.card,
        parity=parity.to_json(),
    )


@dataclass(frozen=True)
class _Example:
    """An image that goes into a package.

    Attributes:
        source: as for ``ParityImages``.
        image: uint8, (1, H, W, C) or (1, D, H, W, C).
        outputs: what the model makes of it.
    """

    source: Literal["run", "synthetic"]
    image: np.ndarray
    outputs: Arrays


def _example(source: _Source, run: Callable[[np.ndarray], Arrays]) -> _Example:
    """Give the first image on which there is something to see in every output, or in the label at least."""
    about = source.ensemble.about
    made_up = made_up_images(channels=about.channels, size=about.size)
    if about.volumes is not None:
        made_up = unfolded(made_up, about.volumes.depth, axis=1)
    images = [(source.examples.source, image) for batch in source.examples.batches for image in batch]
    images += [("synthetic", image) for image in made_up]
    examples = [_Example(kind, image[None], run(image[None])) for kind, image in images]
    best = max(examples, key=lambda example: tuple(bool(output.any()) for output in example.outputs[:2]))
    if not best.outputs[0].any():
        raise fail(
            source.where,
            f"the model finds no class in any of {len(examples)} images, which the model zoo's check asks for",
            f"train longer, or export with {option('to', 'onnx')}",
        )
    return best


@dataclass(frozen=True)
class _Kind:
    """A form of a model.

    Attributes:
        suffix: of its file.
        make: makes the model.
        needs_onnx: whether the packages for ONNX have to be installed.
        is_packed: whether the model is put into a package with an example.
    """

    suffix: str
    make: Callable[[_Source], _Made]
    needs_onnx: bool = False
    is_packed: bool = False


_KINDS = {
    "onnx": _Kind(".onnx", _make_onnx, needs_onnx=True),
    "torch": _Kind(".pt2", _make_program),
    "bioimageio": _Kind(".zip", _make_onnx, needs_onnx=True, is_packed=True),
}
"""By the names of ``MODEL_TARGETS``."""
