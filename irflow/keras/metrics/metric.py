"""`Metric`: a number that is gathered over many batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from irflow.frontend.tensor import as_tensor
from irflow.frontend.tracing import suspended
from irflow.frontend.variable import Variable
from irflow.keras import config as settings
from irflow.keras import initializers
from irflow.keras.engine.naming import auto_name
from irflow.keras.engine.stateful import Stateful
from irflow.keras.engine.tracking import held, is_metric, unique


class Metric(Stateful):
    """The base of the metrics.

    One of your own makes variables with `add_variable` in `__init__`, changes them in
    `update_state`, and computes the number in `result`. All of that does the same at once and
    inside a compiled step.

    Args:
        dtype: the element type of the number, `keras.config.floatx()` by default.
        name: by default that of the class.

    >>> class Count(Metric):
    ...     def __init__(self, name="count"):
    ...         super().__init__(name=name)
    ...         self.samples = self.add_variable((), "zeros")
    ...
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.samples.assign(self.samples + len(y_pred))
    ...
    ...     def result(self):
    ...         return self.samples.value
    >>> count = Count()
    >>> count.update_state([0, 1], [0.2, 0.7])
    >>> float(count([1], [0.4]))
    3.0
    """

    _direction: str | None = None

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name = name or auto_name(type(self).__name__)
        self._dtype = settings.policy_for(dtype or settings.floatx()).compute_dtype
        self._made: list[Variable] = []

    @property
    def dtype(self) -> str:
        """The element type of the number."""
        return self._dtype

    @property
    def variables(self) -> list[Variable]:
        """What the metric gathers, then what the metrics in it do."""
        own = held(self, lambda value: isinstance(value, Variable), frozenset())
        inner = held(self, is_metric, frozenset())
        return unique([*own, *(variable for metric in inner for variable in metric.variables)])

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str = "sum",
        name: str | None = None,
    ) -> Variable:
        """A variable of the metric.

        Args:
            shape: of it.
            initializer: of its first value; None for zeros.
            dtype: its element type, `keras.config.floatx()` by default.
            aggregation: is not used.
            name: of it.
        """
        with suspended():
            first = initializers.get(initializer or "zeros")
            value = first(tuple(shape), dtype or settings.floatx())
            made = Variable(value, f"{self.name}/{name or 'variable'}", trainable=False)
        self._made.append(made)
        return made

    def add_weight(
        self,
        shape: Sequence[int] | str = (),
        initializer: Any = None,
        dtype: Any = None,
        name: str | None = None,
    ) -> Variable:
        """As `add_variable`; a name may come first, as in Keras 2."""
        if isinstance(shape, str):
            return self.add_variable((), initializer, dtype, name=shape)
        return self.add_variable(shape, initializer, dtype, name=name)

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        """Take one batch in: `update_state(y_true, y_pred, sample_weight=None)`."""
        raise NotImplementedError(f"{type(self).__name__} defines no update_state")

    def result(self) -> Any:
        """The number so far."""
        raise NotImplementedError(f"{type(self).__name__} defines no result")

    def reset_state(self) -> None:
        """Begin anew: all variables become 0."""
        for variable in self.variables:
            variable.assign(as_tensor(variable.value).full(0, variable.shape))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Take one batch in; the number so far."""
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        """The arguments of the metric, as JSON knows them."""
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The metric, with nothing gathered, with the arguments that `get_config` gave."""
        return cls(**config)

    def _add(self, variable: Variable, value: Any) -> None:
        """Add a tensor of another element type to a variable."""
        variable.assign(variable.value + as_tensor(value).astype(variable.dtype))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"
