"""What the layers share: their arguments as configs, and weights with their three rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from irflow.errors import ShapeError, UsageError
from irflow.frontend.variable import Variable
from irflow.keras import activations, constraints, initializers, regularizers
from irflow.keras.layers.layer import Layer
from irflow.keras.saving import registry

Shape = tuple[int | None, ...]
Ints = int | Sequence[int]


class BuiltinLayer(Layer):
    """A layer whose config is made of its arguments, which it keeps as attributes of their names.

    Attributes:
        config_names: the names, without those of `Layer` itself.
    """

    config_names: ClassVar[tuple[str, ...]] = ()

    def get_config(self) -> dict[str, Any]:
        own = {name: described(name, getattr(self, name)) for name in self.config_names}
        return {**super().get_config(), **own}

    def settle(self, weight: str, initializer: Any, regularizer: Any, constraint: Any) -> None:
        """Keep the three rules of a weight, as `kernel_initializer` and so on."""
        setattr(self, f"{weight}_initializer", initializers.get(initializer))
        setattr(self, f"{weight}_regularizer", regularizers.get(regularizer))
        setattr(self, f"{weight}_constraint", constraints.get(constraint))

    def weight(
        self,
        shape: Sequence[int],
        rules: str,
        name: str | None = None,
        initializer: Any = None,
    ) -> Variable:
        """A trainable weight under the rules that were kept by `settle`.

        Args:
            shape: of the weight.
            rules: the name that was given to `settle`.
            name: of the weight; `rules` by default.
            initializer: another one than that of the rules.
        """
        return self.add_weight(
            shape=tuple(shape),
            initializer=initializer or getattr(self, f"{rules}_initializer"),
            regularizer=getattr(self, f"{rules}_regularizer"),
            constraint=getattr(self, f"{rules}_constraint"),
            name=name or rules,
        )

    def known_size(self, shape: Shape, axis: int) -> int:
        """The size of an axis that weights depend on.

        Raises:
            ShapeError: the input has no such axis, or its size is not known.
        """
        size = shape[axis] if -len(shape) <= axis < len(shape) else None
        if size is None:
            raise ShapeError(
                f'layer "{self.name}": the size of axis {axis} of its input has to be known',
                facts=[("given", shape)],
            )
        return size


def described(name: str, value: Any) -> Any:
    """An argument of a layer as JSON knows it."""
    if name.endswith("activation"):
        return activations.serialize(value)
    return registry.serialize_keras_object(value) if not isinstance(value, tuple) else plain(value)


def plain(value: Any) -> Any:
    """Nested tuples as lists, which is what JSON makes of them."""
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def sizes(layer: str, argument: str, value: Ints, rank: int, least: int = 1) -> tuple[int, ...]:
    """One number for all spatial axes, or one each, none of them too small.

    Raises:
        UsageError: another number of numbers, or one that is too small.
    """
    numbers = (value,) * rank if isinstance(value, int) else tuple(int(n) for n in value)
    if len(numbers) != rank or min(numbers) < least:
        raise UsageError(
            f"{layer}: {argument} is a number from {least} on, or {rank} of them",
            facts=[(argument, value)],
        )
    return numbers


def positive(layer: str, argument: str, value: int) -> int:
    """A number of units, filters and the like.

    Raises:
        UsageError: it is no whole number above 0.
    """
    is_whole = not isinstance(value, bool) and hasattr(value, "__index__")
    if not is_whole or value < 1:
        raise UsageError(f"{layer}: {argument} is {value!r}, not a whole number above 0")
    return int(value)


def one_of(layer: str, argument: str, value: str, known: Sequence[str]) -> str:
    """A name in small letters.

    Raises:
        UsageError: it is none of those known.
    """
    name = str(value).lower()
    if name not in known:
        raise UsageError(f"{layer}: {argument} {value!r}", facts=[("known", ", ".join(known))])
    return name
