"""The interface of an operation: one class with its shape rule, meaning, gradient and lowering.

An op is a frozen dataclass; its fields are its attributes. Everything that irflow knows about an
operation stands in its class, so adding one is adding one class, with samples that drive the tests.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, dataclass_transform

import numpy as np

from irflow.dims import Size
from irflow.errors import GradientError, IrflowError, LoweringError, PluginError, nearest
from irflow.ir import attributes
from irflow.ir.types import TensorType
from irflow.records import dataclass

if TYPE_CHECKING:
    from irflow.ir.graph import Graph

Types = TensorType | tuple[TensorType, ...]
Arrays = np.ndarray | tuple[np.ndarray, ...]


class Evaluator(Protocol):
    """A region as a function of arrays, given to the meaning of an op with regions."""

    def __call__(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        """The results of the region."""

    def result_types(self, *inputs: np.ndarray) -> tuple[TensorType, ...]:
        """Their types, without computing them."""


class Lowering(enum.Enum):
    """How an op becomes loops."""

    ELEMENT = "element"  # `element` gives one output element without a loop of its own
    REDUCTION = "reduction"  # `element` contains a loop over reduced axes
    CONTRACTION = "contraction"  # `element` is a sum of products; a tiled template may replace it
    NEST = "nest"  # `nest` writes whole outputs; never fused
    REGION = "region"  # control flow and calls
    HOST = "host"  # `numpy` runs it, outside generated code


@dataclass(frozen=True, slots=True)
class Cost:
    """Arithmetic and memory traffic of one execution, symbolic where sizes are."""

    flops: Size
    bytes: Size


@dataclass(frozen=True, slots=True)
class Sample:
    """One test case of an op; every generic test runs over all of them.

    Attributes:
        op: the op; with symbolic attributes when `shapes` is given.
        inputs: concrete arrays.
        shapes: the declared shapes of the inputs with symbolic sizes, or None.
        differentiable: positions of the inputs to differentiate; None means every float input.
        is_smooth: whether second derivatives equal finite differences at this point.
        label: told apart in test names.
    """

    op: Op
    inputs: tuple[np.ndarray, ...]
    shapes: tuple[tuple[Size, ...], ...] | None = None
    differentiable: tuple[int, ...] | None = None
    is_smooth: bool = True
    regions: tuple[Graph, ...] = ()
    label: str = ""


class Op:
    """The base of all operations; each has `infer` and `numpy`.

    Class attributes:
        name: the name in graph text; set by `register`.
        lowering: how the op becomes loops.
        linear_in: inputs in each of which the op is linear when the others are held fixed; gives
            `jvp` for free.
    """

    name: ClassVar[str] = ""
    lowering: ClassVar[Lowering] = Lowering.HOST
    linear_in: ClassVar[tuple[int, ...] | None] = None

    def infer(self, *types: TensorType) -> Types:
        """The types of the results; ShapeError or DTypeError for inputs that do not fit.

        Ops with regions also take a keyword argument `regions`.
        """
        raise NotImplementedError(f"{self.name} has no types")

    def numpy(self, *inputs: np.ndarray) -> Arrays:
        """The meaning on concrete arrays, all attributes concrete: the oracle of every backend.

        Ops with regions also take a keyword argument `regions`, one `Evaluator` a region.
        """
        raise NotImplementedError(f"{self.name} has no meaning")

    def vjp(
        self, context: Any, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]
    ) -> Sequence[Any]:
        """Cotangents of the inputs (None for zero), from those of the outputs (None for zero).

        `inputs`, `outputs` and `cotangents` are handles; arithmetic on them emits nodes. `context`
        is an `autodiff` context: `context.needs(i)` says whether input `i` is wanted,
        `context.differentiate(region)` serves ops with regions.
        """
        raise GradientError(
            f"{self.name} has no gradient", hint="irf.stop_gradient marks what needs none"
        )

    def jvp(
        self, context: Any, inputs: Sequence[Any], outputs: Sequence[Any], tangents: Sequence[Any]
    ) -> Sequence[Any]:
        """Tangents of the outputs (None for zero), from those of the inputs (None for zero)."""
        if self.linear_in is None:
            raise GradientError(f"{self.name} has no forward-mode derivative")
        return multilinear_jvp(self, inputs, tangents)

    def batch(
        self, context: Any, inputs: Sequence[Any], is_batched: Sequence[bool]
    ) -> Sequence[Any] | None:
        """The op on a batch: the outputs, with the batch axis in front.

        One that does not depend on the batch may come back without the axis, as for one member.
        None stands for "element by element": the batch is run as a scan over single elements. The
        default does what `with_leading_axis` says.

        Args:
            context: an `autodiff.BatchContext`: the size of the batch, broadcasting, regions.
            inputs: handles; arithmetic on them emits nodes.
            is_batched: whether each input has the batch axis as its axis 0; at least one has.
        """
        op = self.with_leading_axis(context.size)
        return None if op is None else inputs[0].emit(op, context.fronted(inputs, is_batched))

    def with_leading_axis(self, size: Size) -> Op | None:
        """The op that does the same when all operands have one more axis in front, of `size`.

        None where there is no such op, or no single one: then `batch` is to be written.
        """
        return None

    def element(
        self, context: Any, index: Sequence[Any], loads: Sequence[Callable[..., Any]]
    ) -> Any:
        """The value of one output element, as a loop expression.

        Args:
            context: a `lowering.ElementContext`: loops, masks, sizes, random bits.
            index: one integer expression an output axis.
            loads: one function an input, from an index to the element there.
        """
        raise LoweringError(f"{self.name} has no element function")

    def nest(self, context: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Emit statements that fill `outputs` (buffers) from `inputs` (load functions)."""
        raise LoweringError(f"{self.name} has no loop nest")

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        """Flops and bytes; the default is one flop an output element and every byte once."""
        flops: Size = sum((t.size for t in outputs), 0)
        return Cost(flops, sum((t.nbytes for t in (*inputs, *outputs)), 0))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        """Cases for the generic tests, at least one; hard ones included (empty, ties, strides)."""
        return ()

    def substitute(self, sizes: Mapping[str, Size]) -> Op:
        """The op with symbolic sizes in its attributes replaced."""
        changed = {
            name: attributes.substitute(getattr(self, name), sizes)
            for name in fields_of(type(self))
            if attributes.has_symbols(getattr(self, name))
        }
        return dataclasses.replace(self, **changed) if changed else self  # type: ignore[type-var]


def fields_of(cls: type[Op]) -> tuple[str, ...]:
    """The names of an op's attributes, in order."""
    found = _FIELDS.get(cls)
    if found is None:
        found = _FIELDS[cls] = tuple(f.name for f in dataclasses.fields(cls))  # type: ignore[arg-type]
    return found


_FIELDS: dict[type[Op], tuple[str, ...]] = {}


def multilinear_jvp(op: Op, inputs: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
    """The sum over inputs of `op` with that input replaced by its tangent."""
    assert op.linear_in is not None
    total: list[Any] | None = None
    for position in op.linear_in:
        if position >= len(inputs) or tangents[position] is None:
            continue
        operands = [*inputs[:position], tangents[position], *inputs[position + 1 :]]
        parts = tangents[position].emit(op, operands)
        total = list(parts) if total is None else [a + b for a, b in zip(total, parts, strict=True)]
    return total if total is not None else [None]


OPS: dict[str, type[Op]] = {}
OpClass = TypeVar("OpClass", bound=type[Op])


@dataclass_transform(frozen_default=True)
@dataclass_transform(frozen_default=True)
def register(name: str) -> Callable[[OpClass], OpClass]:
    """Class decorator: freeze the class as a dataclass and enter it in `OPS` under `name`."""

    def enter(cls: OpClass) -> OpClass:
        if name in OPS:
            raise PluginError(f"an op called {name!r} exists already: {OPS[name].__module__}")
        for needed in ("infer", "numpy"):
            if getattr(cls, needed) is getattr(Op, needed):
                raise PluginError(f"the op {name!r} has no {needed}")
        dataclass(frozen=True)(cls)
        cls.name = name
        OPS[name] = cls
        return cls

    return enter


def find_op(name: str) -> type[Op]:
    """The op class called `name`; UnknownNameError with the nearest names otherwise."""
    if name not in OPS:
        raise nearest(name, OPS, "op")
    return OPS[name]


def infer_types(
    op: Op, types: Sequence[TensorType], regions: Sequence[Graph] = ()
) -> tuple[TensorType, ...]:
    """`op.infer` as a tuple, for any op; its errors carry the op's name first."""
    try:
        result = op.infer(*types, regions=regions) if regions else op.infer(*types)  # type: ignore[call-arg]
    except IrflowError:
        raise
    except TypeError as error:
        raise IrflowError(f"{op.name} does not take {len(types)} inputs: {error}") from error
    return (result,) if isinstance(result, TensorType) else tuple(result)


def run_op(
    op: Op, arrays: Sequence[np.ndarray], regions: Sequence[Evaluator] = ()
) -> tuple[np.ndarray, ...]:
    """`op.numpy` as a tuple, without floating-point warnings: NaN and inf are values here."""
    with np.errstate(all="ignore"):
        result = op.numpy(*arrays, regions=regions) if regions else op.numpy(*arrays)  # type: ignore[call-arg]
    return result if isinstance(result, tuple) else (result,)
