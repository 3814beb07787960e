"""The text of every error a user of tensors, `jit` and derivatives can meet, word by word."""

import inspect
import textwrap

import numpy as np
import pytest

import irflow as irf
import irflow.numpy as inp
from irflow import errors

F32 = np.float32
X = irf.asarray(np.ones((32, 128), F32))
W = irf.asarray(np.ones((10, 128), F32))


def message(error, function, *args):
    """The text of the error that a call raises, with the line number taken out of the location.

    The user's line is the one in `function` (given last in the location), whatever calls it.
    """
    with pytest.raises(error) as caught:
        function(*args)
    assert type(caught.value) is error
    return "\n".join(
        line
        if not line.startswith("  in ")
        else "  in " + line.split(":", 2)[2].strip()
        if ":    " not in line
        else f"  in {line.split(', ')[1].split(':')[0]}: {line.split(':    ')[1]}"
        for line in str(caught.value).splitlines()
    )


def expected(text):
    return textwrap.dedent(text).strip("\n")


NEEDS = "needs the value of a tensor that is only being traced"


def product(x, w):
    return x @ w


def total(x, y):
    return x + y


def branch(x):
    return x if x > 0 else -x


@pytest.mark.parametrize("wrap", [lambda f: f, irf.jit, lambda f: lambda *a: irf.vjp(f, *a)])
def test_wrong_shapes(wrap):
    assert message(errors.ShapeError, wrap(product), X, W) == expected("""
        matmul: inner sizes differ
          left   f32[32, 128]  axis 1 = 128
          right  f32[10, 128]  axis 0 = 10
          in product: return x @ w
          hint: w looks transposed; w.T would fit
        """)
    assert message(errors.ShapeError, wrap(total), X, W) == expected("""
        add: shapes do not broadcast
          operand 0  f32[32, 128]  axis 0 = 32
          operand 1  f32[10, 128]  axis 0 = 10
          in total: return x + y
        """)


def test_no_hint_when_it_would_be_wrong():
    text = message(errors.ShapeError, product, X, irf.asarray(np.ones((10, 7), F32)))
    assert "hint" not in text


def test_a_batch_that_does_not_broadcast():
    def batches(x, y):
        return x @ y

    a, b = np.ones((2, 3, 4), F32), np.ones((5, 4, 3), F32)
    assert message(errors.ShapeError, batches, irf.asarray(a), b) == expected("""
        matmul: the batch axes: shapes do not broadcast
          operand 0  f32[2]  axis 0 = 2
          operand 1  f32[5]  axis 0 = 5
          in batches: return x @ y
        """)


def test_a_scalar_in_a_product():
    assert message(errors.ShapeError, product, X, 2.0) == expected("""
        matmul: a scalar has no axis to multiply along
          left   f32[32, 128]
          right  f32[]
          in product: return x @ w
          hint: use * instead
        """)


def test_wrong_dtypes():
    def shift(x):
        return x << 1

    assert message(errors.DTypeError, shift, X) == expected("""
        left_shift is not defined for f32
          in shift: return x << 1
        """)

    def too_large(x):
        return x + 300

    assert message(errors.DTypeError, too_large, inp.zeros(2, "u8")) == expected("""
        the integer 300 does not fit in u8
          in too_large: return x + 300
        """)

    def words():
        return irf.asarray(["a"])

    assert message(errors.DTypeError, words).startswith("arrays of dtype <U1 have no place in a")


def test_a_branch_on_data():
    assert message(errors.ConcretizationError, irf.jit(branch), 1.0) == expected("""
        a branch ('if', 'while', 'and', 'or', 'not') {needs}
          tensor   bool[]
          made in  {line}
          in branch: return x if x > 0 else -x
          hint: inside jit a choice by data is inp.where; a setting can be a static argument
        """).format(line=made_in(branch, 1), needs=NEEDS)


def made_in(function, offset):
    lines, start = inspect.getsourcelines(function)
    place = f"test_messages.py:{start + offset}, {function.__name__}"
    return f"{place}:    {lines[offset].strip()}"


@pytest.mark.parametrize(
    ("use", "wanted"),
    [
        (int, "int()"),
        (float, "float()"),
        (complex, "complex()"),
        (lambda x: x.item(), "item()"),
        (lambda x: x.tolist(), "tolist()"),
        (lambda x: x.numpy(), "numpy()"),
        (np.asarray, "a NumPy function"),
        (lambda x: range(3)[x.astype("i32")], "an index"),
        (lambda x: inp.arange(3)[(x > 0).reshape(1) & inp.ones(3, "bool")], "a boolean mask as an"),
    ],
)
def test_the_value_of_a_traced_tensor(use, wanted):
    with pytest.raises(errors.ConcretizationError) as caught:
        irf.jit(use)(1.0)
    assert caught.value.summary.startswith(wanted)
    assert caught.value.location is not None


def test_a_traced_argument_is_named():
    text = message(errors.ConcretizationError, irf.jit(lambda x, count: float(count)), X, 2)
    assert "\n  it is   argument count\n" in text


def test_a_leaked_tensor():
    kept = []

    def leak(x):
        kept.append(x * 2)
        return x

    irf.jit(leak)(1.0)

    def use():
        return kept[0] + 1

    text = expected("""
        a traced tensor is used after its trace has ended
          tensor   f32[]
          made in  {line}
          in use: return kept[0] + 1
          hint: return it from the function instead of storing it; state belongs in a Variable
        """).replace("{line}", made_in(leak, 1))
    assert message(errors.LeakedTracerError, use) == text
    assert message(errors.LeakedTracerError, irf.jit(use)) == text
    with pytest.raises(errors.LeakedTracerError):
        bool(kept[0])


def test_a_leaked_tensor_of_a_failed_trace():
    kept = []

    def fail(x):
        kept.append(x)
        raise KeyError

    with pytest.raises(KeyError):
        irf.grad(fail)(1.0)
    with pytest.raises(errors.LeakedTracerError):
        kept[0] + 1


def test_undecidable_sizes():
    add = irf.jit(total, spec=("f32[n]", "f32[m]"))
    assert message(errors.UndecidableSizeError, add, np.ones(3, F32), np.ones(3, F32)) == expected(
        """
        cannot decide n == m
          known   1 <= m
          known   1 <= n
          needed  n == m
          in total: return x + y
          hint: use one name for n and m in the spec if they are always equal
        """
    )

    def by_size(x):
        return x if x.shape[0] > 3 else -x

    text = message(errors.UndecidableSizeError, irf.jit(by_size, spec="f32[n]"), np.ones(3, F32))
    assert text.startswith("cannot decide n > 3\n")
    assert "  in by_size: return x if x.shape[0] > 3 else -x" in text


def test_a_donated_tensor():
    step = irf.jit(lambda x: x + 1, donate_argnums=0)
    given = irf.asarray([1.0, 2.0])
    step(given)

    def read():
        return given * 2

    assert message(errors.DonatedTensorError, read) == expected("""
        this tensor was donated to a compiled function and has no memory any more
          tensor  f32[2]
          in read: return given * 2
          hint: use the function's result, or do not donate the argument
        """)
    with pytest.raises(errors.DonatedTensorError):
        np.asarray(given)
    assert repr(given) == "Tensor(donated, f32[2])"


def test_an_argument_that_is_no_tensor():
    def call():
        return irf.jit(lambda x, options: x)(1.0, {"mode": "fast"})

    assert message(errors.UsageError, call) == expected("""
        lambda: argument options['mode'] is a str, not a tensor
          in call: return irf.jit(lambda x, options: x)(1.0, {"mode": "fast"})
          hint: pass it as a static argument (static_argnames=…) if it is a setting
        """)


def test_a_static_argument_that_is_not_hashable():
    def call():
        return irf.jit(lambda x, sizes: x, static_argnums=1)(1.0, [1, 2])

    assert message(errors.UsageError, call) == expected("""
        lambda: static argument sizes is a list, which is not hashable
          in call: return irf.jit(lambda x, sizes: x, static_argnums=1)(1.0, [1, 2])
          hint: pass a tuple, a frozen dataclass or a number
        """)


def test_arguments_that_do_not_exist():
    with pytest.raises(errors.UnknownNameError, match="unknown parameter 'sise'"):
        irf.jit(lambda x, size: x, static_argnames="sise")
    with pytest.raises(errors.UsageError, match="argument 2 of a function with 2 positional"):
        irf.jit(lambda x, size: x, donate_argnums=2)


def test_a_result_that_is_no_tensor():
    def call():
        return irf.jit(lambda x: {"y": x, "name": "a"})(1.0)

    assert message(errors.TreeError, call) == expected("""
        lambda returns something that is not a tensor
          result['name']  str
          in call: return irf.jit(lambda x: {"y": x, "name": "a"})(1.0)
          hint: return tensors, arrays, numbers and None, in tuples, lists, dicts or dataclasses
        """)


def test_arguments_against_a_spec():
    f = irf.jit(lambda x, y: x, spec=("f32[n, 3]", ("i32[n]",)), constraints="2 <= n <= 8")
    x, y = np.ones((4, 3), F32), np.ones(4, np.int32)
    f(x, (y,))

    def call(*args):
        return f(*args)

    assert message(errors.TreeError, call, x, y) == expected("""
        the arguments have another structure than spec=
          spec   (*, (*,))
          given  (*, *)
          in call: return f(*args)
        """)
    assert message(errors.DTypeError, call, x.astype("f8"), (y,)) == expected("""
        lambda: argument x has another element type
          declared  f32[n, 3]
          given     f64[4, 3]
          in call: return f(*args)
        """)
    assert message(errors.ShapeError, call, x[0], (y,)) == expected("""
        lambda: argument x has another shape
          declared  f32[n, 3]
          given     f32[3]
          in call: return f(*args)
        """)
    for wrong in [(x[:, :2], (y,)), (x, (y[:3],)), (x[:1], (y[:1],)), (np.ones((9, 3), F32), (y,))]:
        with pytest.raises(errors.ShapeError) as caught:
            call(*wrong)
        assert caught.value.location.function == "call"
    with pytest.raises(errors.ShapeError, match="n = 1 is outside 2 <= n <= 8"):
        irf.jit(lambda x, y: f(x, (y,)))(x[:1], y[:1])
    text = message(errors.ShapeError, call, x[:1], (y[:1],))
    assert text.startswith("x: n = 1 is outside 2 <= n <= 8\n  x  axis 0  n = 1\n")


def test_compiled_for_something_else():
    f = irf.jit(lambda x, size: x * size, static_argnums=1)
    compiled = f.trace("f32[3]", 2).lower().compile()
    x = np.ones(3, F32)
    assert compiled(x, 2).tolist() == [2, 2, 2]

    def call(*args):
        return compiled(*args)

    assert message(errors.UsageError, call, x, 3) == expected("""
        lambda: other static arguments than compiled for
          compiled  {'size': 2}
          given     {'size': 3}
          in call: return compiled(*args)
        """)
    assert message(errors.TreeError, call, (x,), 2).startswith(
        "lambda: arguments of another structure than compiled for\n  compiled  ((*, None), {})\n"
    )
    assert message(errors.ShapeError, call, x[:2], 2).startswith(
        "lambda: argument x has another shape\n  declared  f32[3]\n  given     f32[2]\n"
    )


def test_a_gradient_of_something_else():
    def call(function, *args):
        return irf.grad(function)(*args)

    assert message(errors.GradientError, call, lambda x: x * 2, irf.asarray([1.0, 2.0])) == (
        expected("""
        gradient of a result of type f32[2]
          wanted  a float scalar
          in <lambda>: assert message(errors.GradientError, call, lambda x: x * 2, irf.asarray([1.0, 2.0])) == (
          hint: reduce it to one number first, for example with .mean()
        """)  # noqa: E501
    )
    assert message(errors.GradientError, call, lambda x: (x, x), 1.0) == expected("""
        the function returns a structure, not one scalar
          returned  (*, *)
          in call: return irf.grad(function)(*args)
          hint: return (loss, rest) and pass has_aux=True
        """)
    assert message(errors.GradientError, call, lambda n: n * 0.5, 3) == expected("""
        derivative with respect to n of type i64[]
          in call: return irf.grad(function)(*args)
          hint: only float inputs have derivatives
        """)
    assert message(errors.GradientError, call, lambda z: 1.0, 1j) == expected("""
        derivative with respect to z of type complex64[]
          in call: return irf.grad(function)(*args)
          hint: there are no derivatives by complex inputs; use the real and imaginary parts
        """)
    assert message(errors.UsageError, lambda: irf.grad(abs, 1)(1.0)).startswith(
        "value_and_grad: argnums 1, but 1 positional arguments were given"
    )


def test_a_cotangent_of_another_shape():
    def call():
        return irf.vjp(lambda x: x * 2, np.ones(3, F32))[1](np.ones(2, F32))

    assert message(errors.GradientError, call) == expected("""
        a cotangent has another shape than its result
          expected  f32[3]
          given     f32[2]
          in call: return irf.vjp(lambda x: x * 2, np.ones(3, F32))[1](np.ones(2, F32))
        """)


def test_a_custom_gradient_that_is_missing():
    @irf.custom_vjp
    def halved(x):
        return x

    def call():
        return irf.grad(halved)(1.0)

    assert message(errors.UsageError, call) == expected("""
        custom_vjp function halved has no gradient yet
          in call: return irf.grad(halved)(1.0)
          hint: call .defvjp(forward, backward) first
        """)


def test_forward_mode_of_a_custom_gradient():
    halved = irf.custom_vjp(lambda x: x)
    halved.defvjp(lambda x: (x, ()), lambda residuals, g: (g * 0.5,))

    def call():
        return irf.jvp(halved, (1.0,), (1.0,))

    assert message(errors.GradientError, call) == expected("""
        custom_vjp functions have no forward mode
          in call: return irf.jvp(halved, (1.0,), (1.0,))
          hint: only their gradient in reverse is given
        """)


def test_indices():
    x = inp.arange(5)

    def pick(key):
        return x[key]

    assert message(errors.ShapeError, pick, 5) == expected("""
        index 5 is out of range
          axis  0
          size  5
          in pick: return x[key]
        """)
    assert message(errors.ShapeError, pick, (0, 0)) == expected("""
        2 indices for a tensor of rank 1
          tensor  i64[5]
          in pick: return x[key]
        """)
    assert message(errors.ShapeError, pick, np.ones(4, bool)) == expected("""
        the mask has another shape than the axes it indexes
          tensor  i64[5]
          mask    bool[4]
          in pick: return x[key]
        """)
    for key, text in [
        ("a", "str does not index a tensor"),
        (1.5, "float does not index a tensor"),
        (np.ones(2), "indices of type f64[2]"),
        (True, "a single bool does not index a tensor"),
        ((..., ...), "an index may hold '...' once"),
        (slice(None, None, 0), "a slice with step 0"),
        ([0, 9], "index 9 is out of range"),
    ]:
        assert message(kind_of(text), pick, key).startswith(text)


def kind_of(text):
    return errors.ShapeError if "out of range" in text else errors.UsageError


def test_a_variable_of_another_shape():
    weight = irf.Variable(np.ones(3, F32), name="dense/w")

    def call():
        weight.assign(np.ones(4, F32))

    assert message(errors.ShapeError, call) == expected("""
        variable dense/w: a value of another shape is assigned
          variable  f32[3]
          value     f32[4]
          in call: weight.assign(np.ones(4, F32))
        """)


def test_backends_by_name():
    with pytest.raises(errors.UnknownNameError, match="unknown backend 'nunpy'"):
        irf.jit(lambda x: x, backend="nunpy")(1.0)
    with pytest.raises(errors.UnknownNameError), irf.use_backend("lvm"):
        pass
