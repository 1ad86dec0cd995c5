"""The pipeline as an ONNX file."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram

from incmask.base.errors import fail
from incmask.exchange.models.parity import Arrays
from incmask.exchange.models.pipeline import INPUT, OUTPUTS
from incmask.exchange.models.program import silence

OPSET = 18
"""Understood by onnxruntime 1.14 (2023) and later."""

_AXES = ("batch", "height", "width")


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


def loaded(content: bytes, *, where: object) -> Callable[[np.ndarray], Arrays]:
    """Give an ONNX model that runs, with onnxruntime on the CPU: as that of ``program.loaded``.

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

    names = dict(zip(map(str, graph.inputs[0].shape[:3]), _AXES, strict=True))
    for value in (*graph.inputs, *graph.outputs):
        value.shape = onnx_ir.Shape([names.get(str(side), side) for side in value.shape])
