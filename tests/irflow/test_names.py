"""Names of other systems: the error says where irflow has them."""

import importlib
import pkgutil

import pytest

import irflow
from irflow.names import PLACES


@pytest.mark.parametrize("name", PLACES)
def test_a_name_is_found_where_the_error_says(name) -> None:
    module, _, last = f"irflow.{name}".rpartition(".")
    with pytest.raises(AttributeError, match=f"no attribute '{last}'; there is {PLACES[name]}$"):
        getattr(importlib.import_module(module), last)
    pkgutil.resolve_name(PLACES[name])


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'$"):
        irflow.nonsense  # noqa: B018


@pytest.mark.parametrize("mistake", [lambda: irflow.nonsense, lambda: irflow.numpy.sum(3, dim=0)])
def test_tracebacks_end_at_the_users_line(mistake) -> None:
    with pytest.raises((AttributeError, TypeError)) as caught:
        irflow.vmap(lambda _: mistake())(irflow.numpy.ones(2))
    assert [entry.name for entry in caught.traceback][1:] == ["<lambda>", "<lambda>"]
