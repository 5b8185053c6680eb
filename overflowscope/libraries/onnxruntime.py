"""onnxruntime: models of one node, built in memory with ``onnx``, on the CPU. It has no gradients."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from overflowscope.libraries import Library, only, required

ATTRIBUTES = {"axis": -1, "keepdims": 0, "reduction": "none"}
"""What makes an operator one of rows, for those operators that have these attributes."""
TYPES = {"float32": "FLOAT", "float64": "DOUBLE"}
"""ONNX's names of formats, where they are not NumPy's without underscores and in capitals."""


def load(variant: str) -> Library:
    """ONNX Runtime as it is installed. Raises InputError where it, or onnx, is not."""
    only("onnxruntime", variant)
    required("onnx", "onnxruntime")
    return Library("onnxruntime", required("onnxruntime", "onnxruntime").__version__, value)


def value(name: str, logits: Any, labels: Any = None) -> Any:
    """What the operator of that name gives, in the form that it has had for longest."""
    session = _session(name, logits.dtype.name)
    given = {"x": logits, "labels": labels}
    return session.run(None, {i.name: given[i.name] for i in session.get_inputs()})[0]


@functools.cache
def _session(name: str, dtype: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    model = _model(name, dtype).SerializeToString()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _model(name: str, dtype: str) -> Any:
    """A model of one node; what it is to be told, its schema says."""
    from onnx import TensorProto, defs, helper, numpy_helper

    schema = defs.get_schema(name)
    kind = getattr(TensorProto, TYPES.get(dtype, dtype.replace("_", "").upper()))
    inputs = [helper.make_tensor_value_info("x", kind, ["rows", "classes"])]
    constants, operands = [], ["x"]
    for operand in (i.name for i in schema.inputs[1:]):
        if operand == "axes":
            constants.append(numpy_helper.from_array(np.array([-1]), operand))
            operands.append(operand)
        elif operand == "labels":
            inputs.append(helper.make_tensor_value_info(operand, TensorProto.INT64, ["rows"]))
            operands.append(operand)
    attributes = {key: value for key, value in ATTRIBUTES.items() if key in schema.attributes}
    node = helper.make_node(name, operands, ["result"], **attributes)
    result = helper.make_tensor_value_info("result", kind, None)
    graph = helper.make_graph([node], name, inputs, [result], constants)
    opset = helper.make_opsetid("", schema.since_version)
    return helper.make_model(graph, opset_imports=[opset], ir_version=helper.find_min_ir_version_for([opset]))
