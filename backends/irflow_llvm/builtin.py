"""Built-in functions of Python that call programs: a few dozen nanoseconds besides the work.

They know how NumPy and Python lay out objects in memory. `is_supported` finds that out by trying,
at the first use; where it is not as expected, or Python is another one than CPython with its global
lock, there are none, and calls go through ctypes.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
import sysconfig
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from irflow import log, tree
from irflow.backend.calling import Builtin, Convention, Handles
from irflow.errors import LoweringError
from irflow_llvm.builtin_text import (
    FUNCTIONS,
    KINDS,
    MEMORY,
    NEW_ARRAY,
    SET_BASE,
    Frame,
    Output,
    Part,
    Table,
    builtin_text,
)
from irflow_llvm.engine import Engine, add_function

HEAD = object.__basicsize__
ARRAY = {
    "class": HEAD - 8,
    "data": HEAD,
    "rank": HEAD + 8,
    "shape": HEAD + 16,
    "strides": HEAD + 24,
    "base": HEAD + 32,
    "dtype": HEAD + 40,
    "flags": HEAD + 48,
}
"""Where the fields of an array object are."""

IN_ORDER, ALIGNED = 0x001, 0x100
FASTCALL = 0x80
_CLASS_ENTRY, _NEW_ENTRY, _BASE_ENTRY = 2, 94, 282  # in NumPy's table of functions


class _Words(np.ndarray):
    """The words of a table, which is the `self` of a built-in function.

    Attributes:
        kept: what must live as long as the table.
    """

    kept: list[object]


class _Method(ctypes.Structure):
    """Python's PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


def builtin(
    convention: Convention,
    inputs: Sequence[tuple[np.dtype[Any], tuple[int, ...], int]],
    outputs: Sequence[tuple[np.dtype[Any], tuple[int, ...], int, int | None]],
    frame: Callable[[], tuple[int, int, object]],
    entry: int,
    releases: bool,
) -> Builtin | None:
    """A built-in function that calls a program; None where there is none for the arguments.

    Args:
        convention: what it takes and returns.
        inputs: dtype, shape and buffer number of each input.
        outputs: the same of the outputs, and the input whose elements each starts with.
        frame: makes memory for one call: the addresses of the pointers to buffers and of the
            sizes, and what owns them.
        entry: the address of the program's code.
        releases: whether to let other threads of Python run meanwhile.
    """
    is_plain = all(part.has_text_keys for part in convention.arguments) and all(
        cls is None or number_kind(cls, inputs[i][0]) in KINDS for _, i, cls in convention.leaves
    )
    if not is_plain or not is_supported():
        return None
    try:
        return _Maker(convention, inputs, outputs, frame).make(entry, releases)
    except LoweringError as error:
        log.write("kernels", f"a program is called through ctypes: {error}")
        return None


def number_kind(cls: type, dtype: np.dtype[Any]) -> str:
    """The name in `KINDS` for Python numbers of a class, for inputs of a dtype."""
    return f"{cls.__name__} as {dtype.name}"


class _Maker:
    """Fills the table of one function."""

    def __init__(
        self,
        convention: Convention,
        inputs: Sequence[tuple[np.dtype[Any], tuple[int, ...], int]],
        outputs: Sequence[tuple[np.dtype[Any], tuple[int, ...], int, int | None]],
        frame: Callable[[], tuple[int, int, object]],
    ) -> None:
        self.convention = convention
        gone = convention.gone or (None,) * len(convention.leaves)
        self.rows = iter(zip(convention.leaves, gone, strict=True))
        self.inputs = inputs
        self.outputs = outputs
        self.frame = frame
        self.kept: list[object] = [convention, engine()]

    def make(self, entry: int, releases: bool) -> Builtin:
        """The function."""
        handles, results = self.convention.handles, self.convention.results
        slots = [name for name in slot_names(handles.cls) if name != handles.data]
        more = self.more(self.kept, self.frame, len(self.inputs))
        words = [0] * Table.WORDS
        words[Table.COUNT] = len(self.convention.arguments)
        words[Table.ARGUMENTS] = self.record(list(map(self.part, self.convention.arguments)))
        words[Table.ARRAY] = id(np.ndarray)
        words[Table.HANDLE] = id(handles.cls)
        words[Table.DATA] = slot_offset(handles.cls, handles.data)
        words[Table.WEAK] = slot_offset(handles.cls, handles.weak)
        words[Table.STRONG] = id(False)
        words[Table.OTHER] = id(self.convention.other)
        words[Table.MORE] = id(more)
        words[Table.ENTRY] = entry
        words[Table.RELEASES] = int(releases)
        words[Table.RESULTS] = -1 if self.convention.is_bare else len(results)
        words[Table.OUTPUTS] = self.record([w for i in range(len(results)) for w in self.output(i)])
        words[Table.SLOT_COUNT] = len(slots)
        words[Table.SLOTS] = self.record([slot_offset(handles.cls, name) for name in slots])
        self.kept.append(more)
        return self.function(words)

    def record(self, words: list[int]) -> int:
        """The address of memory with these words."""
        array = np.array([*words, 0], np.int64)
        self.kept.append(array)
        return int(array.ctypes.data)

    def part(self, structure: tree.Structure) -> int:
        """The address of a node."""
        words = [0] * Part.WORDS
        if structure.kind == "leaf":
            self.leaf(words)
            return self.record(words)
        classes = {"none": type(None), "tuple": tuple, "list": list, "dict": dict}
        cls = structure.factory or classes[structure.kind]
        self.kept += [cls, structure]
        words[Part.KIND] = KINDS.index("tuple" if structure.kind == "named" else structure.kind)
        words[Part.CLASS] = id(None) if structure.kind == "none" else id(cls)
        words[Part.COUNT] = len(structure.children)
        words[Part.PARTS] = self.record([self.part(child) for child in structure.children])
        words[Part.KEYS] = self.record([id(key) for key in structure.keys])
        return self.record(words)

    def leaf(self, words: list[int]) -> None:
        (is_weak, place, cls), gone = next(self.rows)
        dtype, shape, number = self.inputs[place]
        self.kept.append(dtype)
        words[Part.KIND] = KINDS.index("leaf" if cls is None else number_kind(cls, dtype))
        words[Part.CLASS] = id(cls)
        words[Part.DTYPE] = id(dtype)
        words[Part.RANK] = len(shape)
        words[Part.SHAPE] = self.record(list(shape))
        words[Part.WEAK] = id(is_weak)
        words[Part.NUMBER] = number
        words[Part.PLACE] = place
        words[Part.GONE] = 0 if gone is None else id(gone)

    def output(self, position: int) -> list[int]:
        dtype, shape, number, start = self.outputs[position]
        self.kept.append(dtype)
        words = [0] * Output.WORDS
        words[Output.DTYPE] = id(dtype)
        words[Output.RANK] = len(shape)
        words[Output.SHAPE] = self.record(list(shape))
        words[Output.BYTES] = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        words[Output.PROTOTYPE] = id(self.convention.results[position])
        words[Output.NUMBER] = number
        words[Output.START] = -1 if start is None else self.inputs[start][2]
        words[Output.PLACE] = 0 if start is None else start
        return words

    @staticmethod
    def more(
        kept: list[object], frame: Callable[[], tuple[int, int, object]], count: int
    ) -> Callable[[], int]:
        """A function that makes one more frame and returns its address."""

        def make() -> int:
            pointers, sizes, owner = frame()
            room = np.zeros((5, count + 1), np.int64)
            words = np.zeros(Frame.WORDS, np.int64)
            words[Frame.POINTERS], words[Frame.SIZES] = pointers, sizes
            parts = Frame.ARRAYS, Frame.NUMBERS, Frame.LENT, Frame.CHANGES
            for part, row in zip(parts, room, strict=False):  # the last one takes two
                words[part] = row.ctypes.data
            kept.extend((owner, room, words))
            return int(words.ctypes.data)

        return make

    def function(self, words: list[int]) -> Builtin:
        table = np.array(words, np.int64).view(_Words)
        method = _Method(b"call", engine().address("irflow_call"), FASTCALL, None)
        table.kept = self.kept
        table.kept.append(method)
        kind = ctypes.PYFUNCTYPE(
            ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p
        )
        new = kind(("PyCFunction_NewEx", ctypes.pythonapi))
        made: Builtin = new(ctypes.addressof(method), table, None)
        return made


def slot_names(cls: type) -> list[str]:
    """The slots of a class and its bases, but for the list of weak references."""
    names = [name for base in cls.__mro__ for name in vars(base).get("__slots__", ())]
    return [name for name in dict.fromkeys(names) if name != "__weakref__"]


@cache
def slot_offset(cls: type, name: str) -> int:
    """Where in an instance a slot is, found by writing to one.

    Raises:
        LoweringError: instances look otherwise than expected.
    """
    mark = object()
    try:
        instance: Any = object.__new__(cls)
        setattr(instance, name, mark)
    except (AttributeError, TypeError) as error:
        raise LoweringError(f"{cls.__name__} has not the slot {name}: {error}") from None
    words = (ctypes.c_size_t * (cls.__basicsize__ // 8)).from_address(id(instance))
    found = [8 * i for i, word in enumerate(words) if word == id(mark)]
    if len(found) != 1 or hasattr(instance, "__dict__"):
        raise LoweringError(f"the slots of {cls.__name__} are not found")
    return found[0]


@cache
def engine() -> Engine:
    """The machine code behind all built-in functions; it stays as long as the process."""
    names = dict.fromkeys(FUNCTIONS, ctypes.pythonapi) | dict.fromkeys(MEMORY, ctypes.CDLL(None))
    for name, library in names.items():
        function = getattr(library, name)
        add_function(name, ctypes.cast(function, ctypes.c_void_p).value or 0)
    table = _numpy_table()
    add_function(NEW_ARRAY, table[_NEW_ENTRY])
    add_function(SET_BASE, table[_BASE_ENTRY])
    made = Engine(builtin_text(ARRAY), level=1)
    # Results may outlive all else, and at their end they run this code.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(made))
    return made


def _numpy_table() -> Any:
    """The addresses that NumPy gives to extensions in C."""
    module = importlib.import_module("numpy._core._multiarray_umath")
    kind = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
    start = kind(("PyCapsule_GetPointer", ctypes.pythonapi))(module._ARRAY_API, None)
    return (ctypes.c_size_t * (_BASE_ENTRY + 1)).from_address(start)


# ------------------------------------------------------------------------------------ the self-test


@cache
def is_supported() -> bool:
    """Whether built-in functions work here."""
    problem = _problem()
    if problem is not None:
        log.write("kernels", f"programs are called through ctypes: {problem}")
    return problem is None


def _problem() -> str | None:
    if sys.implementation.name != "cpython" or sys.maxsize < 2**62 or sys.byteorder != "little":
        return "this is not CPython on a little-endian 64-bit machine"
    if sys.platform not in ("linux", "darwin"):
        return f"untested on {sys.platform}"
    if hasattr(sys, "gettotalrefcount") or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "this Python is a debug or a free-threaded build"
    try:
        if not _has_layout() or _numpy_table()[_CLASS_ENTRY] != id(np.ndarray):
            return "NumPy's arrays have another layout"
        return None if _runs() else "the test call went wrong"
    except (AttributeError, ImportError, LoweringError, RuntimeError) as error:
        return str(error)


def _has_layout() -> bool:
    base = np.arange(12.0).reshape(3, 4)
    samples = [base, base[1:], base[:, 2:], base.T, np.zeros(()), np.zeros((0, 3), np.int8)]
    unaligned = np.zeros(17, np.uint8)[1:].view(np.float64)
    return all(map(_is_as_expected, [*samples, unaligned]))


def _is_as_expected(array: np.ndarray) -> bool:
    def word(name: str, kind: Any = ctypes.c_size_t) -> int:
        return int(kind.from_address(id(array) + ARRAY[name]).value)

    flags = array.flags.c_contiguous * IN_ORDER | array.flags.aligned * ALIGNED
    fits = (
        word("class") == id(type(array))
        and word("rank", ctypes.c_int32) == array.ndim
        and word("data") == array.__array_interface__["data"][0]
        and word("dtype") == id(array.dtype)
        and word("flags", ctypes.c_int32) & (IN_ORDER | ALIGNED) == flags
        and word("base") == (0 if array.base is None else id(array.base))
    )
    # The strides come right after the sizes: the address is one before anything is read there.
    shape, rank = word("shape"), array.ndim
    if not fits or word("strides") != shape + 8 * rank or shape % 8:
        return False
    return rank == 0 or tuple((ctypes.c_int64 * rank).from_address(shape)) == array.shape


class _Handle:
    """Stands for an array in the test."""

    __slots__ = ("array", "note", "weak")

    def __init__(self, array: np.ndarray | None, note: object) -> None:
        self.array, self.note, self.weak = array, note, False


def _runs() -> bool:
    """Call a function that adds three numbers to themselves, and count references."""
    other, note, numbers = object(), object(), np.arange(3)
    handles = Handles(_Handle, "array", "weak")
    prototype = _Handle(None, note)
    pair = tree.flatten({"x": 0})[1]
    convention = Convention((pair,), ((False, 0, None),), handles, (prototype,), True, other)
    buffers = (ctypes.c_void_p * 2)()
    row = (numbers.dtype, numbers.shape)
    made = _Maker(
        convention, [(*row, 0)], [(*row, 1, None)], lambda: (ctypes.addressof(buffers), 0, buffers)
    ).make(engine().address("irflow_probe"), releases=True)
    made({"x": numbers})  # It makes the frame.
    before = [sys.getrefcount(thing) for thing in (numbers, note, other, numbers.dtype)]
    results = [made({"x": thing}) for thing in (numbers, _Handle(numbers, None))]
    unaligned = np.zeros(25, np.uint8)[1:].view(np.int64)
    refused: list[Any] = [{"x": numbers[::-1]}, {"x": numbers[:2]}, {"x": None}, {}, None, numbers]
    refused += [{"x": numbers.astype(np.int32)}, {"x": numbers.reshape(1, 3)}, {"y": numbers}]
    refused += [{"x": unaligned}, {"x": _Handle(None, None)}, {"x": numbers, "y": numbers}]
    if any(made(thing) is not other for thing in refused):
        return False
    good = [type(r) is _Handle and r.note is note and r.weak is False for r in results]
    if not all(good) or any(r.array.tolist() != [0, 2, 4] for r in results):
        return False
    del results, refused, unaligned
    return before == [sys.getrefcount(thing) for thing in (numbers, note, other, numbers.dtype)]
