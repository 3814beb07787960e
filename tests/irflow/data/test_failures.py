"""Errors of pipelines name the sample; threads end with the pass; workers change no result."""

import gc
import itertools
import threading
import time
import traceback

import numpy as np
import pytest

import irflow as irf
from irflow.data import Dataset
from irflow.errors import DataError, DTypeError, ShapeError, UsageError


def fails_at(number):
    def work(i):
        if i == number:
            raise KeyError("no such word")
        return i

    return work


def generator_that_fails():
    yield from range(3)
    raise OSError("connection lost")


# ------------------------------------------------------------------------ which sample, which line


@pytest.mark.parametrize("workers", [0, 3])
@pytest.mark.parametrize("ahead", [False, True])
def test_a_map_that_fails(workers, ahead):
    data = Dataset.range(10, 20).skip(2).map(fails_at(15), num_workers=workers)
    data = data.prefetch() if ahead else data
    with pytest.raises(DataError) as raised:
        list(data)
    assert [int(i) for i in data.take(3)] == [12, 13, 14]
    text = str(raised.value)
    assert text.startswith("map: work failed with KeyError: 'no such word'\n  sample")
    assert "sample        5\n" in text  # the row of the source
    assert "it was given  i64[]\n" in text
    assert ', work:    raise KeyError("no such word")' in text
    assert isinstance(raised.value.__cause__, KeyError)


def test_everything_before_the_failure_arrives():
    for workers, ahead in itertools.product([0, 1, 4], [0, 1, 5]):
        data = Dataset.range(10).map(fails_at(7), num_workers=workers)
        data = data.prefetch(ahead) if ahead else data
        elements = iter(data)
        assert [int(next(elements)) for _ in range(7)] == list(range(7))
        with pytest.raises(DataError, match="sample        7"):
            next(elements)


def test_everything_before_a_failing_source_arrives():
    for workers, ahead in itertools.product([0, 1, 4], [1, 5]):
        data = Dataset.from_generator(generator_that_fails).map(abs, num_workers=workers)
        elements = iter(data.prefetch(ahead))
        assert [next(elements) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(DataError, match="connection lost"):
            next(elements)


@pytest.mark.parametrize("step", [lambda d: d, lambda d: d.prefetch()], ids=["here", "ahead"])
def test_tracebacks_hold_the_users_frames(step, monkeypatch):
    def work(i):
        return np.stack([np.ones(2), np.ones(3)])

    with pytest.raises(DataError, match=", work:    return np.stack") as raised:
        list(step(Dataset.range(2).map(work)))
    names = [entry.name for entry in raised.traceback]
    assert names == ["test_tracebacks_hold_the_users_frames"]
    causes = traceback.extract_tb(raised.value.__cause__.__traceback__)
    assert causes[0].name == "work"
    monkeypatch.setenv("IRFLOW_TRACEBACK", "full")
    with pytest.raises(DataError) as raised:
        list(step(Dataset.range(2).map(work)))
    assert "__iter__" in [entry.name for entry in raised.traceback]


def test_other_functions_that_fail():
    data = Dataset.range(5)
    with pytest.raises(DataError, match="filter: work failed(.|\n)*sample        2"):
        list(data.filter(fails_at(2)))
    with pytest.raises(DataError, match="filter: <lambda> failed with ValueError(.|\n)*sample  "):
        list(data.filter(lambda i: np.zeros(2) > 1))
    with pytest.raises(DataError, match="interleave: work failed(.|\n)*sample        0"):
        list(data.interleave(fails_at(0)))
    with pytest.raises(UsageError, match="a Dataset is needed"):
        list(data.interleave(lambda i: [i]))
    with pytest.raises(DataError, match="OSError: connection lost\n  sample  3\n"):
        list(Dataset.from_generator(generator_that_fails).map(abs))
    with pytest.raises(DataError, match="map: <lambda> failed with ShapeError: add: shapes do not"):
        list(data.map(lambda i: irf.asarray(np.ones(2)) + np.ones(3)))


def test_a_map_that_writes_into_its_sample():
    def work(x):
        x += 1
        return x

    with pytest.raises(DataError, match="hint: samples are views of the data; change a copy"):
        list(Dataset.from_arrays(np.zeros((3, 2))).map(work))


def test_the_samples_of_a_batch_are_named():
    x = np.arange(12)
    batches = Dataset.from_arrays(x).batch(5).map(lambda batch: 1 / 0)
    with pytest.raises(DataError, match=r"samples       0, 1, 2, 3 and 1 more\n.*i64\[5\]"):
        list(batches)
    order = [int(i) for i in Dataset.range(12).shuffle(seed=0).take(3)]
    shuffled = Dataset.range(12).shuffle(seed=0).batch(3).map(lambda batch: 1 / 0)
    with pytest.raises(DataError, match=f"samples       {order[0]}, {order[1]}, {order[2]}\n"):
        list(shuffled)
    pairs = Dataset.zip(Dataset.range(3), Dataset.range(3).shuffle(seed=1)).map(fails_at)
    with pytest.raises(DataError, match="fails_at failed with TypeError: fails_at"):
        list(pairs)
    data = Dataset.range(3)
    same = Dataset.zip(data.map(abs), data).map(lambda a, b: [0, 0][a])
    with pytest.raises(DataError, match="sample        2\n  it was given  .i64"):
        list(same)
    gathered = Dataset.range(4).map(abs).batch(2).unbatch().map(fails_at(3))
    with pytest.raises(DataError, match="sample        3\n"):
        list(gathered)


def test_files_are_named(tmp_path):
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    one.write_text("1\n2\n")
    two.write_text("3\nx\n")
    with pytest.raises(DataError, match=r"sample        3\n  file          .*two.txt, line 2\n"):
        list(Dataset.from_files([one, two]).map(int).batch(2))
    two.write_bytes(b"3\n\xff\n")
    with pytest.raises(DataError, match=r"UnicodeDecodeError.*\n.*3\n.*two.txt, line 2"):
        list(Dataset.from_files([one, two]))
    with pytest.raises(DataError, match=r"from_files: <lambda> failed(.|\n)*file  .*one.txt\n"):
        list(Dataset.from_files([one], lambda path: int(path.read_text())))
    data = Dataset.from_files([one, two])
    one.unlink()
    with pytest.raises(DataError, match="FileNotFoundError"):
        next(iter(data))


def test_damaged_arrays(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.arange(100.0))
    whole = path.read_bytes()
    np.savez(tmp_path / "archive.npz", a=np.ones(2))
    pickled = tmp_path / "pickled.npy"
    np.save(pickled, np.array([{}], object), allow_pickle=True)
    for name, content in {
        "short.npy": whole[:-8],
        "header.npy": whole[:40],
        "empty.npy": b"",
        "other.npy": b"hello",
        "archive.npy": (tmp_path / "archive.npz").read_bytes(),
        "pickled.npy": pickled.read_bytes(),
    }.items():
        file = tmp_path / name
        file.write_bytes(content)
        with pytest.raises(DataError, match=f"cannot be read(.|\n)*{name}"):
            Dataset.from_files(file)


def test_samples_of_other_shapes():
    parts = [np.zeros(2), np.zeros(2), np.zeros(3)]
    data = Dataset.from_generator(lambda: ({"x": p} for p in parts)).batch(3)
    with pytest.raises(ShapeError) as raised:
        list(data.prefetch())
    assert str(raised.value).startswith(
        "batch: samples differ in shape at ['x']\n"
        "  first  sample  0\n"
        "  first  shape   (2,)\n"
        "  other  sample  2\n"
        "  other  shape   (3,)\n"
        "  in test_failures.py:"
    )
    assert ".batch(3)\n  hint: pad or crop" in str(raised.value)  # the line that made it


def test_samples_of_other_kinds():
    for samples, text in [
        (
            [(1, 2), (1, 2, 3)],
            r"structure\n  first  sample  0\n  first  is      \(\*, \*\)",
        ),
        ([{"a": 1}, {"b": 1}], r"other  is      \{'b': \*\}"),
        (["a", 1], "differ in element type\n  found  <U1, int64"),
    ]:
        with pytest.raises(DTypeError, match=text):
            list(Dataset.from_generator(lambda samples=samples: iter(samples)).batch(2))
    with pytest.raises(
        UsageError, match="no common first axis\n  sample   0\n  element  .f32.2., f32.3.."
    ):
        list(Dataset.from_generator(lambda: [(np.ones(2, "f4"), np.ones(3, "f4"))]).unbatch())
    for samples, text in [
        ([[1, 2], [[1], [2, 3]]], r"ragged(.|\n)*\n  sample   1\n  list\[0\]  \(1,\)"),
        ([{"a": 1}, {"a": object()}], r"dtype object.*\n  leaf    \['a'\]\n  sample  1\n"),
    ]:
        with pytest.raises((ShapeError, DTypeError), match=text):
            list(Dataset.from_generator(lambda samples=samples: iter(samples)).batch(2))


# ------------------------------------------------------------------------------------------ threads


def ours():
    return [t for t in threading.enumerate() if t.name.startswith("irflow-")]


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    if ours():  # kept by a cycle, perhaps that of an error and its traceback
        gc.collect()
    assert ours() == []


@pytest.mark.parametrize("workers", [0, 1, 2, 7])
def test_workers_change_no_result(workers):
    def slow(i):
        time.sleep(0.002 * (i % 3 == 0))
        return i * i

    data = Dataset.range(40).shuffle(8, seed=1).map(slow, workers).batch(4).prefetch(3)
    expected = Dataset.range(40).shuffle(8, seed=1).map(slow).batch(4)
    for _ in range(2):
        assert [b.tolist() for b in data] == [b.tolist() for b in expected]


def test_workers_work_at_the_same_time():
    meeting = threading.Barrier(3)
    data = Dataset.range(6).map(lambda i: meeting.wait(10), num_workers=3)
    assert len(list(data)) == 6


def test_workers_are_not_ahead_without_limit():
    started = []
    data = Dataset.range(100).map(lambda i: started.append(i), num_workers=2)
    next(iter(data))
    assert len(started) <= 6


@pytest.mark.parametrize(
    "build",
    [
        lambda d: d.prefetch(2),
        lambda d: d.map(abs, num_workers=3),
        lambda d: d.map(abs, num_workers=2).prefetch(2).map(abs).prefetch(1).batch(2),
        lambda d: d.prefetch(1).map(abs, num_workers=2).shuffle(3).repeat(),
        lambda d: Dataset.zip(d.prefetch(1), d.map(abs, num_workers=1)),
        lambda d: d.prefetch(1).take(3),
        lambda d: d.take(2).interleave(lambda i: Dataset.range(5).prefetch(1)),
    ],
)
def test_dropped_iterators_leave_no_thread(build):
    endless = Dataset.from_generator(itertools.count)
    for count in (0, 1, 5):
        iterator = iter(build(endless))
        for _ in range(count):
            next(iterator, None)
        del iterator
        assert ours() == []


def test_a_failing_pass_leaves_no_thread():
    data = Dataset.range(100).map(fails_at(3), num_workers=2).prefetch(2)
    with pytest.raises(DataError):
        list(data)
    assert ours() == []


def test_a_generator_is_closed_with_the_pass():
    closed = []

    def count():
        try:
            yield from itertools.count()
        finally:
            closed.append(threading.current_thread().name)

    for step in (lambda d: d, lambda d: d.prefetch(1), lambda d: d.map(abs, num_workers=1)):
        iterator = iter(step(Dataset.from_generator(count)).batch(2))
        next(iterator)
        del iterator
    assert len(closed) == 3


def test_prefetch_prepares_ahead_and_not_further():
    made = []
    ready = threading.Event()

    def count():
        for i in itertools.count():
            made.append(i)
            if i == 3:
                ready.set()
            yield i

    iterator = iter(Dataset.from_generator(count).prefetch(3))
    next(iterator)
    assert ready.wait(10)
    time.sleep(0.05)
    assert len(made) <= 5  # one handed over, three waiting, one in the thread's hands
    del iterator


def test_interrupts_reach_the_user():
    def stop(i):
        raise KeyboardInterrupt

    for data in (Dataset.range(3).map(stop).prefetch(1), Dataset.range(3).map(stop)):
        with pytest.raises(KeyboardInterrupt):
            next(iter(data))


def test_an_iterator_in_a_cycle_is_collected():
    iterator = iter(Dataset.from_generator(itertools.count).prefetch(1))
    next(iterator)
    cycle = [iterator]
    cycle.append(cycle)
    del iterator, cycle
    gc.collect()
    assert ours() == []


def test_two_passes_at_a_time():
    data = Dataset.range(20).map(abs, num_workers=2).cache().prefetch(2)
    pairs = zip(data, data, strict=True)
    assert all(a == b for a, b in pairs)


# ------------------------------------------------------------------------------------------- speed


def test_gathering_is_as_quick_as_numpy():
    x = np.ones((20_000, 784), np.float32)
    data = Dataset.from_arrays(x).shuffle(seed=0).batch(128)

    def plain():
        order = np.random.default_rng(0).permutation(len(x))
        for start in range(0, len(x), 128):
            x[order[start : start + 128]]

    def ours():
        for _ in data:
            pass

    ratios = (best(ours) / best(plain) for _ in range(8))
    assert any(ratio < 1.3 for ratio in ratios)


def best(function, times=3):
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        taken.append(time.perf_counter() - start)
    return min(taken)
