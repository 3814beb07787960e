"""The classic training step, 784-128-10 with dropout and Adam, on 60,000 images in random batches.

`make bench` prints images a second of irflow beside those of the peers that are installed (torch,
jax), and of NumPy with gradients written by hand. `python tests/benchmarks/bench_training.py 32`
does so for one size of the batch. Every figure is measured in a process of its own, with the same
number of threads, one after the other and several times over; the best counts.

"scan" is a whole epoch in one call: the batches are gathered inside of it.

The share of `fit` in the step with accuracy is measured in a process of its own where epochs of the
two take turns, so that what else runs on the machine slows both.
`python tests/benchmarks/bench_training.py share 32` prints it: the median of the turns, and by the
best.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from statistics import median
from typing import Any

import numpy as np

IMAGES, PIXELS, HIDDEN, CLASSES = 60_000, 784, 128, 10
BATCHES = (32, 128, 1024)
ROUNDS = 2
EPOCHS = 3
TURNS = 25
THREADS = "2"
SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
COUNTS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "IRFLOW_NUM_THREADS")

Epoch = Callable[[], float]


def data() -> tuple[np.ndarray, np.ndarray]:
    """Noise over a pattern for each class, which can be learnt."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, CLASSES, IMAGES).astype(np.int32)
    patterns = generator.random((CLASSES, PIXELS), dtype=np.float32)
    noise = generator.random((IMAGES, PIXELS), dtype=np.float32)
    return (noise + patterns[labels]) / 2, labels


def orders(batch: int) -> Callable[[], np.ndarray]:
    """New orders of the images, in batches."""
    generator, count = np.random.default_rng(1), IMAGES // batch
    return lambda: generator.permutation(IMAGES)[: count * batch].reshape(count, batch)


# --- irflow ---------------------------------------------------------------------------------------


def irflow_loop(batch: int) -> Epoch:
    from irflow.demo.classifier import Trainer

    images, labels = data()
    trainer = Trainer(images, labels, batch=batch, backend="llvm")
    return trainer.epoch


def _scanned(step: Callable[[Any, Any, Any], tuple[Any, Any]], batch: int) -> Epoch:
    """A whole epoch of a step in one call; the step gives the state and numbers, the loss first."""
    import irflow as irf
    from irflow.demo.classifier import init_state

    images, labels = map(irf.asarray, data())
    draw, state = orders(batch), init_state(0, PIXELS)

    @irf.jit(backend="llvm", donate_argnames="state")
    def whole(state: Any, images: Any, labels: Any, order: Any) -> Any:
        return irf.scan(lambda s, chosen: step(s, images[chosen], labels[chosen]), state, order)

    def epoch() -> float:
        nonlocal state
        state, (losses, *_) = whole(state, images, labels, draw())
        return float(np.asarray(losses)[-1])

    return epoch


def irflow_scan(batch: int) -> Epoch:
    from irflow.demo.classifier import training_step

    def step(state: Any, x: Any, y: Any) -> tuple[Any, Any]:
        state, loss = training_step(state, x, y)
        return state, (loss,)

    return _scanned(step, batch)


def irflow_scan_accuracy(batch: int) -> Epoch:
    """With what `fit` does in a step: the step that it is compared with."""
    import irflow as irf
    from irflow import losses, optim, random
    from irflow.demo.classifier import State, forward

    def step(state: Any, x: Any, y: Any) -> tuple[Any, Any]:
        key, own = random.split(state.key, 2)

        def loss_of(params: Any) -> Any:
            logits = forward(params, x, own)
            return losses.softmax_cross_entropy(logits, y), (logits.argmax(1) == y).mean()

        (loss, accuracy), grads = irf.value_and_grad(loss_of, has_aux=True)(state.params)
        params, slots = optim.Adam(1e-3).update(grads, state.slots, state.params)
        return State(params, slots, key), (loss, accuracy)

    return _scanned(step, batch)


# --- peers ----------------------------------------------------------------------------------------


def numpy_loop(batch: int) -> Epoch:
    """Gradients and Adam by hand, in f32."""
    images, labels = data()
    draw, generator = orders(batch), np.random.default_rng(0)
    shapes = [(PIXELS, HIDDEN), (HIDDEN,), (HIDDEN, CLASSES), (CLASSES,)]
    params = [generator.normal(size=s).astype(np.float32) * np.float32(0.05) for s in shapes]
    first, second = ([np.zeros_like(p) for p in params] for _ in range(2))
    steps = 0

    def gradients(x: np.ndarray, y: np.ndarray) -> tuple[float, list[np.ndarray]]:
        w1, b1, w2, b2 = params
        hidden = x @ w1 + b1
        passes = (hidden > 0) & (generator.random(hidden.shape, dtype=np.float32) >= 0.2)
        scale = passes.astype(np.float32) * np.float32(1.25)
        hidden *= scale
        logits = hidden @ w2 + b2
        logits -= logits.max(1, keepdims=True)
        exponents = np.exp(logits)
        total = exponents.sum(1, keepdims=True)
        rows = np.arange(len(y))
        loss = float((np.log(total[:, 0]) - logits[rows, y]).mean())
        error = exponents / total
        error[rows, y] -= 1
        error /= np.float32(len(y))
        back = error @ w2.T
        back *= scale
        return loss, [x.T @ back, back.sum(0), hidden.T @ error, error.sum(0)]

    def epoch() -> float:
        nonlocal steps
        loss = 0.0
        for chosen in draw():
            loss, found = gradients(images[chosen], labels[chosen])
            steps += 1
            rate = np.float32(1e-3 * np.sqrt(1 - 0.999**steps) / (1 - 0.9**steps))
            for p, g, m, v in zip(params, found, first, second, strict=True):
                m += np.float32(0.1) * (g - m)
                v += np.float32(0.001) * (g * g - v)
                p -= rate * m / (np.sqrt(v) + np.float32(1e-7))
        return loss

    return epoch


def torch_loop(batch: int) -> Epoch:
    import torch
    from torch import nn

    torch.set_num_threads(int(THREADS))
    images, labels = (torch.from_numpy(array) for array in data())
    labels = labels.long()
    draw = orders(batch)
    model = nn.Sequential(
        nn.Linear(PIXELS, HIDDEN), nn.ReLU(), nn.Dropout(0.2), nn.Linear(HIDDEN, CLASSES)
    )
    adam = torch.optim.Adam(model.parameters(), fused=True)

    def epoch() -> float:
        for chosen in torch.from_numpy(draw()):
            adam.zero_grad()
            loss = nn.functional.cross_entropy(model(images[chosen]), labels[chosen])
            loss.backward()
            adam.step()
        return float(loss.detach())

    return epoch


def _jax_step() -> tuple[Callable[..., Any], Any]:
    import jax
    import jax.numpy as jnp

    def loss_of(params: Any, x: Any, y: Any, key: Any) -> Any:
        hidden = jax.nn.relu(x @ params["w1"] + params["b1"])
        hidden = jnp.where(jax.random.bernoulli(key, 0.8, hidden.shape), hidden / 0.8, 0)
        logits = jax.nn.log_softmax(hidden @ params["w2"] + params["b2"])
        return -jnp.take_along_axis(logits, y[:, None], 1).mean()

    def step(state: Any, x: Any, y: Any) -> tuple[Any, Any]:
        params, first, second, count, key = state
        key, own = jax.random.split(key)
        loss, grads = jax.value_and_grad(loss_of)(params, x, y, own)
        count = count + 1
        rate = 1e-3 * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        first = jax.tree.map(lambda m, g: m + 0.1 * (g - m), first, grads)
        second = jax.tree.map(lambda v, g: v + 0.001 * (g * g - v), second, grads)
        params = jax.tree.map(
            lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-7), params, first, second
        )
        return (params, first, second, count, key), loss

    generator = np.random.default_rng(0)
    shapes = {"w1": (PIXELS, HIDDEN), "b1": HIDDEN, "w2": (HIDDEN, CLASSES), "b2": CLASSES}
    params = {
        n: jnp.asarray(generator.normal(size=s) * 0.05, jnp.float32) for n, s in shapes.items()
    }
    slots = [jax.tree.map(jnp.zeros_like, params) for _ in range(2)]
    return step, (params, *slots, jnp.float32(0), jax.random.key(0))


def jax_loop(batch: int) -> Epoch:
    import jax

    step, state = _jax_step()
    jitted = jax.jit(step, donate_argnums=0)
    (images, labels), draw = data(), orders(batch)

    def epoch() -> float:
        nonlocal state
        for chosen in draw():
            state, loss = jitted(state, images[chosen], labels[chosen])
        return float(loss)

    return epoch


def jax_scan(batch: int) -> Epoch:
    import jax

    step, state = _jax_step()
    images, labels = map(jax.numpy.asarray, data())
    draw = orders(batch)

    @jax.jit
    def whole(state: Any, images: Any, labels: Any, order: Any) -> Any:
        return jax.lax.scan(lambda s, chosen: step(s, images[chosen], labels[chosen]), state, order)

    def epoch() -> float:
        nonlocal state
        state, losses = whole(state, images, labels, draw())
        return float(losses[-1])

    return epoch


def _fit(keras: Any, batch: int) -> Epoch:
    """`Model.fit` of the same network with accuracy and progress bar, for one epoch."""
    images, labels = data()
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((PIXELS,)),
            layers.Dense(HIDDEN, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(CLASSES),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])

    def epoch() -> float:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            history = model.fit(images, labels, batch_size=batch, epochs=1, verbose=1)
        return float(history.history["loss"][-1])

    return epoch


def irflow_keras(batch: int) -> Epoch:
    from irflow import keras

    return _fit(keras, batch)


def _peer_keras(batch: int, backend: str) -> Epoch:
    os.environ["KERAS_BACKEND"] = backend
    import keras

    return _fit(keras, batch)


def keras_tensorflow(batch: int) -> Epoch:
    return _peer_keras(batch, "tensorflow")


def keras_jax(batch: int) -> Epoch:
    return _peer_keras(batch, "jax")


CASES: dict[str, tuple[str, Callable[[int], Epoch]]] = {
    "irflow, scan": ("irflow", irflow_scan),
    "irflow, scan, accuracy": ("irflow", irflow_scan_accuracy),
    "irflow, Python loop": ("irflow", irflow_loop),
    "irflow.keras, fit": ("irflow", irflow_keras),
    "NumPy by hand": ("numpy", numpy_loop),
    "torch, fused Adam": ("torch", torch_loop),
    "jax, Python loop": ("jax", jax_loop),
    "jax, scan": ("jax", jax_scan),
    "Keras on TensorFlow, fit": ("keras tensorflow", keras_tensorflow),
    "Keras on jax, fit": ("keras jax", keras_jax),
}
"""What is measured: the modules it needs, and what makes an epoch."""


# --- measuring ------------------------------------------------------------------------------------


def rate(name: str, batch: int) -> float:
    """Images a second, of the best epoch after the first."""
    epoch = CASES[name][1](batch)
    epoch()
    best = float("inf")
    for _ in range(EPOCHS):
        start = time.perf_counter()
        loss = epoch()
        best = min(best, time.perf_counter() - start)
    assert loss < 1, f"{name} learns nothing: {loss}"
    return IMAGES // batch * batch / best


def shares(batch: int) -> tuple[float, float]:
    """The rate of `fit` over that of the step with accuracy: median of turns, and by the best."""
    epochs = irflow_scan_accuracy(batch), irflow_keras(batch)
    seconds: tuple[list[float], list[float]] = [], []
    for turn in range(TURNS + 2):
        for epoch, found in zip(epochs, seconds, strict=True):
            start = time.perf_counter()
            epoch()
            if turn >= 2:  # The first ones compile, and find how many steps to take at a time.
                found.append(time.perf_counter() - start)
    step, fit = seconds
    return median(a / b for a, b in zip(step, fit, strict=True)), min(step) / min(fit)


def measured(name: str, batch: int) -> list[float]:
    """What is printed for these arguments by a process of its own."""
    environment = {k: v for k, v in os.environ.items() if k not in (*SLOWING, "IRFLOW_CHECK")}
    environment |= dict.fromkeys(COUNTS, THREADS)
    command = [sys.executable, __file__, name, str(batch)]
    printed = subprocess.check_output(command, env=environment, text=True)
    return [float(number) for number in printed.split()]


def table(batches: tuple[int, ...] = BATCHES) -> None:
    """Print images a second, and ratios to the best of the peers."""
    names = [name for name, (needed, _) in CASES.items() if all(map(find_spec, needed.split()))]
    print(f"\n{'images a second':24}" + "".join(f"{f'batch {batch}':>12}" for batch in batches))
    best = {(name, batch): 0.0 for name in names for batch in batches}
    for _ in range(ROUNDS):
        for key in best:
            best[key] = max(best[key], *measured(*key))
    for name in names:
        print(f"{name:24}" + "".join(f"{best[name, b]:12,.0f}" for b in batches))
    for kind in ("irflow, scan", "irflow, Python loop", "irflow.keras, fit"):
        cells = []
        for batch in batches:
            peer = max(
                rate for (name, b), rate in best.items() if b == batch and "irflow" not in name
            )
            cells.append(f"{best[kind, batch] / peer:12.2f}")
        print(f"{f'{kind} / peers':24}" + "".join(cells))
    rows = zip(*(measured("share", batch) for batch in batches), strict=True)
    for kind, row in zip(("medians", "best"), rows, strict=True):
        print(f"{f'fit / step, {kind}':24}" + "".join(f"{share:12.2f}" for share in row))


def bench_training() -> None:
    """The table, as `make bench` prints it."""
    table()


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "share":
        print(*shares(int(sys.argv[2])))
    elif len(sys.argv) == 3 and sys.argv[1] in CASES:
        print(rate(sys.argv[1], int(sys.argv[2])))
    else:
        table(tuple(map(int, sys.argv[1:])) or BATCHES)
