"""`HeadsAttention`: what multi-head and grouped-query attention share."""

from __future__ import annotations

from typing import Any

from irflow import nn
from irflow import numpy as inp
from irflow.errors import ShapeError, UsageError
from irflow.frontend.tensor import Tensor
from irflow.keras import regularizers
from irflow.keras.layers.builtin import BuiltinLayer, Shape, described
from irflow.keras.layers.core.einsum_dense import EinsumDense
from irflow.keras.random import SeedGenerator

RULES = tuple(
    f"{weight}_{kind}"
    for kind in ("initializer", "regularizer", "constraint")
    for weight in ("kernel", "bias")
)
SHARED = ("dropout", "use_bias", "sliding_window", *RULES, "use_gate", "seed")


class HeadsAttention(BuiltinLayer):
    """Queries, keys and values projected to heads, attention, and the heads joined again.

    Args:
        given: the arguments in `SHARED`, and `activity_regularizer`, which goes to the projections.
        **kwargs: of `Layer`.

    Raises:
        UsageError: a rate is not in [0, 1), or `sliding_window` is no number from 1 on.
    """

    dropout: float
    use_bias: bool
    use_gate: bool
    sliding_window: int | None

    def __init__(self, given: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        name = type(self).__name__
        for key in ("dropout", "use_bias", "sliding_window", "use_gate", "seed"):
            setattr(self, key, given[key])
        if not 0 <= self.dropout < 1:
            raise UsageError(f"{name}: dropout {self.dropout} is not in [0, 1)")
        if self.sliding_window is not None and self.sliding_window < 1:
            raise UsageError(f"{name}: sliding_window is {self.sliding_window}, less than 1")
        for weight in ("kernel", "bias"):
            kinds = ("initializer", "regularizer", "constraint")
            self.settle(weight, *(given[f"{weight}_{kind}"] for kind in kinds))
        self.projection_regularizer = regularizers.get(given["activity_regularizer"])
        if self.dropout:
            self.seed_generator = SeedGenerator(given["seed"])
        self.supports_masking = True

    def get_config(self) -> dict[str, Any]:
        found = described("activity_regularizer", self.projection_regularizer)
        return {**super().get_config(), "activity_regularizer": found}

    # -------------------------------------------------------------------------------- projections

    def projection(
        self,
        name: str,
        equation: str,
        sizes: tuple[int | None, ...],
        bias_axes: str,
        shape: Shape,
        activation: str | None = None,
    ) -> EinsumDense:
        """A new projection under the rules of this layer.

        Args:
            name: of it.
            equation: of `EinsumDense`.
            sizes: of its result, without the batch.
            bias_axes: of the bias, if there is one.
            shape: of its input.
            activation: of the result.
        """
        rules = {rule: getattr(self, rule) for rule in RULES}
        for rule in ("kernel_initializer", "bias_initializer"):
            rules[rule] = _fresh(rules[rule])
        layer = EinsumDense(
            equation,
            output_shape=sizes,
            activation=activation,
            bias_axes=bias_axes if self.use_bias else None,
            activity_regularizer=self.projection_regularizer,
            dtype=self.dtype_policy,
            name=name,
            **rules,
        )
        layer.build(shape)
        layer.built = True
        return layer

    def check_shapes(self, query: Shape, value: Shape, key: Shape | None) -> None:
        """Check that every value has a key.

        Raises:
            ShapeError: their lengths differ, or there are too few axes.
        """
        if len(query) < 3 or (key is not None and value[1:-1] != key[1:-1]):
            raise ShapeError(
                f'layer "{self.name}": [n, length, features] is wanted, a key for each value',
                facts=[("query", query), ("value", value), ("key", key)],
            )

    # -------------------------------------------------------------------------------------- masks

    def joint_mask(
        self,
        query: Tensor,
        value: Tensor,
        masks: tuple[Tensor | None, Tensor | None, Tensor | None],
        attention_mask: Tensor | None,
        use_causal_mask: bool,
    ) -> Tensor | None:
        """Which query may see which key: all masks together, None for no mask.

        Args:
            query: `[n, t, ...]`.
            value: `[n, s, ...]`.
            masks: of the queries `[n, t]`, of the values and of the keys `[n, s]`.
            attention_mask: `[n, t, s]`, or what broadcasts to it.
            use_causal_mask: query `i` sees the keys `0 … i`.
        """
        of_query, *of_keys = masks
        found = [] if of_query is None else [of_query.astype("bool")[..., None]]
        found += [m.astype("bool")[..., None, :] for m in of_keys if m is not None]
        if use_causal_mask or self.sliding_window is not None:
            distance = _distances(query, value)
            if use_causal_mask:
                found.append(distance >= 0)
            if self.sliding_window is not None:
                found.append(abs(distance) < self.sliding_window)
        if attention_mask is not None:
            found.append(attention_mask.astype("bool"))
        joint = None
        for mask in found:
            joint = mask if joint is None else joint & mask
        return joint

    def compute_mask(self, query: Any, previous_mask: Any) -> Any:
        """The mask of the queries, for the result but not for the scores."""
        return None if previous_mask is None else [previous_mask]

    # ------------------------------------------------------------------------------------ weights

    def attended(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        scale: float,
        training: bool | None,
        is_causal: bool = False,
    ) -> Tensor:
        """Attention of `[n, t, heads, d]` to `[n, s, heads, d]`."""
        drop: dict[str, Any] = {}
        if training and self.dropout:
            drop = {"dropout_rate": self.dropout, "dropout_key": self.seed_generator.next()}
        return nn.dot_product_attention(
            query, key, value, mask=mask, scale=scale, is_causal=is_causal, **drop
        )

    def dropped(self, scores: Tensor, training: bool | None) -> Tensor:
        """Scores of which some are dropped in training."""
        if not training or not self.dropout:
            return scores
        return nn.dropout(scores, self.dropout, self.seed_generator.next())


def _distances(query: Tensor, value: Tensor) -> Tensor:
    """`i - j` for query `i` and key `j`: `[t, s]`."""
    rows, columns = inp.arange(query.shape[1]), inp.arange(value.shape[1])
    return rows[:, None] - columns[None, :]  # type: ignore[no-any-return]


def _fresh(initializer: Any) -> Any:
    """An equal initializer that draws other numbers, if it has no seed."""
    if not hasattr(initializer, "get_config"):
        return initializer
    return type(initializer).from_config(initializer.get_config())
