"""`Dataset`: what users build pipelines with. Each method gives a new one, with a stage more."""

from __future__ import annotations

import builtins
import operator
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from irflow.data import steps
from irflow.data.gathering import Batch, ShuffleBuffer
from irflow.data.rows import InOrder, Permutations, RowBatches, Rows, rows_of
from irflow.data.sources import (
    FileElements,
    Generated,
    Lines,
    Paths,
    close,
    found_files,
    mapped_file,
)
from irflow.data.stage import ENDLESS, Element, Stage, UserFunction
from irflow.data.threads import ParallelMap, Prefetch
from irflow.errors import IrflowError, UnknownLengthError, UsageError
from irflow.frontend.boundary import public, shorten
from irflow.location import user_location

AUTOTUNE = -1
"""As a number of threads or of elements prepared ahead: a usual one."""


class Dataset:
    """Samples, one after the other, from a source and through steps that change them.

    An element is an array, a number or text, or several of these in tuples, dicts, named tuples or
    dataclasses; a list is an array. Iterating starts anew each time. Functions that are given to
    `map`, `filter` and `interleave` take the parts of a tuple as several arguments.

    An error that a sample causes is a `DataError`, whose facts tell the number of the sample in
    its source, from 0 on, and its file if it has one; `__cause__` is the error itself.

    >>> data = Dataset.range(5).map(lambda i: i * i).batch(2)
    >>> [batch.tolist() for batch in data], len(data)
    ([[0, 1], [4, 9], [16]], 3)
    """

    __slots__ = ("_stage",)

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    # ---------------------------------------------------------------------------------- sources

    @classmethod
    @public
    def from_arrays(cls, *arrays: Any) -> Dataset:
        """The rows of arrays: of one, or tuples of a row of each.

        Args:
            arrays: nested structures of arrays `[n, ...]`, tensors, lists, columns or tables. They
                are not copied; samples are views that cannot be written to.

        Raises:
            ShapeError: the numbers of rows differ, or an array has no axis.

        >>> list(Dataset.from_arrays(["a", "b"], [0, 1]))[1]
        (np.str_('b'), np.int64(1))
        """
        if not arrays:
            raise UsageError("from_arrays: no array is given")
        return cls(rows_of(arrays[0] if len(arrays) == 1 else arrays))

    @classmethod
    @public
    def from_tensor_slices(cls, data: Any) -> Dataset:
        """The rows of a nested structure of arrays, as `from_arrays` of it alone."""
        return cls(rows_of(data))

    @classmethod
    @public
    def range(cls, *bounds: int) -> Dataset:
        """The integers of Python's `range(*bounds)`, i64."""
        return cls(rows_of(np.arange(*map(operator.index, bounds), dtype=np.int64)))

    @classmethod
    @public
    def from_generator(
        cls,
        make: Callable[[], Any],
        *,
        length: int | None = None,
        element_spec: Element | None = None,
    ) -> Dataset:
        """What an iterable yields that `make` makes anew for each pass.

        Args:
            make: a function without arguments, such as a generator function.
            length: how many elements there are, if that is known.
            element_spec: the types of the leaves; by default those of the first element, for
                which the generator is started.

        Raises:
            UsageError: `make` is a generator that has been started: it can be iterated over once.
        """
        if not callable(make):
            raise UsageError(
                "from_generator: a function is needed that makes the iterator for each pass",
                facts=[("given", type(make).__name__)],
                hint="pass the generator function without calling it",
            )
        return cls(Generated(make, length, element_spec, user_location()))

    @classmethod
    @public
    def from_files(
        cls,
        paths: Paths,
        read: str | Callable[..., Any] | None = None,
        *,
        encoding: str = "utf-8",
    ) -> Dataset:
        """Samples from files.

        Args:
            paths: a file, a pattern such as `"data/*.txt"`, or several; in this order, those of a
                pattern by name.
            read: `"lines"`: each line of text is a sample, without its end. `"npy"`: each row of
                the array in a `.npy` file, read when it is needed (memory mapped). A function:
                what it makes of each file, given as a `pathlib.Path`; for images, for example.
                By default `"npy"` for files of that name, else `"lines"`.
            encoding: of text.

        Raises:
            UsageError: there is no such file.
            DataError: a file cannot be read; while iterating, or at once for arrays.
        """
        files = found_files(paths)
        if callable(read):
            return cls(FileElements(files, UserFunction("from_files", read, user_location())))
        if read not in (None, "lines", "npy"):
            raise UsageError(
                "from_files: read is 'lines', 'npy' or a function", facts=[("given", repr(read))]
            )
        if read == "npy" or (read is None and all(file.endswith(".npy") for file in files)):
            return _joined([mapped_file(file) for file in files])
        return cls(Lines(files, encoding))

    # ---------------------------------------------------------------------- one element at a time

    @public
    def map(
        self,
        function: Callable[..., Any],
        num_workers: int = 0,
        *,
        num_parallel_calls: int | None = None,
    ) -> Dataset:
        """The results of a function on each element.

        Args:
            function: takes an element.
            num_workers: how many threads call it; 0 calls it in the thread that iterates,
                `AUTOTUNE` has one for each processor. The order of the results is the same for any
                number.
            num_parallel_calls: TensorFlow's name for `num_workers`.

        Raises:
            DataError: while iterating, if the function fails.
        """
        call = UserFunction("map", function, user_location())
        workers = num_workers if num_parallel_calls is None else num_parallel_calls
        workers = _count("map: num_workers", workers, 0, automatic=os.cpu_count() or 1)
        if workers:
            return Dataset(ParallelMap(self._stage, call, workers))
        return Dataset(steps.Map(self._stage, call))

    @public
    def filter(self, function: Callable[..., Any]) -> Dataset:
        """The elements for which a function is true."""
        return Dataset(steps.Filter(self._stage, UserFunction("filter", function, user_location())))

    @public
    def enumerate(self, start: int = 0) -> Dataset:
        """Tuples of a number, counted from `start`, and an element."""
        return Dataset(steps.Enumerate(self._stage, operator.index(start)))

    @public
    def interleave(
        self, function: Callable[..., Dataset], cycle_length: int = 4, block_length: int = 1
    ) -> Dataset:
        """The elements of the datasets that a function makes of each element, in turn.

        Args:
            function: takes an element.
            cycle_length: of how many datasets elements are taken in turn.
            block_length: how many elements of one are taken before those of the next.
        """
        call = UserFunction("interleave", function, user_location())
        cycle = _count("interleave: cycle_length", cycle_length, 1)
        block = _count("interleave: block_length", block_length, 1)
        return Dataset(steps.Interleave(self._stage, call, cycle, block, _stage_of))

    # ----------------------------------------------------------------------- which, in which order

    @public
    def shuffle(
        self,
        buffer_size: int | None = None,
        seed: int | None = None,
        reshuffle_each_iteration: bool = True,
    ) -> Dataset:
        """The elements in a random order.

        Args:
            buffer_size: each element is drawn from that many; None means from all. Rows of arrays
                are not moved for it: only their numbers are.
            seed: the order is a function of it, on every machine; None takes a random one.
            reshuffle_each_iteration: whether each pass has another order. The passes are counted
                from the call of `shuffle` on.
        """
        size = None if buffer_size is None else _count("shuffle: buffer_size", buffer_size, 1)
        drawn = int(np.random.SeedSequence().generate_state(1)[0])
        start = drawn if seed is None else _count("shuffle: seed", seed, 0)
        permutations = Permutations(start, reshuffle_each_iteration)
        stage = self._stage
        if isinstance(stage, Rows):
            return Dataset(stage.shuffled(permutations, size))
        return Dataset(ShuffleBuffer(stage, size, permutations))

    @public
    def take(self, count: int) -> Dataset:
        """The first `count` elements."""
        return self._cut(0, _count("take", count, 0))

    @public
    def skip(self, count: int) -> Dataset:
        """The elements after the first `count`."""
        return self._cut(_count("skip", count, 0), None)

    @public
    def shard(self, count: int, index: int) -> Dataset:
        """Every `count`-th element, from number `index` on: one worker's part of `count` parts."""
        count, index = _count("shard: count", count, 1), _count("shard: index", index, 0)
        if index >= count:
            raise UsageError(f"shard: index {index} is not below count {count}")
        return self._cut(index, None, count)

    def _cut(self, start: int, stop: int | None, step: int = 1) -> Dataset:
        if isinstance(self._stage, Rows):
            return Dataset(self._stage.cut(slice(start, stop, step)))
        return Dataset(steps.Cut(self._stage, start, stop, step))

    @public
    def repeat(self, count: int | None = None) -> Dataset:
        """The elements `count` times, without end by default; a shuffle before it is done anew."""
        times = None if count is None else _count("repeat", count, 0)
        return Dataset(steps.Repeat(self._stage, times))

    # ----------------------------------------------------------------------------------- batches

    @public
    def batch(self, batch_size: int, drop_remainder: bool = False) -> Dataset:
        """`batch_size` elements as one, with a batch axis in front of each leaf.

        Args:
            batch_size: how many elements a batch has.
            drop_remainder: whether the elements at the end that fill no batch are left out.

        Raises:
            ShapeError: while iterating, if the shapes of samples differ.
        """
        size = _count("batch", batch_size, 1)
        if isinstance(self._stage, Rows):
            return Dataset(RowBatches(self._stage, size, drop_remainder))
        return Dataset(Batch(self._stage, size, drop_remainder, user_location()))

    @public
    def unbatch(self) -> Dataset:
        """The rows of each element as elements of their own."""
        return Dataset(steps.Unbatch(self._stage))

    # ------------------------------------------------------------------------ keeping and preparing

    @public
    def prefetch(self, buffer_size: int = 2) -> Dataset:
        """The same elements, of which a thread prepares up to `buffer_size` ahead.

        `AUTOTUNE` is 2. The thread ends with the pass, also with one that is given up.
        """
        return Dataset(Prefetch(self._stage, _count("prefetch", buffer_size, 1, automatic=2)))

    def cache(self) -> Dataset:
        """The same elements, kept in memory by the first pass that comes to the end."""
        if isinstance(self._stage, Rows) and self._stage.file is None:
            return self  # as they are in memory already
        return Dataset(steps.Cache(self._stage))

    # ---------------------------------------------------------------------------- several datasets

    @staticmethod
    @public
    def zip(*datasets: Any) -> Dataset:
        """Tuples of an element of each dataset, up to the end of the shortest."""
        given = datasets[0] if len(datasets) == 1 and isinstance(datasets[0], tuple) else datasets
        stages = tuple(_stage_of(dataset) for dataset in given)
        if not stages:
            raise UsageError("zip: no dataset is given")
        rows = [stage for stage in stages if isinstance(stage, Rows)]
        if len(rows) == len(stages) and all(isinstance(r.order, InOrder) for r in rows):
            return Dataset(_side_by_side(rows))
        return Dataset(steps.Zip(stages))

    @public
    def concatenate(self, *others: Dataset) -> Dataset:
        """The elements of this dataset, then those of others."""
        return _joined([self._stage, *map(_stage_of, others)])

    # -------------------------------------------------------------------------------- as in Python

    def __iter__(self) -> Iterator[Element]:
        pairs = self._stage.pairs()
        try:
            for _, element in pairs:
                yield element
        except IrflowError as error:
            shorten(error)
            raise
        finally:
            close(pairs)

    @public
    def __len__(self) -> int:
        """The number of elements.

        Raises:
            UnknownLengthError: it is not known beforehand, or there is no end; a TypeError.
        """
        count = self._stage.length()
        if count is None:
            raise UnknownLengthError("the length of this dataset is known only at its end")
        if count == ENDLESS:
            raise UnknownLengthError("the dataset repeats without end")
        return int(count)

    def __bool__(self) -> bool:
        return True  # also where the length is not known

    @property
    @public
    def element_spec(self) -> Element:
        """The types of the leaves of an element: `(f32[n, 784], i64[n])`.

        The size of batches is a symbol where they are not all alike. Behind a `map`, the types are
        those of its result on one sample. A leaf that is no array of numbers has its class.
        """
        return self._stage.spec()

    def __repr__(self) -> str:
        count = self._stage.length()
        size = {None: "of unknown length", ENDLESS: "without end"}.get(count, f"of {count}")
        return f"<Dataset {size}, by {type(self._stage).__name__}>"


def _count(name: str, value: int, least: int, automatic: int | None = None) -> int:
    """An argument that is a number of something; `AUTOTUNE` is `automatic`, if there is that."""
    if automatic is not None and type(value) is int and value == AUTOTUNE:
        return automatic
    try:
        number = operator.index(value)
    except TypeError:
        raise UsageError(f"{name} is an integer", facts=[("given", repr(value))]) from None
    if isinstance(value, bool) or number < least:
        raise UsageError(f"{name} is an integer from {least} on", facts=[("given", repr(value))])
    return number


def _stage_of(dataset: Any) -> Stage:
    if not isinstance(dataset, Dataset):
        raise UsageError("a Dataset is needed", facts=[("given", type(dataset).__name__)])
    return dataset._stage


def _joined(stages: list[Any]) -> Dataset:
    return Dataset(stages[0] if len(stages) == 1 else steps.Concatenate(tuple(stages)))


def _side_by_side(rows: list[Rows]) -> Rows:
    """Rows of several sources as rows of one, which can be gathered."""
    count = min(source.count for source in rows)
    parts = []
    for source in rows:
        numbers = source.order.numbers()[:count]
        assert isinstance(numbers, builtins.range)
        parts.append(source.structure.unflatten(source.gather(numbers)))
    files = [source.file for source in rows if source.file is not None]
    return rows_of(tuple(parts), ", ".join(files) or None)
