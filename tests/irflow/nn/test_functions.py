"""Every layer on one table: its definition, gradients, both backends, a symbolic batch."""

import numpy as np
import pytest

import irflow as irf
from irflow.autodiff import vjp_graph
from tests.irflow.nn.function_cases import ATTENTION, IMAGES, RECURRENT, REST
from tests.irflow.nn.layer_cases import CONVOLUTIONS, NORMALISATIONS, POOLS
from tests.irflow.ops.derivatives import check_jvp, check_vjp

TABLE = {
    **CONVOLUTIONS,
    **POOLS,
    **NORMALISATIONS,
    **ATTENTION,
    **IMAGES,
    **RECURRENT,
    **REST,
}


@pytest.mark.parametrize("name", TABLE)
def test_definition(name):
    case = TABLE[name]
    found = np.asarray(case.function(*case.arrays))
    expected = np.asarray(case.reference(*case.arrays))
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10)


def traced(case, symbolic):
    return irf.jit(case.function, spec=case.spec(case.arrays, symbolic)).trace().graph


@pytest.mark.parametrize("name", [name for name, case in TABLE.items() if case.wrt])
def test_gradients(name):
    case = TABLE[name]
    graph = traced(case, symbolic=False)
    check_vjp(graph, list(case.arrays), case.wrt)
    check_jvp(graph, list(case.arrays), case.wrt)


@pytest.mark.thinned(2)
@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_compiled_with_a_symbolic_batch(name, backend):
    """In f32, by one compilation for every number of examples."""
    case = TABLE[name]
    arrays = [a.astype("f4") if a.dtype == np.float64 else a for a in case.arrays]
    compiled = irf.jit(case.function, spec=case.spec(arrays, True), backend=backend)
    for count in (len(arrays[0]), 1) if name not in ATTENTION else (len(arrays[0]),):
        cut = [a[:count] if i in case.batched else a for i, a in enumerate(arrays)]
        found = np.asarray(compiled(*cut))
        expected = np.asarray(case.function(*cut))
        assert found.shape == expected.shape
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", [name for name, case in TABLE.items() if case.wrt])
def test_gradients_with_a_symbolic_batch(name):
    case = TABLE[name]
    graph = traced(case, symbolic=True)
    gradients = vjp_graph(graph, case.wrt).outputs[len(graph.outputs) :]
    assert [g.type for g in gradients] == [graph.inputs[i].type for i in case.wrt]
