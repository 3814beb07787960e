"""Metrics against formulas in NumPy; with Keras at hand, against Keras 3 (slow)."""

import importlib.util
import math
import os

import numpy as np
import pytest

import irflow as irf
from irflow.keras import metrics
from irflow.keras.engine import masks

os.environ.setdefault("KERAS_BACKEND", "jax")
HAS_KERAS = importlib.util.find_spec("keras") is not None

RNG = np.random.default_rng(1)
N, C = 12, 4
HALF = 5  # the first batch is smaller than the second one


@pytest.fixture(autouse=True)
def quick_backend(monkeypatch):
    if "IRFLOW_BACKEND" not in os.environ:
        monkeypatch.setenv("IRFLOW_BACKEND", "numpy")


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


LOGITS = (RNG.normal(size=(N, C)) * 2).astype("f4")
PROBABILITIES = softmax(LOGITS)
LABELS = RNG.integers(0, C, N)
HOT = np.eye(C, dtype="f4")[LABELS]
SOFT = softmax(RNG.normal(size=(N, C))).astype("f4")
BITS = RNG.integers(0, 2, (N, C)).astype("f4")
CHANCES = (1 / (1 + np.exp(-LOGITS))).astype("f4")
COARSE = np.round(CHANCES, 1)
NUMBERS = RNG.normal(size=(N, C)).astype("f4")
COUNTS = RNG.integers(0, 5, (N, C)).astype("f4")
BIT, CHANCE, ROUND = BITS[:, 0], CHANCES[:, 0], COARSE[:, 0]
GUESSES = np.where(np.arange(N) % 2, LABELS, RNG.integers(0, C, N))
ORDER = np.argsort(-LOGITS, -1)
WEIGHTS = RNG.uniform(0.5, 2, N).astype("f4")
E = 1e-7


def mean(f):
    """The mean over samples of what a formula gives for each."""

    def formula(t, p, w):
        values = f(t, p)
        values = values.reshape(len(values), -1).mean(1)
        return (values * w).sum() / w.sum()

    return formula


def counted(f, thresholds=(0.5,)):
    """A formula of true and false positives, true and false negatives, at each threshold."""

    def formula(t, p, w):
        t, p = t.reshape(N, -1) != 0, p.reshape(N, -1)
        w = np.broadcast_to(w[:, None], t.shape)
        found = []
        for threshold in thresholds:
            above = p > np.float32(threshold)
            kinds = t & above, ~t & above, ~t & ~above, t & ~above
            found.append(f(*((w * kind).sum() for kind in kinds)))
        return found[0] if len(found) == 1 else np.array(found)

    return formula


def share(a, b):
    return a / (a + b) if a + b else 0.0


def fbeta(average, beta, threshold):
    def formula(t, p, w):
        above = p > threshold if threshold else p >= p.max(-1, keepdims=True)
        axis = None if average == "micro" else 0
        w = w[:, None]
        tp = (w * t * above).sum(axis)
        fp, fn = (w * (1 - t) * above).sum(axis), (w * t * ~above).sum(axis)
        precision, recall = tp / (tp + fp + E), tp / (tp + fn + E)
        score = (1 + beta**2) * precision * recall / (beta**2 * precision + recall + E)
        weights = (w * t).sum(0)
        if average == "weighted":
            return (score * weights / weights.sum()).sum()
        return score if average is None else score.mean()

    return formula


def r2(t, p, w):
    w = w[:, None]
    centre = (t * w).sum(0) / w.sum()
    return (1 - (w * (t - p) ** 2).sum(0) / (w * (t - centre) ** 2).sum(0)).mean()


def roc(t, p, w):
    """The area as the share of pairs in order, which many thresholds come close to."""
    right, wrong = t != 0, t == 0
    order = (p[right][:, None] > p[wrong]) + 0.5 * (p[right][:, None] == p[wrong])
    pairs = w[right][:, None] * w[wrong]
    return (order * pairs).sum() / pairs.sum()


def area(curve, ends, count=11):
    """The area under a curve of points at even thresholds; `ends` joins those of each piece."""
    of_point = {
        "ROC": lambda tp, fp, tn, fn: (share(fp, tn), share(tp, fn)),
        "PR": lambda tp, fp, tn, fn: (share(tp, fn), share(tp, fp)),
    }
    thresholds = [-E, *(i / (count - 1) for i in range(1, count - 1)), 1 + E]

    def formula(t, p, w):
        x, y = counted(of_point[curve], thresholds)(t, p, w).T
        return ((x[:-1] - x[1:]) * ends(y[:-1], y[1:])).sum()

    return formula


def iou(chosen, ignored=None):
    def formula(t, p, w):
        keep = t != ignored
        ratios = []
        for c in chosen:
            both = ((t == c) & (p == c) & keep).sum()
            either = (((t == c) | (p == c)) & keep).sum()
            ratios += [both / either] if either else []
        return np.mean(ratios)

    return formula


def top(k):
    def formula(t, p):
        own = p[np.arange(len(p)), t.astype(int)][:, None]
        return (p > own).sum(-1) < k

    return mean(formula)


def cross_entropy(t, p):
    return -(t * np.log(np.clip(p, E, 1 - E))).sum(-1)


def binary(t, p):
    return -(t * np.log(p) + (1 - t) * np.log(1 - p))


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


EVEN = [0.0, 0.25, 0.5, 0.75, 1.0]
UNEVEN = [0.1, 0.5, 0.6]
# Class, arguments, y_true, y_pred, the result by a formula (None: only Keras's).
CASES = [
    ("MeanSquaredError", {}, NUMBERS, LOGITS, mean(lambda t, p: (t - p) ** 2)),
    ("RootMeanSquaredError", {}, NUMBERS, LOGITS,
     lambda t, p, w: math.sqrt(mean(lambda t, p: (t - p) ** 2)(t, p, w))),
    ("MeanAbsoluteError", {}, NUMBERS, LOGITS, mean(lambda t, p: abs(t - p))),
    ("MeanAbsolutePercentageError", {}, COUNTS + 1, LOGITS,
     mean(lambda t, p: 100 * abs((t - p) / t))),
    ("MeanSquaredLogarithmicError", {}, COUNTS, CHANCES,
     mean(lambda t, p: (np.log1p(t) - np.log1p(p)) ** 2)),
    ("LogCoshError", {}, NUMBERS, LOGITS, mean(lambda t, p: np.log(np.cosh(t - p)))),
    ("CosineSimilarity", {}, NUMBERS, LOGITS, mean(lambda t, p: (unit(t) * unit(p)).sum(-1))),
    ("PearsonCorrelation", {}, NUMBERS, LOGITS,
     mean(lambda t, p: np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(t, p, strict=True)]))),
    ("ConcordanceCorrelation", {}, NUMBERS, LOGITS, None),
    ("R2Score", {}, NUMBERS, LOGITS, r2),
    ("R2Score", {"class_aggregation": None}, NUMBERS, LOGITS, None),
    ("R2Score", {"class_aggregation": "variance_weighted_average"}, NUMBERS, LOGITS, None),
    ("R2Score", {"num_regressors": 2}, NUMBERS[:, :1], LOGITS[:, :1], None),
    ("Hinge", {}, 2 * BITS - 1, LOGITS, mean(lambda t, p: np.maximum(1 - t * p, 0))),
    ("SquaredHinge", {}, 2 * BITS - 1, LOGITS, mean(lambda t, p: np.maximum(1 - t * p, 0) ** 2)),
    ("CategoricalHinge", {}, HOT, LOGITS,
     mean(lambda t, p: np.maximum(((1 - t) * p).max(-1) - (t * p).sum(-1) + 1, 0))),
    ("KLDivergence", {}, SOFT, PROBABILITIES, mean(lambda t, p: (t * np.log(t / p)).sum(-1))),
    ("Poisson", {}, COUNTS, CHANCES, mean(lambda t, p: p - t * np.log(p))),
    ("BinaryCrossentropy", {}, BITS, CHANCES, mean(binary)),
    ("BinaryCrossentropy", {"from_logits": True}, BITS, LOGITS,
     mean(lambda t, p: binary(t, 1 / (1 + np.exp(-p))))),
    ("BinaryCrossentropy", {"label_smoothing": 0.2}, BITS, CHANCES,
     mean(lambda t, p: binary(t * 0.8 + 0.1, p))),
    ("CategoricalCrossentropy", {}, HOT, PROBABILITIES, mean(cross_entropy)),
    ("CategoricalCrossentropy", {"from_logits": True}, HOT, LOGITS,
     mean(lambda t, p: cross_entropy(t, softmax(p)))),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, HOT, PROBABILITIES,
     mean(lambda t, p: cross_entropy(t * 0.9 + 0.1 / C, p))),
    ("SparseCategoricalCrossentropy", {}, LABELS, PROBABILITIES,
     mean(lambda t, p: cross_entropy(np.eye(C)[t], p))),
    ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 2}, LABELS, LOGITS,
     None),
    ("Accuracy", {}, LABELS, GUESSES, mean(lambda t, p: t == p)),
    ("BinaryAccuracy", {}, BITS, CHANCES, mean(lambda t, p: t == (p > 0.5))),
    ("BinaryAccuracy", {"threshold": 0.3}, BIT, ROUND,
     mean(lambda t, p: t == (p > np.float32(0.3)))),
    ("BinaryAccuracy", {}, BIT, CHANCES[:, :1], mean(lambda t, p: t[:, None] == (p > 0.5))),
    ("CategoricalAccuracy", {}, HOT, LOGITS, mean(lambda t, p: t.argmax(-1) == p.argmax(-1))),
    ("SparseCategoricalAccuracy", {}, LABELS, LOGITS, mean(lambda t, p: t == p.argmax(-1))),
    ("SparseCategoricalAccuracy", {}, LABELS[:, None].astype("f4"), LOGITS,
     mean(lambda t, p: t[:, 0] == p.argmax(-1))),
    ("TopKCategoricalAccuracy", {"k": 2}, HOT, LOGITS,
     lambda t, p, w: top(2)(t.argmax(-1), p, w)),
    ("TopKCategoricalAccuracy", {}, HOT, LOGITS, lambda t, p, w: 1.0),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, LABELS, LOGITS, top(2)),
    ("SparseTopKCategoricalAccuracy", {"k": 1}, LABELS, np.round(LOGITS), top(1)),
    ("SparseTopKCategoricalAccuracy", {"k": 3, "from_sorted_ids": True}, LABELS, ORDER,
     mean(lambda t, p: (p[:, :3] == t[:, None]).any(-1))),
    ("TruePositives", {}, BIT, CHANCE, counted(lambda tp, fp, tn, fn: tp)),
    ("FalsePositives", {"thresholds": 0.3}, BITS, CHANCES,
     counted(lambda tp, fp, tn, fn: fp, [0.3])),
    ("TrueNegatives", {"thresholds": UNEVEN}, BIT, ROUND,
     counted(lambda tp, fp, tn, fn: tn, UNEVEN)),
    ("FalseNegatives", {"thresholds": EVEN}, BIT, CHANCE,
     counted(lambda tp, fp, tn, fn: fn, EVEN)),
    ("FalseNegatives", {"thresholds": EVEN}, BIT, np.round(CHANCE * 4) / 4,
     counted(lambda tp, fp, tn, fn: fn, EVEN)),
    ("Precision", {}, BIT, CHANCE, counted(lambda tp, fp, tn, fn: share(tp, fp))),
    ("Precision", {"thresholds": UNEVEN}, BITS, COARSE,
     counted(lambda tp, fp, tn, fn: share(tp, fp), UNEVEN)),
    ("Precision", {"thresholds": EVEN}, BITS, CHANCES,
     counted(lambda tp, fp, tn, fn: share(tp, fp), EVEN)),
    ("Precision", {"top_k": 2}, BITS, CHANCES, None),
    ("Precision", {"class_id": 1}, BITS, CHANCES,
     lambda t, p, w: counted(lambda tp, fp, tn, fn: share(tp, fp))(t[:, 1], p[:, 1], w)),
    ("Precision", {"top_k": 2, "class_id": 0}, BITS, CHANCES, None),
    ("Recall", {}, BIT[:, None], CHANCE, counted(lambda tp, fp, tn, fn: share(tp, fn))),
    ("Recall", {"thresholds": UNEVEN, "class_id": 3}, BITS, CHANCES,
     lambda t, p, w: counted(lambda tp, fp, tn, fn: share(tp, fn), UNEVEN)(t[:, 3], p[:, 3], w)),
    ("Recall", {"top_k": 1}, HOT, PROBABILITIES, mean(lambda t, p: t.argmax(-1) == p.argmax(-1))),
    ("AUC", {"num_thresholds": 5001}, BIT, CHANCE, roc),
    ("AUC", {}, BITS, CHANCES, None),
    ("AUC", {"num_thresholds": 11}, BIT, CHANCE, area("ROC", lambda a, b: (a + b) / 2)),
    ("AUC", {"num_thresholds": 11, "summation_method": "majoring"}, BIT, CHANCE,
     area("ROC", np.maximum)),
    ("AUC", {"num_thresholds": 11, "summation_method": "minoring"}, BIT, ROUND, None),
    ("AUC", {"num_thresholds": 11, "curve": "PR", "summation_method": "minoring"}, BIT, CHANCE,
     area("PR", np.minimum)),
    ("AUC", {"num_thresholds": 11, "curve": "PR"}, BIT, CHANCE, None),
    ("AUC", {"curve": "PR", "summation_method": "majoring", "thresholds": [0.7, 0.2]}, BIT, CHANCE,
     None),
    ("AUC", {"curve": "PRGAIN"}, BIT, CHANCE, None),
    ("AUC", {"from_logits": True}, BIT, LOGITS[:, 0], None),
    ("AUC", {"multi_label": True, "num_labels": C}, BITS, CHANCES, None),
    ("AUC", {"multi_label": True, "curve": "PR"}, BITS, CHANCES, None),
    ("AUC", {"multi_label": True, "label_weights": [0.1, 0.4, 0.3, 0.2]}, BITS, COARSE, None),
    ("AUC", {"multi_label": True, "thresholds": [0.2, 0.7]}, BITS, CHANCES, None),
    ("AUC", {"label_weights": [0.1, 0.4, 0.3, 0.2]}, BITS, CHANCES, None),
    ("SensitivityAtSpecificity", {"specificity": 0.5}, BIT, CHANCE, None),
    ("SpecificityAtSensitivity", {"sensitivity": 0.6, "num_thresholds": 20}, BITS, CHANCES, None),
    ("PrecisionAtRecall", {"recall": 0.5, "class_id": 1}, BITS, CHANCES, None),
    ("RecallAtPrecision", {"precision": 0.4, "num_thresholds": 1}, BIT, CHANCE, None),
    ("F1Score", {}, HOT, PROBABILITIES, fbeta(None, 1, None)),
    ("F1Score", {"average": "micro", "threshold": 0.4}, BITS, CHANCES, fbeta("micro", 1, 0.4)),
    ("F1Score", {"average": "macro"}, HOT, PROBABILITIES, fbeta("macro", 1, None)),
    ("FBetaScore", {"average": "weighted", "beta": 2.0, "threshold": 0.5}, BITS, CHANCES,
     fbeta("weighted", 2, 0.5)),
    ("IoU", {"num_classes": C, "target_class_ids": [0, 2]}, LABELS, GUESSES, iou([0, 2])),
    ("IoU", {"num_classes": C, "target_class_ids": [0, 1, 3], "ignore_class": 2}, LABELS, GUESSES,
     iou([0, 1, 3], 2)),
    ("BinaryIoU", {"threshold": 0.3}, BIT, CHANCE,
     lambda t, p, w: iou([0, 1])(t, (p >= 0.3).astype(int), w)),
    ("BinaryIoU", {"target_class_ids": [1]}, BITS, CHANCES, None),
    ("MeanIoU", {"num_classes": C}, LABELS, GUESSES, iou(range(C))),
    ("MeanIoU", {"num_classes": 3}, LABELS, GUESSES, None),
    ("MeanIoU", {"num_classes": C, "sparse_y_pred": False}, LABELS, LOGITS,
     lambda t, p, w: iou(range(C))(t, p.argmax(-1), w)),
    ("OneHotIoU", {"num_classes": C, "target_class_ids": [1, 2]}, HOT, LOGITS,
     lambda t, p, w: iou([1, 2])(t.argmax(-1), p.argmax(-1), w)),
    ("OneHotMeanIoU", {"num_classes": C, "sparse_y_pred": True}, HOT, GUESSES, None),
]  # fmt: skip
IS_COUNT = {"IoU", "BinaryIoU", "MeanIoU", "OneHotIoU", "OneHotMeanIoU"}


def name_of(case):
    return "-".join([case[0], *(f"{k}={v}" for k, v in case[1].items())])


def gathered(metric, t, p, w):
    """The result after two batches."""
    for part in (slice(HALF), slice(HALF, None)):
        metric.update_state(t[part], p[part], sample_weight=None if w is None else w[part])
    return np.asarray(metric.result())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", [c for c in CASES if c[4]], ids=name_of)
def test_formulas(case, weighted):
    name, arguments, t, p, formula = case
    metric = getattr(metrics, name)(**arguments)
    weights = WEIGHTS if weighted and name not in IS_COUNT else None
    wide = [x if x.dtype.kind == "i" else x.astype("f8") for x in (t, p)]
    expected = formula(*wide, np.ones(N) if weights is None else weights.astype("f8"))
    found = gathered(metric, t, p, weights)
    np.testing.assert_allclose(found, expected, rtol=5e-3 if formula is roc else 1e-4, atol=1e-6)
    metric.reset_state()
    np.testing.assert_allclose(gathered(metric, t, p, weights), found, rtol=1e-6)


@pytest.mark.thinned(3)
@pytest.mark.parametrize("backend", ["llvm", pytest.param("numpy", marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_inside_a_compiled_loop(case, backend):
    """The variables are carried by a scan over batches, as in `fit`."""
    name, arguments, t, p, _ = case
    metric, loop = getattr(metrics, name)(**arguments), getattr(metrics, name)(**arguments)
    for first in range(0, N, 4):
        metric.update_state(t[first : first + 4], p[first : first + 4])
    if hasattr(loop, "build"):
        loop.build(p.shape)

    @irf.jit(backend=backend)
    def run(t, p):
        irf.scan(lambda c, xs: (loop.update_state(*xs), None), None, (t, p))

    run(t.reshape(3, 4, *t.shape[1:]), p.reshape(3, 4, *p.shape[1:]))
    found, expected = np.asarray(loop.result()), np.asarray(metric.result())
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_means_and_sums():
    values, weights = NUMBERS, RNG.uniform(size=(N, C)).astype("f4")
    mean, total = metrics.Mean(), metrics.Sum()
    assert float(mean.result()) == 0
    for metric, expected in [(mean, values.mean()), (total, values.sum())]:
        np.testing.assert_allclose(np.asarray(metric(values)), expected, rtol=1e-5)
        metric.reset_state()
    expected = (values * weights).mean(1).sum() / weights.mean(1).sum()
    np.testing.assert_allclose(np.asarray(mean(values, weights)), expected, rtol=1e-5)
    expected = (values.sum(1) * WEIGHTS).sum()
    np.testing.assert_allclose(np.asarray(total(values, WEIGHTS)), expected, rtol=1e-5)
    mean.reset_state()
    mean.update_state(3.0, sample_weight=2)
    assert float(mean(6.0)) == 4


def test_masks():
    mask = np.arange(N) % 3 > 0
    predictions = irf.asarray(LOGITS)
    masks.set_mask(predictions, mask)
    hits = LOGITS.argmax(-1) == LABELS
    metric = metrics.SparseCategoricalAccuracy()
    assert float(metric(LABELS, predictions)) == pytest.approx(hits[mask].mean())
    metric.reset_state()
    expected = (hits * WEIGHTS)[mask].sum() / WEIGHTS[mask].sum()
    assert float(metric(LABELS, predictions, WEIGHTS)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_configs(case):
    metric = getattr(metrics, case[0])(**case[1], name="mine")
    config = metric.get_config()
    assert config["name"] == "mine"
    for copy in (type(metric).from_config(config), metrics.deserialize(metrics.serialize(metric))):
        assert type(copy) is type(metric)
        assert copy.get_config() == config


def test_names():
    assert isinstance(metrics.get("mse"), metrics.MeanSquaredError)
    assert isinstance(metrics.get("auc"), metrics.AUC)
    assert isinstance(metrics.get("f1_score"), metrics.F1Score)
    assert metrics.get({"class_name": "AUC", "config": {"curve": "PR"}}).curve == "PR"
    assert metrics.get(metrics.binary_accuracy) is metrics.binary_accuracy
    with pytest.raises(irf.errors.UnknownNameError, match="did you mean 'categorical_accuracy'"):
        metrics.get("categorical_acuracy")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: metrics.Precision(thresholds=[0.5, 1.5]), "thresholds are in"),
        (lambda: metrics.AUC(curve="ROCK"), "unknown curve 'ROCK'"),
        (lambda: metrics.AUC(num_thresholds=1), "num_thresholds is 1"),
        (lambda: metrics.AUC(num_labels=3), "num_labels is for multi_label"),
        (lambda: metrics.RecallAtPrecision(1.5), "precision is 1.5"),
        (lambda: metrics.F1Score(average="mean"), "unknown average"),
        (lambda: metrics.FBetaScore(beta=0.0), "beta is 0.0"),
        (lambda: metrics.R2Score(num_regressors=-1), "less than 0"),
        (lambda: metrics.IoU(3, [3]), "not among the classes"),
        (lambda: metrics.F1Score()(BIT, CHANCE), r"predictions are \[n, outputs\]"),
        (lambda: metrics.Precision()(BITS, CHANCES[:, :2]), "differ in shape"),
        (lambda: metrics.Precision(class_id=1)(BIT, CHANCE), "class_id needs"),
        (lambda: metrics.CategoricalAccuracy()(LABELS, LOGITS), "sparse_categorical_accuracy"),
        (lambda: metrics.SparseCategoricalAccuracy()(HOT, LOGITS), "one class number"),
        (lambda: metrics.MeanIoU(3)(LABELS, GUESSES[:4]), "shapes do not fit"),
        (lambda: metrics.Mean()(NUMBERS, WEIGHTS[:3]), "weights of a metric do not fit"),
    ],
)
def test_errors(make, text):
    with pytest.raises(irf.IrflowError, match=text):
        make()


class Largest(metrics.Metric):
    """A metric of one's own."""

    def __init__(self, name="largest", **kwargs):
        super().__init__(name=name, **kwargs)
        self.top = self.add_weight("top", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.top.assign(irf.numpy.maximum(self.top, irf.numpy.max(y_pred)))

    def result(self):
        return self.top


def test_metrics_of_ones_own():
    metric = Largest()
    irf.jit(lambda p: metric.update_state(None, p))(CHANCES)
    assert float(metric.result()) == CHANCES.max()
    assert [v.name for v in metric.variables] == ["largest/top"]
    state = metric.get_weights()
    metric.reset_state()
    assert float(metric.result()) == 0
    metric.set_weights(state)
    assert float(metric.result()) == CHANCES.max()


def test_metrics_made_from_functions():
    metric = metrics.MeanMetricWrapper(lambda t, p, k: abs(t - p) * k, name="mine", k=2)
    assert float(metric(NUMBERS, LOGITS)) == pytest.approx(2 * abs(NUMBERS - LOGITS).mean())
    of_keras = metrics.MeanMetricWrapper(metrics.binary_accuracy)
    copy = metrics.MeanMetricWrapper.from_config(of_keras.get_config())
    assert copy.name == "binary_accuracy"
    assert float(copy(BITS, CHANCES)) == float(of_keras(BITS, CHANCES))


# -------------------------------------------------------------------------------------- Keras 3


@pytest.mark.slow
@pytest.mark.skipif(not HAS_KERAS, reason="Keras is not at hand")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_like_keras(case, weighted):
    import keras

    name, arguments, t, p, _ = case
    weights = WEIGHTS if weighted else None
    if weighted and name in IS_COUNT:
        weights = np.arange(N, dtype="i4") % 3
        if t.ndim > 1 and not name.startswith("OneHot"):
            weights = np.repeat(weights[:, None], C, 1)
    expected = gathered(getattr(keras.metrics, name)(**arguments), t, p, weights)
    found = gathered(getattr(metrics, name)(**arguments), t, p, weights)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)
