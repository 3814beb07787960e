"""`GroupQueryAttention`."""

from __future__ import annotations

import math
from typing import Any

from irflow import nn
from irflow import numpy as inp
from irflow.errors import UsageError
from irflow.frontend.tensor import Tensor
from irflow.keras.layers.attention.heads import SHARED, HeadsAttention
from irflow.keras.layers.builtin import Shape, positive


class GroupQueryAttention(HeadsAttention):
    """Attention in which several heads of queries share one of keys and values.

    Source: Ainslie et al., 2023.

    Args:
        head_dim: the size of a head.
        num_query_heads: how many heads queries have.
        num_key_value_heads: how many keys and values have; it divides the former.
        dropout: the rate at which scores are dropped in training.
        use_bias: whether the projections have biases.
        sliding_window: a query sees only keys at less than this distance.
        flash_attention: taken for Keras's sake.
        kernel_initializer: of the four kernels.
        bias_initializer: of the biases.
        kernel_regularizer: a term of the loss.
        bias_regularizer: a term of the loss.
        activity_regularizer: a term of the loss that depends on the results of the projections.
        kernel_constraint: what the kernels are put through after each step of training.
        bias_constraint: the same for the biases.
        use_gate: whether what is attended to is multiplied by a sigmoid of the query.
        seed: of the dropout.

    Call:
        As of `MultiHeadAttention`.

    Raises:
        UsageError: the numbers of heads do not fit.
    """

    config_names = ("head_dim", "num_query_heads", "num_key_value_heads", *SHARED)

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(locals(), **kwargs)
        name = "GroupQueryAttention"
        self.head_dim = positive(name, "head_dim", head_dim)
        self.num_query_heads = positive(name, "num_query_heads", num_query_heads)
        self.num_key_value_heads = positive(name, "num_key_value_heads", num_key_value_heads)
        if num_query_heads % num_key_value_heads:
            raise UsageError(
                f"{name}: {num_key_value_heads} heads of keys do not divide"
                f" {num_query_heads} heads of queries"
            )

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None) -> None:
        self.check_shapes(query_shape, value_shape, key_shape)
        many, few = (None, self.num_query_heads, self.head_dim), self.num_key_value_heads
        some = (None, few, self.head_dim)
        to_heads = "abc,cde->abde"
        self._query_dense = self.projection("query", to_heads, many, "de", query_shape)
        self._key_dense = self.projection("key", to_heads, some, "de", key_shape or value_shape)
        if self.use_gate:
            self._gate_dense = self.projection("gate", to_heads, many, "de", query_shape, "sigmoid")
        self._value_dense = self.projection("value", to_heads, some, "de", value_shape)
        features = self.known_size(query_shape, -1)
        shape = (query_shape[0], *many)
        self._output_dense = self.projection(
            "attention_output", "abcd,cde->abe", (None, features), "e", shape
        )

    def call(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        key_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        masks = query_mask, value_mask, key_mask
        # Where there is a key for each query, the op knows which ones a query may see.
        by_op = use_causal_mask and not return_attention_scores
        by_op = by_op and query.shape[1] == value.shape[1]
        is_masked = use_causal_mask and not by_op
        mask = self.joint_mask(query, value, masks, attention_mask, is_masked)
        q = self._query_dense(query)
        k = self._key_dense(value if key is None else key)
        v = self._value_dense(value)
        scale = 1 / math.sqrt(self.head_dim)
        scores = None
        if return_attention_scores:
            scores = nn.attention_weights(q, k, mask=mask, scale=scale)
            many = inp.repeat(v, self.num_query_heads // self.num_key_value_heads, axis=2)
            found = inp.einsum("bhts,bshd->bthd", self.dropped(scores, training), many)
        else:
            found = self.attended(q, k, v, mask, scale, training, by_op)
        if self.use_gate:
            found = found * self._gate_dense(query)
        result = self._output_dense(found)
        return (result, scores) if return_attention_scores else result
