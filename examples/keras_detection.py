"""Find drawn shapes: their boxes, and whether each is a disc or a square.

    python examples/keras_detection.py [--epochs 15] [--images 2000] [--seed 0]

A network looks once at an image of 48 × 48 pixels and says for each of 6 × 6 cells whether the
middle of a shape lies near it, where the box is, and what it is (in the manner of Redmon et al.,
2016). Cells beside the middle answer as well; non-maximum suppression keeps the best of the boxes
that overlap. Expected outcome after 15 epochs: an average precision, over boxes that overlap by
half or more and have the right kind, above 0.93 on new images.
"""

import argparse

import numpy as np

from irflow import keras, nn
from irflow.keras import layers, ops

SIZE = 48
BATCH = 32
CELLS = 6
CELL = SIZE // CELLS
KINDS = ("disc", "square")
MOST = 4


def draw(number, generator):
    """Images `f32[n, 48, 48, 1]`, and of each the boxes `[m, 4]` with the kinds `[m]`."""
    images = generator.normal(0, 0.1, (number, SIZE, SIZE, 1)).astype("float32")
    rows, columns = np.mgrid[:SIZE, :SIZE]
    boxes, kinds = [], []
    for image in images:
        found = []
        for _ in range(generator.integers(1, MOST + 1)):
            radius = generator.integers(4, 9)
            y, x = generator.integers(radius, SIZE - radius, 2)
            if any(abs(y - b) <= r + radius and abs(x - c) <= r + radius for b, c, r, _ in found):
                continue
            kind = generator.integers(2)
            down, right = abs(rows - y), abs(columns - x)
            is_in = np.maximum(down, right) <= radius if kind else down**2 + right**2 <= radius**2
            image[is_in, 0] += generator.uniform(0.5, 1)
            found.append((y, x, radius, kind))
        y, x, radius, kind = np.array(found).T
        boxes.append(np.stack([y - radius, x - radius, y + radius + 1, x + radius + 1], 1))
        kinds.append(kind)
    return images, boxes, kinds


def middles():
    """The middles of the cells, `[6, 6, 2]`."""
    places = (np.arange(CELLS) + 0.5) * CELL
    return np.stack(np.meshgrid(places, places, indexing="ij"), -1)


def targets(boxes, kinds):
    """What cells should say, `[n, 6, 6, 6]`: is there one, its four sides, is it a square.

    A cell answers for a shape whose middle is within 6 pixels of its own; sides are distances from
    the middle of the cell, in cells.
    """
    result = np.zeros((len(boxes), CELLS, CELLS, 6), "float32")
    for image, (places, values) in enumerate(zip(boxes, kinds, strict=True)):
        for box, kind in zip(places, values, strict=True):
            middle = (box[:2] + box[2:]) / 2
            near = np.abs(middles() - middle).max(-1) <= 6
            sides = np.concatenate([middles() - box[:2], box[2:] - middles()], -1) / CELL
            result[image, near] = np.concatenate(
                [np.ones((*near.shape, 1)), sides, np.full((*near.shape, 1), kind)], -1
            )[near]
    return result


def detection_loss(wanted, found):
    """Cross-entropies of presence and kind, and Huber's loss of the sides, a mean an image."""
    present = wanted[..., 0]
    presence = cross_entropy(present, found[..., 0])
    kind = cross_entropy(wanted[..., 5], found[..., 5]) * present
    error = ops.abs(wanted[..., 1:5] - found[..., 1:5])
    sides = ops.where(error < 0.5, error**2, error - 0.25).sum(-1) * present
    return ops.mean(presence + kind + 2 * sides, axis=(1, 2))


def cross_entropy(wanted, logits):
    return ops.maximum(logits, 0) - logits * wanted + ops.log1p(ops.exp(-ops.abs(logits)))


def build():
    inputs = keras.Input((SIZE, SIZE, 1))
    x = inputs
    for filters in (16, 32, 64):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.Activation("relu")(layers.BatchNormalization(momentum=0.9)(x))
        x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    return keras.Model(inputs, layers.Conv2D(6, 1)(x), name="detector")


def decode(answers):
    """Boxes `[36, 4]`, scores `[36]` and kinds `[36]` of one image."""
    sides = answers[..., 1:5] * CELL
    boxes = np.concatenate([middles() - sides[..., :2], middles() + sides[..., 2:]], -1)
    scores = 1 / (1 + np.exp(-answers[..., 0]))
    return boxes.reshape(-1, 4), scores.ravel(), (answers[..., 5] > 0).ravel().astype(int)


def detect(answers):
    """The boxes that remain, best first: `(score, box, kind)`."""
    boxes, scores, kinds = decode(answers)
    kept, count = nn.non_max_suppression(
        boxes, scores, 2 * MOST, iou_threshold=0.4, score_threshold=0.05
    )
    return [(scores[i], boxes[i], kinds[i]) for i in kept.numpy()[: int(count)]]


def average_precision(detections, boxes, kinds):
    """The area under precision over recall, of all images together.

    A box is right if it overlaps one of its kind by half or more that no better one has taken.
    """
    rows = []
    for found, places, values in zip(detections, boxes, kinds, strict=True):
        is_free = np.ones(len(places), bool)
        for score, box, kind in found:
            overlaps = nn.box_iou(box[np.newaxis], places).numpy()[0]
            overlaps = np.where(is_free & (values == kind), overlaps, 0)
            best = overlaps.argmax()
            is_right = overlaps[best] >= 0.5
            is_free[best] &= not is_right
            rows.append((score, is_right))
    right = np.array([is_right for _, is_right in sorted(rows, key=lambda row: -row[0])])
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    best_later = np.maximum.accumulate(precision[::-1])[::-1]
    return float((best_later * right).sum() / sum(map(len, boxes)))


def main() -> None:
    parser = argparse.ArgumentParser(description="Find drawn shapes by a one-look detector.")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--images", type=int, default=2000, help="how many are trained on")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    keras.utils.set_random_seed(options.seed)
    generator = np.random.default_rng(options.seed)
    images, *truth = draw(options.images, generator)
    test_images, boxes, kinds = draw(200, generator)
    model = build()
    steps = options.epochs * -(-len(images) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(4e-3, steps)
    model.compile(keras.optimizers.Adam(rate), detection_loss)
    model.fit(images, targets(*truth), batch_size=BATCH, epochs=options.epochs, verbose=2)

    detections = [detect(answers) for answers in model.predict(test_images, verbose=0)]
    print("the first image has", [KINDS[kind] for kind in kinds[0]], "at", boxes[0].tolist())
    for score, box, kind in detections[0]:
        if score > 0.5:
            print(f"{score:.2f} {KINDS[kind]} at {np.round(box).astype(int).tolist()}")
    print(f"average precision: {average_precision(detections, boxes, kinds):.4f}")


if __name__ == "__main__":
    main()
