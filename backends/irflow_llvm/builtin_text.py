"""The function behind Python's built-in functions that call programs, as LLVM IR.

    PyObject *irflow_call(PyObject *self, PyObject **arguments, Py_ssize_t count)

serves all programs: what is special about one stands in a table, the elements of the array `self`.
It checks the arguments, puts the addresses of their elements into a frame, makes the results, and
runs the program's entry function. Arguments that are not of the expected kind make it return the
table's `other` object, and nothing has happened then.

A table, and the records that it points to, consist of words of 8 bytes, at the positions named in
the classes below. The frames that no call uses are a list; it is touched by holders of Python's
global lock only.
"""

from __future__ import annotations

import re
from itertools import count
from string import Template

from irflow_llvm import builtin_results
from irflow_llvm.builtin_arguments import ARGUMENTS


class Table:
    """The words of a table."""

    COUNT = 0  # of arguments
    ARGUMENTS = 1  # an array of nodes
    ARRAY = 2  # the class of arrays
    HANDLE = 3  # the class of handles
    DATA = 4  # where in a handle its array is
    WEAK = 5  # where its flag is
    STRONG = 6  # the flag that an array stands for
    OTHER = 7
    FRAMES = 8  # the first free frame
    MORE = 9  # a Python function that makes a frame and returns its address
    ENTRY = 10
    RELEASES = 11  # whether Python's lock is released meanwhile
    RESULTS = 12  # the number of results; -1 for one that is returned as it is
    OUTPUTS = 13  # an array of outputs
    SLOT_COUNT = 14
    SLOTS = 15  # where in a handle there is what is copied from a prototype
    WORDS = 16


class Part:
    """The words of a node: an expected argument, or a part of one."""

    KIND = 0
    CLASS = 1  # of a container or number, or None itself
    COUNT = 2  # of a container's parts
    PARTS = 3
    KEYS = 4
    DTYPE = 5
    RANK = 6
    SHAPE = 7
    WEAK = 8
    NUMBER = 9  # of the buffer
    PLACE = 10  # which input it is
    GONE = 11  # what handles become like, that are given away; or null
    WORDS = 12


NUMBERS = {
    "bool as bool": "bool",
    "int as int64": "i64",
    "int as int32": "i32",
    "float as float64": "f64",
    "float as float32": "f32",
}
"""Python numbers that are taken: their class and the dtype of the input, with a name for it."""

KINDS = ("leaf", "none", "tuple", "list", "dict", "dataclass", *NUMBERS)


class Output:
    """The words of an output."""

    DTYPE = 0
    RANK = 1
    SHAPE = 2
    BYTES = 3
    PROTOTYPE = 4
    NUMBER = 5
    START = 6  # the buffer of the input whose elements it holds at the start; -1 for none
    PLACE = 7  # which input that is
    WORDS = 8


class Frame:
    """The words of a frame."""

    NEXT = 0
    POINTERS = 1
    SIZES = 2
    HELD = 3  # the number of arguments that are held
    ARRAYS = 4  # these arguments
    NUMBERS = 5  # room for each input that is a Python number
    LENT = 6  # the array of each input whose handle is given away, null for others
    GIVEN = 7  # the number of words of the following
    CHANGES = 8  # these handles, each with what it becomes like
    WORDS = 9


FUNCTIONS = {
    "PyType_GenericAlloc": "ptr (ptr, i64)",
    "PyTuple_New": "ptr (i64)",
    "PyTuple_SetItem": "i32 (ptr, i64, ptr)",
    "PyTuple_GetItem": "ptr (ptr, i64)",
    "PyTuple_Size": "i64 (ptr)",
    "PyList_GetItem": "ptr (ptr, i64)",
    "PyList_Size": "i64 (ptr)",
    "PyDict_GetItemWithError": "ptr (ptr, ptr)",
    "PyDict_Size": "i64 (ptr)",
    "PyObject_GetAttr": "ptr (ptr, ptr)",
    "PyErr_Clear": "void ()",
    "PyErr_NoMemory": "ptr ()",
    "Py_IncRef": "void (ptr)",
    "Py_DecRef": "void (ptr)",
    "PyEval_SaveThread": "ptr ()",
    "PyEval_RestoreThread": "void (ptr)",
    "PyCapsule_New": "ptr (ptr, ptr, ptr)",
    "PyCapsule_GetPointer": "ptr (ptr, ptr)",
    "PyCapsule_IsValid": "i32 (ptr, ptr)",
    "PyObject_CallNoArgs": "ptr (ptr)",
    "PyLong_AsVoidPtr": "ptr (ptr)",
    "PyLong_AsLongLongAndOverflow": "i64 (ptr, ptr)",
    "PyFloat_AsDouble": "double (ptr)",
}
"""What is used of Python's C interface."""

MEMORY = {
    "aligned_alloc": "ptr (i64, i64)",
    "free": "void (ptr)",
    "malloc": "ptr (i64)",
    "madvise": "i32 (ptr, i64, i32)",
    "memcpy": "ptr (ptr, ptr, i64)",
}
"""What is used of the C library."""

NEW_ARRAY, SET_BASE = "irflow_new_array", "irflow_set_base"
"""The names here of NumPy's `PyArray_NewFromDescr` and `PyArray_SetBaseObject`."""


def builtin_text(array: dict[str, int]) -> str:
    """The module.

    Args:
        array: where in an array object `data`, `rank`, `shape`, `base`, `dtype` and `flags` are,
            and in any object its `class`.
    """
    declared = [
        f"declare {kind.replace('(', f'@{name}(', 1)}"
        for name, kind in (FUNCTIONS | MEMORY).items()
    ]
    words = {
        f"{cls.__name__.lower()}_{name.lower()}": number
        for cls in (Table, Part, Output, Frame)
        for name, number in vars(cls).items()
        if name.isupper()
    }
    text = Template(ARGUMENTS + builtin_results.RESULTS).substitute(
        words,
        **{f"array_{name}": offset for name, offset in array.items()},
        **{f"kind_{NUMBERS.get(name, name)}": number for number, name in enumerate(KINDS)},
        large=builtin_results.LARGE,
        kept=builtin_results.KEPT,
        blocks=builtin_results.BLOCKS,
        huge=builtin_results.HUGE,
        huge_page=builtin_results.HUGE_PAGE,
        page=builtin_results.PAGE,
        advice=builtin_results.ADVICE,
        record=builtin_results.RECORD,
        writable=builtin_results.WRITABLE,
        own=builtin_results.OWN,
    )
    numbers = count()
    return "\n".join([*declared, _ACCESS.sub(lambda found: _access(found, next(numbers)), text)])


# `%x = word T %base, i` loads the word `i`, `word T v, %base, i` stores it; `byte` counts bytes.
_ACCESS = re.compile(r"^  (?:(%[\w.]+) = )?(word|byte) (\w+) (.*)$", re.MULTILINE)


def _access(found: re.Match[str], number: int) -> str:
    """A load or store of a word `base, index`, or of what is at a byte of an object."""
    target, unit, kind, rest = found.groups()
    parts = [part.strip() for part in rest.split(",")]
    base, index = parts[-2:]
    step = "i64" if unit == "word" else "i8"
    place = f"  %place{number} = getelementptr {step}, ptr {base}, i64 {index}"
    if target:
        return f"{place}\n  {target} = load {kind}, ptr %place{number}"
    return f"{place}\n  store {kind} {parts[0]}, ptr %place{number}"
