"""`irf.gradients` against `irf.grad`, and `minimize` against the pure optimisers."""

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import optim
from irflow.datasets import split_digits
from irflow.session import minimize

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(4, 3)).astype(np.float32)
W = RANDOM.normal(size=(3, 2)).astype(np.float32)


def model(x, w):
    return (inp.tanh(x @ w) ** 2).sum()


@irf.jit
def jitted(x, w):
    return model(x, w) * 3


@irf.custom_vjp
def custom(x, w):
    return model(x, w)


custom.defvjp(
    lambda x, w: (model(x, w), (x, w)), lambda kept, g: (g * 7 * kept[0], g * 5 * kept[1])
)


def nested(x, w):
    return jitted(inp.sin(x), w) * model(x, w)


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
@pytest.mark.parametrize("function", [model, jitted, custom, nested])
def test_gradients_are_those_of_grad(function, backend):
    expected = irf.grad(function, argnums=(0, 1))(X, W)
    w = irf.Variable(W, name="w")
    with irf.Graph().as_default() as graph:
        x = irf.placeholder("f32", (None, 3), name="x")
        y = function(x, w)
        found = irf.gradients(y, {"x": x, "w": [w]})
    values = irf.Session(graph, backend=backend).run(found, {x: X})
    np.testing.assert_allclose(values["x"], expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(values["w"][0], expected[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("function", [lambda x: x**4, inp.sin, irf.jit(lambda x: inp.exp(x * x))])
def test_higher_orders(graph, session, function):
    x = irf.placeholder("f64", (), name="x")
    orders, functions = [function(x)], [function]
    for _ in range(3):
        orders.append(irf.gradients(orders[-1], x))
        functions.append(irf.grad(functions[-1]))
    found = session.run(orders, {x: 0.7})
    with_functions = irf.jit(lambda x: [f(x) for f in functions])
    np.testing.assert_allclose(found, session.run(with_functions(x), {x: 0.7}), rtol=1e-9)


def test_a_value_and_one_before_it(graph, session):
    x = irf.placeholder("f32", (), name="x")
    middle = x * x
    end = middle * x
    found = session.run(irf.gradients(end, [x, middle, end]), {x: 3})
    assert found == [27, 3, 1]


def test_several_targets_are_summed(graph, session):
    x = irf.placeholder("f32", (2,), name="x")
    square = x * x
    found = irf.gradients([square, x * 3, x, square], x)
    assert session.run(found, {x: [1, 2]}).tolist() == [8, 12]


def test_what_does_not_depend_has_none(graph):
    x = irf.placeholder("f32", (), name="x")
    other = irf.placeholder("f32", (), name="other")
    assert irf.gradients(x * 2, [other])[0] is None
    assert irf.gradients(irf.stop_gradient(x) * 2, x) is None
    assert irf.gradients((x > 0) * other, [x])[0] is None


@pytest.mark.parametrize("outer", [lambda h: h * h, irf.jit(lambda h: h * h)])
def test_feeding_a_tensor_between_feeds_its_gradient(graph, session, outer):
    x = irf.placeholder("f32", (), name="x")
    middle = irf.jit(lambda x: x * 3)(x)
    slope = irf.gradients(outer(middle), x)
    assert session.run(slope, {x: 1}) == 18
    assert session.run(slope, {x: 1, middle: 10}) == 60


def test_gradients_outside_of_the_block():
    with irf.Graph().as_default() as graph:
        x = irf.placeholder("f32", (), name="x")
        y = x * x
    assert irf.Session(graph).run(irf.gradients(y, x), {x: 3}) == 6


def test_grad_works_inside_of_a_graph(graph, session):
    x = irf.placeholder("f32", (), name="x")
    w = irf.Variable(2.0)
    assert session.run(irf.grad(lambda x: x * x * w)(x), {x: 3}) == 12


# -------------------------------------------------------------------------------------- minimize


OPTIMIZERS = [
    optim.SGD(0.1),
    optim.SGD(0.1, momentum=0.9),
    optim.SGD(lambda step: 0.1 / (step + 1), momentum=0.9, nesterov=True, weight_decay=0.1),
    optim.Adam(0.1),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda optimizer: type(optimizer).__name__)
def test_minimize_takes_the_steps_of_the_optimizer(optimizer):
    params = [irf.asarray(W)]
    state = optimizer.init(params)
    for _ in range(3):
        slopes = irf.grad(lambda params: model(X, params[0]))(params)
        params, state = optimizer.update(slopes, state, params)
    w = irf.Variable(W, name="w")
    with irf.Graph().as_default() as graph:
        x = irf.placeholder("f32", (None, 3), name="x")
        train = optimizer.minimize(model(x, w))
        assert graph.trainable_variables == [w]
    session = irf.Session(graph)
    for _ in range(3):
        assert session.run(train, {x: X}) is None
    np.testing.assert_allclose(w.numpy(), params[0].numpy(), rtol=1e-5, atol=1e-6)


def test_the_state_is_reset_as_well(graph, session):
    w = irf.Variable(3.0, name="w")
    train = optim.SGD(0.1, momentum=0.9).minimize(w * w)
    assert [v.name for v in graph.variables] == ["w", "sgd.step", "sgd.slots[0]['momentum']"]
    initial = irf.global_variables_initializer()
    first = [session.run([train, w])[1] for _ in range(3)]
    session.run(initial)
    assert session.run(graph.variables) == [3, 0, 0]
    assert [session.run([train, w])[1] for _ in range(3)] == first
    assert len(set(first)) == 3


def test_var_list(graph, session):
    a, b = irf.Variable(3.0, name="a"), irf.Variable(3.0, name="b")
    frozen = irf.Variable(3.0, name="frozen", trainable=False)
    loss = a * b * frozen
    only_a, both = optim.SGD(1.0).minimize(loss, var_list=[a]), optim.SGD(1.0).minimize(loss)
    assert [v.name for v in only_a.updates] == ["a", "sgd.step"]
    assert [v.name for v in both.updates] == ["a", "b", "sgd.step_1"]
    session.run(only_a)
    assert session.run([a, b, frozen]) == [-6, 3, 3]
    session.run(optim.SGD(1.0).minimize(loss, [frozen]))
    assert session.run(frozen) == 21


def test_a_fed_learning_rate(graph, session):
    rate = irf.placeholder("f32", (), name="rate")
    w = irf.Variable(1.0, name="w")
    train = optim.SGD(rate).minimize(w * w)
    session.run(train, {rate: 0.25})
    session.run(train, {rate: 0.5})
    assert session.run(w) == 0


def test_a_variable_keeps_its_element_type(graph, session):
    w = irf.Variable([1.0, 2.0], name="w", dtype="bf16")
    session.run(optim.Adam(0.1).minimize((w * w).sum()))
    assert w.dtype is irf.bf16
    assert w.data.dtype == irf.bf16.numpy


class Halving:
    """An optimiser of another kind: without state, careless about element types."""

    def init(self, params):
        return ()

    def update(self, grads, state, params):
        return [p.astype("f64") - 0.5 * p for p in params], state


def test_any_optimizer_of_that_form(graph, session):
    w = irf.Variable([1.0, 2.0], name="w")
    session.run(minimize(Halving(), (w * w).sum()))
    assert session.run(w).tolist() == [0.5, 1]
    assert w.data.dtype == np.float32


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_the_digits_are_learnt(backend):
    (images, labels), (test_images, test_labels) = split_digits()
    images, test_images = (i.reshape(-1, 64).astype(np.float32) / 16 for i in (images, test_images))
    x = irf.placeholder(irf.f32, shape=(None, 64))
    y = irf.placeholder(irf.u8, shape=(None,))
    keys = irf.random.split(irf.random.key(0), 2)
    w1 = irf.Variable(irf.random.normal(keys[0], (64, 32)) * 0.2)
    b1 = irf.Variable(inp.zeros(32))
    w2 = irf.Variable(irf.random.normal(keys[1], (32, 10)) * 0.2)
    b2 = irf.Variable(inp.zeros(10))
    logits = irf.nn.relu(x @ w1 + b1) @ w2 + b2
    loss = irf.losses.softmax_cross_entropy(logits, y)
    train = optim.Adam(0.01).minimize(loss)
    accuracy = (logits.argmax(-1) == y.astype("i64")).astype("f32").mean()
    generator = np.random.default_rng(0)
    with irf.Session(backend=backend) as session:
        session.run(irf.global_variables_initializer())
        assert session.run(accuracy, {x: test_images, y: test_labels}) < 0.3
        for _ in range(200):
            chosen = generator.integers(0, len(images), 64)
            session.run([train, loss], feed_dict={x: images[chosen], y: labels[chosen]})
        assert session.run(accuracy, {x: test_images, y: test_labels}) > 0.93


def test_control_flow(graph, session):
    x = irf.placeholder("f32", (4,), name="x")
    w = irf.Variable(2.0, name="w")
    product, _ = irf.scan(lambda carry, a: (carry * a, None), w.value, x)
    branch = irf.cond(product > 0, lambda p: p * 3, lambda p: p * 5, product)
    count = irf.while_loop(lambda v: v < 100, lambda v: v * 2, branch)
    slopes = irf.gradients(branch, [x, w])
    values = session.run([branch, count, *slopes], {x: [1, 2, 4, 1]})
    assert values[:2] == [48, 192]
    assert values[2].tolist() == [48, 24, 12, 48]
    assert values[3] == 24
    assert session.run(slopes, {x: [-1, 2, 4, 1]})[1] == -40
