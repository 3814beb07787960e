"""Ops that the tests of the graph need: with regions, several results, and attributes of any kind.

They are taken out of the table again, so that tests over all ops do not see them; `conftest.py`
puts them in while the tests of this folder run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from irflow import dtypes
from irflow.dims import Size
from irflow.dtypes import DType
from irflow.errors import ShapeError
from irflow.ir import Attribute, Graph, Op, TensorType, register
from irflow.ir.op import OPS
from irflow.scalars import Scalar

BEFORE = set(OPS)


@register("test_call")
class Call(Op):
    """Runs its only region."""

    label: str = ""

    def infer(self, *types: TensorType, regions: tuple[Graph, ...] = ()) -> Any:
        if [region.input_types for region in regions[:1]] != [types]:
            raise ShapeError("test_call: the region takes other types", facts=[("given", *types)])
        return regions[0].output_types

    def numpy(self, *inputs: np.ndarray, regions: Any = ()) -> Any:
        return regions[0](*inputs)


@register("test_pair")
class Pair(Op):
    """Its operand, twice."""

    def infer(self, x: TensorType) -> tuple[TensorType, TensorType]:
        return x, x

    def numpy(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return x, x


@register("test_attributes")
class Attributes(Op):
    """A scalar, whatever its attributes are."""

    value: Attribute = None
    sizes: tuple[Size, ...] = ()
    scale: float = 1.0
    flag: bool = False
    label: str | None = None
    dtype: DType | None = None
    row: Scalar | None = None
    pair: tuple[int, float] = (1, 2.0)

    def infer(self, *types: TensorType) -> TensorType:
        return TensorType(dtypes.f32, ())

    def numpy(self, *inputs: np.ndarray) -> np.ndarray:
        return np.zeros((), np.float32)


@register("test_trusting")
class Trusting(Op):
    """Believes its attribute to be an object with a method."""

    value: Attribute

    def infer(self, *types: TensorType) -> TensorType:
        return self.value.type_of(types)  # type: ignore[no-any-return]

    def numpy(self, *inputs: np.ndarray) -> np.ndarray:
        return inputs[0]


@register("test_sink")
class Sink(Op):
    """No result."""

    def infer(self, *types: TensorType) -> tuple[TensorType, ...]:
        return ()

    def numpy(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        return ()


SMALL_OPS = {name: OPS.pop(name) for name in list(OPS) if name not in BEFORE}
