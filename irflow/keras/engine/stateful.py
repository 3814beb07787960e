"""Objects with variables of their own that are saved with a model: optimizers and metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from irflow.errors import UsageError
from irflow.frontend.boundary import public
from irflow.frontend.variable import Variable
from irflow.location import warn


class Stateful:
    """The base of optimizers and metrics: their variables as arrays."""

    name: str

    @property
    def variables(self) -> list[Variable]:
        """All that the object remembers, in a fixed order."""
        raise NotImplementedError(f"{type(self).__name__} defines no variables")

    def get_weights(self) -> list[np.ndarray]:
        """The values of all variables."""
        return [variable.numpy() for variable in self.variables]

    @public
    def set_weights(self, weights: Sequence[Any]) -> None:
        """Give all variables values.

        Raises:
            UsageError: there are not as many values as variables.
            ShapeError: a value is of another shape than its variable.
        """
        variables = self.variables
        if len(weights) != len(variables):
            raise UsageError(
                f"{type(self).__name__}: {len(weights)} values for {len(variables)} variables",
                hint=None if getattr(self, "built", True) else "build it first",
            )
        for variable, weight in zip(variables, weights, strict=True):
            variable.assign(weight)

    def save_own_variables(self, store: Any) -> None:
        """Put the values of all variables into a mapping, under `"0"`, `"1"`, …."""
        for i, variable in enumerate(self.variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Take the values of all variables from what `save_own_variables` gave.

        If there are not as many, nothing is taken and a warning says so.
        """
        count = len(self.variables)
        if len(store) != count:
            warn(
                f"the state of {self.name} is not loaded: {len(store)} values are saved,"
                f" and there are {count} variables"
            )
            return
        self.set_weights([store[str(i)] for i in range(count)])
