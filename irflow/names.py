"""Where names that people know from other systems are found in irflow.

A table, as nothing may be imported here: `from irflow import ops` asks for an unknown name first.
"""

from __future__ import annotations

_RENAMED = {
    "function": "jit",
    "constant": "asarray",
    "convert_to_tensor": "asarray",
    "as_tensor": "asarray",
    "tensor": "asarray",
    "from_numpy": "asarray",
    "cast": "numpy.astype",
    "reduce_all": "numpy.all",
    "reduce_any": "numpy.any",
    "reduce_max": "numpy.max",
    "reduce_mean": "numpy.mean",
    "reduce_min": "numpy.min",
    "reduce_prod": "numpy.prod",
    "reduce_sum": "numpy.sum",
    "clip_by_value": "numpy.clip",
    "range": "numpy.arange",
    "cat": "numpy.concatenate",
    "gather": "numpy.take",
    "math": "numpy",
    "float16": "f16",
    "bfloat16": "bf16",
    "float32": "f32",
    "float64": "f64",
    "int8": "i8",
    "int16": "i16",
    "int32": "i32",
    "int64": "i64",
    "uint8": "u8",
    "bool": "bool_",
    "compat": "Session",
    "train": "optim",
    "optimizers": "keras.optimizers",
    "layers": "keras.layers",
    "Sequential": "keras.Sequential",
    "Model": "keras.Model",
    "Module": "keras.Model",
    "no_grad": "stop_gradient",
    "manual_seed": "keras.utils.set_random_seed",
    "device_put": "asarray",
    "tree_map": "tree.map_leaves",
    "tree_util": "tree",
    "lax": "control",
    "random.PRNGKey": "random.key",
    "random.set_seed": "keras.utils.set_random_seed",
    "random.seed": "keras.utils.set_random_seed",
    "random.manual_seed": "keras.utils.set_random_seed",
    "random.rand": "random.uniform",
    "random.randn": "random.normal",
    "nn.Module": "keras.Model",
    "nn.Sequential": "keras.Sequential",
    "nn.Linear": "keras.layers.Dense",
    "nn.Dense": "keras.layers.Dense",
    "nn.Conv2d": "keras.layers.Conv2D",
    "nn.Dropout": "keras.layers.Dropout",
    "nn.Embedding": "keras.layers.Embedding",
    "nn.BatchNorm2d": "keras.layers.BatchNormalization",
    "nn.LayerNorm": "keras.layers.LayerNormalization",
    "nn.CrossEntropyLoss": "keras.losses.SparseCategoricalCrossentropy",
    "nn.MSELoss": "keras.losses.MeanSquaredError",
    "nn.functional": "nn",
    "nn.softmax_cross_entropy_with_logits": "losses.softmax_cross_entropy",
    "nn.sparse_softmax_cross_entropy_with_logits": "losses.cross_entropy",
    "nn.sigmoid_cross_entropy_with_logits": "losses.sigmoid_cross_entropy",
    "optim.apply_updates": "optim.Optimizer.update",
    "keras.ops.image": "nn",
    "load": "keras.models.load_model",
    "load_model": "keras.models.load_model",
    "keras.utils.plot_model": "draw",
    "data.DataLoader": "data.Dataset",
    "data.TensorDataset": "data.Dataset",
}
_KEPT = {
    "numpy": (
        "abs add all any arange argmax argmin argsort clip concat concatenate cos cumsum divide "
        "einsum equal exp expand_dims eye flip floor full full_like isnan less linspace "
        "matmul max maximum mean meshgrid min minimum moveaxis multiply newaxis ones ones_like "
        "outer pad pow prod repeat reshape roll round shape sign sin sort split sqrt square "
        "squeeze stack std subtract sum swapaxes take tensordot tile transpose tril triu unique "
        "var where zeros zeros_like"
    ),
    "nn": "dropout gelu log_softmax one_hot relu sigmoid silu softmax softplus",
}
_PLACES = {name: f"{home}.{name}" for home, names in _KEPT.items() for name in names.split()}
PLACES = {name: f"irflow.{place}" for name, place in (_PLACES | _RENAMED).items()}
"""Names in irflow, by the names of other systems; those of a namespace with its name and a dot."""


def unknown(module: str, name: str) -> AttributeError:
    """The error for a name that a module does not have, with the place where irflow has it.

    Args:
        module: its `__name__`.
        name: what it was asked for.
    """
    place = PLACES.get(f"{module}.{name}".removeprefix("irflow."))
    hint = f"; there is {place}" if place else ""
    return AttributeError(f"module {module!r} has no attribute {name!r}{hint}")
