"""Initializers, regularizers, constraints and activations: names, configs, values."""

import json
import math

import numpy as np
import pytest

import irflow as irf
from irflow import keras
from irflow.errors import IrflowError
from irflow.keras import activations, constraints, initializers, regularizers

SHAPE = (3, 3, 20, 30)
FAN_IN, FAN_OUT = 180, 270

DEVIATIONS = [
    ("glorot_uniform", math.sqrt(2 / (FAN_IN + FAN_OUT))),
    ("glorot_normal", math.sqrt(2 / (FAN_IN + FAN_OUT))),
    ("he_uniform", math.sqrt(2 / FAN_IN)),
    ("he_normal", math.sqrt(2 / FAN_IN)),
    ("lecun_uniform", math.sqrt(1 / FAN_IN)),
    ("lecun_normal", math.sqrt(1 / FAN_IN)),
    ("random_normal", 0.05),
    ("truncated_normal", 0.05 * 0.8796256610342398),
    ("uniform", 0.05 / math.sqrt(3)),
    (initializers.VarianceScaling(3.0, "fan_out", "untruncated_normal"), math.sqrt(3 / FAN_OUT)),
    (initializers.RandomUniform(1.0, 2.0), 1 / math.sqrt(12)),
]


@pytest.mark.parametrize(("identifier", "deviation"), DEVIATIONS)
def test_the_spread_of_random_values(identifier, deviation: float) -> None:
    initializer = initializers.get(identifier)
    values = np.asarray(initializer(SHAPE))
    assert values.dtype == np.float32
    assert values.shape == SHAPE
    assert abs(values.std() / deviation - 1) < 0.03
    mean = 1.5 if identifier is DEVIATIONS[-1][0] else 0
    assert abs(values.mean() - mean) < 0.05 * deviation
    again = type(initializer).from_config(json.loads(json.dumps(initializer.get_config())))
    assert again.get_config() == initializer.get_config()
    if "uniform" in str(identifier):
        assert np.abs(values).max() <= deviation * math.sqrt(3) * 1.0001


def test_seeds() -> None:
    first, other = initializers.GlorotUniform(seed=3), initializers.GlorotUniform(seed=3)
    np.testing.assert_array_equal(np.asarray(first((4, 5))), np.asarray(other((4, 5))))
    assert np.asarray(first((4, 5))).tolist() == np.asarray(first((4, 5))).tolist()
    stream = initializers.RandomNormal(seed=keras.random.SeedGenerator(1))
    assert np.asarray(stream((4,))).tolist() != np.asarray(stream((4,))).tolist()
    drawn = []
    for _ in range(2):
        keras.utils.set_random_seed(5)
        drawn.append([np.asarray(initializers.get("he_normal")((6,))).tolist() for _ in range(2)])
    assert drawn[0] == drawn[1]
    assert drawn[0][0] != drawn[0][1]


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (2, 4, 6), (4, 4)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    values = np.asarray(initializers.Orthogonal(gain=2.0)(shape))
    matrix = values.reshape(-1, shape[-1])
    product = matrix.T @ matrix if len(matrix) >= shape[-1] else matrix @ matrix.T
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-5)


def test_values_without_chance() -> None:
    assert np.asarray(initializers.get("zeros")((2,), "int32")).tolist() == [0, 0]
    assert initializers.get("ones")((2,), dtype="bfloat16").dtype is irf.bf16
    assert np.asarray(initializers.Constant(3)((2,))).tolist() == [3, 3]
    assert np.asarray(initializers.Identity(2.0)((2, 3))).tolist() == [[2, 0, 0], [0, 2, 0]]
    given = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(np.asarray(initializers.get(given)((2, 3))), given)
    own = initializers.get(lambda shape, dtype=None: np.full(shape, 7.0, dtype))
    assert own((1,), dtype="float32").tolist() == [7]
    assert initializers.compute_fans((3, 3, 20, 30)) == (FAN_IN, FAN_OUT)
    assert initializers.compute_fans((4, 5, 6), [0], [1, 2]) == (4, 30)
    with pytest.raises(IrflowError, match="of another shape"):
        initializers.get(given)((3, 2))


FAMILIES = [
    (initializers, initializers.Initializer, {"RandomInitializer"}),
    (regularizers, regularizers.Regularizer, set()),
    (constraints, constraints.Constraint, set()),
]


@pytest.mark.parametrize(("package", "base", "abstract"), FAMILIES, ids=lambda x: str(x)[:20])
def test_every_member_is_found_by_its_names_and_by_its_config(package, base, abstract) -> None:
    skipped = {base.__name__, "Values", *abstract}
    names = [n for n in package.__all__ if n[0].isupper() and n not in skipped]
    assert len(names) >= 4
    for name in names:
        cls = getattr(package, name)
        made = package.get(name)
        assert type(made) is cls
        assert type(package.get(cls)) is cls
        assert package.get(made) is made
        config = json.loads(json.dumps(package.serialize(made)))
        again = package.deserialize(config)
        assert type(again) is cls
        assert again.get_config() == made.get_config()
        short = {"class_name": name, "config": made.get_config()}
        assert type(package.get(short)) is cls
    assert package.get(None) is None


def test_every_activation_is_found_by_its_name() -> None:
    x = np.linspace(-3, 3, 6, dtype=np.float32).reshape(1, 6)
    names = set(activations.__all__) - {"get", "serialize", "deserialize", "threshold"}
    for name in sorted(names):
        function = activations.get(name)
        assert function is getattr(activations, name)
        assert activations.deserialize(activations.serialize(function)) is function
        assert np.isfinite(np.asarray(function(x))).all()
    assert activations.get(None) is activations.linear
    assert activations.serialize(activations.swish) == "silu"
    assert np.asarray(activations.threshold(x, 0.5, -1.0)).tolist()[0][:3] == [-1, -1, -1]

    @keras.saving.register_keras_serializable("test_initializers")
    def cubed(x):
        return x * x * x

    assert activations.get(json.loads(json.dumps(activations.serialize(cubed)))) is cubed


def test_values_of_regularizers_and_constraints() -> None:
    w = np.array([[3.0, 0.1], [-4.0, 0.2]], np.float32)
    assert float(regularizers.L1L2(0.5, 0.1)(w)) == pytest.approx(0.5 * 7.3 + 0.1 * 25.05)
    assert float(regularizers.L1()(w)) == pytest.approx(0.073)
    assert float(regularizers.L2()(w)) == pytest.approx(0.2505)
    assert float(regularizers.L1L2()(w)) == 0
    rows = regularizers.OrthogonalRegularizer(0.5)(np.array([[3.0, 4], [4, 3]], np.float32))
    assert float(rows) == pytest.approx(0.5 * 24 / 25)
    np.testing.assert_allclose(np.asarray(constraints.MaxNorm(2)(w))[:, 0], [1.2, -1.6], rtol=1e-5)
    np.testing.assert_allclose(np.asarray(constraints.MaxNorm(2)(w))[:, 1], w[:, 1], rtol=1e-5)
    np.testing.assert_allclose(np.asarray(constraints.UnitNorm(1)(w))[0, 0], 3 / 9.01**0.5, 1e-5)
    assert np.asarray(constraints.NonNeg()(w)).min() == 0
    half = np.asarray(constraints.MinMaxNorm(1, 2, rate=0.5)(w))
    np.testing.assert_allclose(np.linalg.norm(half, axis=0), [3.5, 0.5 + 0.05**0.5 / 2], rtol=1e-5)


MISTAKES = [
    (lambda: initializers.get("glorot_unifrom"), "did you mean 'glorot_uniform'"),
    (lambda: initializers.get(3), "no initializer: 3"),
    (lambda: initializers.VarianceScaling(-1), "scale -1 is not positive"),
    (lambda: initializers.VarianceScaling(mode="fan"), "VarianceScaling: 'fan'"),
    (lambda: initializers.Orthogonal()((3,)), "two or more axes"),
    (lambda: initializers.RandomNormal(seed="x"), "seed 'x'"),
    (lambda: regularizers.get("l_2"), "unknown regularizer 'l_2'"),
    (lambda: regularizers.L2(-1), "l2 is -1, not a finite number from 0 on"),
    (lambda: constraints.get("maxnorm"), "did you mean 'max_norm'"),
    (lambda: activations.get("sigmod"), "did you mean 'sigmoid'"),
]


@pytest.mark.parametrize(("mistake", "text"), MISTAKES, ids=range(len(MISTAKES)))
def test_mistakes_are_told(mistake, text: str) -> None:
    with pytest.raises(IrflowError, match=text):
        mistake()
