"""Layers against direct loops and formulas."""

import itertools

import numpy as np
import pytest

import irflow as irf
from irflow import nn, random
from irflow.nn import geometry
from tests.irflow.nn.references import best_boxes

RNG = np.random.default_rng(0)


def slow_conv(x, w, strides, pads, dilations, groups):
    """The definition of a convolution, one output at a time."""
    rank = x.ndim - 2
    x = np.pad(x, [(0, 0), *pads, (0, 0)])
    window = [(k - 1) * d + 1 for k, d in zip(w.shape, dilations, strict=False)]
    out = [(x.shape[1 + i] - window[i]) // strides[i] + 1 for i in range(rank)]
    result = np.zeros((x.shape[0], *out, w.shape[-1]))
    inside, outside = x.shape[-1] // groups, w.shape[-1] // groups
    for place in itertools.product(*map(range, out)):
        for offset in itertools.product(*map(range, w.shape[:rank])):
            at = [
                p * s + o * d for p, s, o, d in zip(place, strides, offset, dilations, strict=True)
            ]
            for g in range(groups):
                pixels = x[(slice(None), *at, slice(g * inside, (g + 1) * inside))]
                channels = slice(g * outside, (g + 1) * outside)
                result[(slice(None), *place, channels)] += (
                    pixels @ w[(*offset, slice(None), channels)]
                )
    return result


CONVOLUTIONS = [
    ((2, 7, 3), (3, 3, 4), 1, "valid", 1, 1),
    ((1, 6, 5, 2), (3, 2, 2, 3), 1, "valid", 1, 1),
    ((2, 7, 6, 2), (3, 3, 2, 3), 2, "same", 1, 1),
    ((1, 8, 8, 4), (3, 3, 2, 6), (1, 2), ((1, 2), (0, 1)), 1, 2),
    ((1, 9, 7, 2), (2, 3, 2, 2), 1, "same", (3, 2), 1),
    ((1, 4, 4, 3, 2), (2, 2, 2, 2, 2), (1, 2, 1), "same", 1, 1),
    ((2, 5, 5, 3), (3, 3, 1, 6), 1, "same", 1, 3),
]


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolution(case):
    shape, kernel, strides, padding, dilations, groups = case
    x, w, b = RNG.normal(size=shape), RNG.normal(size=kernel), RNG.normal(size=kernel[-1])
    rank = len(shape) - 2
    steps, gaps = geometry.per_axis(strides, rank), geometry.per_axis(dilations, rank)
    pads = geometry.pads(padding, shape[1:-1], kernel[:rank], steps, gaps)
    options = {"strides": strides, "padding": padding, "dilations": dilations, "groups": groups}
    found = nn.conv(x, w, b, **options)
    expected = slow_conv(x, w, steps, pads, gaps, groups) + b
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-9, atol=1e-12)
    if padding == "same":
        wanted = [-(-size // step) for size, step in zip(shape[1:-1], steps, strict=True)]
        assert list(found.shape[1:-1]) == wanted


def test_the_gradient_of_a_convolution():
    x, w = RNG.normal(size=(2, 5, 6, 2)), RNG.normal(size=(3, 2, 2, 4))

    def loss(x, w):
        return (nn.conv(x, w, strides=2, padding="same") ** 2.0).sum()

    gradients = irf.grad(loss, (0, 1))(x, w)
    for position, index in [(0, (1, 2, 3, 1)), (0, (0, 4, 5, 0)), (1, (2, 1, 0, 3))]:
        ends = []
        for sign in (1, -1):
            moved = [x.copy(), w.copy()]
            moved[position][index] += sign * 1e-6
            ends.append(loss(*moved).item())
        expected = (ends[0] - ends[1]) / 2e-6
        np.testing.assert_allclose(np.asarray(gradients[position])[index], expected, rtol=1e-5)


def slow_pool(x, window, strides, pads, function, fill):
    x = np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=fill)
    out = [(x.shape[1 + i] - window[i]) // strides[i] + 1 for i in range(2)]
    result = np.zeros((x.shape[0], *out, x.shape[-1]))
    for i, j in itertools.product(*map(range, out)):
        a, b = i * strides[0], j * strides[1]
        result[:, i, j] = function(x[:, a : a + window[0], b : b + window[1]], axis=(1, 2))
    return result


@pytest.mark.parametrize("strides", [None, 1, (2, 3)])
@pytest.mark.parametrize("padding", ["valid", "same", ((1, 0), (0, 1))])
def test_pooling(strides, padding):
    x = RNG.normal(size=(2, 7, 6, 3))
    window = (3, 2)
    steps = window if strides is None else geometry.per_axis(strides, 2)
    pads = geometry.pads(padding, x.shape[1:-1], window, steps, (1, 1))
    found = nn.max_pool(x, window, strides, padding)
    np.testing.assert_allclose(
        np.asarray(found), slow_pool(x, window, steps, pads, np.max, -np.inf)
    )
    found = nn.avg_pool(x, window, strides, padding)
    np.testing.assert_allclose(
        np.asarray(found), slow_pool(x, window, steps, pads, np.nanmean, np.nan)
    )
    found = nn.avg_pool(x, window, strides, padding, count_padding=True)
    np.testing.assert_allclose(np.asarray(found), slow_pool(x, window, steps, pads, np.mean, 0.0))


def test_same_padding_puts_the_odd_zero_last():
    for size, window, stride, dilation, expected in [
        (6, 3, 2, 1, (0, 1)),
        (5, 3, 2, 1, (1, 1)),
        (5, 2, 1, 1, (0, 1)),
        (7, 3, 1, 2, (2, 2)),
        (4, 1, 3, 1, (0, 0)),
    ]:
        assert geometry.pads("same", [size], [window], [stride], [dilation]) == (expected,)


def test_wrong_padding():
    with pytest.raises(irf.errors.UsageError, match="padding 'full'"):
        nn.conv(np.ones((1, 3, 3, 1)), np.ones((2, 2, 1, 1)), padding="full")
    with pytest.raises(irf.errors.UsageError, match="one number, or one for each of 2"):
        nn.conv(np.ones((1, 3, 3, 1)), np.ones((2, 2, 1, 1)), strides=(1, 1, 1))


def test_one_hot_and_embedding():
    assert nn.one_hot([1, 0, 3, -1], 3).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert nn.one_hot(np.ones((2, 2), int), 2, "i8").dtype is irf.i8
    table = RNG.normal(size=(5, 2))
    ids = np.array([[0, 4], [1, 1]])
    np.testing.assert_array_equal(np.asarray(nn.embedding(table, ids)), table[ids])
    gradient = irf.grad(lambda t: nn.embedding(t, ids).sum())(table)
    np.testing.assert_array_equal(np.asarray(gradient)[:, 0], [1, 2, 0, 0, 1])


def test_normalisation():
    x, scale, offset = RNG.normal(size=(3, 4, 5)) * 3 + 1, RNG.normal(size=5), RNG.normal(size=5)
    centred = x - x.mean(-1, keepdims=True)
    expected = centred / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(np.asarray(nn.layer_norm(x)), expected, rtol=1e-9)
    found = nn.layer_norm(x, scale, offset)
    np.testing.assert_allclose(np.asarray(found), expected * scale + offset, rtol=1e-9)
    both = nn.layer_norm(x, axis=(1, 2), epsilon=0.1)
    centred = x - x.mean((1, 2), keepdims=True)
    expected = centred / np.sqrt(x.var((1, 2), keepdims=True) + 0.1)
    np.testing.assert_allclose(np.asarray(both), expected, rtol=1e-9)
    found = nn.rms_norm(x, scale)
    expected = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * scale
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-9)


def test_normalisation_of_half_floats_is_done_in_f32():
    x = irf.asarray(300 + np.arange(64) % 2, "f16")
    found = np.asarray(nn.layer_norm(x, epsilon=0.0))
    assert found.dtype == np.float16
    np.testing.assert_allclose(found.astype("f4"), np.where(np.arange(64) % 2, 1, -1), rtol=2e-3)
    large = irf.asarray(np.full(4, 300.0), "f16")  # the square is beyond f16
    np.testing.assert_allclose(np.asarray(nn.rms_norm(large)).astype("f4"), 1.0, rtol=2e-3)


def test_dropout():
    x = np.ones((200, 100), np.float32)
    key = random.key(3)
    once, again = nn.dropout(x, 0.2, key), irf.jit(lambda x, k: nn.dropout(x, 0.2, k))(x, key)
    values = np.asarray(once)
    np.testing.assert_array_equal(values, np.asarray(again))
    assert set(np.unique(values)) == {0.0, np.float32(1.25)}
    assert abs((values == 0).mean() - 0.2) < 0.01
    assert abs(values.mean() - 1) < 0.02
    other = np.asarray(nn.dropout(x, 0.2, random.key(4)))
    assert abs(((values == 0) & (other == 0)).mean() - 0.04) < 0.01
    gradient = np.asarray(irf.grad(lambda x: nn.dropout(x, 0.2, key).sum())(x))
    np.testing.assert_array_equal(gradient, values)
    assert nn.dropout(x, 0.0, key).tolist() == x.tolist()
    assert nn.dropout(irf.asarray(x, "bf16"), 0.5, key).dtype is irf.bf16
    for rate in (1.0, -0.1):
        with pytest.raises(irf.errors.UsageError, match=rf"dropout rate {rate} is not in \[0, 1\)"):
            nn.dropout(x, rate, key)


def test_other_dropouts():
    key, x = random.key(1), np.ones((50, 20, 30), np.float32)
    channels = np.asarray(nn.spatial_dropout(x, 0.4, key))
    assert (channels == channels[:, :1]).all()
    assert abs((channels == 0).mean() - 0.4) < 0.03
    rows = np.asarray(nn.dropout(x, 0.4, key, shared_axes=(-1,)))
    assert (rows == rows[..., :1]).all()
    assert len(np.unique(rows[0])) == 2
    wide = np.asarray(random.normal(key, (300, 100)))
    kept = np.asarray(nn.alpha_dropout(wide, 0.3, random.key(2)))
    assert abs(kept.mean()) < 0.03
    assert abs(kept.var() - 1) < 0.03
    noisy = np.asarray(nn.gaussian_dropout(x, 0.2, key))
    assert abs(noisy.mean() - 1) < 0.02
    assert abs(noisy.var() - 0.25) < 0.02
    moved = np.asarray(nn.gaussian_noise(x, 0.5, key)) - 1
    assert abs(moved.std() - 0.5) < 0.01
    for function in (nn.alpha_dropout, nn.gaussian_dropout, nn.spatial_dropout):
        with pytest.raises(irf.errors.UsageError, match=r"dropout rate 1.5 is not in \[0, 1\)"):
            function(x, 1.5, key)


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
@pytest.mark.parametrize("count", [3, 20])
def test_non_max_suppression(backend, count):
    rng = np.random.default_rng(4)
    boxes = np.concatenate([rng.random((15, 2)), rng.random((15, 2))], 1).astype(np.float32)
    scores = rng.permutation(15).astype(np.float32)
    scores[3] = scores[7]

    def run(boxes, scores, **options):
        return nn.non_max_suppression(boxes, scores, count, **options)

    compiled = irf.jit(run, spec=("f32[n, 4]", "f32[n]"), backend=backend)
    expected = best_boxes(boxes, scores, count, 0.5)
    for found in (run(boxes, scores), compiled(boxes, scores)):
        assert (found[0].tolist(), found[1].item()) == expected
    found = run(boxes, scores, iou_threshold=0.2, score_threshold=5.0)
    assert (found[0].tolist(), found[1].item()) == best_boxes(boxes, scores, count, 0.2, 5.0)
    broken = np.where(scores > 8, np.nan, scores)
    assert not np.isnan(broken[run(boxes, broken)[0].tolist()[0]])
    points = boxes[:3] * 0
    assert run(points, scores[:3] * 0)[0].tolist()[:4] == [0, 1, 2, -1][:count]
    assert run(boxes[:1], scores[:1], score_threshold=float(scores[0]))[1].item() == 0
    nothing = run(boxes[:0], scores[:0])
    assert (nothing[0].tolist(), nothing[1].item()) == ([-1] * count, 0)


def test_attention_with_dropout_and_without_a_batch():
    q, k, v = (RNG.normal(size=(5, 2, 3)) for _ in range(3))
    key = random.key(0)
    weights = np.asarray(nn.attention_weights(q, k))[0]
    kept = np.asarray(nn.dropout(weights[None], 0.5, key))[0]
    found = nn.dot_product_attention(q, k, v, dropout_rate=0.5, dropout_key=key)
    np.testing.assert_allclose(np.asarray(found), np.einsum("hts,she->the", kept, v))
    alone = nn.dot_product_attention(q, k, v)
    np.testing.assert_allclose(np.asarray(alone), np.einsum("hts,she->the", weights, v))
    with pytest.raises(irf.errors.UsageError, match="dropout needs a random key"):
        nn.dot_product_attention(q, k, v, dropout_rate=0.5)
    with pytest.raises(irf.errors.ShapeError, match="the heads do not fit"):
        nn.dot_product_attention(q, k[:, :1], v)
    hidden = nn.dot_product_attention(q, k, v, mask=np.zeros((5, 5), bool))
    expected = np.broadcast_to(v.mean(0), hidden.shape)
    np.testing.assert_allclose(np.asarray(hidden), expected, err_msg="the mean of all values")


def test_attention_of_half_floats():
    q = RNG.normal(size=(1, 4, 2, 8)) * 6
    found = nn.dot_product_attention(*(irf.asarray(q, "bf16"),) * 3, is_causal=True)
    assert found.dtype is irf.bf16
    expected = nn.dot_product_attention(q, q, q, is_causal=True)
    np.testing.assert_allclose(np.asarray(found).astype("f8"), np.asarray(expected), atol=0.5)


def test_recurrent_states():
    x, w, u = RNG.normal(size=(2, 4, 3)), RNG.normal(size=(3, 8)), RNG.normal(size=(2, 8))
    outputs, (h, c) = nn.lstm(x, w, u)
    np.testing.assert_allclose(np.asarray(h), np.asarray(outputs)[:, -1])
    first, state = nn.lstm(x[:, :2], w, u)
    _, (again, memory) = nn.lstm(x[:, 2:], w, u, initial_state=state)
    np.testing.assert_allclose(np.asarray(again), np.asarray(h))
    np.testing.assert_allclose(np.asarray(memory), np.asarray(c))
    step, _ = nn.lstm_cell(x[:, 0], (np.zeros((2, 2)), np.zeros((2, 2))), w, u)
    np.testing.assert_allclose(np.asarray(step), np.asarray(first)[:, 0])
    mask = np.array([[True, False, True, False]] * 2)
    shown = np.asarray(nn.simple_rnn(x, w[:, :2], u[:, :2], mask=mask, zero_masked=True)[0])
    assert (shown[:, [1, 3]] == 0).all()
    assert (shown[:, [0, 2]] != 0).all()
    own = np.asarray(nn.gru_cell(x[:, 0], np.zeros((2, 2)), w[:, :6], u[:, :6])[0])
    np.testing.assert_allclose(own, np.asarray(nn.gru(x, w[:, :6], u[:, :6])[0])[:, 0])


def test_symbolic_images():
    """Sizes need not be known where the padding does not depend on them."""
    w = RNG.normal(size=(3, 3, 2, 4)).astype(np.float32)
    x = RNG.normal(size=(1, 6, 5, 2)).astype(np.float32)
    for function in (
        lambda x: nn.conv(x, w, padding="same"),
        lambda x: nn.conv_transpose(x, np.swapaxes(w, 2, 3), strides=2, padding="same"),
        lambda x: nn.global_avg_pool(nn.max_pool(x, 2)),
        lambda x: nn.upsample(nn.group_norm(x, 2)),
    ):
        constraints = "2 <= h <= 99, 2 <= w <= 99"
        compiled = irf.jit(function, spec=("f32[n, h, w, 2]",), constraints=constraints)
        np.testing.assert_allclose(
            np.asarray(compiled(x)), np.asarray(function(x)), rtol=1e-4, atol=1e-5
        )
    strided = irf.jit(lambda x: nn.conv(x, w, padding="same", strides=2), spec=("f32[n, h, 9, 2]",))
    with pytest.raises(irf.errors.UndecidableSizeError, match="depends on the spatial size"):
        strided(x[:, :, [0, 0, 1, 1, 2, 2, 3, 3, 4]])


WRONG = [
    (lambda: nn.conv_transpose(IMAGE, KERNEL, strides=2, output_padding=2), "output_padding 2"),
    (lambda: nn.conv_transpose(IMAGE, KERNEL, padding="causal"), "padding 'causal'"),
    (lambda: nn.conv(IMAGE, KERNEL, data_format="NHWC"), "data_format 'NHWC'"),
    (lambda: nn.resize(IMAGE, (2, 2), "linear"), "resize: method 'linear'"),
    (lambda: nn.crop(IMAGE, (1, 2, 3)), "one number, or one entry for each of 2"),
    (lambda: nn.sample(IMAGE, np.zeros((1, 2, 2)), fill_mode="odd"), "fill_mode 'odd'"),
    (lambda: nn.batch_norm(IMAGE, np.ones(2)), "a mean comes with a variance"),
    (lambda: nn.group_norm(IMAGE, 3), "group_norm: 3 groups of 2 channels"),
    (lambda: nn.batch_norm(IMAGE, None, None, np.ones((2, 2))), "one number a channel"),
    (lambda: nn.sample(IMAGE, np.zeros((1, 2, 3))), "one coordinate for each spatial axis"),
    (lambda: nn.affine_transform(IMAGE, np.zeros(6)), "8 numbers each"),
    (lambda: nn.resize(IMAGE, (2, 2, 2, 2)), "images with 4 spatial axes"),
    (lambda: nn.rotary_embedding(np.zeros((2, 2, 3))), "even features is wanted"),
    (lambda: nn.box_iou(np.zeros((3, 5)), np.zeros((3, 4))), "boxes are"),
    (lambda: nn.non_max_suppression(np.zeros((3, 4)), np.zeros(2), 2), "scores .n. are wanted"),
    (lambda: nn.segment_sum(np.zeros((3, 4)), np.zeros(3), 2), "their numbers are integers"),
    (lambda: nn.segment_sum(np.zeros((3, 4)), np.zeros(2, int), 2), "one number a row"),
]
IMAGE, KERNEL = np.zeros((1, 4, 4, 2)), np.zeros((3, 3, 2, 2))


@pytest.mark.parametrize(("call", "text"), WRONG, ids=[text for _, text in WRONG])
def test_what_is_refused(call, text):
    with pytest.raises(irf.errors.IrflowError, match=text) as caught:
        call()
    assert caught.value.location.function == "<lambda>"


def test_all_names_exist():
    for module in (nn, random, irf.losses):
        assert [name for name in module.__all__ if not hasattr(module, name)] == []
