"""Names of what labels can be exchanged with; cheap to import."""

from typing import Literal, get_args

LabelTarget = Literal["coco", "cvat", "label-studio", "labelme", "napari", "png"]
TARGETS: tuple[str, ...] = get_args(LabelTarget)
"""Tools and formats that pseudo-labels are written for and corrections are read from."""

UNSURE = "unsure"
"""The class of what the models do not agree on."""

ModelTarget = Literal["onnx", "torch", "bioimageio"]
MODEL_TARGETS: tuple[str, ...] = get_args(ModelTarget)
"""What ``export_model`` writes."""

LEAST_PX = 16
"""Regions and holes of fewer pixels are merged into what surrounds them where shapes are written."""
