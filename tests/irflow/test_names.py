"""Names of other systems: the error says where irflow has them."""

import importlib

import pytest

import irflow
from irflow.names import PLACES


@pytest.mark.parametrize("name", PLACES)
def test_a_name_is_found_where_the_error_says(name) -> None:
    with pytest.raises(AttributeError, match=f"no attribute '{name}'; there is {PLACES[name]}$"):
        getattr(irflow, name)
    home, _, last = PLACES[name].rpartition(".")
    assert hasattr(importlib.import_module(home), last)


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'$"):
        irflow.nonsense  # noqa: B018
