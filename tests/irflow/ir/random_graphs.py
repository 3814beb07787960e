"""Random graphs, and a comparison of graphs that does not go through their text."""

import math
import struct
from typing import Any

import numpy as np
from hypothesis import strategies as st

from irflow import dims, dtypes
from irflow.dims import Dim
from irflow.ir import Builder, DenseArray, Graph, InputRole, Op, OutputRole, TensorType, Value
from irflow.location import Location
from irflow.ops import Elementwise
from irflow.scalars import ROWS
from tests.irflow.ir.small_ops import Attributes, Call, Pair

N, M, EXP, INF = (
    dims.symbol("n"),
    dims.symbol("m", 0, 64),
    dims.symbol("exp"),
    dims.symbol("inf", 2),
)
SIZES = (
    N, M, EXP, INF, 2 * N + 1, (N + 1) // 2, N % 3, -N, -INF, N * M - 4, dims.minimum(N, M),
    EXP + 1, INF * 2, dims.maximum((N + M) // 2, 7), M - EXP,
)  # fmt: skip
NAMES = st.text(max_size=6) | st.sampled_from(["x", "y", "dense/w", "0", "_", "a b", "%", "é"])
SIMPLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(dtypes.ALL),
    st.sampled_from([ROWS[name] for name in ("add", "tanh", "exp")]),
    st.sampled_from(SIZES),
)


@st.composite
def arrays(draw: st.DrawFn) -> DenseArray:
    """Any bit patterns of any dtype, NaN payloads included."""
    dtype = draw(st.sampled_from(dtypes.ALL))
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=3)))
    count = math.prod(shape)
    if dtype.kind == "bool":
        return DenseArray(
            np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)), bool).reshape(
                shape
            )
        )
    if dtype.is_inexact and draw(st.booleans()):
        numbers = st.floats(width=16)
        values = draw(st.lists(numbers, min_size=count, max_size=count))
        return DenseArray(np.array(values, np.float64).astype(dtype.numpy).reshape(shape))
    size = count * dtype.itemsize
    content = draw(st.binary(min_size=size, max_size=size))
    return DenseArray(np.frombuffer(content, dtype.numpy).reshape(shape))


def attributes() -> st.SearchStrategy[Any]:
    leaves = SIMPLE | arrays()
    return st.recursive(leaves, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=6)


@st.composite
def graphs(draw: st.DrawFn, depth: int = 2) -> Graph:
    """A well-formed graph with regions, roles, symbolic sizes and locations."""
    graph = Graph(draw(NAMES))
    known = TensorType(dtypes.f32, (N, M, EXP, INF))  # so that every attribute may use these sizes
    graph.add_input(known, "sizes")
    for _ in range(draw(st.integers(0, 3))):
        _add_input(draw, graph)
    values = list(graph.inputs)
    for _ in range(draw(st.integers(0, 6))):
        values += _add_node(draw, graph, values, depth)
    outputs = draw(st.lists(st.sampled_from(values), max_size=3))
    kinds = st.sampled_from(["result", "gradient", "loss", "residual"])
    graph.set_outputs(outputs, [OutputRole(draw(kinds), draw(NAMES)) for _ in outputs])
    return graph


def _add_input(draw: st.DrawFn, graph: Graph) -> None:
    shape = draw(st.lists(st.sampled_from([1, 3, N, M, 2 * N + 1]), max_size=3))
    type = TensorType(draw(st.sampled_from([dtypes.f32, dtypes.bf16])), tuple(shape))
    kinds = st.sampled_from(["argument", "parameter", "state", "key"])
    role = draw(st.none() | st.builds(InputRole, kinds, NAMES))
    graph.add_input(type, draw(NAMES), role)


def _add_node(draw: st.DrawFn, graph: Graph, values: list[Value], depth: int) -> tuple[Value, ...]:
    location = draw(
        st.none() | st.builds(Location, st.sampled_from(["a b.py", "<stdin>"]), st.integers(1, 99))
    )
    builder = Builder(graph, location=location or Location("/home/user/model.py", 7))
    x = draw(st.sampled_from(values))
    kind = draw(st.integers(0, 3 if depth else 2))
    if kind == 0:
        return builder.emit(Elementwise(ROWS[draw(st.sampled_from(["add", "multiply"]))]), [x, x])
    if kind == 1:
        return builder.emit(Pair(), [x])
    if kind == 2:
        return builder.emit(
            draw(_attribute_ops()), draw(st.lists(st.sampled_from(values), max_size=2))
        )
    region = draw(graphs(depth=depth - 1))
    operands = [_operand(graph, value.type) for value in region.inputs]
    return builder.emit(Call(draw(st.text(max_size=3))), operands, [region])


def _operand(graph: Graph, type: TensorType) -> Value:
    """A value of the type: an input of the graph, added when there is none."""
    found = [value for value in graph.inputs if value.type == type]
    return found[0] if found else graph.add_input(type, "late")


def _attribute_ops() -> st.SearchStrategy[Op]:
    return st.builds(
        Attributes,
        value=attributes(),
        sizes=st.lists(st.sampled_from([0, 5, *SIZES]), max_size=2).map(tuple),
        scale=st.floats(),
        flag=st.booleans(),
        label=st.none() | st.text(max_size=3),
        dtype=st.none() | st.sampled_from(dtypes.ALL),
        row=st.none() | st.just(ROWS["tanh"]),
        pair=st.tuples(st.integers(), st.floats()),
    )


def same(a: Any, b: Any) -> bool:
    """Equality of attributes that tells 1 from 1.0 and True, and 0.0 from -0.0; all NaN are one."""
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return (a != a and b != b) or struct.pack("d", a) == struct.pack("d", b)
    if isinstance(a, DenseArray):
        return a.array.tobytes() == b.array.tobytes() and a == b
    return bool(a == b) if isinstance(a, Dim) else a == b


def assert_same(a: Graph, b: Graph) -> None:
    """Equal in everything but hints and the folders and functions of locations."""
    assert a.input_types == b.input_types
    assert a.output_types == b.output_types
    assert a.signature == b.signature
    assert len(a) == len(b)
    numbers = {value: i for i, value in enumerate(a.inputs)}
    others = {value: i for i, value in enumerate(b.inputs)}
    for left, right in zip(a, b, strict=True):
        assert type(left.op) is type(right.op)
        assert all(same(getattr(left.op, n), getattr(right.op, n)) for n in left.op.__dict__)
        assert [numbers[v] for v in left.inputs] == [others[v] for v in right.inputs]
        assert [v.type for v in left.outputs] == [v.type for v in right.outputs]
        assert str(left.location) == str(right.location)
        numbers |= {v: len(numbers) + i for i, v in enumerate(left.outputs)}
        others |= {v: len(others) + i for i, v in enumerate(right.outputs)}
        assert len(left.regions) == len(right.regions)
        for inner, other in zip(left.regions, right.regions, strict=True):
            assert_same(inner, other)
    assert [numbers[v] for v in a.outputs] == [others[v] for v in b.outputs]
