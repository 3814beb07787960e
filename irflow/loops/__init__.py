"""The loop IR: what it is made of, and what can be done with it.

`build` writes nests, `print` shows them, `check` verifies and `simplify` tidies them, `unroll`
expands loops, `interpret` runs them, and `walk` goes through them.
"""

from irflow.loops.build import NestBuilder, as_index, kernel_sizes
from irflow.loops.check import check
from irflow.loops.interpret import convert, interpret, interpret_into
from irflow.loops.intrinsics import multiply_add
from irflow.loops.nodes import (
    Alloc,
    Apply,
    Barrier,
    Block,
    Broadcast,
    Buffer,
    Cast,
    Const,
    Expr,
    For,
    If,
    Intrinsic,
    Kernel,
    Let,
    Load,
    LoopKind,
    Ramp,
    Select,
    Shuffle,
    Space,
    Stmt,
    Store,
    Var,
    While,
    integer,
    size_expr,
)
from irflow.loops.print import print_expr, print_kernel, print_statement
from irflow.loops.simplify import simplify, simplify_expr
from irflow.loops.unroll import unroll

__all__ = [
    "Alloc",
    "Apply",
    "Barrier",
    "Block",
    "Broadcast",
    "Buffer",
    "Cast",
    "Const",
    "Expr",
    "For",
    "If",
    "Intrinsic",
    "Kernel",
    "Let",
    "Load",
    "LoopKind",
    "NestBuilder",
    "Ramp",
    "Select",
    "Shuffle",
    "Space",
    "Stmt",
    "Store",
    "Var",
    "While",
    "as_index",
    "check",
    "convert",
    "integer",
    "interpret",
    "interpret_into",
    "kernel_sizes",
    "multiply_add",
    "print_expr",
    "print_kernel",
    "print_statement",
    "simplify",
    "simplify_expr",
    "size_expr",
    "unroll",
]
