"""onnxruntime: models of one node, built in memory with ``onnx``, on the CPU. It has no gradients."""

from __future__ import annotations

import functools
import re
from typing import Any

import numpy as np

from overflowscope.errors import Unmeasured
from overflowscope.libraries import Library, first_line, only, required

ATTRIBUTES = {"axis": -1, "keepdims": 0, "reduction": "none"}
"""What makes an operator one of rows, for those operators that have these attributes."""
TYPES = {"float32": "FLOAT", "float64": "DOUBLE"}
"""ONNX's names of formats, where they are not NumPy's without underscores and in capitals."""

NEWEST = 19
"""The newest operator set in use: the first whose Cast knows every format here, and all of it is in ONNX Runtime 1.17.

Of an operator in a newer form a release may have nothing but the steps that the standard defines it by, and runs
those: ReduceLogSumExp of set 28 is a naive log(sum(exp)) in 1.32, while that of set 18 has a kernel, with a shift, for
float32 and float64 (and none for float16, which is naive in both)."""


def load(variant: str) -> Library:
    """ONNX Runtime as it is installed. Raises InputError where it, or onnx, is not."""
    only("onnxruntime", variant)
    required("onnx", "onnxruntime")
    return Library("onnxruntime", required("onnxruntime", "onnxruntime").__version__, value)


def value(name: str, logits: Any, labels: Any = None) -> Any:
    """What the operator of that name gives, in the form that it had in the operator set ``NEWEST``."""
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
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    model = _model(name, dtype).SerializeToString()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _model(name: str, dtype: str) -> Any:
    """A model of one node, with casts around it where numbers pass in a wider format: they round nothing."""
    from onnx import TensorProto, defs, helper, numpy_helper

    def kind(fmt: str) -> int:
        return int(getattr(TensorProto, TYPES.get(fmt, fmt.replace("_", "").upper())))

    schema, carrier = defs.get_schema(name, NEWEST), _carrier(dtype)
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
    opset = helper.make_opsetid("", schema.since_version if carrier == dtype else NEWEST)
    return helper.make_model(graph, opset_imports=[opset], ir_version=helper.find_min_ir_version_for([opset]))
