"""`InputSpec`: what a layer expects of its inputs."""

from __future__ import annotations

from typing import Any

from irflow import tree
from irflow.errors import ShapeError
from irflow.keras.dtype_policies import standardize_dtype
from irflow.keras.engine.inference import shape_of


class InputSpec:
    """Rank, shape and element type that one input of a layer must have.

    Args:
        dtype: the element type.
        shape: None where any size will do.
        ndim: the number of axes.
        max_ndim: the largest one.
        min_ndim: the smallest one.
        axes: from an axis to the size that it must have.
        allow_last_axis_squeeze: whether a last axis of size 1 may be missing or too many.
        name: the key of the input in a dict.
        optional: whether None will do.
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype = None if dtype is None else standardize_dtype(dtype)
        self.shape = None if shape is None else tuple(shape)
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes = {int(axis): size for axis, size in (axes or {}).items()}
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        self.name, self.optional = name, optional

    def get_config(self) -> dict[str, Any]:
        """What makes an equal one."""
        names = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InputSpec:
        """The one that `get_config` describes."""
        return cls(**config)

    def problem(self, shape: tuple[int | None, ...]) -> str | None:
        """What is wrong with an input of this shape, None if nothing is."""
        rank = len(shape)
        if self.shape is None and self.ndim is not None and rank != self.ndim:
            return f"{self.ndim} axes are expected, not {rank}"
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"at most {self.max_ndim} axes are expected, not {rank}"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"at least {self.min_ndim} axes are expected, not {rank}"
        for axis, size in self.axes.items():
            given = shape[axis] if -rank <= axis < rank else None
            if size is not None and given not in (size, None):
                return f"axis {axis} is expected to have size {size}, not {given}"
        return self._shape_problem(shape)

    def _shape_problem(self, shape: tuple[int | None, ...]) -> str | None:
        if self.shape is None:
            return None
        expected = self.shape
        if self.allow_last_axis_squeeze:
            expected = expected[:-1] if expected and expected[-1] == 1 else expected
            shape = shape[:-1] if shape and shape[-1] == 1 else shape
        pairs = zip(expected, shape, strict=False)
        if len(expected) == len(shape) and all(a is None or b in (a, None) for a, b in pairs):
            return None
        return f"shape {self.shape} is expected, not {shape}"

    def __repr__(self) -> str:
        config = {key: value for key, value in self.get_config().items() if value}
        return f"InputSpec({', '.join(f'{key}={value}' for key, value in config.items())})"


def assert_input_compatibility(input_spec: Any, inputs: Any, layer_name: str) -> None:
    """Check inputs against the specs of a layer.

    Raises:
        ShapeError: one does not fit.
    """
    specs = tree.flatten(input_spec)[0]
    if isinstance(inputs, dict) and all(spec.name is not None for spec in specs):
        tensors = [inputs.get(spec.name) for spec in specs]
    else:
        tensors = tree.flatten(inputs)[0]
    if len(tensors) != len(specs):
        raise ShapeError(f'layer "{layer_name}" expects {len(specs)} input(s), not {len(tensors)}')
    for number, (spec, tensor) in enumerate(zip(specs, tensors, strict=True)):
        if tensor is None or not hasattr(tensor, "shape"):
            continue
        problem = spec.problem(shape_of(tensor))
        if problem is not None:
            name = f"input {spec.name or number}" if len(specs) > 1 else "its input"
            raise ShapeError(
                f'layer "{layer_name}" cannot take {name}: {problem}',
                facts=[("given", shape_of(tensor))],
            )
