"""Intersections over unions of classes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from irflow import ops
from irflow.errors import ShapeError, UsageError
from irflow.frontend.tensor import Tensor, as_tensor
from irflow.keras import config
from irflow.keras.metrics.metric import Metric
from irflow.nn import segment_sum
from irflow.nn.activations import row


class IoU(Metric):
    """The mean over classes of `both / either`: where a class is true, where it is predicted.

    Args:
        num_classes: how many classes there are; what is none of them does not count.
        target_class_ids: the classes of the mean; those that never occur are left out.
        name: by default that of the class.
        dtype: of the counts, `"int64"` by default.
        ignore_class: elements with this label do not count.
        sparse_y_true: whether labels are class numbers, and no `[..., classes]`.
        sparse_y_pred: whether predictions are.
        axis: that of the classes.

    Raises:
        UsageError: a target class that there is not.
    """

    _direction = "up"

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(dtype or "int64", name)
        if any(not 0 <= target < num_classes for target in target_class_ids):
            raise UsageError(
                f"{type(self).__name__}: a target class is not among the classes",
                facts=[("target_class_ids", list(target_class_ids)), ("classes", num_classes)],
            )
        self.num_classes = num_classes
        self.target_class_ids = list(target_class_ids)
        self.ignore_class = ignore_class
        self.sparse_y_true = sparse_y_true
        self.sparse_y_pred = sparse_y_pred
        self.axis = axis
        shape = (num_classes, num_classes)
        self.total_cm = self.add_variable(shape, "zeros", self.dtype, name="total_confusion_matrix")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        t = self._numbers(y_true, self.sparse_y_true)
        x = self._numbers(y_pred, self.sparse_y_pred)
        if t.shape != x.shape:
            facts = [("y_true", as_tensor(y_true).type), ("y_pred", as_tensor(y_pred).type)]
            raise ShapeError(f"{type(self).__name__}: the shapes do not fit", facts=facts)
        counts = row("logical_and", self._is_class(t), self._is_class(x))
        if self.ignore_class is not None:
            counts = row("logical_and", counts, row("not_equal", t, self.ignore_class))
        place = row("where", counts, t * self.num_classes + x, -1)
        weights = self._weights(sample_weight, t)
        matrix = segment_sum(weights, place, self.num_classes**2)
        self._add(self.total_cm, matrix.reshape((self.num_classes, self.num_classes)))

    def _numbers(self, values: Any, is_sparse: bool) -> Any:
        numbers = as_tensor(values) if is_sparse else as_tensor(values).argmax(self.axis)
        return numbers.astype("int64").reshape(-1)

    def _is_class(self, numbers: Any) -> Tensor:
        return row("logical_and", numbers >= 0, numbers < self.num_classes)

    def _weights(self, sample_weight: Any, like: Tensor) -> Tensor:
        ones: Tensor = ops.ones_like(like).astype(self.dtype)
        if sample_weight is None:
            return ones
        weights = as_tensor(sample_weight)
        if weights.dtype.is_float and ones.dtype.is_integer:
            warnings.warn(
                f"{self.name}: fractions of weights are dropped; give a float dtype", stacklevel=4
            )
        return row("multiply", ones, weights.astype(self.dtype).reshape(-1))

    def result(self) -> Any:
        matrix: Any = self.total_cm.value
        places = ops.iota(matrix, matrix.shape, 0), ops.iota(matrix, matrix.shape, 1)
        both = row("where", row("equal", *places), matrix, 0).sum(0)
        either = matrix.sum(0) + matrix.sum(1) - both
        chosen = (
            [both[i] for i in self.target_class_ids],
            [either[i] for i in self.target_class_ids],
        )
        shared, union = (ops.stack(part, 0).astype("float32") for part in chosen)
        occurs = row("greater", union, 1e-9)
        ratio = row("where", occurs, shared / (union + config.epsilon()), 0.0)
        return ratio.sum() / (occurs.sum().astype("float32") + config.epsilon())

    def reset_state(self) -> None:
        self.total_cm.assign(ops.zeros_like(self.total_cm.value))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "target_class_ids": self.target_class_ids,
            "ignore_class": self.ignore_class,
            "sparse_y_true": self.sparse_y_true,
            "sparse_y_pred": self.sparse_y_pred,
            "axis": self.axis,
        }

    def _config_without(self, *names: str) -> dict[str, Any]:
        return {k: v for k, v in IoU.get_config(self).items() if k not in names}


class BinaryIoU(IoU):
    """`IoU` of two classes, the predictions being what is at least a threshold.

    Args:
        target_class_ids: the classes of the mean.
        threshold: from there on a prediction is 1.
        name: by default that of the class.
        dtype: of the counts, `"int64"` by default.
    """

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = threshold

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        is_one = row("greater_equal", as_tensor(y_pred).astype("float32"), self.threshold)
        super().update_state(y_true, is_one, sample_weight)

    def get_config(self) -> dict[str, Any]:
        names = ("num_classes", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis")
        return {**self._config_without(*names), "threshold": self.threshold}


class MeanIoU(IoU):
    """`IoU` of all classes; arguments as there."""

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(
            num_classes,
            list(range(num_classes)),
            name,
            dtype,
            ignore_class,
            sparse_y_true,
            sparse_y_pred,
            axis,
        )

    def get_config(self) -> dict[str, Any]:
        return self._config_without("target_class_ids")


class OneHotIoU(IoU):
    """`IoU` of labels `[..., classes]`; arguments as there."""

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(
            num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis
        )

    def get_config(self) -> dict[str, Any]:
        return self._config_without("sparse_y_true")


class OneHotMeanIoU(IoU):
    """`IoU` of all classes, with labels `[..., classes]`; arguments as there."""

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        everything = list(range(num_classes))
        super().__init__(
            num_classes, everything, name, dtype, ignore_class, False, sparse_y_pred, axis
        )

    def get_config(self) -> dict[str, Any]:
        return self._config_without("target_class_ids", "sparse_y_true")
