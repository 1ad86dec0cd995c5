"""The ONNX file with its description, examples, cover and card, as the BioImage Model Zoo takes them."""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from incmask.data.images.tiles import scale_image
from incmask.exchange.models.pipeline import INPUT, describe
from incmask.method.labels import labels_of
from incmask.prediction.ensemble import About

FORMAT = "0.5.12"
"""Of the description, the version of the model zoo's specification."""

_PAPER = {
    "text": "M. R. H. Vorndran and B. F. Roeck: Inconsistency Masks: Removing the Uncertainty from "
    "Input-Pseudo-Label Pairs",
    "doi": "10.48550/arXiv.2401.14387",
}
_LICENCE = """No licence is stated for this model.

Before you pass it on, put a licence here, and its SPDX identifier into rdf.yaml (license: CC-BY-4.0, for example).
The licences of the images that it was trained on may set limits to what you can choose, and so may that of weights
of others that an encoder began with, which README.md names where there are any.
"""
_LARGEST_COVER_PX = 320
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Of all files in the archive, so that the same model gives the same bytes."""


def package(
    about: About,
    *,
    name: str,
    weights: bytes,
    opset: int,
    image: np.ndarray,
    outputs: Mapping[str, np.ndarray],
    card: str,
    parity: str,
) -> bytes:
    """Give the content of a package, a zip archive.

    Author and licence are placeholders, which the owner replaces.

    Args:
        about: what the model is for.
        name: of the model.
        weights: content of its ONNX file.
        opset: of that file.
        image: an example, uint8 (1, H, W, C) or (1, D, H, W, C).
        outputs: what the model makes of it, by the names of ``OUTPUTS``, some of which may be left out.
        card: the model card.
        parity: how the ONNX file compares with PyTorch, JSON.
    """
    files = {
        "model.onnx": weights,
        f"{INPUT}.npy": _npy(image),
        **{f"{output}.npy": _npy(values) for output, values in outputs.items()},
        "cover.png": cover(_middle(image[0], about), _middle(outputs["label"][0], about), about),
        "README.md": card.encode(),
        "LICENCE.txt": _LICENCE.encode(),
        "parity.json": parity.encode(),
    }
    # JSON is YAML, too.
    description = _description(about, name=name, opset=opset, outputs=tuple(outputs), files=files)
    text = json.dumps(description, indent=2, ensure_ascii=False)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in {"rdf.yaml": text.encode(), **files}.items():
            archive.writestr(zipfile.ZipInfo(path, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _middle(values: np.ndarray, about: About) -> np.ndarray:
    """Give what stands for an image on a cover: of a volume the slice in its middle."""
    return values if about.volumes is None else values[len(values) // 2]


def cover(image: np.ndarray, label: np.ndarray, about: About) -> bytes:
    """Draw an image and, right of it, its label in the colours of the classes, as a PNG of twice the width.

    Args:
        image: uint8, (H, W, C).
        label: as ``Pipeline`` gives it, (H, W) or (H, W, K).
        about: the classes.
    """
    shown = image if image.shape[2] == 3 else image[..., :1].repeat(3, axis=2)
    colours = np.array([each.colour for each in about.classes], np.uint8)
    if labels_of(about.task).is_exclusive:
        drawn = colours[label]
    else:
        drawn = np.zeros_like(shown)
        for channel, colour in zip(np.atleast_3d(label).transpose(2, 0, 1), colours, strict=True):
            drawn[channel == 1] = colour
    side = min(_LARGEST_COVER_PX, max(image.shape[:2]))
    picture = np.hstack([scale_image(each, (side, side)) for each in (shown, drawn)])
    return cv2.imencode(".png", picture[..., ::-1])[1].tobytes()


def _description(
    about: About, *, name: str, opset: int, outputs: Sequence[str], files: Mapping[str, bytes]
) -> dict[str, Any]:
    """Tell what stands in rdf.yaml."""
    classes = [_identifier(each.name, index) for index, each in enumerate(about.classes)]

    def file(path: str) -> dict[str, str]:
        return {"source": path, "sha256": hashlib.sha256(files[path]).hexdigest()}

    def tensor(name: str, text: str, axes: Sequence[dict[str, Any]], data: dict[str, Any]) -> dict[str, Any]:
        return {"id": name, "description": text, "axes": axes, "data": data, "test_tensor": file(f"{name}.npy")}

    batch = {"type": "batch"}
    sides, least = ("yx", 16) if about.volumes is None else ("zyx", 1)
    spatial = [{"type": "space", "id": side, "size": {"min": least, "step": 1}} for side in sides]
    same = [{"type": "space", "id": side, "size": {"tensor_id": INPUT, "axis_id": side}} for side in sides]
    channels = {"type": "channel", "channel_names": [f"channel{index}" for index in range(about.channels)]}
    of_classes = {"type": "channel", "channel_names": classes}
    labels = labels_of(about.task)
    per_class = [of_classes] if labels.is_layered else []
    num_ids = len(about.classes) if labels.is_exclusive else 2
    share = {"type": "float32", "range": [0.0, 1.0]}
    meaning = "class of each pixel" if labels.is_exclusive else "1 where a class is, else 0"
    # What it is, its axes and its values, by the names of ``OUTPUTS``.
    described: dict[str, tuple[str, list[dict[str, Any]], dict[str, Any]]] = {
        "label": (meaning, [batch, *same, *per_class], {"type": "uint8", "values": list(range(num_ids))}),
        "disagreement": ("share of the members that are off the majority", [batch, *same], share),
        "probability": ("of each class, mean over the members", [batch, of_classes, *same], share),
    }
    intensities = "8-bit intensities; all else is done inside the model"
    if about.volumes is not None:
        spacing = " × ".join(f"{each:g}" for each in about.volumes.spacing)
        intensities = (
            f"8-bit intensities of voxels of {spacing} (slices, rows, columns), to which spacing you bring them"
        )
    return {
        "type": "model",
        "format_version": FORMAT,
        "name": _model_name(name, about),
        "description": f"Segments images into {', '.join(classes)}, and shows where its members disagree."[:512],
        "authors": [{"name": "(to be named)"}],
        "cite": [_PAPER],
        "license": file("LICENCE.txt"),
        "documentation": file("README.md"),
        "covers": [file("cover.png")],
        "attachments": [file("parity.json")],
        "tags": [
            "semantic-segmentation",
            "semi-supervised",
            "2d" if about.volumes is None else "3d",
            "unet",
            "onnx",
            "incmask",
        ],
        "inputs": [tensor(INPUT, intensities, [batch, *spatial, channels], {"type": "uint8", "range": [0, 255]})],
        "outputs": [tensor(output, *described[output]) for output in outputs],
        "weights": {"onnx": {**file("model.onnx"), "opset_version": opset}},
        "config": {"incmask": describe(about)},
    }


def _identifier(name: str, index: int) -> str:
    """Give a class's name as the specification takes it."""
    return re.sub(r"\W", "_", name, flags=re.ASCII).strip("_") or f"class_{index}"


def _model_name(name: str, about: About) -> str:
    known = re.sub(r"[^A-Za-z0-9_+\- ()]", " ", name).strip()
    return f"{known} ({about.task} segmentation)"[-64:].strip()


def _npy(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()
