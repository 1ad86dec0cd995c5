"""The name of every file of a run folder, once."""

EVALNETS = "evalnets"
EVALNETS_REPORT, RATINGS = "quality.json", "ratings.csv"

PSEUDO = "pseudo"
LABEL, INCONSISTENT, INDEX = "label.npy", "inconsistent.npy", "index.csv"
"""The folder of a generation's pseudo-labels, and its files."""

SCORES, IMAGE_SCORES, MODEL = "scores.csv", "image_scores.csv", "model"
TOGETHER = "together.json"
"""In the folder of a stage: the score of its members together."""
