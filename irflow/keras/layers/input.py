"""`Input`: where data enters a model."""

from __future__ import annotations

from typing import Any

from irflow.errors import UsageError
from irflow.keras import config
from irflow.keras.engine.naming import auto_name
from irflow.keras.engine.symbolic import KerasTensor, Node
from irflow.keras.layers.layer import Layer


class InputLayer(Layer):
    """The place of one input of a model.

    Args:
        shape: without the batch; None where a size is not known.
        batch_size: if it is always the same.
        dtype: of the data; the float type by default.
        sparse: not supported.
        ragged: not supported.
        batch_shape: the shape with the batch, instead of `shape`.
        input_tensor: a KerasTensor to be this input, instead of a new one.
        optional: whether None may be given.
        name: unique by default.

    Raises:
        UsageError: no shape is given, or more than one.
    """

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Any = None,
        input_tensor: KerasTensor | None = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name)
        shape = kwargs.pop("input_shape", shape)
        if sparse or ragged:
            raise UsageError("Input: sparse and ragged tensors are not supported")
        if input_tensor is not None:
            batch_shape, dtype = input_tensor.shape, dtype or input_tensor.dtype
        elif (shape is None) == (batch_shape is None):
            raise UsageError(
                "Input: give one of shape= (without the batch) and batch_shape=",
                facts=[("shape", shape), ("batch_shape", batch_shape)],
            )
        if batch_shape is None:
            sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
            batch_shape = (batch_size, *sizes)
        self.batch_shape = tuple(batch_shape)
        self.optional, self.built = optional, True
        self._input_dtype = str(dtype or config.floatx())
        tensor = input_tensor or KerasTensor(self.batch_shape, self._input_dtype, self.name)
        self._inbound_nodes.append(Node(self, (), {}, tensor))

    @property
    def dtype(self) -> str:
        return self._input_dtype

    @property
    def output(self) -> KerasTensor:
        return self._inbound_nodes[0].outputs[0]

    @property
    def input(self) -> KerasTensor:
        return self.output

    def call(self, *args: Any, **kwargs: Any) -> Any:
        raise UsageError("an Input is no function; give data to the model")

    def get_config(self) -> dict[str, Any]:
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": False,
            "ragged": False,
            "name": self.name,
        }


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Any = None,
    name: str | None = None,
    tensor: KerasTensor | None = None,
    optional: bool = False,
) -> KerasTensor:
    """The symbolic tensor of an input of a model; the arguments are those of `InputLayer`.

    >>> Input((28, 28), name="images")
    <KerasTensor shape=(None, 28, 28), dtype=float32, name=images>
    """
    layer = InputLayer(
        shape=shape,
        batch_size=batch_size,
        dtype=dtype,
        sparse=sparse,
        ragged=ragged,
        batch_shape=batch_shape,
        input_tensor=tensor,
        optional=optional,
        name=name or auto_name("input_layer"),
    )
    return layer.output
