"""The classic dataflow style: build a graph once, then run the parts of it that you want.

    python examples/explicit_graph.py [--steps 600] [--backend llvm] [--seed 0]

Whoever has written placeholders, variables, sessions and `minimize` finds them here; the graph is
the same as that of `irf.jit`. Read it from top to bottom: each section says what is new. Expected
outcome: a test accuracy above 0.95 on the 360 digits that are held back.
"""

import argparse

import numpy as np

import irflow as irf
import irflow.numpy as inp
from irflow import nn
from irflow.datasets import split_digits


def dense(x, size, name, key):
    """A layer: its variables belong to the graph that is active when they are made."""
    scale = float(np.sqrt(2 / x.shape[1]))
    w = irf.Variable(irf.random.normal(key, (x.shape[1], size)) * scale, name=f"{name}/w")
    b = irf.Variable(inp.zeros(size), name=f"{name}/b")
    return x @ w + b


def build(seed):
    """1. The graph. Nothing is computed here: each line adds nodes.

    None is a size that only a run knows. On the first axis it is called `batch` in every
    placeholder, so images and labels agree; a name, as in ("n", 64), says so for any axis.
    """
    graph = irf.Graph("digits")
    with graph.as_default():
        x = irf.placeholder("f32", (None, 64), name="x")
        y = irf.placeholder("i64", (None,), name="y")
        rate = irf.placeholder("f32", (), name="rate")
        keys = irf.random.split(irf.random.key(seed), 2)
        hidden = nn.relu(dense(x, 64, "hidden", keys[0]))
        logits = dense(hidden, 10, "logits", keys[1])
        loss = graph.label(irf.losses.softmax_cross_entropy(logits, y), "loss")
        graph.label((logits.argmax(-1) == y).astype("f32").mean(), "accuracy")

        # 2. Gradients are tensors of the same graph, by any tensor in it.
        saliency = irf.gradients(loss, x)
        graph.label(abs(saliency).mean(0), "saliency")

        # 3. Operations assign to variables at the end of a run. The rate is fed: a schedule is then
        # ordinary Python.
        step = irf.Variable(0, name="step", trainable=False)
        train = irf.optim.Adam(rate).minimize(loss)
        irf.group(train, step.assign_add(1), name="train")
    return graph


def run(graph, options):
    """4. The session. A run computes what is fetched and needs only the feeds of that."""
    (images, labels), (test_images, test_labels) = split_digits()
    images, test_images = (i.reshape(-1, 64).astype(np.float32) / 16 for i in (images, test_images))
    labels, test_labels = labels.astype(np.int64), test_labels.astype(np.int64)
    generator = np.random.default_rng(options.seed)
    with irf.Session(graph, backend=options.backend) as session:
        for step in range(options.steps):
            chosen = generator.integers(0, len(images), 64)
            feeds = {"x": images[chosen], "y": labels[chosen], "rate": 0.01 * 0.995**step}
            _, loss = session.run(["train", "loss"], feeds)
            if step % 100 == 0:
                print(f"step {step:4}, loss {loss:.4f}")
        feeds = {"x": test_images, "y": test_labels}
        report = session.run({"accuracy": "accuracy", "steps": "step"}, feeds)
        print(f"steps by the variable: {report['steps']}")
        print(f"test accuracy: {report['accuracy']:.4f}")
        important = session.run("saliency", feeds).argmax()
        print(f"the cell that matters most: {divmod(int(important), 8)}")
        show_errors(session, test_images)
        show_reset(graph, session, feeds)


def show_errors(session, images):
    """5. What is missing is said: which placeholder, and which fetch needs it."""
    try:
        session.run("accuracy", {"x": images})
    except irf.IrflowError as error:
        print(f"without labels: {error.summary}")


def show_reset(graph, session, feeds):
    """6. Variables have their initial value from the start. The initializer gives it back, here to
    train again from the beginning.
    """
    with graph.as_default():
        init = irf.global_variables_initializer()
    session.run(init)
    print(f"accuracy after the reset: {session.run('accuracy', feeds):.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train on digits with an explicit graph.")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--backend", help="numpy or llvm; the default backend if not given")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    run(build(options.seed), options)


if __name__ == "__main__":
    main()
