"""The files in the folder of a trained network, by name."""

MODEL, HISTORY, SCORES, CHECKPOINT = "model.safetensors", "history.csv", "scores.json", "checkpoint.safetensors"
