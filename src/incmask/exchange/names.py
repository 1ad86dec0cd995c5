"""Names of what labels can be exchanged with; cheap to import."""

TARGETS = ("coco", "cvat", "label-studio", "labelme", "napari", "png")
"""Tools and formats that pseudo-labels are written for and corrections are read from."""

UNSURE = "unsure"
"""The class of what the models do not agree on."""

MODEL_TARGETS = ("onnx", "torch", "bioimageio")
"""What ``export_model`` writes."""

LEAST_PX = 16
"""Regions and holes of fewer pixels are merged into what surrounds them where shapes are written."""
