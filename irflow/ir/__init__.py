"""The graph: tensors in single assignment, its text, its checks and its reference evaluator."""

from irflow.ir.attributes import Attribute, DenseArray
from irflow.ir.builder import Builder
from irflow.ir.check import check_graph
from irflow.ir.compare import diff_text, first_difference, is_equal, structural_hash
from irflow.ir.evaluate import bind_sizes, evaluate, run_node
from irflow.ir.graph import Graph, Node, Value
from irflow.ir.op import OPS, Cost, Lowering, Op, Sample, find_op, infer_types, register
from irflow.ir.parse import parse_graph
from irflow.ir.print import format_attribute, format_op, print_graph
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
    "bind_sizes",
    "check_graph",
    "diff_text",
    "evaluate",
    "find_op",
    "first_difference",
    "format_attribute",
    "format_op",
    "infer_types",
    "is_equal",
    "parse_graph",
    "print_graph",
    "register",
    "run_node",
    "structural_hash",
    "type_of",
]
