"""Pipelines of `irf.data`: what each step gives, in which order, how often, of which length."""

import collections
import itertools

import ml_dtypes
import numpy as np
import pytest

import irflow as irf
from irflow.data import Dataset
from irflow.errors import DataError, ShapeError, UnknownLengthError, UsageError

X = np.arange(40, dtype=np.float32).reshape(10, 4)
Y = np.arange(10)


def plain(data):
    """The elements as Python's own values."""
    return [irf.tree.map_leaves(as_list, element) for element in data]


def as_list(leaf):
    return leaf.tolist() if hasattr(leaf, "tolist") else leaf


def counted(stop):
    """The same elements as `Dataset.range`, from a source that is not known by number."""
    return Dataset.from_generator(lambda: iter(range(stop)))


SOURCES = {"rows": Dataset.range, "generator": counted}
both = pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES.keys())


# ------------------------------------------------------------------------------------------ sources


def test_rows_of_arrays():
    data = Dataset.from_arrays(X, Y)
    assert len(data) == 10
    x, y = list(data)[3]
    assert (x.tolist(), y) == (X[3].tolist(), 3)
    assert plain(Dataset.from_arrays(Y)) == list(range(10))
    assert plain(Dataset.range(2, 9, 3)) == [2, 5, 8]
    assert next(iter(Dataset.range(3))).dtype == np.int64


def test_rows_of_structures():
    Point = collections.namedtuple("Point", "x y")
    data = Dataset.from_tensor_slices({"a": X, "b": (Y, [1.5] * 10)})
    first = next(iter(data))
    assert (first["a"].tolist(), first["b"][0]) == ([0, 1, 2, 3], 0)
    assert first["b"][1].dtype == np.float32
    for batch in (next(iter(data.batch(2))), next(iter(data.map(lambda d: d).batch(2)))):
        assert batch["a"].shape == (2, 4)
        assert batch["b"][1].tolist() == [1.5, 1.5]
    points = Dataset.from_tensor_slices(Point(X, Y))
    assert next(iter(points)).y == 0
    assert next(iter(points.map(lambda p: p).batch(3))).x.shape == (3, 4)


def test_rows_of_what_stands_for_arrays():
    for value in (irf.asarray(Y), Y.tolist(), range(10), memoryview(Y)):
        assert plain(Dataset.from_arrays(value)) == list(range(10))
    assert plain(Dataset.from_arrays(["a", "bc"]).batch(2)) == [["a", "bc"]]


def test_samples_cannot_change_the_data():
    x = X.copy()
    for data in (Dataset.from_arrays(x), Dataset.from_arrays(x).batch(2)):
        element = next(iter(data))
        with pytest.raises(ValueError, match="read-only"):
            element[...] = 0
    x[0] = 9  # the user's own array is as before, and not copied
    assert next(iter(Dataset.from_arrays(x))).tolist() == [9] * 4


def test_rows_that_do_not_fit():
    with pytest.raises(ShapeError, match=r"data\[0\]  float32\[10, 4\]  10 samples"):
        Dataset.from_arrays(X, Y[:9])
    with pytest.raises(ShapeError, match="no axis"):
        Dataset.from_arrays(np.float32(1))
    with pytest.raises(ShapeError, match="at least one array"):
        Dataset.from_tensor_slices({})
    with pytest.raises(UsageError, match="no array"):
        Dataset.from_arrays()


def test_generators():
    data = Dataset.from_generator(lambda: ((i, str(i)) for i in range(3)))
    assert list(data) == list(data) == [(0, "0"), (1, "1"), (2, "2")]
    assert plain(data.batch(3)) == [([0, 1, 2], ["0", "1", "2"])]
    with pytest.raises(UnknownLengthError):
        len(data)
    assert len(Dataset.from_generator(range(4).__iter__, length=4)) == 4
    with pytest.raises(UsageError, match="without calling it"):
        Dataset.from_generator(i for i in range(3))


def test_files_of_text(tmp_path):
    (tmp_path / "b.txt").write_bytes(b"drei\r\nvier")
    (tmp_path / "a.txt").write_text("eins\nzwei\n\n", "utf-8")
    for paths in (str(tmp_path / "*.txt"), [tmp_path / "a.txt", tmp_path / "b.txt"]):
        data = Dataset.from_files(paths)
        assert list(data) == list(data) == ["eins", "zwei", "", "drei", "vier"]
    assert plain(Dataset.from_files(tmp_path / "b.txt").map(len).batch(2)) == [[4, 4]]
    for path, text in [(tmp_path, "a folder"), ("nowhere*", "no such file"), ([], "no files")]:
        with pytest.raises(UsageError, match=text):
            Dataset.from_files(path)
    with pytest.raises(UsageError, match="'lines', 'npy' or a function"):
        Dataset.from_files(tmp_path / "a.txt", "text")


def test_files_of_arrays(tmp_path):
    np.save(tmp_path / "a.npy", X)
    np.save(tmp_path / "b.npy", X[:3] + 100)
    one = Dataset.from_files(tmp_path / "a.npy")
    assert len(one) == 10
    base = next(iter(one)).base
    while isinstance(base, np.ndarray):
        base = base.base
    assert type(base).__name__ == "mmap"
    batches = list(one.shuffle(seed=1).batch(4))
    assert sorted(np.concatenate(batches)[:, 0].tolist()) == X[:, 0].tolist()
    data = Dataset.from_files(str(tmp_path / "*.npy"))
    assert len(data) == 13
    assert plain(data)[10] == (X[0] + 100).tolist()


def test_files_by_a_function(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(name * 3)
    data = Dataset.from_files([tmp_path / "a", tmp_path / "b"], lambda path: path.read_text())
    assert (list(data), len(data)) == (["aaa", "bbb"], 2)


# ------------------------------------------------------------------------- steps, on both sources


STEPS = [
    (lambda d: d.map(lambda i: i * 2), [0, 2, 4, 6, 8, 10, 12]),
    (lambda d: d.map(lambda i: i * 2, num_workers=3), [0, 2, 4, 6, 8, 10, 12]),
    (lambda d: d.filter(lambda i: i % 3 == 0), [0, 3, 6]),
    (lambda d: d.take(3), [0, 1, 2]),
    (lambda d: d.take(0), []),
    (lambda d: d.take(99), [0, 1, 2, 3, 4, 5, 6]),
    (lambda d: d.skip(5), [5, 6]),
    (lambda d: d.skip(99), []),
    (lambda d: d.skip(2).take(3), [2, 3, 4]),
    (lambda d: d.take(5).skip(3), [3, 4]),
    (lambda d: d.shard(3, 1), [1, 4]),
    (lambda d: d.skip(1).shard(2, 0).take(2), [1, 3]),
    (lambda d: d.repeat(2), [*range(7), *range(7)]),
    (lambda d: d.repeat(0), []),
    (lambda d: d.repeat().take(9), [0, 1, 2, 3, 4, 5, 6, 0, 1]),
    (lambda d: d.batch(3), [[0, 1, 2], [3, 4, 5], [6]]),
    (lambda d: d.batch(3, drop_remainder=True), [[0, 1, 2], [3, 4, 5]]),
    (lambda d: d.batch(7, drop_remainder=True), [[0, 1, 2, 3, 4, 5, 6]]),
    (lambda d: d.batch(9), [[0, 1, 2, 3, 4, 5, 6]]),
    (lambda d: d.batch(9, drop_remainder=True), []),
    (lambda d: d.shard(2, 1).batch(2), [[1, 3], [5]]),
    (lambda d: d.batch(3).batch(2, drop_remainder=True), [[[0, 1, 2], [3, 4, 5]]]),
    (lambda d: d.batch(3).unbatch(), [0, 1, 2, 3, 4, 5, 6]),
    (lambda d: d.enumerate(5).take(2), [(5, 0), (6, 1)]),
    (lambda d: d.prefetch(), [0, 1, 2, 3, 4, 5, 6]),
    (lambda d: d.batch(5).prefetch(1), [[0, 1, 2, 3, 4], [5, 6]]),
    (lambda d: d.cache(), [0, 1, 2, 3, 4, 5, 6]),
    (lambda d: d.concatenate(d.take(1), d.skip(6)), [0, 1, 2, 3, 4, 5, 6, 0, 6]),
    (lambda d: Dataset.zip(d, d.skip(5)), [(0, 5), (1, 6)]),
    (lambda d: Dataset.zip((d.take(2), d)).batch(2), [([0, 1], [0, 1])]),
    (lambda d: d.take(3).interleave(lambda i: Dataset.range(i, i + 2)), [0, 1, 2, 1, 2, 3]),
    (
        lambda d: d.take(3).interleave(lambda i: counted(3), cycle_length=2, block_length=2),
        [0, 1, 0, 1, 2, 2, 0, 1, 2],
    ),
    (lambda d: d.take(0).batch(2), []),
    (lambda d: d.take(0).repeat(), []),
]


@both
@pytest.mark.parametrize("number", range(len(STEPS)))
def test_steps(make, number):
    step, wanted = STEPS[number]
    data = step(make(7))
    assert plain(data) == wanted
    assert plain(data) == wanted  # iterating starts anew
    try:
        count = len(data)
    except UnknownLengthError:
        assert make is counted or number in UNKNOWN
    else:
        assert count == len(wanted)


UNKNOWN = {i for i, (_, wanted) in enumerate(STEPS) if i in (2, 22, 30, 31)}


def test_lengths():
    data = Dataset.range(10)
    assert len(data.repeat(3).batch(4)) == 8
    assert len(data.repeat(3).batch(4, drop_remainder=True)) == 7
    assert len(data.map(abs).take(4).concatenate(data)) == 14
    assert len(Dataset.zip(data.map(abs), data.take(3), data.repeat())) == 3
    for endless in (data.repeat(), data.repeat().batch(3), data.repeat().skip(2)):
        with pytest.raises(UnknownLengthError, match="without end"):
            len(endless)
        assert bool(endless)
    assert len(data.repeat().take(25)) == 25
    with pytest.raises(TypeError, match="only at its end"):
        len(data.filter(bool))
    assert list(itertools.islice(data.repeat(), 12))[-1] == 1


def test_tuples_are_several_arguments():
    data = Dataset.from_arrays(X, Y)
    assert plain(data.map(lambda x, y: y + x[0]))[2] == 10
    assert plain(data.filter(lambda x, y: y > 8)) == [(X[9].tolist(), 9)]
    assert plain(data.enumerate().map(lambda i, pair: i + pair[1]))[4] == 8


def test_batches_of_all_kinds_of_leaves():
    def elements():
        for i in range(2):
            yield {
                "float": 0.5,
                "int": i,
                "bool": i == 0,
                "list": [i, 1.5],
                "text": "ab"[: i + 1],
                "bytes": b"a\0",
                "tensor": irf.asarray([i, i]),
                "bf16": np.ones((2, 2), ml_dtypes.bfloat16),
                "empty": np.zeros((0, 3)),
                "none": None,
                "double": np.float64(i),
                "date": np.datetime64("2020-01-01"),
            }

    (batch,) = Dataset.from_generator(elements).batch(2)
    for name, dtype, shape in [
        ("float", np.float32, (2,)),
        ("int", np.int64, (2,)),
        ("bool", np.bool_, (2,)),
        ("list", np.float32, (2, 2)),
        ("text", np.dtype("<U2"), (2,)),
        ("bytes", np.dtype(object), (2,)),
        ("tensor", np.int64, (2, 2)),
        ("bf16", ml_dtypes.bfloat16, (2, 2, 2)),
        ("empty", np.float64, (2, 0, 3)),
        ("double", np.float64, (2,)),
        ("date", np.dtype("M8[D]"), (2,)),
    ]:
        assert (batch[name].dtype, batch[name].shape) == (dtype, shape), name
    assert batch["none"] is None
    assert batch["bytes"].tolist() == [b"a\0", b"a\0"]
    assert batch["list"].tolist() == [[0, 1.5], [1, 1.5]]


def test_batches_promote_by_the_lattice():
    mixed = [np.int64(1), np.float32(0.5)]
    (batch,) = Dataset.from_generator(lambda: mixed).batch(2)
    assert (batch.dtype, batch.tolist()) == (np.float32, [1, 0.5])
    (batch,) = Dataset.from_generator(lambda: [1, 2.5]).batch(2)
    assert (batch.dtype, batch.tolist()) == (np.float32, [1, 2.5])


def test_cache():
    calls = []
    data = Dataset.range(3).map(lambda i: calls.append(int(i)) or i).cache()
    next(iter(data))  # a pass that is given up keeps nothing
    assert plain(data) == plain(data) == [0, 1, 2]
    assert calls == [0, 0, 1, 2]


def test_element_spec():
    rows = Dataset.from_arrays(X, Y)
    assert str(rows.element_spec[0]) == "f32[4]"
    assert str(rows.batch(5).element_spec[0]) == "f32[5, 4]"
    assert str(rows.batch(3).element_spec[0]) == "f32[n, 4]"
    assert str(rows.batch(3, drop_remainder=True).element_spec[1]) == "i64[3]"
    assert str(rows.repeat().batch(3).element_spec[1]) == "i64[3]"
    for step in (
        lambda d: d.shuffle(3),
        lambda d: d.map(lambda x, y: (x, y)),
        lambda d: d.filter(lambda x, y: True),
        lambda d: d.prefetch(),
        lambda d: d.batch(3).unbatch(),
    ):
        assert list(map(str, step(rows).element_spec)) == ["f32[4]", "i64[]"]
    words = Dataset.from_generator(lambda: iter([("a", [1, 2])]))
    assert words.element_spec[0] is str
    assert str(words.element_spec[1]) == "i64[2]"
    assert str(Dataset.zip(words, rows).element_spec[1][0]) == "f32[4]"
    assert Dataset.from_generator(lambda: 1 / 0, element_spec="known").element_spec == "known"
    with pytest.raises(DataError, match="empty"):
        rows.take(0).map(abs).element_spec  # noqa: B018
    batched = irf.jit(lambda x, y: x.sum()).trace(*rows.batch(3).element_spec)
    assert "f32[n, 4]" in str(batched)


def test_element_spec_is_no_pass():
    data = Dataset.range(20).shuffle(seed=3)
    fresh = plain(Dataset.range(20).shuffle(seed=3))
    data.map(abs).batch(2).element_spec  # noqa: B018
    assert plain(data) == fresh


# ---------------------------------------------------------------------------------------- shuffling


SIZES = [None, 1, 7, 30, 100]


@both
@pytest.mark.parametrize("size", SIZES)
def test_shuffle(make, size):
    data = make(30).shuffle(size, seed=5)
    first, second = plain(data), plain(data)
    assert sorted(first) == sorted(second) == list(range(30))
    assert (first == list(range(30))) is (size == 1)
    assert (first == second) is (size == 1)
    again = make(30).shuffle(size, seed=5)
    assert [plain(again), plain(again)] == [first, second]
    if size != 1:
        assert plain(make(30).shuffle(size, seed=6)) != first
        assert plain(make(30).shuffle(size)) != plain(make(30).shuffle(size))
    if size == 7:  # no element comes before it has entered the buffer
        assert all(value <= place + 6 for place, value in enumerate(first))
    fixed = make(30).shuffle(size, seed=5, reshuffle_each_iteration=False)
    assert plain(fixed) == plain(fixed) == first


def test_the_order_is_a_function_of_the_seed_alone():
    for make in SOURCES.values():
        assert plain(make(8).shuffle(3, seed=0)) == ORDER_OF_3
    assert plain(Dataset.range(8).shuffle(seed=0)) == ORDER_OF_ALL


ORDER_OF_3 = [0, 1, 2, 5, 3, 4, 7, 6]
ORDER_OF_ALL = [6, 3, 5, 0, 7, 2, 1, 4]


def test_shuffled_pairs_stay_together():
    data = Dataset.from_arrays(X, Y).shuffle(seed=0)
    for x, y in data.batch(3):
        assert (x[:, 0] == y * 4).all()
    for x, y in Dataset.zip(Dataset.from_arrays(X), Dataset.from_arrays(Y)).shuffle(seed=0):
        assert x[0] == y * 4


def test_repetitions_are_shuffled_anew():
    order = plain(Dataset.range(10).shuffle(seed=0).repeat(2))
    assert sorted(order[:10]) == sorted(order[10:]) == list(range(10))
    assert order[:10] != order[10:]


def test_parts_of_a_shuffled_order():
    data = Dataset.range(10).shuffle(seed=0, reshuffle_each_iteration=False)
    order = plain(data)
    assert plain(data.take(4)) + plain(data.skip(4)) == order
    assert plain(data.shard(2, 1)) == order[1::2]
    assert plain(data.batch(4)) == [order[:4], order[4:8], order[8:]]
    assert sorted(plain(data.take(6).shuffle(seed=1))) == sorted(order[:6])


# ---------------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("use", "text"),
    [
        (lambda d: d.batch(0), "batch is an integer from 1 on\n  given  0"),
        (lambda d: d.batch(2.5), "batch is an integer\n  given  2.5"),
        (lambda d: d.batch(True), "given  True"),
        (lambda d: d.take(-1), "take is an integer from 0 on"),
        (lambda d: d.skip(-1), "skip is"),
        (lambda d: d.repeat(-1), "repeat is"),
        (lambda d: d.prefetch(0), "prefetch is"),
        (lambda d: d.shuffle(0), "buffer_size is"),
        (lambda d: d.shuffle(seed=-1), "seed is"),
        (lambda d: d.map(abs, num_workers=-2), "num_workers is"),
        (lambda d: d.shard(2, 2), "index 2 is not below count 2"),
        (lambda d: d.concatenate([1]), "a Dataset is needed\n  given  list"),
        (lambda d: Dataset.zip(), "no dataset"),
        (lambda d: d.interleave(abs, cycle_length=0), "cycle_length is"),
    ],
)
def test_arguments(use, text):
    with pytest.raises(UsageError, match=text):
        use(Dataset.range(3))


def test_it_says_what_it_is():
    assert repr(Dataset.range(3).batch(2)) == "<Dataset of 2, by RowBatches>"
    assert repr(counted(3)) == "<Dataset of unknown length, by Generated>"
    assert repr(Dataset.range(3).repeat()) == "<Dataset without end, by Repeat>"
    assert irf.data.Dataset is Dataset
