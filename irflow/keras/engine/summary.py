"""The table of a model's layers, with Keras's columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape, render
from rich.table import Table

from irflow.errors import IrflowError
from irflow.keras.engine.inference import infer
from irflow.keras.engine.tracking import unique

_PARTS = (0.45, 0.30, 0.25)
_CONNECTED = (0.30, 0.25, 0.16, 0.29)
_WHOLE = ("Param #", "Trainable")


def show(
    model: Any,
    line_length: int | None = None,
    positions: Any = None,
    print_fn: Callable[..., Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> None:
    """Print the table; see `Model.summary`."""
    if print_fn is None:
        console = Console(highlight=False, width=line_length)
        _print(console, model, line_length, positions, expand_nested, show_trainable, layer_range)
        return
    console = Console(
        highlight=False, width=line_length or 88, color_system=None, force_jupyter=False
    )
    with console.capture() as captured:
        _print(console, model, line_length, positions, expand_nested, show_trainable, layer_range)
    print_fn(captured.get())


def _print(
    console: Console,
    model: Any,
    line_length: int | None,
    positions: Any,
    expand_nested: bool,
    show_trainable: bool,
    layer_range: Sequence[str] | None,
) -> None:
    width = line_length or min(console.width, 100)
    has_links = not _is_chain(model)
    rows = [
        row
        for layer in _within(_shown_layers(model), layer_range)
        for row in _rows(layer, model, has_links, show_trainable, expand_nested, 0)
    ]
    table = _empty_table(width, positions, has_links, show_trainable)
    _fit_columns(table, rows)
    for row in rows:
        table.add_row(*row)
    console.print(f'[bold]Model: "{escape(model.name)}"[/bold]')
    console.print(table)
    for label, text in totals(model):
        console.print(f"[bold] {label}: [/bold]{text}", soft_wrap=True)


def _empty_table(width: int, positions: Any, has_links: bool, show_trainable: bool) -> Table:
    names = ["Layer (type)", "Output Shape", "Param #"]
    justify: list[Any] = ["left", "left", "right"]
    if has_links:
        names.append("Connected to")
        justify.append("left")
    parts = list(positions or (_CONNECTED if has_links else _PARTS))
    if parts and parts[-1] == 1 and len(parts) > 1 and sum(parts) > 1.001:
        parts = [b - a for a, b in zip([0, *parts], parts, strict=False)]
    if show_trainable:
        names.append("Trainable")
        justify.append("center")
        parts = [*(0.86 * part for part in parts[: len(names) - 1]), 0.14]
    table = Table(width=width, show_lines=True, header_style="bold")
    for name, side, part in zip(names, justify, parts, strict=False):
        table.add_column(name, justify=side, width=max(int(width * part) - 3, 6))
    return table


def _fit_columns(table: Table, rows: Sequence[Sequence[str]]) -> None:
    """Let numbers be whole, as a part of one would be wrong; names may be cut."""
    widths = [column.width or 0 for column in table.columns]
    whole = [i for i, column in enumerate(table.columns) if column.header in _WHOLE]
    for i in whole:
        cells = [str(table.columns[i].header), *(row[i] for row in rows)]
        widths[i] = max(widths[i], *(len(render(cell).plain) for cell in cells))
    names = [i for i in range(len(widths)) if i not in whole]
    for _ in range(sum(widths) + 3 * len(widths) + 1 - (table.width or 0)):
        widest = max(names, key=widths.__getitem__)
        widths[widest] = max(widths[widest] - 1, 1)
    for column, width in zip(table.columns, widths, strict=True):
        column.width = width


def _shown_layers(model: Any) -> list[Any]:
    network = model._network
    if network is None or type(model).__name__ == "Sequential":
        return list(model.layers)
    return list(network.operations)


def _is_chain(model: Any) -> bool:
    """Whether each layer has one input, that of the layer before."""
    network = getattr(model, "_network", None)
    if network is None:
        return True
    if len(network.inputs) > 1:
        return False
    counts = [len(node.inputs) for node in network.nodes]
    return all(n == 1 for n in counts) and len(unique(network.operations)) == len(counts) + 1


def _within(layers: list[Any], layer_range: Sequence[str] | None) -> list[Any]:
    if not layer_range:
        return layers
    first, last = (
        next((i for i, layer in enumerate(layers) if re.match(name, layer.name)), 0)
        for name in layer_range
    )
    return layers[min(first, last) : max(first, last) + 1]


def _rows(
    layer: Any,
    model: Any,
    has_links: bool,
    show_trainable: bool,
    expand_nested: bool,
    level: int,
) -> Iterator[list[str]]:
    """The cells of a layer, and of the layers in it, as markup of rich."""
    mark = "   " * level + ("└ " if level else "")
    kind = type(layer).__name__
    cells = [
        f"{mark}{escape(layer.name)} ([bold]{escape(kind)}[/bold])",
        escape(_shape_text(output_shape(layer, model))),
        _count_text(layer),
    ]
    if has_links:
        cells.append(escape(_links(layer, model)))
    if show_trainable:
        has_weights = bool(getattr(layer, "weights", ()))
        cells.append(
            ("[bold]Y[/bold]" if layer.trainable else "[bold]N[/bold]") * has_weights or "-"
        )
    yield cells
    if expand_nested and getattr(layer, "layers", None):
        for inner in layer.layers:
            yield from _rows(inner, layer, has_links, show_trainable, expand_nested, level + 1)


def output_shape(layer: Any, model: Any) -> Any:
    """The shape, or shapes, that a layer returns; None where that is not known."""
    nodes = list(getattr(layer, "_inbound_nodes", ()))
    network = getattr(model, "_network", None)
    inside = {id(node) for node in network.nodes} if network is not None else set()
    chosen = [node for node in nodes if id(node) in inside] or nodes
    if chosen:
        shapes = [tensor.shape for tensor in chosen[-1].outputs]
        return shapes[0] if len(shapes) == 1 else shapes
    if getattr(layer, "_network", None) is not None:
        return layer.output_shape
    shape = getattr(layer, "_build_shape", None)
    if not layer.built or not isinstance(shape, tuple):
        return None
    rows = [((None, *shape[1:]), layer.compute_dtype)]
    try:
        found = infer(lambda tensors: layer(tensors[0]), rows, layer.name)[1]
    except (IrflowError, ValueError, TypeError):
        return None
    finally:
        layer._clear_losses()
    return found[0][0] if len(found) == 1 else [row[0] for row in found]


def _shape_text(shape: Any) -> str:
    if shape is None:
        return "?"
    return ", ".join(map(str, shape)) if isinstance(shape, list) else str(shape)


def _count_text(layer: Any) -> str:
    if not hasattr(layer, "weights"):
        return "0"
    if not layer.built:
        return "0 (unbuilt)"
    return f"{layer.count_params():,}"


def _links(layer: Any, model: Any) -> str:
    network = getattr(model, "_network", None)
    if network is None:
        return "-"
    names = []
    for node in network.nodes:
        if node.operation is layer:
            for tensor in node.inputs:
                operation = tensor.node.operation
                place = operation._inbound_nodes.index(tensor.node)
                names.append(f"{operation.name}[{place}][{tensor.index}]")
    return ", ".join(names) or "-"


def totals(model: Any) -> list[tuple[str, str]]:
    """The lines under the table: numbers of weights, and their sizes in memory."""
    trainable, fixed = model.trainable_weights, model.non_trainable_weights
    optimizer = getattr(model, "optimizer", None)
    state = list(optimizer.variables) if optimizer is not None and optimizer.built else []
    rows = [
        ("Total params", [*trainable, *fixed, *state]),
        ("Trainable params", trainable),
        ("Non-trainable params", fixed),
    ]
    if state:
        rows.append(("Optimizer params", state))
    return [(label, f"{_count(found):,} ({_size(found)})") for label, found in rows]


def _count(variables: Sequence[Any]) -> int:
    return sum(_elements(v) for v in variables)


def _elements(variable: Any) -> int:
    total = 1
    for size in variable.shape:
        total *= size
    return total


def _size(variables: Sequence[Any]) -> str:
    amount = float(sum(_elements(v) * v.dtype.itemsize for v in variables))
    for unit in ("B", "KB", "MB", "GB"):
        if amount < 1024 or unit == "GB":
            break
        amount /= 1024
    return f"{amount:.2f} {unit}"
