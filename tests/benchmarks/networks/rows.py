"""What is measured: rows, and who takes part in each."""

from dataclasses import dataclass
from importlib.util import find_spec

from networks.drawing import ATTENTIONS, BATCHES, CONVOLUTIONS, drawn

TRAINED = ("cnn", "lstm", "gpt")
INFERRED = ("resnet50", "mobilenetv2", "bert", "gpt")
PARTS = ("forward", "by input", "by kernel")


@dataclass(frozen=True)
class Contestant:
    """Who runs a row: the function `name` of the module `networks.place`.

    Attributes:
        label: as it is printed.
        place: the module.
        name: the function.
        needs: modules that must be installed.
    """

    label: str
    place: str
    name: str
    needs: tuple[str, ...] = ()

    @property
    def is_peer(self) -> bool:
        return not self.label.startswith("irflow")

    @property
    def is_installed(self) -> bool:
        return all(map(find_spec, self.needs))


IRFLOW = ("irflow",)
ONNX = ("onnxruntime", "onnx")
TENSORFLOW, JAX = ("keras", "tensorflow"), ("keras", "jax")

STEPS = (
    Contestant("irflow", "in_irflow", "training", IRFLOW),
    Contestant("torch", "in_torch", "training", ("torch",)),
    Contestant("torch, channels last", "in_torch", "training_last", ("torch",)),
    Contestant("jax", "in_jax", "training", ("jax",)),
)
"""Steps in a Python loop over arrays in memory."""

FITS = (
    Contestant("irflow.keras, fit", "in_keras", "irflow_fit", IRFLOW),
    Contestant("Keras on TensorFlow, fit", "in_keras", "tensorflow_fit", TENSORFLOW),
    Contestant("Keras on jax, fit", "in_keras", "jax_fit", JAX),
)
"""Epochs of `fit`."""

CALLS = (
    Contestant("irflow", "in_irflow", "inference", IRFLOW),
    Contestant("onnxruntime", "in_onnxruntime", "inference", ONNX),
    Contestant("torch", "in_torch", "inference", ("torch",)),
    Contestant("torch, channels last", "in_torch", "inference_last", ("torch",)),
    Contestant("jax", "in_jax", "inference", ("jax",)),
)
FUSED_CALLS = (
    *CALLS,
    Contestant("onnxruntime, fused", "in_onnxruntime", "inference_fused", ONNX),
    Contestant("irflow, bf16", "in_irflow", "inference_bf16", IRFLOW),
)
BYTES = (
    *CALLS[:2],
    Contestant("irflow, 8 bits", "in_irflow", "inference_dynamic", IRFLOW),
    Contestant("irflow, 8 bits calibrated", "in_irflow", "inference_calibrated", IRFLOW),
    Contestant("onnxruntime, 8 bits", "in_onnxruntime", "inference_dynamic", ONNX),
    Contestant("onnxruntime, 8 bits calibrated", "in_onnxruntime", "inference_calibrated", ONNX),
)
"""In f32, and with products and convolutions in bytes: scales found by each call or before."""
CONVOLVED = (
    Contestant("irflow", "in_irflow", "convolution", IRFLOW),
    Contestant("torch, channels last", "in_torch", "convolution", ("torch",)),
)
CONVOLVED_FORWARD = (
    *CONVOLVED,
    Contestant("irflow, constant kernel", "in_irflow", "convolution_constant", IRFLOW),
    Contestant("torch, packed kernel", "in_torch", "convolution_packed", ("torch",)),
)
ATTENDED = (
    Contestant("irflow", "in_irflow", "attention", IRFLOW),
    Contestant("torch", "in_torch", "attention", ("torch",)),
)
OPENED = Contestant("onnxruntime", "in_onnxruntime", "opening", ONNX)
OF_FILE = Contestant("onnxruntime", "in_onnxruntime", "inference_of_file", ONNX)


@dataclass(frozen=True)
class Row:
    """One line of work.

    Attributes:
        name: as it is called on the command line, such as `cnn-train`.
        section: `train`, `inference`, `conv`, `attention`, `first` or `memory`.
        kind: the network or the kernel.
        part: of a kernel: forward, or which gradient.
        contestants: who runs it.
    """

    name: str
    section: str
    kind: str
    contestants: tuple[Contestant, ...]
    part: str = ""

    def cost(self) -> tuple[int, int]:
        """Floating-point operations, and bytes that must be moved at least."""
        kernel = CONVOLUTIONS.get(self.kind) or ATTENTIONS.get(self.kind)
        if kernel is not None:
            factor = {"training": 3.5}.get(self.part, 1)
            return int(kernel.flops * factor), int(kernel.moved * factor)
        is_trained = self.section == "train"
        network = drawn(self.kind, BATCHES[self.kind] if is_trained else 1)
        weights = sum(array.nbytes for array in network.weights.values())
        # Adam reads four arrays as large as the weights and writes three.
        moved = 3 * network.moved + 7 * weights if is_trained else weights
        return network.flops * (3 if is_trained else 1), moved

    @property
    def units(self) -> int:
        """Images, sequences or letters of a training step."""
        return BATCHES[self.kind] * (128 if self.kind == "gpt" else 1)


def _rows() -> list[Row]:
    rows = [Row(f"{kind}-train", "train", kind, STEPS + FITS) for kind in TRAINED]
    for kind in INFERRED:
        contestants = FUSED_CALLS if kind in ("bert", "gpt") else CALLS
        rows.append(Row(kind, "inference", kind, contestants))
    rows += [Row(f"{kind}-bytes", "inference", kind, BYTES) for kind in INFERRED if kind != "gpt"]
    for kind in CONVOLUTIONS:
        for part in PARTS:
            contestants = CONVOLVED_FORWARD if part == "forward" else CONVOLVED
            rows.append(Row(f"{kind}-{part.split()[-1]}", "conv", kind, contestants, part))
    for kind in ATTENTIONS:
        rows += [
            Row(f"{kind}-{part}", "attention", kind, ATTENDED, part)
            for part in ("forward", "training")
        ]
    rows += [Row(f"first-{kind}", "first", kind, STEPS) for kind in ("cnn", "gpt")]
    calls = tuple(c for c in CALLS if c.label != "onnxruntime")
    rows.append(Row("first-resnet50", "first", "resnet50", (*calls, OPENED)))
    rows.append(Row("memory-cnn", "memory", "cnn", STEPS + FITS))
    rows.append(Row("memory-resnet50", "memory", "resnet50", (*calls, OF_FILE)))
    return rows


ROWS = {row.name: row for row in _rows()}


def chosen(words: list[str]) -> list[Row]:
    """The rows whose name, beginning of the name, or section is among the words; all without any.

    Raises:
        SystemExit: a word fits nothing.
    """
    found = []
    for word in words or [""]:
        fitting = [
            row
            for row in ROWS.values()
            if word == row.section or (row.name.startswith(word) and word not in _SECTIONS)
        ]
        if word in ROWS:
            fitting = [ROWS[word]]
        if not fitting:
            raise SystemExit(f"no row {word!r}; there are {', '.join(ROWS)}")
        found += [row for row in fitting if row not in found]
    return found


_SECTIONS = {row.section for row in ROWS.values()}
