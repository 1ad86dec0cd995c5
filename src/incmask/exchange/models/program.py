"""The pipeline as a program of ``torch.export``, with any number of images of any size."""

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule

from incmask.exchange.models.parity import Arrays
from incmask.exchange.models.pipeline import INPUT, Pipeline


def trace(pipeline: Pipeline, *, channels: int) -> ExportedProgram:
    """Trace a pipeline for images (N, H, W, channels) with any N, H and W."""
    # Sides that nothing divides, so that no size seems to be a rule.
    example = torch.zeros(2, 37, 53, channels, dtype=torch.uint8)
    with silence():
        program = torch.export.export(
            pipeline, (example,), dynamic_shapes={INPUT: dict.fromkeys(range(3), Dim.DYNAMIC)}
        )
    # It would be stored as a pickle.
    program.example_inputs = None
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, GraphModule) else ():
            # They name files of this machine.
            node.meta.pop("stack_trace", None)
    return program


def program_bytes(program: ExportedProgram, *, description: Mapping[str, str]) -> bytes:
    """Give the content of a file that ``torch.export.load`` reads.

    Args:
        program: from ``trace``.
        description: becomes the extra file ``incmask.json`` inside.
    """
    buffer = io.BytesIO()
    with silence():
        torch.export.save(program, buffer, extra_files={"incmask.json": json.dumps(description)})
    return buffer.getvalue()


def loaded(content: bytes) -> Callable[[np.ndarray], Arrays]:
    """Give a program that runs: from uint8 (N, H, W, C) to label, disagreement and probability.

    Reading one may run code that it holds, so this is for what we have just made ourselves.
    """
    with silence():
        module = torch.export.load(io.BytesIO(content)).module()

    @torch.inference_mode()
    def run(images: np.ndarray) -> Arrays:
        label, disagreement, probability = module(torch.from_numpy(np.ascontiguousarray(images)))
        return label.numpy(), disagreement.numpy(), probability.numpy()

    return run


@contextmanager
def silence() -> Iterator[None]:
    """Keep back what the exporters say of their own workings."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
