"""The graph: tensors in single assignment, its text, its checks and its reference evaluator."""

from irflow.ir.attributes import Attribute, DenseArray
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import OPS, Cost, Lowering, Op, Sample, find_op, infer_types, register
from irflow.ir.signature import INPUT_ROLES, OUTPUT_ROLES, InputRole, OutputRole, Signature
from irflow.ir.types import Shape, TensorType, type_of

__all__ = [
    "Attribute",
    "Builder",
    "Cost",
    "DenseArray",
    "Graph",
    "INPUT_ROLES",
    "InputRole",
    "Lowering",
    "Node",
    "OPS",
    "OUTPUT_ROLES",
    "Op",
    "OutputRole",
    "Sample",
    "Shape",
    "Signature",
    "TensorType",
    "Value",
    "find_op",
    "infer_types",
    "register",
    "type_of",
]
