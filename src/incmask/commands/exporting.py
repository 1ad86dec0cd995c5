"""The command that exports."""

from pathlib import Path
from typing import Annotated, Any

import typer

from incmask.base.errors import fail
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

    is_model = choose(dict.fromkeys(MODEL_TARGETS, True) | dict.fromkeys(LABEL_TARGETS, False), target, option="--to")
    if is_model and top is not None:
        raise fail("--top", f"is for labels, and {target} exports the model", "leave it out")
    with listener(quiet or as_json) as progress:
        if is_model:
            from incmask.exchange.models.model import export_model

            model = export_model(run, out, target=target, progress=progress)
            parity = model.parity
            lines = [
                f"model          {model.path}",
                f"model card     {model.card}",
                f"parity         {model.parity_file}: probabilities within {parity.max_probability_difference:.1g} of "
                f"PyTorch's, {parity.differing_label_fraction:.2%} of the labels differ",
            ]
            values: dict[str, Any] = {"card": str(model.card), "parity": str(model.parity_file)}
        else:
            from incmask.exchange.corrections.export import export_labels

            labels = export_labels(run, out, target=target, top=top, progress=progress)
            lines = [f"{len(labels.names)} images in {labels.out}, in the order of {labels.ranked_by}", *labels.notes]
            values = {"images": labels.names, "ranked_by": labels.ranked_by, "notes": labels.notes}
    print_result("\n".join(lines), {"target": target, "out": str(out), **values}, as_json=as_json)
