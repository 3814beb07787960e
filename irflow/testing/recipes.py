"""Random graphs from recipes: a short list of small steps, each with a few numbers to choose by.

A recipe always builds a well-formed graph: a step that fits nowhere adds nothing, and a number is
taken modulo what there is to choose from. So each part of a recipe can be left out or made smaller,
which is what a shrinking test tool needs.

    recipe = random_recipe(np.random.default_rng(0))
    graph = recipe.build()
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from irflow import dims, dtypes
from irflow.dims import Size
from irflow.dtypes import DType
from irflow.errors import UndecidableSizeError
from irflow.ir.builder import Builder
from irflow.ir.graph import Graph, Value
from irflow.ir.types import TensorType
from irflow.location import Location
from irflow.ops import Handle, broadcast_to
from irflow.records import dataclass

Item = TypeVar("Item")

BATCH = dims.symbol("n")
COUNT = dims.symbol("m", lower=0)
SYMBOLS = {-1: BATCH, -2: COUNT}
LARGEST = {"n": 5, "m": 5}
"""The symbolic sizes of inputs, the second of which may be 0, and their largest values."""
MOST_ELEMENTS = 600
MOST_AXES = 4
NUMBERS = 4  # how many numbers a step has,
BASE = 16  # and how many values each


class Unfit(Exception):
    """A step finds nothing in the graph that it applies to."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what is done, and the numbers it chooses by."""

    kind: str
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Input:
    """One input: its element type by name, and its shape, negative for a symbolic size."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def type(self) -> TensorType:
        return TensorType(dtypes.parse(self.dtype), tuple(SYMBOLS.get(s, s) for s in self.shape))


@dataclass(frozen=True, slots=True)
class Recipe:
    """Inputs, steps and the numbers that choose the outputs among the values."""

    inputs: tuple[Input, ...]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...] = (0,)

    def build(self) -> Graph:
        """The graph; its values are those of all steps, whether or not an output needs them."""
        maker = Maker()
        for number, given in enumerate(self.inputs):
            maker.add_input(given.type, f"x{number}")
        for line, step in enumerate(self.steps, 1):
            maker.builder.location = Location("recipe", line)
            maker.apply(step)
        maker.finish(self.outputs)
        return maker.graph


class Choices:
    """The numbers of a step, one after the other; 0 when they are used up."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._numbers = iter(numbers)

    def below(self, limit: int) -> int:
        """A number in `0 … limit - 1`; Unfit where there is none."""
        if limit < 1:
            raise Unfit
        return next(self._numbers, 0) % limit

    def of(self, items: Sequence[Item]) -> Item:
        """One of the items."""
        return items[self.below(len(items))]


class Maker:
    """A graph under construction.

    Attributes:
        values: what later steps may read, in order.
        exact: those floats that every backend must compute to the last bit. Steps that jump
            somewhere (comparisons, rounding to integers) read nothing else, so that a rounding
            error stays small.
    """

    def __init__(self) -> None:
        self.graph = Graph("random")
        self.builder = Builder(self.graph, location=Location("recipe", 0))
        self.values: list[Handle] = []
        self.exact: set[Value] = set()

    def add_input(self, type: TensorType, hint: str) -> None:
        self.add(Handle(self.builder, self.graph.add_input(type, hint)), exact=True)

    def apply(self, step: Step) -> None:
        """Do a step, if it fits somewhere."""
        nodes, values = len(self.graph), len(self.values)
        try:
            KINDS[step.kind](self, Choices(step.numbers))
        except (Unfit, UndecidableSizeError):
            del self.values[values:]
            self._drop(nodes)

    def _drop(self, count: int) -> None:
        while len(self.graph) > count:
            assert self.graph.last is not None
            self.graph.erase(self.graph.last)

    def finish(self, numbers: Sequence[int]) -> None:
        """Choose the outputs, counted from the end."""
        values = [self.values[-1 - n % len(self.values)].value for n in numbers]
        self.graph.set_outputs(values)

    def add(self, handle: Handle, exact: bool = False) -> None:
        """Let later steps read a value; one that is too large is Unfit."""
        if len(handle.shape) > MOST_AXES or concrete_size(handle.shape) > MOST_ELEMENTS:
            raise Unfit
        self.values.append(handle)
        if exact or not handle.dtype.is_float:
            self.exact.add(handle.value)

    def is_exact(self, *handles: Handle) -> bool:
        return all(handle.value in self.exact for handle in handles)

    def pick(self, choices: Choices, fits: Callable[[Handle], bool]) -> Handle:
        """A value for which `fits` holds, the latest for the number 0."""
        return choices.of([value for value in reversed(self.values) if fits(value)])

    def float(self, choices: Choices) -> Handle:
        return self.pick(choices, lambda value: value.dtype.is_float)

    def number(self, choices: Choices) -> Handle:
        return self.pick(choices, lambda value: value.dtype.kind != "bool")

    def any(self, choices: Choices) -> Handle:
        return choices.of(self.values[::-1])

    def partner(self, x: Handle, choices: Choices) -> Handle:
        """A value of the same element type, repeated to the shape of `x`; it may be `x` itself."""
        return self.like(x, choices, lambda value: value.dtype is x.dtype)

    def like(self, x: Handle, choices: Choices, fits: Callable[[Handle], bool]) -> Handle:
        """A value for which `fits` holds, repeated to the shape of `x`."""

        def can(value: Handle) -> bool:
            return fits(value) and can_broadcast(value.shape, x.shape)

        fitted: Handle = broadcast_to(self.pick(choices, can), x.shape)
        return fitted


Way = Callable[[], Any]
"""One of several ways to go on; what is not chosen is not built."""
StepFunction = Callable[[Maker, Choices], None]
KINDS: dict[str, StepFunction] = {}
SMOOTH: list[str] = []
"""The kinds of steps whose results have derivatives by every float that they read."""


def kind(*, smooth: bool = False) -> Callable[[StepFunction], StepFunction]:
    """Enter a function among the kinds of steps, under its name without a trailing underscore."""

    def enter(function: StepFunction) -> StepFunction:
        name = function.__name__.rstrip("_")
        KINDS[name] = function
        if smooth:
            SMOOTH.append(name)
        return function

    return enter


def can_broadcast(small: Sequence[Size], large: Sequence[Size]) -> bool:
    """Whether NumPy would repeat a shape to another."""
    pairs = zip(reversed(small), reversed(large), strict=False)
    return len(small) <= len(large) and all(a in (1, b) for a, b in pairs)


def concrete_size(shape: Sequence[Size]) -> int:
    """The number of elements where symbolic sizes are large."""
    return math.prod(s if isinstance(s, int) else dims.evaluate(s, LARGEST) for s in shape)


# ------------------------------------------------------------------------------------------ drawing

DTYPES = (
    *("f32", "f64", "i32", "i64", "bool", "f16", "bf16", "f32"),
    *("u8", "u32", "i16", "i8", "u16", "u64", "f64", "f32"),
)
"""Element types by name; those that stand here several times are drawn more often."""
SHAPES = (
    (2, 3),
    (-1, 3),
    (3,),
    (),
    (2, 3, 4),
    (-1,),
    (1, 3),
    (4, 4),
    (0, 3),
    (2, 5, 2),
    (1,),
    (-1, 4, 2),
    (-2,),
    (-2, 3),
    (2, -2),
)


def random_recipe(generator: np.random.Generator, most_steps: int = 12) -> Recipe:
    """A recipe without a tool that shrinks it."""
    kinds = sorted(KINDS)

    def choose(items: Sequence[Item]) -> Item:
        return items[int(generator.integers(len(items)))]

    inputs = [Input(choose(DTYPES), choose(SHAPES)) for _ in range(generator.integers(1, 4))]
    steps = [
        Step(choose(kinds), tuple(int(i) for i in generator.integers(0, BASE, NUMBERS)))
        for _ in range(generator.integers(1, most_steps + 1))
    ]
    outputs = tuple(int(i) for i in generator.integers(0, 8, generator.integers(1, 4)))
    return Recipe(tuple(inputs), tuple(steps), outputs)


SPECIAL: dict[str, tuple[float, ...]] = {
    "float": (
        *(math.nan, math.inf, -math.inf, -0.0, 0.0, 0.5, 1.5),
        *(6e-8, 1e-40, -1e-45, 5e-324, -65504.0, 3e38, -1e308),
    ),
    "int": (0, 1, -1, 127, -128, 32767, -(2**31), 2**31 - 1, -(2**63), 2**63 - 1),
    "uint": (0, 1, 255, 128, 65535, 2**31, 2**32 - 1, 2**63, 2**64 - 1),
}
"""Denormal numbers of each float type are among them."""


def special_inputs(
    arrays: Sequence[np.ndarray], generator: np.random.Generator, share: float = 0.3
) -> list[np.ndarray]:
    """The arrays with some elements made extreme: NaN, infinities, limits of integers."""
    return [_with_specials(array, generator, share) for array in arrays]


def _with_specials(array: np.ndarray, generator: np.random.Generator, share: float) -> np.ndarray:
    dtype = dtypes.from_numpy(array.dtype)
    with np.errstate(all="ignore"):
        chosen = np.array(list(_specials(dtype))).astype(array.dtype)
    if not len(chosen):
        return array
    place = generator.random(array.shape) < share
    return np.where(place, generator.choice(chosen, array.shape), array).astype(array.dtype)


def _specials(dtype: DType) -> Iterator[float]:
    values = SPECIAL.get(dtype.kind, ())
    if not dtype.is_integer:
        yield from values
        return
    limits = np.iinfo(dtype.numpy.char)
    yield from (v for v in values if limits.min <= v <= limits.max)
