"""The training recipes as irflow programs; `IRFLOW_BACKEND` chooses the backend."""

from pathlib import Path

import numpy as np
from keras_training_adapter import train as train_by_keras

import irflow as irf
from irflow import datasets, losses, nn, optim
from irflow.demo.classifier import Trainer, as_floats, init_params


def train(case, seed, data_dir):
    """Run one recipe; its metric. The two that are not written with functions are Keras models."""
    recipes = {"digits_mlp": digits_mlp, "mnist_mlp": mnist_mlp}
    if case not in recipes:
        return train_by_keras(case, seed, data_dir)
    return recipes[case](seed, Path(data_dir))


def digits_mlp(seed, _data):
    """Dense 32 relu, Dense 10; SGD with momentum; 30 epochs of batches of 32."""
    images, labels = datasets.load_digits()
    x, y = as_floats(images, 16).reshape(-1, 64), labels.astype(np.int32)
    params = init_params(seed, 64, hidden=32)
    optimizer = optim.SGD(0.1, momentum=0.9)
    state = optimizer.init(params)

    def forward(params, x):
        return (
            nn.relu(x @ params["hidden/w"] + params["hidden/b"]) @ params["output/w"]
            + params["output/b"]
        )

    @irf.jit
    def step(params, state, x, y):
        grads = irf.grad(lambda p: losses.softmax_cross_entropy(forward(p, x), y))(params)
        return optimizer.update(grads, state, params)

    generator = np.random.default_rng(seed)
    for _ in range(30):
        order = generator.permutation(1500)
        for start in range(0, 1500, 32):
            chosen = order[start : start + 32]
            params, state = step(params, state, x[chosen], y[chosen])
    guesses = np.asarray(irf.jit(forward)(params, x[1500:])).argmax(-1)
    return {"test_acc": float((guesses == y[1500:]).mean())}


def mnist_mlp(seed, data):
    """The classic classifier, 5 epochs."""
    (x_train, y_train), (x_test, y_test) = datasets.load_mnist(data / "mnist")
    trainer = Trainer(as_floats(x_train, 255), y_train, seed=seed)
    for _ in range(5):
        trainer.epoch()
    return {"test_acc": trainer.accuracy(as_floats(x_test, 255), y_test)}
