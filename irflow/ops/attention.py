"""Attention of queries to keys, and its gradient, as ops: backends need not keep the scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import ml_dtypes
import numpy as np

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.errors import DTypeError, ShapeError
from irflow.ir.graph import Graph
from irflow.ir.op import Cost, Lowering, Op, Sample, register
from irflow.ir.types import TensorType
from irflow.ops.attention_forms import (
    attended,
    composed,
    composed_gradients,
    gradients,
    probabilities,
    score_gradients,
)
from irflow.ops.broadcast import reduce_sum, reshape
from irflow.ops.elementwise import convert
from irflow.ops.operand import GraphOperand
from irflow.ops.region_parts import inlined, new_region, returning, types_of


class _AttentionOp(Op):
    """What the two ops share: derivatives of theirs are those of their parts."""

    lowering: ClassVar[Lowering] = Lowering.NEST

    def parts(self, inputs: Sequence[Any]) -> tuple[Any, ...]:
        """The same results by simpler ops, with all scores in memory."""
        raise NotImplementedError

    def with_leading_axis(self, size: Size) -> Op:
        return self

    def push_forward(
        self, context: Any, inputs: Sequence[Any], tangents: Sequence[Any]
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        """The results, and their tangents by way of the parts."""
        wanted = [i for i, tangent in enumerate(tangents) if tangent is not None]
        outputs = inputs[0].emit(self, inputs)
        region = context.push_forward(self._region(inputs), wanted)
        operands = [*inputs, *(tangents[i] for i in wanted)]
        return outputs, inlined(inputs[0].builder, region, operands)[len(outputs) :]

    def _by_parts(
        self, context: Any, inputs: Sequence[Any], cotangents: Sequence[Any]
    ) -> list[Any]:
        """Cotangents of the inputs by way of the parts."""
        wanted = [i for i in range(len(inputs)) if context.needs(i)]
        region = self._region(inputs)
        given = [
            x.full(0, value.type.shape, value.type.dtype) if g is None else g
            for x, value, g in zip(inputs, region.outputs, cotangents, strict=False)
        ]
        forward, backward = context.differentiate(region, wanted)
        kept = context.inline(forward, inputs)[len(region.outputs) :]
        found = iter(context.inline(backward, [*kept, *given]))
        return [next(found) if i in wanted else None for i in range(len(inputs))]

    def _region(self, inputs: Sequence[Any]) -> Graph:
        region, (handles,) = new_region(self.name, types_of(inputs))
        return returning(region, self.parts(handles))

    def _cost(self, inputs: Sequence[TensorType], results: Sequence[TensorType], by: int) -> Cost:
        q, k, v = inputs[:3]
        scores = dims.product(q.shape[:-1]) * k.shape[-3]
        traffic = sum((t.nbytes for t in (*inputs, *results)), 0)
        return Cost(by * scores * (q.shape[-1] + v.shape[-1]), traffic)


@register("attention")
class Attention(_AttentionOp):
    """Means of the values `v`, weighted by how well queries `q` fit keys `k`.

    `result[*b, i, n] = sum over j of p[*b, n, i, j] * v[*b, j, m]` with `p = softmax(scores)` along
    the keys and `scores[*b, n, i, j] = scale * dot(q[*b, i, n], k[*b, j, m])`, where `m` is the
    head of keys that serves head `n` of queries: each serves as many neighbouring ones.

    Operands: `q[*b, t, h, d]`, `k[*b, s, g, d]` and `v[*b, s, g, e]` of one float type, `h` a
    multiple of `g`, `s` at least 1. Terms may follow, in shapes that broadcast to `[*b, h, t, s]`
    at equal rank: floats are added to the scores, then Booleans replace the scores where they are
    false by a number so low that such keys count only for queries that see none, and then all the
    same. With `is_causal`, query `i` sees the keys up to `i + s - t` only.

    Results: `[*b, t, h, e]`; with `has_statistics` also, as `[*b, h, t]`, the largest score `top`
    of each query (0 if that is not finite) and the sum `total` of `exp(score - top)`. 16-bit floats
    are computed in f32. The result is NaN where all scores are `-inf`.

    Gradient: `AttentionGradient`, from the statistics.
    """

    scale: float
    is_causal: bool = False
    has_statistics: bool = False

    def infer(
        self, q: TensorType, k: TensorType, v: TensorType, *terms: TensorType
    ) -> TensorType | tuple[TensorType, ...]:
        _check(self.name, q, k, v, terms)
        result = q.with_shape((*q.shape[:-1], v.shape[-1]))
        if not self.has_statistics:
            return result
        numbers = _numbers(q)
        return result, numbers, numbers

    def numpy(self, *inputs: np.ndarray) -> np.ndarray | tuple[np.ndarray, ...]:
        q, k, v, *terms = inputs
        powers, top, total = probabilities(q, k, terms, self.scale, self.is_causal)
        result = attended(powers, total, v).astype(q.dtype, copy=False)
        return (result, top, total) if self.has_statistics else result

    def parts(self, inputs: Sequence[Any]) -> tuple[Any, ...]:
        found = composed(inputs, self.scale, self.is_causal)
        return found if self.has_statistics else found[:1]

    def forward(
        self, context: Any, inputs: Sequence[Any], regions: Any
    ) -> tuple[Sequence[Any], tuple[Any, Any]]:
        """The results, and the statistics for the gradient."""
        op = Attention(self.scale, self.is_causal, True)
        result, top, total = inputs[0].emit(op, inputs)
        return [result, top, total] if self.has_statistics else [result], (top, total)

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        g, *others = cotangents
        q, k, v, *terms = inputs
        is_single = inputs[0].type.shape[-3] == 1  # A block of queries would hold no other.
        if is_single or any(other is not None for other in others):
            return self._by_parts(context, inputs, cotangents)
        numbers = (_delta(g, outputs[0]), *context.residuals)
        given = [q, k, v, g, *numbers, *terms]
        found = list(q.emit(AttentionGradient(self.scale, self.is_causal), given))
        is_wanted = [context.needs(3 + i) for i in range(len(terms))]
        if not any(is_wanted):
            return [*found, *[None] * len(terms)]
        _, inner = score_gradients(given, self.scale, self.is_causal)
        pairs = zip(terms, is_wanted, strict=True)
        return [*found, *(_folded(inner, x) if wanted else None for x, wanted in pairs)]

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        return self._cost(inputs, outputs, 2)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for label, inputs, shapes, arguments in _cases():
            is_float = inputs[0].dtype in (np.float32, np.float64)
            wrt = None if is_float else ()
            yield Sample(cls(**arguments), inputs, shapes, wrt, label=label)
            if is_float and label in ("causal-mask-unseen", "symbolic"):
                op = cls(**arguments, has_statistics=True)
                yield Sample(op, inputs, shapes, label=f"{label}-statistics")


@register("attention_gradient")
class AttentionGradient(_AttentionOp):
    """The gradients of `Attention` by queries, keys and values.

    Operands: `q`, `k` and `v` as there; the cotangent `g[*b, t, h, e]` of the result, of their
    type; `delta[*b, t, h]`, the dot product of each cotangent with its result; `top` and `total`
    of `[*b, h, t]`; then the terms. These three are of the type in which is computed.

    With `p = exp(scores - top) / total` and, where a score is not replaced,
    `x[*b, n, i, j] = p * (dot(g[*b, i, n], v[*b, j, m]) - delta)`, the results are `scale * x @ k`,
    `scale * x^T @ q` and `p^T @ g`, summed over the heads that a head of keys serves.
    """

    scale: float
    is_causal: bool = False

    def infer(
        self,
        q: TensorType,
        k: TensorType,
        v: TensorType,
        g: TensorType,
        delta: TensorType,
        top: TensorType,
        total: TensorType,
        *terms: TensorType,
    ) -> tuple[TensorType, ...]:
        _check(self.name, q, k, v, terms)
        numbers = _numbers(q)
        *batch, heads, length = numbers.shape
        wanted = [
            ("cotangent", g, q.with_shape((*q.shape[:-1], v.shape[-1]))),
            ("delta", delta, numbers.with_shape((*batch, length, heads))),
            ("top", top, numbers),
            ("total", total, numbers),
        ]
        for label, given, expected in wanted:
            if given != expected:
                facts = [(label, given), ("expected", expected)]
                raise ShapeError(f"{self.name}: {label} does not fit", facts=facts)
        return q, k, v

    def numpy(self, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        q, k, v, g, delta, top, total, *terms = inputs
        numbers = delta, top, total
        found = gradients(q, k, v, g, numbers, terms, self.scale, self.is_causal)
        return tuple(x.astype(q.dtype) for x in found)

    def parts(self, inputs: Sequence[Any]) -> tuple[Any, ...]:
        return composed_gradients(inputs, self.scale, self.is_causal)

    def vjp(self, context: Any, inputs: Any, outputs: Any, cotangents: Any) -> Sequence[Any]:
        return self._by_parts(context, inputs, cotangents)

    def cost(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Cost:
        return self._cost(inputs, outputs, 5)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for label, inputs, shapes, arguments in _cases():
            if "unseen" in label:
                continue  # Statistics other than those of such scores mean nothing.
            q, k, v, *terms = inputs
            result, top, total = Attention(**arguments, has_statistics=True).numpy(*inputs)
            g = np.cos(np.arange(result.size)).reshape(result.shape).astype(result.dtype)
            delta = (g.astype(top.dtype) * result.astype(top.dtype)).sum(-1)
            declared = None
            if shapes is not None:
                (*b, t, h, _), e = shapes[0], shapes[2][-1]
                numbers = (*b, h, t)
                declared = (*shapes[:3], (*b, t, h, e), (*b, t, h), numbers, numbers, *shapes[3:])
            given = (q, k, v, g, delta, top, total, *terms)
            wrt = None if q.dtype in (np.float32, np.float64) else ()
            yield Sample(cls(**arguments), given, declared, wrt, label=label)


def _delta(g: Any, result: Any) -> Any:
    """The dot product of each cotangent with its result, `[*b, t, h]`."""
    wide = dtypes.compute_dtype(g.dtype)
    return reduce_sum(convert(g, wide) * convert(result, wide), [g.ndim - 1])


def _folded(inner: Any, term: Any) -> Any:
    """The gradient by a term, from those by the scores."""
    pairs = enumerate(zip(term.shape, inner.shape, strict=True))
    axes = [axis for axis, (size, whole) in pairs if size == 1 and whole != 1]
    found = reshape(reduce_sum(inner, axes), term.shape) if axes else inner
    return convert(found, term.dtype)


def _numbers(q: TensorType) -> TensorType:
    """The type of what there is one number of for each query and head."""
    *batch, length, heads, _ = q.shape
    return TensorType(dtypes.compute_dtype(q.dtype), (*batch, heads, length))


# ------------------------------------------------------------------------------------------- checks


def _check(
    name: str, q: TensorType, k: TensorType, v: TensorType, terms: Sequence[TensorType]
) -> None:
    facts = [("query", q), ("key", k), ("value", v)]
    if not (q.dtype is k.dtype is v.dtype and q.dtype.is_float):
        raise DTypeError(f"{name}: one float type is wanted", facts=facts)
    if q.rank < 3 or not q.rank == k.rank == v.rank:
        raise ShapeError(f"{name}: [*batch, length, heads, features] is wanted", facts=facts)
    sizes = [*zip(q.shape[:-3], k.shape[:-3], strict=True), (q.shape[-1], k.shape[-1])]
    sizes += zip(k.shape[:-1], v.shape[:-1], strict=True)
    if not all(_is_same(a, b) for a, b in sizes):
        raise ShapeError(f"{name}: sizes differ", facts=facts)
    heads, groups = q.shape[-2], k.shape[-2]
    known = (heads, groups, q.shape[-1], v.shape[-1])
    if not all(isinstance(size, int) for size in known):
        raise ShapeError(f"{name}: heads and features have to be known", facts=facts)
    if not groups or heads % groups:
        raise ShapeError(f"{name}: the heads do not fit", facts=facts)
    if (dims.bounds(k.shape[-3])[0] or 0) < 1:
        raise ShapeError(f"{name}: at least one key is wanted", facts=facts)
    for term in terms:
        _check_term(name, term, q, k)


def _check_term(name: str, term: TensorType, q: TensorType, k: TensorType) -> None:
    scores = _numbers(q)
    shape = (*scores.shape, k.shape[-3])
    facts = [("term", term), ("scores", scores.with_shape(shape))]
    if term.dtype not in (dtypes.bool_, q.dtype, scores.dtype):
        raise DTypeError(f"{name}: a term is of another type", facts=facts)
    fits = term.rank == len(shape) and all(
        size == 1 or _is_same(size, whole) for size, whole in zip(term.shape, shape, strict=True)
    )
    if not fits:
        raise ShapeError(f"{name}: a term does not fit the scores", facts=facts)


def _is_same(a: Size, b: Size) -> bool:
    return a == b or dims.decide_equal(a, b)


# ----------------------------------------------------------------------------------------- samples

_Case = tuple[str, tuple[np.ndarray, ...], Any, dict[str, Any]]


def _cases() -> Iterable[_Case]:
    """Label, operands, declared shapes and attributes of the samples of both ops."""
    generator = np.random.default_rng(31)

    def made(*shape: int) -> np.ndarray:
        return generator.normal(size=shape).astype(np.float32)

    b, t, s = (dims.symbol(name) for name in "bts")
    plain = made(2, 3, 2, 4), made(2, 5, 2, 4), made(2, 5, 2, 3)
    yield "plain", plain, None, {"scale": 0.5}
    yield "f64", tuple(x.astype(np.float64) for x in plain), None, {"scale": 0.5}
    square = made(5, 4, 2), made(5, 2, 2), made(5, 2, 2)
    yield "causal-groups", square, None, {"scale": 0.7, "is_causal": True}
    mask = generator.uniform(size=(2, 1, 3, 5)) < 0.6
    mask[0, 0, 1] = False
    yield "causal-mask-unseen", (*plain, mask), None, {"scale": 0.5, "is_causal": True}
    yield (
        "causal-mask",
        (*plain, mask | (np.arange(5) == 0)),
        None,
        {"scale": 0.5, "is_causal": True},
    )
    longer = plain[1][..., :4], plain[0], made(2, 3, 2, 3)
    yield "causal-unseen", longer, None, {"scale": 0.5, "is_causal": True}
    terms = made(1, 2, 3, 5), generator.uniform(size=(2, 1, 1, 5)) < 0.7
    yield "bias-mask", (*plain, *terms), None, {"scale": 0.5}
    yield "bias-queries", (*plain, made(2, 1, 3, 1)), None, {"scale": -1.5}
    many = made(19, 1, 2), made(21, 1, 2), made(21, 1, 2)
    yield "tails", many, None, {"scale": 0.5, "is_causal": True}
    yield "no-queries", (plain[0][:, :0], *plain[1:]), None, {"scale": 0.5}
    yield "no-batch", tuple(x[:0] for x in plain), None, {"scale": 0.5}
    yield "no-features", (plain[0][..., :0], plain[1][..., :0], plain[2]), None, {"scale": 1.0}
    declared = (b, t, 2, 4), (b, s, 2, 4), (b, s, 2, 3)
    yield "symbolic", plain, declared, {"scale": 0.5, "is_causal": True}
    with_mask = (*declared, (b, 1, t, s))
    yield "symbolic-mask-unseen", (*plain, mask), with_mask, {"scale": 0.5, "is_causal": True}
    for small in (np.float16, ml_dtypes.bfloat16):
        given = tuple(x.astype(small) for x in plain)
        yield np.dtype(small).name, given, None, {"scale": 0.5}


# ------------------------------------------------------------------------------------ constructors


def attention(
    q: GraphOperand,
    k: GraphOperand,
    v: GraphOperand,
    terms: Sequence[GraphOperand] = (),
    *,
    scale: float,
    is_causal: bool = False,
) -> Any:
    """Means of values weighted by how well queries fit keys; see `Attention`.

    Args:
        q: `[*b, t, h, d]`.
        k: `[*b, s, g, d]`.
        v: `[*b, s, g, e]`.
        terms: floats to add to the scores and Booleans to choose among them, in shapes that
            broadcast to `[*b, h, t, s]`, of that rank.
        scale: of the products.
        is_causal: query `i` sees keys `0 … i + s - t` only.

    Returns:
        `[*b, t, h, e]`.
    """
    return q.emit(Attention(float(scale), is_causal), [q, k, v, *terms])[0]
