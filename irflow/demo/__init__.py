"""`irflow demo`: the main job from beginning to end, on data that comes with the package."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from irflow import dtypes, plugins
from irflow.datasets import split_digits
from irflow.demo.classifier import Trainer, as_floats, init_state, training_step
from irflow.demo.pictures import gallery
from irflow.errors import IrflowError
from irflow.frontend import jit
from irflow.ir import TensorType

EPOCHS = 30
BATCH = 32
PICTURES_A_ROW = 4


def main(folder: Path = Path("irflow-demo"), epochs: int = EPOCHS) -> float:
    """Trace, optimise, train and show the digits classifier; the test accuracy on the last backend.

    Args:
        folder: where the optimised graph and the listings are left.
        epochs: passes over the training data.
    """
    console = Console(highlight=False, soft_wrap=True)
    (x_train, y_train), (x_test, y_test) = split_digits()
    train, test = as_floats(x_train, 16), as_floats(x_test, 16)
    console.print(
        f"UCI handwritten digits: {len(train)} images to train on, {len(test)} held back\n"
    )
    accuracy = 0.0
    for backend in ("numpy", "llvm"):
        if not _is_available(backend, console):
            continue
        _show_compilation(console, backend, folder, train.shape[1:])
        trainer = Trainer(train, y_train, seed=0, backend=backend, batch=BATCH)
        seconds = _train(console, trainer, backend, epochs)
        accuracy = trainer.accuracy(test, y_test)
        rate = epochs * trainer.steps_per_epoch * BATCH / seconds
        console.print(f"  {seconds:.1f} s, {rate:,.0f} images/s; test accuracy: {accuracy:.4f}\n")
    _show_predictions(console, trainer, test, y_test)
    console.print(f"The training step as optimised graph, loops and LLVM listing: {folder}/")
    return accuracy


def _is_available(name: str, console: Console) -> bool:
    try:
        reason = plugins.find_backend(name).available()
    except IrflowError as error:
        reason = str(error)
    if reason is not None:
        console.print(f"backend {name} is left out: {reason}\n")
    return reason is None


def _show_compilation(console: Console, backend: str, folder: Path, image: tuple[int, ...]) -> None:
    """Print what each pass did to the training step, and leave its listings in `folder`."""
    start = time.perf_counter()
    state = init_state(0, image[0] * image[1])
    pictures = TensorType(dtypes.f32, (BATCH, *image))
    labels = TensorType(dtypes.i32, (BATCH,))
    traced = jit(training_step, backend=backend).trace(state, pictures, labels)
    lowered = traced.lower()
    compiled = lowered.compile()
    milliseconds = (time.perf_counter() - start) * 1e3
    console.print(
        f"backend {backend}: the training step (forward, gradient, Adam) is one graph "
        f"of {len(traced.graph)} nodes"
    )
    for record in lowered.result.report.records:
        console.print(
            f"  {record.name:<14} {record.nodes_before:>4} -> {record.nodes_after:<4} nodes"
        )
    console.print(f"  traced, optimised and compiled in {milliseconds:.0f} ms")
    folder.mkdir(parents=True, exist_ok=True)
    suffixes = {"graph": "ir", "loops": "loops", "llvm": "ll", "asm": "s"}
    for kind in compiled.executable.listings:
        if kind in suffixes:
            (folder / f"training_step.{backend}.{suffixes[kind]}").write_text(
                compiled.listing(kind)
            )


def _train(console: Console, trainer: Trainer, backend: str, epochs: int) -> float:
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    start = time.perf_counter()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(f"training on {backend}", total=epochs)
        for _ in range(epochs):
            loss = trainer.epoch()
            progress.update(task, advance=1, description=f"training on {backend}, loss {loss:.3f}")
    return time.perf_counter() - start


def _show_predictions(
    console: Console, trainer: Trainer, images: np.ndarray, labels: np.ndarray, count: int = 8
) -> None:
    """A few held-back digits, wrongly classified ones first, with what the model takes them for."""
    x, y = images, labels
    guesses = trainer.logits(x).argmax(-1)
    order = np.argsort(guesses == y, kind="stable")
    chosen = np.concatenate([order[:2], order[-(count - 2) :]])
    captions = [
        f"{y[i]} taken for {guesses[i]}" if guesses[i] != y[i] else f"{y[i]}" for i in chosen
    ]
    for row in range(0, count, PICTURES_A_ROW):
        part = slice(row, row + PICTURES_A_ROW)
        console.print(gallery(x[chosen[part]], captions[part]), end="\n\n", markup=False)
