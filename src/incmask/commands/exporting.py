"""The command that exports."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from incmask.base.errors import fail
from incmask.base.progress import Progress
from incmask.commands.arguments import Json, Quiet
from incmask.commands.shell import listener, print_result
from incmask.exchange.names import MODEL_TARGETS
from incmask.exchange.names import TARGETS as LABEL_TARGETS


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN|MODEL", help="run folder; for a model, also a model folder")],
    target: Annotated[
        str, typer.Option("--to", help=f"model: {', '.join(MODEL_TARGETS)}; labels: {', '.join(LABEL_TARGETS)}")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="model: file that ends in .onnx, .pt2 or (bioimageio) .zip; labels: folder, or .zip"
        ),
    ],
    top: Annotated[
        int | None, typer.Option("--top", min=1, help="labels: of the N images to label first  [default: of all]")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write the model for other programs, or the labels of the unlabelled images for a tool that corrects them."""
    from incmask.base.config import choose

    write = choose(_WRITERS, target, option="--to")
    with listener(quiet or as_json) as progress:
        written = write(_Request(run, out, target, top), progress)
    print_result(written.text, {"target": target, "out": str(out), **written.values}, as_json=as_json)


@dataclass(frozen=True)
class _Request:
    """What is to be exported, as the command line says it."""

    run: Path
    out: Path
    target: str
    top: int | None


@dataclass(frozen=True)
class _Written:
    """What was written, for people and for machines."""

    text: str
    values: dict[str, Any]


def _write_model(request: _Request, progress: Progress) -> _Written:
    from incmask.exchange.models.model import export_model

    if request.top is not None:
        raise fail("--top", f"is for labels, and {request.target} exports the model", "leave it out")
    written = export_model(request.run, request.out, target=request.target, progress=progress)
    parity = written.parity
    text = "\n".join(
        [
            f"model          {written.path}",
            f"model card     {written.card}",
            f"parity         {written.parity_file}: probabilities within {parity.max_probability_difference:.1g} of "
            f"PyTorch's, {parity.differing_label_fraction:.2%} of the labels differ",
        ]
    )
    return _Written(text, {"card": str(written.card), "parity": str(written.parity_file)})


def _write_labels(request: _Request, progress: Progress) -> _Written:
    from incmask.exchange.corrections.export import export_labels

    written = export_labels(request.run, request.out, target=request.target, top=request.top, progress=progress)
    text = "\n".join(
        [f"{len(written.names)} images in {written.out}, in the order of {written.ranked_by}", *written.notes]
    )
    return _Written(text, {"images": written.names, "ranked_by": written.ranked_by, "notes": written.notes})


_WRITERS: dict[str, Callable[[_Request, Progress], _Written]] = {
    **dict.fromkeys(MODEL_TARGETS, _write_model),
    **dict.fromkeys(LABEL_TARGETS, _write_labels),
}
