"""A model made ready for data: its weights, its losses and metrics, the state of its optimizer."""

from __future__ import annotations

from typing import Any

import numpy as np

from irflow import dtypes, tree
from irflow.errors import DataError
from irflow.frontend.tracing import suspended
from irflow.keras.engine.arrays import Arrays, Batch
from irflow.keras.engine.inference import infer
from irflow.keras.engine.network import check_shape
from irflow.keras.engine.symbolic import KerasTensor


def prepare(model: Any, data: Batch, needs_targets: bool = True) -> None:
    """Make what a model lacks for such data.

    Args:
        model: to be trained, evaluated or used.
        data: a batch, arrays; only types and shapes are looked at.
        needs_targets: whether losses and metrics are used.

    Raises:
        ShapeError: the data does not fit the model.
    """
    x, y, _ = data
    _check_inputs(model, x)
    compiled = [part for part in (model._compile_loss, model._compile_metrics) if part is not None]
    waiting = [part for part in compiled if not part.built] if needs_targets else []
    if not model.built or (waiting and y is not None):
        outputs = _outputs(model, x)
        if outputs is not None and y is not None:
            targets = tree.map_leaves(_placeholder, y)
            for part in waiting:
                part.build(targets, outputs)
            model._output_places = outputs
    optimizer = model.optimizer
    if needs_targets and optimizer is not None and not optimizer.built:
        with suspended():
            optimizer.build(model.trainable_variables)
    if needs_targets:
        _check_step(model, data)


def _check_step(model: Any, data: Batch) -> None:
    """Whether losses and metrics take such targets: the step of evaluation is traced for them.

    It is done once for each kind of data, and for the shapes of this batch, so that what is wrong
    is told before anything has begun. Steps of one's own may do other things, and are left alone.
    """
    cls = type(model)
    steps = (cls.train_step, cls.test_step, cls.compute_loss, cls.compute_metrics)
    programs = model._programs_now()
    leaves, structure = tree.flatten(data)
    key = structure, tuple((leaf.dtype, leaf.shape[1:]) for leaf in leaves)
    if key in programs.checked:
        return
    if model.run_eagerly or not all(hasattr(step, "is_default") for step in steps):
        return
    rows = [(leaf.shape, dtypes.from_numpy(leaf.dtype).name) for leaf in leaves]
    try:
        infer(lambda tensors: model.test_step(structure.unflatten(tensors)), rows, model.name)
    finally:
        model._clear_losses()
    programs.checked.add(key)


def _check_inputs(model: Any, x: Any) -> None:
    network = model._network
    if network is None:
        return
    for place, leaf in zip(network.inputs, network.flat(x), strict=True):
        shape = (None, *leaf.shape[1:])
        if len(shape) == place.ndim - 1 and place.shape[-1] == 1:
            shape = (*shape, 1)
        elif len(shape) == place.ndim + 1 and shape[-1] == 1:
            shape = shape[:-1]
        check_shape(model.name, place, shape, leaf.shape)


def _placeholder(leaf: Any) -> KerasTensor:
    name = dtypes.from_numpy(leaf.dtype).name
    return KerasTensor((None, *leaf.shape[1:]), name, "placeholder")


def _outputs(model: Any, x: Any) -> Any:
    """The outputs as places; None for a model without a call, which trains in its own way."""
    leaves, structure = tree.flatten(x)
    inputs = [((None, *leaf.shape[1:]), dtypes.from_numpy(leaf.dtype).name) for leaf in leaves]

    def run(tensors: list[Any]) -> Any:
        return model(structure.unflatten(tensors), training=False)

    try:
        kind, results = infer(run, inputs, model.name)
    except Exception:
        if hasattr(type(model).train_step, "is_default"):
            raise
        return None
    finally:
        model._clear_losses()
    return kind.unflatten([KerasTensor(shape, dtype, "output") for shape, dtype in results])


def check_rows(model: Any, x: Any) -> None:
    """Whether the numbers that go from the data to an `Embedding` are rows of its table.

    Compiled code takes the nearest row for another number, so that nobody would see it.

    Raises:
        DataError: one is not; with its first place.
    """
    network = model._network
    if network is None:
        return
    for index, layer in network.row_numbers:
        numbers = network.flat(x)[index]
        if not numbers.size or (numbers.min() >= 0 and numbers.max() < layer.numbers_below):
            continue
        wrong = (numbers < 0) | (numbers >= layer.numbers_below)
        place = tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), numbers.shape))
        path = tree.flatten(x)[1].paths("x")[index]
        raise DataError(
            f'layer "{layer.name}" has no such row: it has {layer.numbers_below}, from 0 on',
            facts=[
                ("first at", f"{path}[{', '.join(map(str, place))}]", str(numbers[place])),
                ("in all", f"{int(wrong.sum())} of {numbers.size}"),
            ],
            hint=f"input_dim={int(numbers.max()) + 1} has rows for all"
            if numbers.min() >= 0
            else None,
        )


def check_labels(model: Any, data: Arrays) -> None:
    """Whether class numbers are classes of the model.

    Raises:
        DataError: one is not; with its first place.
    """
    compiled = model._compile_loss
    places = getattr(model, "_output_places", None)
    if compiled is None or not compiled.built or places is None or data.y is None:
        return
    targets = compiled.targets(data.y, places)
    places = tree.flatten(places)[0]
    for i, loss in compiled.objects:
        name = getattr(loss, "name", "")
        classes = places[i].shape[-1] if places[i].shape else None
        if "sparse_categorical" in str(name) and classes and targets[i] is not None:
            _check_classes(np.asarray(targets[i]), classes, getattr(loss, "ignore_class", None))


def _check_classes(labels: np.ndarray, classes: int, ignored: int | None) -> None:
    wrong = (labels < 0) | (labels >= classes)
    if ignored is not None:
        wrong &= labels != ignored
    if not wrong.any():
        return
    place = tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), labels.shape))
    raise DataError(
        f"a label is no class: the model has {classes}, from 0 to {classes - 1}",
        facts=[
            ("first at", f"y[{', '.join(map(str, place))}]", str(labels[place])),
            ("in all", f"{int(wrong.sum())} of {labels.size}"),
        ],
        hint="labels begin with 0" if int(labels.max()) == classes and labels.min() > 0 else None,
    )
