"""Scalar functions as rows: one object a function, with its meaning, its derivative and its domain.

A row knows nothing of tensors, loops or machine code. It is *applied* to operands of any kind —
NumPy arrays, values of a graph, expressions of a loop nest — because every operand class says what
applying a row to it means (`Operand.apply_row`). A gradient or an `expand` rule is therefore
written once, as plain arithmetic, and works in all three worlds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from irflow import dtypes
from irflow.dtypes import DType
from irflow.errors import DTypeError, UnknownNameError, nearest
from irflow.records import dataclass

Literal = bool | int | float
GradientRule = Callable[..., Any]
"""`rule(g, *inputs, output)`: `g` times the derivative of the output by one input."""

KINDS = {
    "any": ("bool", "int", "uint", "float", "complex"),
    "real": ("bool", "int", "uint", "float"),
    "number": ("int", "uint", "float", "complex"),
    "real_number": ("int", "uint", "float"),
    "signed": ("int", "float", "complex"),
    "integer": ("int", "uint"),
    "bits": ("bool", "int", "uint"),
    "bool": ("bool",),
    "float": ("float",),
    "inexact": ("float", "complex"),
    "complex": ("complex",),
}


@dataclass(frozen=True, eq=False, slots=True)
class Scalar:
    """A function of scalars to one scalar.

    Attributes:
        name: NumPy's name where NumPy has the function.
        numpy: the meaning, on arrays of equal shape and dtype; the oracle of every backend.
        arity: how many inputs.
        accepts: a key of `KINDS`: the element types of the inputs.
        result: `"same"` (as the inputs), `"bool"`, `"real"` (the type of the parts of complex ones)
            or `"complex"` (the type that has parts of the inputs' type).
        gradients: one rule an input, None where the derivative is zero or undefined; an empty tuple
            for functions without any derivative.
        expand: the same function in terms of other rows, for backends that lack this one.
        identity: the neutral element as a function of the dtype, for rows that reduce.
        commutative, associative: what canonicalisation and reductions may rely on.
        domain: an interval a input from which tests draw samples where the function is smooth.
        flops: rough cost in floating-point operations.
        selects: the first input is a bool condition and the type rule holds for the others.
    """

    name: str
    numpy: Callable[..., Any]
    arity: int = 1
    accepts: str = "float"
    result: str = "same"
    gradients: tuple[GradientRule | None, ...] = ()
    expand: Callable[..., Any] | None = None
    identity: Callable[[DType], Literal] | None = None
    commutative: bool = False
    associative: bool = False
    domain: tuple[tuple[float, float], ...] = ()
    flops: int = 1
    selects: bool = False

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<scalar {self.name}>"

    def __reduce__(self) -> tuple[object, ...]:
        return (find, (self.name,))

    def __call__(self, *operands: Any) -> Any:
        """Apply to NumPy arrays, graph values or loop expressions; Python numbers adapt to the
        others.
        """
        for operand in operands:
            if isinstance(operand, Operand):
                return operand.apply_row(self, operands)
        return self.numpy(*_adapt(operands, operands[self.selects :]))

    def infer(self, types: Sequence[DType]) -> DType:
        """The element type of the result; DTypeError for a type the function does not take."""
        if len(types) != self.arity:
            raise DTypeError(f"{self.name} takes {self.arity} operands, not {len(types)}")
        checked = types[1:] if self.selects else types
        if self.selects and types[0] is not dtypes.bool_:
            raise DTypeError(f"{self.name}: the condition must be bool, not {types[0]}")
        first = checked[0]
        for other in checked:
            if other is not first:
                facts = [(f"operand {i}", str(t)) for i, t in enumerate(types)]
                raise DTypeError(f"{self.name}: operands of different dtypes", facts=facts)
        if first.kind not in KINDS[self.accepts]:
            hint = "convert to a float first" if self.accepts in ("float", "inexact") else None
            raise DTypeError(f"{self.name} is not defined for {first}", hint=hint)
        return _RESULTS[self.result](first)

    @property
    def is_differentiable(self) -> bool:
        return any(rule is not None for rule in self.gradients)


_RESULTS: dict[str, Callable[[DType], DType]] = {
    "same": lambda dtype: dtype,
    "bool": lambda dtype: dtypes.bool_,  # noqa: ARG005 -- all entries have one signature
    "real": dtypes.to_real,
    "complex": dtypes.to_complex,
}


class Operand:
    """What rows can be applied to. Subclasses get Python's arithmetic from rows.

    `==` and `!=` are left alone: several subclasses are data, compared by structure.
    """

    __slots__ = ()

    def apply_row(self, row: Scalar, operands: Sequence[Any]) -> Any:
        """The result of `row` on `operands`, one of which is self and some may be numbers."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to apply {row.name}")

    def __add__(self, other: Any) -> Any:
        return _use("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return _use("add", other, self)

    def __sub__(self, other: Any) -> Any:
        return _use("subtract", self, other)

    def __rsub__(self, other: Any) -> Any:
        return _use("subtract", other, self)

    def __mul__(self, other: Any) -> Any:
        return _use("multiply", self, other)

    def __rmul__(self, other: Any) -> Any:
        return _use("multiply", other, self)

    def __truediv__(self, other: Any) -> Any:
        return _use("divide", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _use("divide", other, self)

    def __floordiv__(self, other: Any) -> Any:
        return _use("floor_divide", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return _use("floor_divide", other, self)

    def __mod__(self, other: Any) -> Any:
        return _use("remainder", self, other)

    def __rmod__(self, other: Any) -> Any:
        return _use("remainder", other, self)

    def __pow__(self, other: Any) -> Any:
        return _use("power", self, other)

    def __rpow__(self, other: Any) -> Any:
        return _use("power", other, self)

    def __neg__(self) -> Any:
        return _use("negative", self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return _use("absolute", self)

    def __lt__(self, other: Any) -> Any:
        return _use("less", self, other)

    def __le__(self, other: Any) -> Any:
        return _use("less_equal", self, other)

    def __gt__(self, other: Any) -> Any:
        return _use("greater", self, other)

    def __ge__(self, other: Any) -> Any:
        return _use("greater_equal", self, other)

    def __and__(self, other: Any) -> Any:
        return _use("bitwise_and", self, other)

    def __rand__(self, other: Any) -> Any:
        return _use("bitwise_and", other, self)

    def __or__(self, other: Any) -> Any:
        return _use("bitwise_or", self, other)

    def __ror__(self, other: Any) -> Any:
        return _use("bitwise_or", other, self)

    def __xor__(self, other: Any) -> Any:
        return _use("bitwise_xor", self, other)

    def __rxor__(self, other: Any) -> Any:
        return _use("bitwise_xor", other, self)

    def __lshift__(self, other: Any) -> Any:
        return _use("left_shift", self, other)

    def __rlshift__(self, other: Any) -> Any:
        return _use("left_shift", other, self)

    def __rshift__(self, other: Any) -> Any:
        return _use("right_shift", self, other)

    def __rrshift__(self, other: Any) -> Any:
        return _use("right_shift", other, self)

    def __invert__(self) -> Any:
        return _use("invert", self)


ROWS: dict[str, Scalar] = {}


def scalar(
    name: str,
    meaning: Callable[..., Any],
    accepts: str = "float",
    *,
    grad: GradientRule | tuple[GradientRule | None, ...] | None = None,
    **fields: Any,
) -> Scalar:
    """Make a row and enter it in the table `ROWS`.

    Args:
        name: unique; NumPy's name where there is one.
        meaning: the NumPy function.
        accepts: a key of `KINDS`.
        grad: one rule, or a tuple with one rule (or None) an input.
        fields: the remaining attributes of `Scalar`.
    """
    rules = grad if isinstance(grad, tuple) else (grad,) if grad else ()
    arity = fields.pop("arity", max(len(rules), len(fields.get("domain", ())), 1))
    if name in ROWS:
        raise UnknownNameError(f"a scalar function called {name!r} exists already")
    if accepts not in KINDS:
        raise nearest(accepts, KINDS, "kind of element types")
    row = Scalar(name, quiet(meaning), arity, accepts, gradients=rules, **fields)
    ROWS[name] = row
    return row


def find(name: str) -> Scalar:
    """The row called `name`; UnknownNameError with the nearest names otherwise."""
    if name not in ROWS:
        raise nearest(name, ROWS, "scalar function")
    return ROWS[name]


def quiet(meaning: Callable[..., Any]) -> Callable[..., Any]:
    """Run a NumPy function without floating-point warnings: NaN and inf are values here, not
    events.
    """

    def evaluate(*arrays: Any, out: Any = None) -> Any:
        with np.errstate(all="ignore"):
            return meaning(*arrays) if out is None else meaning(*arrays, out=out)

    evaluate.__wrapped__ = meaning  # type: ignore[attr-defined]
    return evaluate


def _adapt(operands: Sequence[Any], typed: Sequence[Any]) -> Sequence[Any]:
    """Give literals the dtype of a bf16 array beside them; for NumPy's own dtypes NumPy does so."""
    bf16 = dtypes.bf16.numpy
    if not any(getattr(operand, "dtype", None) == bf16 for operand in typed):
        return operands
    return [np.asarray(o, bf16) if isinstance(o, int | float) else o for o in operands]


_OPERANDS = (Operand, int, float, complex, np.generic, np.ndarray)


def _use(name: str, *operands: Any) -> Any:
    for operand in operands:
        if not isinstance(operand, _OPERANDS):
            return NotImplemented
    return ROWS[name](*operands)
