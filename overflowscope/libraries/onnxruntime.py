"""onnxruntime: models of one node, built in memory with ``onnx``, on the CPU. It has no gradients."""

from __future__ import annotations

import functools
import re
from typing import Any

import numpy as np

from overflowscope.errors import Unmeasured
from overflowscope.libraries import Library, first_line, only, required

ATTRIBUTES = {"axis": -1, "axes": [-1], "keepdims": 0, "reduction": "none"}
"""What makes an operator one of rows, for those operators that have these attributes."""
TYPES = {"float32": "FLOAT", "float64": "DOUBLE"}
"""ONNX's names of formats, where they are not NumPy's without underscores and in capitals."""

CASTS = 19
"""The operator set since which Cast knows every format here."""


def load(variant: str) -> Library:
    """ONNX Runtime as it is installed. Raises InputError where it, or onnx, is not."""
    only("onnxruntime", variant)
    required("onnx", "onnxruntime")
    return Library("onnxruntime", required("onnxruntime", "onnxruntime").__version__, value)


def value(name: str, logits: Any, labels: Any = None) -> Any:
    """What the operator of that name gives, in the newest form of it that ONNX Runtime has."""
    try:
        session = _session(name, logits.dtype.name)
        given = {"x": logits.astype(_carrier(logits.dtype.name), copy=False), "labels": labels}
        (result,) = session.run(["result"], {i.name: given[i.name] for i in session.get_inputs()})
    except Exception as error:
        raise Unmeasured(first_line(re.sub(r"^\[ONNXRuntimeError\] : \d+ : ", "", str(error)))) from error
    return result.astype(logits.dtype, copy=False)


def _carrier(dtype: str) -> str:
    """The format in which numbers pass between NumPy and a model: its own where NumPy has it, else a wider one."""
    return dtype if dtype in ("float16", "float32", "float64") else "float32"


@functools.cache
def _session(name: str, dtype: str) -> Any:
    """Of the newest operator set that does; where none does, what is wrong with the oldest is raised."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    failed: Exception | None = None
    for version in _versions(name, dtype):
        model = _model(name, dtype, version).SerializeToString()
        try:
            return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            failed = error
    raise failed or LookupError(f"onnx has no operator {name}")


def _versions(name: str, dtype: str) -> list[int]:
    """The operator sets in which the operator changed, the newest first; onnx may know newer ones than ONNX Runtime."""
    from onnx import defs

    since = {s.since_version for s in defs.get_all_schemas_with_history() if (s.domain, s.name) == ("", name)}
    least = 0 if _carrier(dtype) == dtype else CASTS
    return sorted({max(version, least) for version in since}, reverse=True)


def _model(name: str, dtype: str, version: int) -> Any:
    """A model of one node, with casts around it where numbers pass in a wider format: they round nothing."""
    from onnx import TensorProto, defs, helper, numpy_helper

    def kind(fmt: str) -> int:
        return int(getattr(TensorProto, TYPES.get(fmt, fmt.replace("_", "").upper())))

    schema, carrier = defs.get_schema(name, version), _carrier(dtype)
    inputs = [helper.make_tensor_value_info("x", kind(carrier), ["rows", "classes"])]
    constants, operands = [], ["x" if carrier == dtype else "narrow"]
    for operand in (i.name for i in schema.inputs[1:]):
        if operand == "axes":
            constants.append(numpy_helper.from_array(np.array([-1]), operand))
            operands.append(operand)
        elif operand == "labels":
            inputs.append(helper.make_tensor_value_info(operand, TensorProto.INT64, ["rows"]))
            operands.append(operand)
    attributes = {key: value for key, value in ATTRIBUTES.items() if key in schema.attributes}
    nodes = [helper.make_node(name, operands, ["result" if carrier == dtype else "computed"], **attributes)]
    if carrier != dtype:
        nodes.insert(0, helper.make_node("Cast", ["x"], ["narrow"], to=kind(dtype)))
        nodes.append(helper.make_node("Cast", ["computed"], ["result"], to=kind(carrier)))
    result = helper.make_tensor_value_info("result", kind(carrier), None)
    graph = helper.make_graph(nodes, name, inputs, [result], constants)
    opset = helper.make_opsetid("", version)
    return helper.make_model(graph, opset_imports=[opset], ir_version=helper.find_min_ir_version_for([opset]))
