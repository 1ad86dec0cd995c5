"""What settings are by name: how much is trained, and how."""

from typing import Any

EFFORTS: dict[str, dict[str, Any]] = {
    "quick": {
        "epochs": 10,
        "steps_per_epoch": 30,
        "num_base": 4,
        "num_students": 3,
        "num_generations": 2,
        "num_evalnets": 3,
    },
    "normal": {
        "epochs": 20,
        "steps_per_epoch": 50,
        "num_base": 5,
        "num_students": 3,
        "num_generations": 3,
        "num_evalnets": 3,
    },
    "paper": {"epochs": 50, "steps_per_epoch": 100, "num_base": 10, "num_students": 5, "num_generations": 5},
}
"""How much is trained: ``paper`` has the paper's numbers of epochs, models and generations."""

PRESETS: dict[str, dict[str, Any]] = {
    "default": {
        "streams": "two",
        "start": "teacher",
        "blocking": "ignore",
        "strong": 1.0,
        "cutmix": 0.5,
        "augment": "everything",
        # Of what has collapsed nothing better comes, and generations cost hours. The paper has no such rule.
        "on_collapse": "keep-best",
    },
    "paper": {
        "steps_per_epoch": 0,
        "batch_size": 32,
        "schedule": "constant",
        "epsilon": "before_correction",
        "batch_norm_momentum": 0.99,
        "volume_norm": "batch",
        "average_decay": 0.0,
        "loss": "auto",
        "redraw": False,
        "precision": "float32",
        "validation_share": 1.0,
        "select_by": "auto",
        "miou_classes": "auto",
        "empty_iou": 0,
        "masked_answers": "wrong",
        "admit": "label_exceeds_mask",
        "evalnet_head": "glorot_uniform",
        "redraw_positions": True,
    },
}
"""How is trained: ``default`` as helped most (``docs/when-it-helps.md``), ``paper`` to the letter (section 2.6.2)."""


def default_effort(preset: str) -> str:
    """Give the effort that goes with a preset where nobody names one."""
    return "paper" if preset == "paper" else "normal"
