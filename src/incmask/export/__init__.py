"""Models in forms that other programs run, and the card that goes with them."""

MODEL_TARGETS = ("onnx", "torch", "bioimageio")
"""What ``export_model`` writes."""
