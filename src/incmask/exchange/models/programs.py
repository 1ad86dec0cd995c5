"""The pipeline as a program of ``torch.export`` and as an ONNX file, for any number of images of any size."""

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule

from incmask.base.errors import fail
from incmask.exchange.models.parity import Arrays
from incmask.exchange.models.pipeline import INPUT, OUTPUTS, AnyPipeline, VolumePipeline

OPSET = 18
"""Understood by onnxruntime 1.14 (2023) and later."""

_AXES = {3: ("batch", "height", "width"), 4: ("batch", "depth", "height", "width")}
"""By how many there are, without that of the channels."""


def trace(pipeline: AnyPipeline, *, channels: int) -> ExportedProgram:
    """Trace a pipeline for images (N, H, W, channels), or volumes (N, D, H, W, channels), of any sides and number."""
    # Sides that nothing divides, so that no size seems to be a rule.
    sides = (41, 37, 53) if isinstance(pipeline, VolumePipeline) else (37, 53)
    example = torch.zeros(2, *sides, channels, dtype=torch.uint8)
    with silence():
        program = torch.export.export(
            pipeline, (example,), dynamic_shapes={INPUT: dict.fromkeys(range(1 + len(sides)), Dim.DYNAMIC)}
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


def loaded_program(content: bytes) -> Callable[[np.ndarray], Arrays]:
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


def check_installed() -> None:
    """Refuse to begin what could not be ended.

    Raises:
        IncmaskError: a package lacks.
    """
    for name in ("onnx", "onnx_ir", "onnxruntime", "onnxscript"):
        if find_spec(name) is None:
            raise fail("the export", f"{name} is not installed", "pip install 'incmask[export]'")


def onnx_bytes(program: ExportedProgram, *, description: Mapping[str, str]) -> bytes:
    """Give the content of an ONNX file, weights included.

    Args:
        program: from ``trace``.
        description: entered into the metadata.

    Raises:
        IncmaskError: a package lacks.
    """
    check_installed()
    import onnx_ir
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    with silence():
        made = torch.onnx.export(
            program, dynamo=True, opset_version=OPSET, input_names=[INPUT], output_names=list(OUTPUTS), verbose=False
        )
    assert made is not None
    model = made.model
    # The metadata of nodes name files of this machine.
    ClearMetadataAndDocStringPass()(model)
    _name_axes(model.graph)
    model.producer_name, model.producer_version = "incmask", description["incmask_version"]
    model.metadata_props.update(description)
    return onnx_ir.to_proto(model).SerializeToString()


def without_output(content: bytes, name: str) -> bytes:
    """Give the content of an ONNX file that keeps one of its outputs to itself."""
    import onnx

    model = onnx.ModelProto.FromString(content)
    outputs = [output for output in model.graph.output if output.name != name]
    del model.graph.output[:]
    model.graph.output.extend(outputs)
    return model.SerializeToString()


def loaded_onnx(content: bytes, *, where: object) -> Callable[[np.ndarray], Arrays]:
    """Give an ONNX model that runs, with onnxruntime on the CPU: as that of ``loaded_program``.

    Args:
        content: of the file.
        where: the file, for the message.

    Raises:
        IncmaskError: onnxruntime lacks, or does not take the model.
    """
    check_installed()
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a class of its own for each of many causes
        reason = str(error).partition("\n")[0]
        raise fail(where, f"is not taken by onnxruntime ({reason})", "install a newer onnxruntime") from error

    def run(images: np.ndarray) -> Arrays:
        label, disagreement, probability = session.run(list(OUTPUTS), {INPUT: images})
        return label, disagreement, probability

    return run


def _name_axes(graph: Any) -> None:
    """Call the sides that may be of any size by their names."""
    import onnx_ir

    sides = graph.inputs[0].shape[:-1]
    names = dict(zip(map(str, sides), _AXES[len(sides)], strict=True))
    for value in (*graph.inputs, *graph.outputs):
        value.shape = onnx_ir.Shape([names.get(str(side), side) for side in value.shape])


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
