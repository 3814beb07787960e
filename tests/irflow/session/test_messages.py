"""The text of every error that an explicit graph can raise."""

import textwrap

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import errors, optim

IMAGES = np.ones((4, 3), np.float32)
LABELS = np.zeros(4, np.int64)


class Model:
    """A graph that is not active, with one of everything, and a session on it."""

    def __init__(self):
        self.graph = irf.Graph("model")
        with self.graph.as_default():
            self.x = irf.placeholder("f32", (None, 3), name="x")
            self.y = irf.placeholder("i64", (None,), name="labels")
            self.w = irf.Variable(inp.ones((3, 2)), name="weights")
            self.h = self.x @ self.w
            self.loss = irf.losses.softmax_cross_entropy(self.h, self.y)
            self.train = optim.SGD(0.1).minimize(self.loss)
        with irf.Graph("other").as_default() as self.other:
            self.z = irf.placeholder("f32", (), name="z")
            self.set_v = irf.Variable(1.0, name="v").assign(self.z)
        self.run = irf.Session(self.graph).run


@pytest.fixture
def m():
    return Model()


def message(error, function, *args):
    """The text of the error that a call raises, without the user's line, which it must have."""
    with pytest.raises(error) as caught:
        function(*args)
    assert type(caught.value) is error
    lines = str(caught.value).splitlines()
    assert sum("test_messages.py:" in line for line in lines if line.startswith("  in ")) == 1
    return "\n".join(line for line in lines if not line.startswith(("  in ", "  made in ")))


def expected(text):
    return textwrap.dedent(text).strip("\n")


def inside(graph, function):
    def call():
        with graph.as_default():
            return function()

    return call


# ------------------------------------------------------------------------------------------ feeds


def test_missing_feeds(m):
    assert message(
        errors.UsageError, m.run, [m.train, {"loss": m.loss, "h": m.h}, m.w], {"labels": LABELS}
    ) == expected("""
        placeholders are not fed: x
          x  f32[batch, 3]  needed by fetches[0], minimize
          x  f32[batch, 3]  needed by fetches[1]['h']
          x  f32[batch, 3]  needed by fetches[1]['loss']
          hint: session.run(…, feed_dict={x: array, …})
        """)
    assert message(errors.UsageError, m.run, m.loss) == expected("""
        placeholders are not fed: x, labels
          x       f32[batch, 3]  needed by fetches
          labels  i64[batch]     needed by fetches
          hint: session.run(…, feed_dict={x: array, …})
        """)


@pytest.mark.parametrize(
    ("given", "type"), [(IMAGES[:, :2], "f32[4, 2]"), ([1, 2, 3], "f32[3]"), (1.0, "f32[]")]
)
def test_a_feed_of_another_shape(m, given, type):
    assert message(errors.ShapeError, m.run, m.h, {m.x: given}) == expected(f"""
        placeholder x: the value has another shape
          declared  f32[batch, 3]
          given     {type}
        """)


def test_feeds_that_disagree(m):
    assert message(errors.ShapeError, m.run, m.loss, {m.x: IMAGES, m.y: LABELS[:1]}) == expected("""
        size batch has two values
          placeholder x       axis 0  batch = 4
          placeholder labels  axis 0  batch = 1
          hint: name the sizes in the shapes, e.g. ("n", 784), if they may differ
        """)


def test_an_empty_feed(m):
    assert message(errors.ShapeError, m.run, m.h, {m.x: IMAGES[:0]}) == expected("""
        placeholder x: batch = 0 is outside 1 <= batch
          placeholder x  axis 0  batch = 0
        """)


def test_a_feed_of_another_element_type(m):
    assert message(errors.DTypeError, m.run, m.h, {m.x: IMAGES.astype("f8")}) == expected("""
        placeholder x: the value has another element type
          declared  f32[batch, 3]
          given     f64[4, 3]
          hint: feed array.astype('float32') if that is meant
        """)
    assert "given     f64[1]" in message(errors.DTypeError, m.run, m.y, {m.y: [1.5]})


def test_feeds_that_are_no_arrays(m):
    assert message(errors.UsageError, m.run, m.h, {m.x: m.x}) == expected("""
        placeholder x: the value is itself symbolic
          hint: feed arrays, numbers and lists
        """)
    text = message(errors.UsageError, m.run, m.h, {m.x: [[1, 2], [3]]})
    assert text.startswith("placeholder x: the value is no array of f32\n  NumPy says  ")
    message(errors.DTypeError, m.run, m.h, {m.x: [["a"]]})
    with irf.Graph().as_default() as graph:
        small = irf.placeholder("i8", (), name="small")
    text = message(errors.UsageError, irf.Session(graph).run, small, {small: 300})
    assert text.startswith("placeholder small: the value is no array of i8")


def test_keys_that_cannot_be_fed(m):
    hint = "hint: a key is a placeholder, a variable, another tensor of the graph, or a name"
    for key, written in [(3, "3"), (m.train, "Operation('minimize')")]:
        assert message(errors.UsageError, m.run, m.h, {key: IMAGES}) == expected(f"""
            feed_dict: {written} cannot be fed
              {hint}
            """)
    assert message(errors.UsageError, m.run, m.h, {m.x: IMAGES, "x": IMAGES}) == (
        "placeholder x is fed twice"
    )
    assert message(errors.UsageError, m.run, m.h, {m.x: IMAGES, m.z: 1}) == expected("""
        feed_dict: the tensor is not of this graph
          tensor      f32[]
          its graph   other
          this graph  model
        """)


def test_a_size_that_no_feed_tells(m):
    count = inside(m.graph, lambda: m.graph.label(inp.ones((m.x.shape[0], 2)).sum(), "count"))()
    assert message(errors.UsageError, m.run, count) == expected("""
        a size is not known in this run
          broadcast  f32[batch, 2]
          hint: feed a placeholder that has it
        """)
    size = inside(m.graph, lambda: irf.asarray(m.x.shape[0]))()
    assert "size_of  batch" in message(errors.UsageError, m.run, size)
    assert m.run([count, size], {m.x: IMAGES}) == [8, 4]


# ---------------------------------------------------------------------------------------- fetches


def test_fetches_of_another_graph(m):
    assert message(errors.UsageError, m.run, [m.z]) == expected("""
        fetches[0]: the tensor is not of this graph
          tensor      f32[]
          its graph   other
          this graph  model
        """)
    assert message(errors.UsageError, m.run, {"set": m.set_v}) == (
        "fetches['set']: the operation v/assign is not of this graph"
    )


@pytest.mark.parametrize("wrong", [3, np.ones(3), print])
def test_what_cannot_be_fetched(m, wrong):
    assert message(errors.UsageError, m.run, [m.h, wrong]) == expected(f"""
        fetches[1] is no tensor, variable, operation or name of one
          given  {type(wrong).__name__}
        """)


def test_unknown_names(m):
    known = "known  labels, minimize, sgd.step, weights, x"
    assert message(errors.UnknownNameError, m.run, "wieghts") == expected(f"""
        unknown name in graph model: 'wieghts'
          {known}
          hint: did you mean 'weights'?
        """)
    assert known in message(errors.UnknownNameError, m.run, m.h, {"images": IMAGES})


def test_a_name_of_several_variables(m):
    inside(m.graph, lambda: irf.Variable(1.0, name="weights"))()
    assert message(errors.UsageError, m.run, "weights") == expected("""
        several variables are called 'weights'
          hint: give the variable
        """)


def test_a_closed_session(m):
    with irf.Session(m.graph) as session:
        session.run(m.w)
    assert message(errors.UsageError, session.run, m.w) == expected("""
        this session is closed
          hint: run inside of its `with` block
        """)
    assert m.run(m.w).shape == (3, 2)


def test_a_variable_that_is_assigned_twice(m):
    reset = inside(m.graph, irf.global_variables_initializer)()
    double = inside(m.graph, lambda: m.w.assign(m.w * 2))()
    feeds = {m.x: IMAGES, m.y: LABELS}
    assert message(errors.UsageError, m.run, [double, m.train], feeds) == expected("""
        variable weights is assigned twice in one run
          by      weights/assign
          and by  minimize
          hint: run one after the other
        """)
    for function in (m.run, lambda ops: irf.group(*ops)):
        text = message(errors.UsageError, function, [double, reset])
        assert text.splitlines()[1:3] == ["  by      init", "  and by  weights/assign"]
    m.run(irf.group(double, irf.group(double)))


# --------------------------------------------------------------------------------------- building

OUTSIDE = """
    a symbolic tensor is used outside of its graph
      tensor   f32[batch, 2]
      hint: compute with it inside `with graph.as_default():`; session.run(tensor) gives its value
    """


@pytest.mark.parametrize(
    "use",
    [
        lambda m: m.h + 1,
        lambda m: 1 - m.h,
        lambda m: inp.tanh(m.h),
        lambda m: m.h.sum(),
        lambda m: m.h @ m.h.T,
        lambda m: irf.asarray(1.0) * m.h,
        lambda m: irf.jit(lambda a: a + m.h)(1.0),
        lambda m: irf.jit(lambda a: a * 2)(m.h),
        lambda m: inside(m.other, lambda: m.z + m.h)(),
        lambda m: m.h.numpy(),
    ],
)
def test_a_tensor_outside_of_its_graph(m, use):
    assert message(errors.LeakedTracerError, use, m) == expected(OUTSIDE)


def test_asking_for_a_value(m):
    def branch():
        return 1 if m.h.sum() > 0 else 2

    hint = "hint: in an explicit graph a tensor has a value only in a run: session.run(tensor, feed"
    rule = "needs the value of a tensor that is only being traced"
    for function, what in [
        (branch, "a branch ('if', 'while', 'and', 'or', 'not')"),
        (lambda: float(m.w.sum()), "float()"),
        (m.w.numpy, "numpy()"),
        (lambda: irf.Variable(m.h), "the initial value of a variable"),
    ]:
        text = message(errors.ConcretizationError, inside(m.graph, function))
        assert text.startswith(f"{what} {rule}")
        assert hint in text


def test_wrong_placeholders(m):
    def wrong(*args, **options):
        return message(
            errors.UsageError, inside(m.graph, lambda: irf.placeholder(*args, **options))
        )

    assert wrong("f32", (), name="x") == expected("""
        the name 'x' is taken in graph model
          by  Tensor(traced, f32[batch, 3])
        """)
    for size in (2.5, -1):
        assert wrong("f32", (1, size), name="q") == expected(f"""
            placeholder q: the size of axis 1 is {size}
              hint: a size is an int, a name, or None
            """)
    assert wrong("f32", 4, name="q") == expected("""
        placeholder q: the shape 4 is no sequence of sizes
          hint: write (4,) for one axis
        """)


def test_graphs_inside_of_functions(m):
    hint = "\n  hint: call the function from the graph, not the other way round"
    jitted = irf.jit(lambda a: irf.placeholder("f32"))
    text = message(errors.UsageError, jitted, 1.0)
    assert text == "a placeholder is used while function lambda is traced" + hint
    jitted = irf.jit(lambda a: inside(m.graph, lambda: a)())
    text = message(errors.UsageError, jitted, 1.0)
    assert text == "graph model is used while function lambda is traced" + hint


def test_a_reset_inside_of_a_graph(m):
    text = expected("""
        the default graph is reset inside of another graph or function
          hint: leave the `with` block first
        """)
    assert message(errors.UsageError, inside(m.graph, irf.reset_default_graph)) == text
    irf.placeholder("f32")
    default = irf.get_default_graph()
    assert message(errors.UsageError, inside(m.graph, irf.reset_default_graph)) == text
    assert message(errors.UsageError, inside(default, irf.reset_default_graph)) == text
    assert irf.get_default_graph() is default
    assert default.is_alive


def test_wrong_labels(m):
    assert message(errors.UsageError, m.graph.label, m.h, "x") == expected("""
        the name 'x' is taken in graph model
          by  Tensor(traced, f32[batch, 3])
        """)
    assert message(errors.UsageError, m.graph.label, irf.asarray(1.0), "one") == expected("""
        label: the tensor is not of this graph
          tensor      f32[]
          its graph   none, it is concrete
          this graph  model
        """)


def test_wrong_groups(m):
    rule = "group takes operations, such as variable.assign(…) and optimizer.minimize(…)"
    assert message(errors.UsageError, irf.group) == rule
    assert message(errors.UsageError, irf.group, m.train, m.h) == (
        rule + "\n  given  Operation\n  given  Tensor"
    )
    text = message(errors.UsageError, irf.group, m.train, m.set_v)
    assert text == "group: the operations belong to different graphs"
    text = message(errors.UsageError, lambda: irf.group(m.train, name="x"))
    assert text.startswith("the name 'x' is taken")


# -------------------------------------------------------------------------------------- gradients


def test_wrong_gradients(m):
    for target, written in [
        (3.0, "3.0"),
        ([], "nothing"),
        ([m.loss, 1], "Tensor(traced, f32[]), 1"),
    ]:
        assert message(errors.GradientError, irf.gradients, target, m.x) == expected(f"""
            only symbolic tensors of an explicit graph have gradients in it
              given  {written}
              hint: irf.grad differentiates functions
            """)
    assert message(errors.GradientError, irf.gradients, m.loss, [IMAGES]) == expected("""
        gradients are by symbolic tensors and variables
          given  ndarray
        """)
    assert message(errors.GradientError, irf.gradients, m.loss, m.y) == expected("""
        derivative with respect to labels of type i64[batch]
          hint: only float inputs have derivatives
        """)
    assert message(errors.UsageError, irf.gradients, m.loss, m.z) == expected("""
        gradients: the tensor is not of this graph
          tensor      f32[]
          its graph   other
          this graph  model
        """)


def test_wrong_losses(m):
    minimize = optim.SGD().minimize
    assert message(errors.GradientError, minimize, m.h) == expected("""
        minimize: the loss is of type f32[batch, 2]
          wanted  a float scalar
        """)
    unused = inside(m.graph, lambda: irf.Variable(1.0, name="unused"))()
    assert message(errors.GradientError, minimize, m.loss, [m.w, unused]) == expected("""
        minimize: the loss does not depend on what is to be changed
          variable  unused  f32[]
        """)
    assert message(errors.GradientError, minimize, m.z) == expected("""
        minimize: the loss does not depend on what is to be changed
          variable  v  f32[]
        """)
    assert message(errors.GradientError, minimize, m.loss, [m.x]) == expected("""
        minimize: var_list holds something that is no Variable
          given  Tensor
        """)
    assert "only symbolic tensors" in message(errors.GradientError, minimize, 3.0)
