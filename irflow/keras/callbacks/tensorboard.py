"""`TensorBoard`: the numbers of a training, and the model's graph, as TensorBoard reads them."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

from irflow.errors import UsageError
from irflow.keras.callbacks.callback import Callback
from irflow.keras.callbacks.events import EventFile, GraphNode

TRAIN, VALIDATION = "train", "validation"


class TensorBoard(Callback):
    """Writes event files: scalars of each epoch, or of batches, and the graph of the layers.

    TensorBoard itself is not needed for it; `tensorboard --logdir logs` shows them.

    Args:
        log_dir: the folder; `train` and `validation` are made in it.
        histogram_freq: must be 0: there are no histograms.
        write_graph: whether the layers are written as a graph.
        write_steps_per_second: whether the speed is written.
        update_freq: `"epoch"`, `"batch"`, or after how many batches numbers are written.

    Raises:
        UsageError: an option that is not supported.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: int = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        super().__init__()
        others = {
            "histogram_freq": histogram_freq,
            "write_images": write_images,
            "profile_batch": profile_batch,
            "embeddings_freq": embeddings_freq,
            "embeddings_metadata": embeddings_metadata,
        }
        asked = [name for name, value in others.items() if value]
        if asked:
            raise UsageError(
                f"TensorBoard: {', '.join(asked)}: only scalars and the graph are written"
            )
        if update_freq not in ("epoch", "batch") and not isinstance(update_freq, int):
            raise UsageError(f"TensorBoard: update_freq is {update_freq!r}")
        self.log_dir = os.fspath(log_dir)
        self.write_graph, self.write_steps_per_second = write_graph, write_steps_per_second
        self.every = {"epoch": 0, "batch": 1}.get(str(update_freq), update_freq)
        self.needs_every_batch = bool(self.every)
        self._files: dict[str, EventFile] = {}
        self._step = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._step = 0
        if self.write_graph:
            nodes = graph_of(self.model)
            if nodes:
                self._file(TRAIN).graph(nodes)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._step += 1
        if self.every and self._step % int(self.every) == 0:
            self._write(TRAIN, "batch_", self._step, logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        found = dict(logs or {})
        validation = {k.removeprefix("val_"): v for k, v in found.items() if k.startswith("val_")}
        training = {k: v for k, v in found.items() if not k.startswith("val_")}
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is not None:
            training["learning_rate"] = float(optimizer.learning_rate)
        self._write(TRAIN, "epoch_", epoch, training)
        self._write(VALIDATION, "epoch_", epoch, validation)

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is None or not logs:
            return
        tagged = {f"{name}_vs_iterations": value for name, value in logs.items()}
        self._write(VALIDATION, "evaluation_", int(optimizer.iterations), tagged)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _file(self, part: str) -> EventFile:
        if part not in self._files:
            self._files[part] = EventFile(os.path.join(self.log_dir, part), f".{part}")
        return self._files[part]

    def _write(self, part: str, prefix: str, step: int, logs: dict[str, Any] | None) -> None:
        numbers = [(prefix + name, float(value)) for name, value in (logs or {}).items()]
        if numbers:
            self._file(part).scalars(step, numbers)


def graph_of(model: Any) -> list[GraphNode]:
    """The layers of a model as nodes; each call of a layer that is shared is one."""
    network = getattr(model, "_network", None)
    if network is None:
        return _chain(model)
    nodes = [GraphNode(place.name, "Input") for place in network.inputs]
    makers = {id(place): place.name for place in network.inputs}
    taken = Counter(node.name for node in nodes)
    for call in network.nodes:
        base = str(getattr(call.operation, "name", type(call.operation).__name__))
        name = f"{base}_{taken[base]}" if taken[base] else base
        taken[base] += 1
        inputs = tuple(dict.fromkeys(makers[id(tensor)] for tensor in call.inputs))
        nodes.append(GraphNode(name, type(call.operation).__name__, inputs))
        makers.update((id(tensor), name) for tensor in call.outputs)
    return nodes


def _chain(model: Any) -> list[GraphNode]:
    """Layers one after the other, where no calls were recorded."""
    nodes: list[GraphNode] = []
    for layer in model.layers:
        before = (nodes[-1].name,) if nodes else ()
        nodes.append(GraphNode(layer.name, type(layer).__name__, before))
    return nodes
