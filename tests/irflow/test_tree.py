"""Nested structures: taken apart, put together, compared, walked in parallel."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irflow import tree
from irflow.errors import TreeError

Point = namedtuple("Point", "x y")


@dataclass
class Layer:
    weight: Any
    bias: Any = None
    calls: int = field(default=0, init=False)


@dataclass
class Array:
    data: Any

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.data)


TREES = [
    (3, [3], [""], "*"),
    (None, [], [], "None"),
    ((), [], [], "()"),
    ((1,), [1], ["[0]"], "(*,)"),
    ([1, (2, None)], [1, 2], ["[0]", "[1][0]"], "[*, (*, None)]"),
    ({"b": 1, "a": [2]}, [2, 1], ["['a'][0]", "['b']"], "{'a': [*], 'b': *}"),
    ({2: "x", "k": "y"}, ["x", "y"], ["[2]", "['k']"], "{2: *, 'k': *}"),
    (Point(1, {"z": 2}), [1, 2], [".x", ".y['z']"], "Point(x=*, y={'z': *})"),
    (Layer(1, (2,)), [1, 2], [".weight", ".bias[0]"], "Layer(weight=*, bias=(*,))"),
]


@pytest.mark.parametrize(("value", "leaves", "paths", "text"), TREES)
def test_a_tree_is_taken_apart_and_put_together(value, leaves, paths, text):
    found, structure = tree.flatten(value)
    assert found == leaves
    assert structure.leaf_count == len(leaves)
    assert structure.paths() == paths
    assert structure.describe() == text
    again = structure.unflatten(found)
    assert again == value
    assert type(again) is type(value)


def test_dictionaries_are_ordered_by_key():
    a, b = tree.flatten({"a": 1, "b": 2})[1], tree.flatten(OrderedDict(b=2, a=1))[1]
    assert a == b
    assert hash(a) == hash(b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((1,), [1]),
        ((1,), (1, 2)),
        (1, None),
        ({"a": 1}, {"b": 1}),
        (Point(1, 2), (1, 2)),
        ((1, (2,)), ((1,), 2)),
        (Layer(1, 2), {"weight": 1, "bias": 2}),
    ],
)
def test_other_structures_differ(a, b):
    assert tree.flatten(a)[1] != tree.flatten(b)[1]


def test_arrays_and_marked_dataclasses_are_leaves():
    array = Array([1, 2])
    assert tree.flatten(array)[0] == [array]
    assert tree.flatten(np.zeros(3))[1] is tree.LEAF
    assert tree.flatten(Layer)[1] is tree.LEAF, "the class itself"


def test_equal_structures_are_one_object():
    assert tree.flatten(({"a": 1}, [2]))[1] is tree.flatten(({"a": 3}, [4]))[1]


def test_wrong_number_of_leaves():
    with pytest.raises(TreeError, match="structure of 2 leaves given 3"):
        tree.flatten((1, 2))[1].unflatten([1, 2, 3])


def test_map_leaves():
    assert tree.map_leaves(lambda x, y: x + y, {"a": (1, 2)}, {"a": (3, 4)}) == {"a": (4, 6)}
    with pytest.raises(TreeError) as caught:
        tree.map_leaves(max, (1, 2), [1, 2])
    assert str(caught.value) == "structures differ\n  first  (*, *)\n  other  [*, *]"


def test_leaves_of_takes_none_for_a_part():
    structure = tree.flatten({"a": (1, 2), "b": 3})[1]
    assert structure.leaves_of({"a": None, "b": 5}) == [None, None, 5]
    assert structure.leaves_of({"a": (1, None), "b": [7]}) == [1, None, [7]]
    assert structure.leaves_of(None) == [None] * 3
    with pytest.raises(TreeError) as caught:
        structure.leaves_of({"a": [1, 2], "b": 3}, "grads")
    assert str(caught.value) == (
        "another structure is expected at grads['a']\n  expected  (*, *)\n  given     [*, *]"
    )


trees = st.recursive(
    st.integers() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.tuples(inner, inner).map(lambda pair: Point(*pair))
    ),
    max_leaves=12,
)


@given(trees)
def test_round_trip(value):
    leaves, structure = tree.flatten(value)
    assert structure.unflatten(leaves) == value
    assert structure == tree.flatten(structure.unflatten(leaves))[1]
    assert len(structure.paths()) == len(leaves)
    assert structure.leaves_of(value) == leaves
