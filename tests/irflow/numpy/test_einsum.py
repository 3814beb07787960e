"""Einstein's summation against NumPy: known equations, random ones, wrong ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import irflow as irf
import irflow.numpy as inp

EQUATIONS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ba,ca", (2, 3), (4, 3)),
    ("bij,bjk->bik", (5, 2, 3), (5, 3, 4)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("iij->j", (3, 3, 2)),
    ("ijk->", (2, 3, 4)),
    ("ij->ji", (2, 3)),
    ("i,j->ij", (2,), (3,)),
    ("i,i,i->", (3,), (3,), (3,)),
    ("ij,kl,jk->il", (2, 3), (4, 5), (3, 4)),
    ("...ij,...jk->...ik", (5, 2, 3), (3, 4)),
    ("...i->...", (2, 3, 4)),
    ("i...,i...", (2, 3), (2, 3)),
    ("b...i,ij->b...j", (2, 5, 6, 3), (3, 4)),
    (" i j , j -> i ", (2, 3), (3,)),
    ("ij,ij->i", (2, 3), (2, 3)),
    ("ij,->ij", (2, 3), ()),
    ("Aa,aB->AB", (2, 3), (3, 4)),
]


@pytest.mark.parametrize("case", EQUATIONS, ids=lambda case: case[0])
@pytest.mark.parametrize("wrap", [lambda f: f, irf.jit], ids=["eager", "jit"])
def test_known_equations(case, wrap):
    equation, *shapes = case
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in shapes]
    found = wrap(lambda *x: inp.einsum(equation, *x))(*arrays)
    expected = np.einsum(equation.replace(" ", ""), *arrays)
    assert found.shape == expected.shape
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-10, atol=1e-12)


@st.composite
def equations(draw):
    """Up to three operands with up to four labels each, and any order of some in the result."""
    labels = "abcde"
    terms = draw(st.lists(st.text(labels, min_size=0, max_size=4), min_size=1, max_size=3))
    present = sorted(set("".join(terms)))
    output = draw(st.permutations(present)) if present else []
    count = draw(st.integers(0, len(output)))
    return ",".join(terms) + "->" + "".join(output[:count])


@given(equations(), st.lists(st.integers(0, 3), min_size=5, max_size=5))
@settings(max_examples=200)
def test_any_equation(equation, sizes):
    size = dict(zip("abcde", sizes, strict=True))
    shapes = [[size[c] for c in term] for term in equation.split("->")[0].split(",")]
    arrays = [np.arange(np.prod(s, dtype=int)).reshape(s) % 7 - 2 for s in shapes]
    expected = np.einsum(equation, *arrays)
    np.testing.assert_array_equal(np.asarray(inp.einsum(equation, *arrays)), expected)


def test_the_gradient():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3)), rng.normal(size=(3, 3))
    by_a, by_b = irf.grad(lambda a, b: inp.einsum("ij,jj->i", a, b).sum(), (0, 1))(a, b)
    np.testing.assert_allclose(np.asarray(by_a), np.tile(np.diag(b), (2, 1)))
    np.testing.assert_allclose(np.asarray(by_b), np.diag(a.sum(0)))


@pytest.mark.parametrize(
    ("equation", "text"),
    [
        ("ij->ij", "einsum: 1 terms for 2 operands"),
        ("ij,j->ij", "einsum: term 'j' for an operand of rank 2"),
        ("ij,jk->iz", "einsum: the result names an axis twice or one that no operand has"),
        ("ij,jk->ii", "einsum: the result names an axis twice or one that no operand has"),
        ("i1,1k->ik", "einsum: a label is a letter"),
    ],
)
def test_wrong_equations(equation, text):
    with pytest.raises(irf.errors.UsageError) as caught:
        inp.einsum(equation, np.ones((2, 3)), np.ones((3, 4)))
    assert str(caught.value).startswith(text)


def test_wrong_sizes():
    with pytest.raises(irf.errors.ShapeError, match="sizes of paired axes differ"):
        inp.einsum("ij,jk->ik", np.ones((2, 3)), np.ones((4, 5)))
    with pytest.raises(irf.errors.ShapeError, match="sizes of paired axes differ"):
        inp.einsum("ii->i", np.ones((2, 3)))
