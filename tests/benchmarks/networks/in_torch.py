"""The networks in PyTorch, run eagerly."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from networks.architectures import NETWORKS
from networks.drawing import Attention, Convolution, drawn
from networks.threads import THREADS

torch.set_num_threads(THREADS)
LAST = torch.channels_last


def as_torch(weights: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The weights in torch's layouts: filters first, units first."""
    found = {}
    for name in list(weights):
        array = weights.pop(name)
        if name.endswith("/w") and array.ndim == 4:
            array = array.transpose(3, 2, 0, 1)
        elif name.endswith("/w") and not name.startswith(("words", "letters", "places")):
            array = array.T
        found[name] = torch.from_numpy(np.ascontiguousarray(array))
    return found


class Layers(nn.Module):
    """The vocabulary over tensors whose channels stand first; elements are dropped in training."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        weights = drawn(kind).weights
        if kind == "cnn":
            rows = weights["out/w"].reshape(5, 5, 64, 10)
            weights["out/w"] = rows.transpose(2, 0, 1, 3).reshape(1600, 10)
        if kind == "lstm":
            self.recurrent = _recurrent(weights)
        self.kind, self.weights = kind, as_torch(weights)
        for name, weight in self.weights.items():
            self.weights[name] = nn.Parameter(weight)
            self.register_parameter(name.replace("/", "_"), self.weights[name])

    def forward(self, x):
        return NETWORKS[self.kind](self, x)

    def conv(self, x, name, filters, window, *, stride=1, padding=0, groups=1, bias=False):
        kernel, shift = self.weights[f"{name}/w"], self.weights.get(f"{name}/b")
        return F.conv2d(x, kernel, shift, stride, padding, groups=groups)

    def _parts(self, name, *parts):
        return [self.weights[f"{name}/{part}"] for part in parts]

    def batch_norm(self, x, name):
        return F.batch_norm(x, *self._parts(name, "mean", "variance", "scale", "offset"))

    def layer_norm(self, x, name):
        return F.layer_norm(x, x.shape[-1:], *self._parts(name, "scale", "offset"))

    def relu(self, x):
        return F.relu(x)

    def relu6(self, x):
        return F.relu6(x)

    def gelu(self, x):
        return F.gelu(x)

    def add(self, x, y):
        return x + y

    def max_pool(self, x, window, stride, padding=0):
        return F.max_pool2d(x, window, stride, padding)

    def mean_pool(self, x):
        return x.mean((2, 3))

    def flatten(self, x):
        return x.flatten(1)

    def dropout(self, x, rate):
        return F.dropout(x, rate, self.training)

    def dense(self, x, name, features):
        return F.linear(x, *self._parts(name, "w", "b"))

    def embed(self, x, name, vocabulary, width):
        return F.embedding(x, self.weights[f"{name}/w"])

    def place(self, x, name):
        return x + self.weights[f"{name}/w"]

    def attention(self, x, heads, causal):
        n, steps, width = x.shape
        parts = x.view(n, steps, 3, heads, width // 3 // heads).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(*parts, is_causal=causal)
        return found.transpose(1, 2).reshape(n, steps, width // 3)

    def lstm(self, x, name, units):
        return self.recurrent(x)[0][:, -1]


def _recurrent(weights: dict[str, np.ndarray]) -> nn.LSTM:
    kernel, recurrent = weights.pop("lstm/kernel"), weights.pop("lstm/recurrent")
    bias = torch.from_numpy(weights.pop("lstm/b"))
    layer = nn.LSTM(len(kernel), len(recurrent), batch_first=True)
    state = {"weight_ih_l0": kernel.T, "weight_hh_l0": recurrent.T}
    arrays = {name: torch.from_numpy(array.copy()) for name, array in state.items()}
    layer.load_state_dict(arrays | {"bias_ih_l0": bias, "bias_hh_l0": torch.zeros_like(bias)})
    return layer


def _given(x: np.ndarray, is_last: bool) -> torch.Tensor:
    """Numbers of words as i64, images with their channels first."""
    if x.ndim == 4:
        found = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
        return found.to(memory_format=LAST) if is_last else found
    found = torch.from_numpy(x)
    return found.long() if x.dtype == np.int32 else found


def loss_of(kind: str, found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    if kind == "lstm":
        return F.binary_cross_entropy_with_logits(found.flatten(), wanted)
    return F.cross_entropy(found.flatten(0, -2), wanted.flatten())


def training(
    kind: str, x: np.ndarray, y: np.ndarray, is_last: bool = False
) -> Callable[[np.ndarray], float]:
    """One step with the fused Adam."""
    model = Layers(kind)
    model = model.to(memory_format=LAST) if is_last else model
    adam = torch.optim.Adam(model.parameters(), fused=True)
    examples, wanted = _given(x, is_last), _given(y, False)

    def advance(chosen: np.ndarray) -> float:
        numbers = torch.from_numpy(chosen)
        adam.zero_grad()
        loss = loss_of(kind, model(examples[numbers]), wanted[numbers])
        loss.backward()
        adam.step()
        return loss.item()

    return advance


def training_last(kind: str, x: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], float]:
    return training(kind, x, y, is_last=True)


def inference(kind: str, is_last: bool = False) -> Callable[[np.ndarray], np.ndarray]:
    model = Layers(kind).eval()
    model = model.to(memory_format=LAST) if is_last else model

    def call(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(_given(x, is_last)).numpy()

    return call


def inference_last(kind: str) -> Callable[[np.ndarray], np.ndarray]:
    return inference(kind, is_last=True)


def convolution(case: Convolution, part: str) -> Callable[[], Any]:
    """By oneDNN, on arrays whose channels lie last in memory."""
    x, w, g = case.arrays()
    image, result = _given(x, True), _given(g, True)
    kernel = torch.from_numpy(np.ascontiguousarray(w.transpose(3, 2, 0, 1)))
    kernel = kernel.to(memory_format=LAST)
    if part == "forward":

        def forward() -> torch.Tensor:
            with torch.inference_mode():
                return F.conv2d(image, kernel, padding=1, groups=case.groups)

        return forward
    options = (None, (1, 1), (1, 1), (1, 1), False, (0, 0), case.groups)
    wanted = [part == "by input", part == "by kernel", False]
    back = torch.ops.aten.convolution_backward
    return lambda: back(result, image, kernel, *options, wanted)


def convolution_packed(case: Convolution, part: str) -> Callable[[], Any]:
    """By oneDNN with a kernel that was packed for it before, as Inductor's freezing does."""
    x, w, _ = case.arrays()
    image = _given(x, True)
    kernel = torch.from_numpy(np.ascontiguousarray(w.transpose(3, 2, 0, 1)))
    sizes = ([1, 1], [1, 1], [1, 1], case.groups)
    packed = torch.ops.mkldnn._reorder_convolution_weight(kernel, *sizes, list(image.shape))
    run = torch.ops.mkldnn._convolution_pointwise

    def forward() -> torch.Tensor:
        with torch.inference_mode():
            return run(image, packed, None, *sizes, "none", [], "")

    return forward


def attention(case: Attention, part: str) -> Callable[[], Any]:
    arrays = (torch.from_numpy(a.transpose(0, 2, 1, 3).copy()) for a in case.arrays())
    *qkv, g = arrays

    def forward() -> torch.Tensor:
        return F.scaled_dot_product_attention(*qkv, is_causal=case.causal)

    def both() -> Any:
        for tensor in qkv:
            tensor.requires_grad_()
        return torch.autograd.grad(forward(), qkv, g)

    return forward if part == "forward" else both
