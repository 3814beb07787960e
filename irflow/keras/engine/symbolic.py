"""`KerasTensor`: a tensor of a model that is being put together, and how it came about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from irflow import tree
from irflow.errors import UsageError
from irflow.keras.dtype_policies import standardize_dtype
from irflow.keras.engine import masks
from irflow.keras.engine.inference import Shape, infer
from irflow.keras.engine.naming import auto_name


class KerasTensor:
    """A place in a functional model: shape and element type, and the call that makes it.

    Arithmetic, comparison and indexing record further calls.

    Args:
        shape: None where a size is not known.
        dtype: the element type.
        name: unique by default.

    Attributes:
        node: the call it is a result of.
        index: which of its results.
        mask: the place of the mask that will travel beside its value, None for no mask.
    """

    __array_priority__ = 100  # `ndarray + tensor` asks the tensor
    __tree_leaf__ = True

    def __init__(self, shape: Any, dtype: Any = "float32", name: str | None = None) -> None:
        self.shape: Shape = tuple(shape)
        self.dtype = standardize_dtype(dtype)
        self.name = name if name is not None else auto_name("keras_tensor")
        self.node: Node | None = None
        self.index = 0
        self.mask: KerasTensor | None = None

    @property
    def ndim(self) -> int:
        return len(self.shape)

    rank = ndim

    @property
    def history(self) -> tuple[Any, int]:
        """The operation that makes it, and which of its results it is."""
        return (None if self.node is None else self.node.operation), self.index

    def reshape(self, *shape: Any) -> Any:
        """As a method of tensors."""
        return Operator("reshape", shape)(self)

    def astype(self, dtype: Any) -> Any:
        """As a method of tensors."""
        return Operator("astype", (dtype,))(self)

    def transpose(self, *axes: Any) -> Any:
        """As a method of tensors."""
        return Operator("transpose", axes)(self)

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise UsageError(
            "a KerasTensor has no value; it is a place in a model that is being put together",
            hint="NumPy's functions need values; keras.ops has the same names for models",
        )

    def __bool__(self) -> bool:
        raise UsageError(
            "a branch needs the value of a KerasTensor, which has none",
            hint="choose inside of a layer, with irflow.numpy.where",
        )

    def __iter__(self) -> Any:
        raise UsageError("a KerasTensor cannot be gone through in Python")


class Node:
    """One call of a layer, or of another operation, in a functional model.

    Args:
        operation: what is called.
        args: with KerasTensors in them.
        kwargs: as well.
        outputs: the results.
    """

    def __init__(
        self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any
    ) -> None:
        self.operation, self.args, self.kwargs = operation, args, kwargs
        leaves = tree.flatten((args, kwargs))[0]
        self.inputs = [leaf for leaf in leaves if isinstance(leaf, KerasTensor)]
        self.outputs: list[KerasTensor] = [
            leaf for leaf in tree.flatten(outputs)[0] if isinstance(leaf, KerasTensor)
        ]
        for index, output in enumerate(self.outputs):
            output.node, output.index = self, index

    def arguments(self, values: dict[int, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with the values of the KerasTensors put in; by `id`."""
        leaves, structure = tree.flatten((self.args, self.kwargs))
        found = [values[id(x)] if isinstance(x, KerasTensor) else x for x in leaves]
        args, kwargs = structure.unflatten(found)
        return args, kwargs


def is_symbolic(*nested: Any) -> bool:
    """Whether there is a KerasTensor in it."""
    return any(isinstance(leaf, KerasTensor) for leaf in tree.flatten(nested)[0])


def record(
    operation: Any, run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call an operation on KerasTensors: the results, as KerasTensors that know the call."""
    leaves, structure = tree.flatten((args, kwargs))
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, KerasTensor)]
    masked = [i for i in places if leaves[i].mask is not None]

    def traced(tensors: list[Any]) -> Any:
        complete = list(leaves)
        for place, tensor in zip(places, tensors, strict=False):
            complete[place] = tensor
        for place, mask in zip(masked, tensors[len(places) :], strict=True):
            masks.set_mask(complete[place], mask)
        inner_args, inner_kwargs = structure.unflatten(complete)
        found = run(*inner_args, **inner_kwargs)
        return found, [masks.get_mask(leaf) for leaf in tree.flatten(found)[0]]

    inputs = [*(leaves[i] for i in places), *(leaves[i].mask for i in masked)]
    kind, results = infer(traced, [(x.shape, x.dtype) for x in inputs], operation.name)
    outputs, found = kind.unflatten([KerasTensor(shape, dtype, "") for shape, dtype in results])
    for output, mask in zip(tree.flatten(outputs)[0], found, strict=True):
        output.name, output.mask = auto_name("keras_tensor"), mask
    node = Node(operation, args, kwargs, outputs)
    nodes = getattr(operation, "_inbound_nodes", None)
    if nodes is not None:
        nodes.append(node)
    return outputs


class Operation:
    """What a functional model can call besides layers.

    Args:
        name: unique.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._inbound_nodes: list[Node] = []

    def get_config(self) -> dict[str, Any]:
        """What makes an equal operation."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The operation that `get_config` describes."""
        return cls(**config)


class Operator(Operation):
    """An operator or method of tensors as an operation of a functional model.

    Args:
        method: its name, e.g. `"__add__"`.
        settings: further arguments of the method that are no tensors.

    Raises:
        UsageError: another method than those below: files may name one.
    """

    def __init__(self, method: str, settings: tuple[Any, ...] = (), name: str | None = None):
        if method not in _METHODS:
            raise UsageError(f"{method!r} is no operator of a functional model")
        super().__init__(name or auto_name(method.strip("_")))
        self.method, self.settings = method, tuple(settings)

    def __call__(self, *tensors: Any) -> Any:
        if is_symbolic(tensors):
            return record(self, self.call, tensors, {})
        return self.call(*tensors)

    def call(self, first: Any, *others: Any) -> Any:
        """The method on tensors."""
        return getattr(first, self.method)(*others, *self.settings)

    def get_config(self) -> dict[str, Any]:
        return {"method": self.method, "settings": self.settings, "name": self.name}


_OPERATORS = (
    *("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "floordiv", "rfloordiv"),
    *("mod", "rmod", "pow", "rpow", "matmul", "rmatmul", "neg", "abs", "lt", "le", "gt", "ge"),
    *("and", "or", "xor", "invert"),
)
_METHODS = frozenset(
    {*(f"__{name}__" for name in _OPERATORS), "__getitem__", "astype", "reshape", "transpose"}
)


def _operator(method: str) -> Callable[..., Any]:
    def call(self: KerasTensor, *others: Any) -> Any:
        return Operator(method)(self, *others)

    call.__name__ = method
    return call


def _item(self: KerasTensor, key: Any) -> Any:
    return Operator("__getitem__", (key,))(self)


for _name in _OPERATORS:
    setattr(KerasTensor, f"__{_name}__", _operator(f"__{_name}__"))
setattr(KerasTensor, "__getitem__", _item)  # noqa: B010
