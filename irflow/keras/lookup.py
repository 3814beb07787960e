"""Families of objects that have names and configs: initializers, regularizers and so on."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from irflow.errors import UsageError, nearest
from irflow.keras.engine.naming import snake_case
from irflow.keras.saving import registry
from irflow.records import dataclass

Config = dict[str, Any]
Factory = Callable[..., Any]


def both_spellings(members: Iterable[Factory]) -> dict[str, Factory]:
    """Classes under their own names and under those in small letters."""
    classes = list(members)
    return {
        **{member.__name__: member for member in classes},
        **{snake_case(member.__name__): member for member in classes},
    }


@dataclass(frozen=True)
class Family:
    """What can stand where a layer expects, for example, an initializer.

    Attributes:
        kind: for messages: `"initializer"`.
        members: classes, or functions that stand for themselves, by name.
    """

    kind: str
    members: Mapping[str, Factory]

    def get(self, identifier: Any) -> Any:
        """The object for a name, a config, a class, or the object itself; None stays None.

        Raises:
            UnknownNameError: neither a member nor a registered object has that name.
            UsageError: the identifier cannot be called.
        """
        if identifier is None:
            return None
        if isinstance(identifier, (str, dict)):
            identifier = self.deserialize(identifier)
        if inspect.isclass(identifier):
            identifier = identifier()
        if not callable(identifier):
            raise UsageError(
                f"no {self.kind}: {identifier!r}",
                hint=f"give a name, a config or a function: {', '.join(sorted(self.members)[:3])}",
            )
        return identifier

    def deserialize(
        self, config: str | Config, custom_objects: dict[str, Any] | None = None
    ) -> Any:
        """The object that a name, or `{"class_name": …, "config": …}`, describes."""
        if isinstance(config, str):
            return self.named(config, custom_objects)
        name = str(config.get("class_name", ""))
        if name == "function" and config["config"] in self.members:
            return self.members[config["config"]]
        if name not in self.members:
            return registry.deserialize_keras_object(config, custom_objects=custom_objects)
        found: Any = self.members[name]
        settings = config.get("config", {})
        if hasattr(found, "from_config"):
            return found.from_config(settings)
        return found(**settings) if inspect.isclass(found) else found

    def named(self, name: str, custom_objects: dict[str, Any] | None = None) -> Any:
        """The member or registered object of a name."""
        if name in self.members:
            return self.members[name]
        found = registry.get_registered_object(name, custom_objects)
        if found is None:
            listed, names = self._in_small_letters()
            raise nearest(name, listed, self.kind, also=names)
        return found

    def _in_small_letters(self) -> tuple[list[str], list[str]]:
        """The first such name of each member, and all of them: others are short for the first."""
        names = [name for name in self.members if name == name.lower()]
        return list({id(self.members[name]): name for name in reversed(names)}.values()), names
