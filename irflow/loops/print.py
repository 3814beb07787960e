"""The text of kernels, for listings, logs and tests. It is deterministic and is not parsed back.

    kernel @rowsum(in x: f32[n, 784], out y: f32[n]) sizes n {
      for i in n parallel {
        alloc total: f32[1] register
        …
        y[i] = total[0]
      }
    }

A mask follows the indices after a bar: `x[i, j | j < n]`. A literal of another type than i64, f32
and bool carries its type: `3:u8`.
"""

from __future__ import annotations

from irflow import dtypes
from irflow.dtypes import DType
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
)
from irflow.scalars import Literal

INFIX = {
    "logical_or": ("or", 1),
    "logical_and": ("and", 2),
    "less": ("<", 3),
    "less_equal": ("<=", 3),
    "greater": (">", 3),
    "greater_equal": (">=", 3),
    "equal": ("==", 3),
    "not_equal": ("!=", 3),
    "bitwise_or": ("|", 4),
    "bitwise_xor": ("^", 5),
    "bitwise_and": ("&", 6),
    "left_shift": ("<<", 7),
    "right_shift": (">>", 7),
    "add": ("+", 8),
    "subtract": ("-", 8),
    "multiply": ("*", 9),
    "divide": ("/", 9),
    "floor_divide": ("//", 9),
    "remainder": ("%", 9),
}
"""Rows printed between their operands, with how tightly they bind."""


def print_kernel(kernel: Kernel) -> str:
    """The whole kernel, ending in a newline."""
    parameters = [f"in {_buffer(b)}" for b in kernel.inputs]
    parameters += [f"out {_buffer(b)}" for b in kernel.outputs]
    sizes = " sizes " + ", ".join(v.name for v in kernel.sizes) if kernel.sizes else ""
    head = f"kernel @{kernel.name}({', '.join(parameters)}){sizes} {{"
    return "\n".join([head, *_lines(kernel.body, "  "), "}"]) + "\n"


def print_statement(stmt: Stmt) -> str:
    """A statement or block, without a final newline."""
    return "\n".join(_lines(stmt, ""))


def print_expr(expr: Expr) -> str:
    """One expression on one line."""
    return _expr(expr, 0)


def _buffer(buffer: Buffer) -> str:
    return f"{buffer.name}: {buffer.dtype}[{', '.join(map(str, buffer.shape))}]"


def _lines(stmt: Stmt, indent: str) -> list[str]:
    match stmt:
        case Block(inner):
            return [line for part in inner for line in _lines(part, indent)]
        case For(var, extent, kind, body):
            suffix = "" if kind is LoopKind.SERIAL else f" {kind.value}"
            return _braces(f"{indent}for {var.name} in {_expr(extent, 0)}{suffix}", body, indent)
        case While(condition, body):
            return _braces(f"{indent}while {_expr(condition, 0)}", body, indent)
        case If(condition, then, otherwise):
            lines = _braces(f"{indent}if {_expr(condition, 0)}", then, indent)
            if otherwise:
                lines[-1:] = _braces(f"{indent}}} else", otherwise, indent)
            return lines
        case Let(var, value):
            return [f"{indent}let {var.name}: {_type(var)} = {_expr(value, 0)}"]
        case Store(buffer, index, value, mask, hint):
            return [f"{indent}{_access(buffer, index, mask, hint)} = {_expr(value, 0)}"]
        case Alloc(buffer):
            space = "" if buffer.space is Space.GLOBAL else f" {buffer.space.value}"
            return [f"{indent}alloc {_buffer(buffer)}{space}"]
        case Barrier():
            return [f"{indent}barrier"]
    raise AssertionError(f"unknown statement {type(stmt).__name__}")


def _braces(head: str, body: Block, indent: str) -> list[str]:
    return [head + " {", *_lines(body, indent + "  "), indent + "}"]


def _type(expr: Expr) -> str:
    return str(expr.dtype) if expr.lanes == 1 else f"{expr.dtype}x{expr.lanes}"


def _access(buffer: Buffer, index: tuple[Expr, ...], mask: Expr | None, hint: str) -> str:
    inside = _list(index) + (f" | {_expr(mask, 0)}" if mask else "")
    return f"{buffer.name}[{inside}]" + (f".{hint}" if hint else "")


def _list(parts: tuple[Expr, ...]) -> str:
    return ", ".join(_expr(part, 0) for part in parts)


def _expr(expr: Expr, outer: int) -> str:
    match expr:
        case Const(value, dtype):
            return _literal(value, dtype)
        case Var(name):
            return name
        case Load(buffer, index, mask, hint):
            return _access(buffer, index, mask, hint)
        case Apply(row, (left, right)) if row.name in INFIX:
            sign, level = INFIX[row.name]
            text = f"{_expr(left, level)} {sign} {_expr(right, level + 1)}"
            return f"({text})" if level < outer else text
        case Apply(row, args) | Intrinsic(row, args):
            return f"{row.name}({_list(args)})"
        case Cast(dtype, value):
            return f"{dtype}({_expr(value, 0)})"
        case Select(condition, then, otherwise):
            return f"select({_list((condition, then, otherwise))})"
        case Ramp(start, stride, lanes):
            return f"ramp({_expr(start, 0)}, {stride}, {lanes})"
        case Broadcast(value, lanes):
            return f"broadcast({_expr(value, 0)}, {lanes})"
        case Shuffle(vectors, indices):
            return f"shuffle([{_list(vectors)}], {list(indices)})"
    raise AssertionError(f"unknown expression {type(expr).__name__}")


def _literal(value: Literal, dtype: DType) -> str:
    if dtype is dtypes.bool_:
        return "true" if value else "false"
    text = repr(float(value)) if dtype.is_float else repr(value)
    return text if dtype in (dtypes.i64, dtypes.f32) else f"{text}:{dtype}"
