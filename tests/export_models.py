"""Small models, as a run hands them over."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch.export import ExportedProgram

from incmask.base.config import Task
from incmask.data.dataset import ClassInfo
from incmask.exchange.models import programs
from incmask.exchange.models.pipeline import Pipeline
from incmask.method.labels import labels_of
from incmask.nets.spec import NetworkSpec, save_model
from incmask.prediction.ensemble import About
from incmask.prediction.model_folder import save_ensemble
from small import NUM_CLASSES

CLASSES = (
    ClassInfo("none", (0, 0, 0), 0),
    ClassInfo("a | <b>", (255, 80, 0), 1),
    ClassInfo("Zelle ä", (0, 80, 255), 2),
)


def make_model(
    folder: Path,
    task: Task,
    *,
    fit: Literal["resize", "tile"] = "resize",
    channels: int = 1,
    num_members: int = 2,
    size: tuple[int, int] = (32, 48),
) -> Path:
    """Write an untrained model whose members disagree here and there."""
    num_classes = NUM_CLASSES[task]
    spec = NetworkSpec(channels, labels_of(task).num_outputs(num_classes), 0.125)
    paths = [folder / f"{seed}.safetensors" for seed in range(num_members)]
    for seed, path in enumerate(paths):
        network = spec.build(seed=seed)
        with torch.no_grad():
            # Otherwise most pixels lie far on one side.
            network.head.weight *= 3
        save_model(path, network.state_dict(), spec)
    classes = CLASSES if task == "multiclass" else CLASSES[1 : 1 + num_classes]
    about = About(task, classes, channels, None, size, fit, "float32")
    save_ensemble(folder / "model", paths, about, scores={"stage": "base", "IoU": 0.5})
    return folder / "model"


def share_traces(patch: pytest.MonkeyPatch, traces: dict[object, Any]) -> None:
    """Let exports of the same networks share what is traced, and what is made of it for ONNX."""
    trace, onnx_bytes = programs.trace, programs.onnx_bytes

    def share(pipeline: Pipeline, *, channels: int) -> ExportedProgram:
        weights = b"".join(value.numpy().tobytes() for value in pipeline.state_dict().values())
        key = (pipeline.task, pipeline.size, pipeline.fit, channels, weights)
        if key not in traces:
            traces[key] = trace(pipeline, channels=channels)
        return traces[key]

    def share_onnx(program: ExportedProgram, *, description: Mapping[str, str]) -> bytes:
        key = (id(program), *description.items())
        if key not in traces:
            traces[key] = onnx_bytes(program, description=description)
        return traces[key]

    patch.setattr(programs, "trace", share)
    patch.setattr(programs, "onnx_bytes", share_onnx)
