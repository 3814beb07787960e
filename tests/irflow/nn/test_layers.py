"""Layers against direct loops and formulas."""

import itertools

import numpy as np
import pytest

import irflow as irf
from irflow import nn, random

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
    steps, gaps = nn.layers.per_axis(strides, rank), nn.layers.per_axis(dilations, rank)
    pads = nn.layers.pads(padding, shape[1:-1], kernel[:rank], steps, gaps)
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
    steps = window if strides is None else nn.layers.per_axis(strides, 2)
    pads = nn.layers.pads(padding, x.shape[1:-1], window, steps, (1, 1))
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
        assert nn.layers.pads("same", [size], [window], [stride], [dilation]) == (expected,)


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
