"""Write `irflow/datasets/digits.npz` from the file `optdigits.tes`, or scikit-learn's copy of it.

    python tests/tools/build_digits.py digits.csv.gz irflow/datasets/digits.npz

The source is comma-separated text, optionally gzipped: 64 cells of 0 to 16 and the label on each
line. UCI Machine Learning Repository, doi 10.24432/C50P49; scikit-learn ships it as
`sklearn/datasets/data/digits.csv.gz`.
"""

import sys
from pathlib import Path

import numpy as np

IMAGES, SIDE, DEEPEST = 1797, 8, 16


def read(source: Path) -> tuple[np.ndarray, np.ndarray]:
    """The images u8[1797, 8, 8] and labels u8[1797] in `source`, checked."""
    rows = np.loadtxt(source, delimiter=",")
    if rows.shape != (IMAGES, SIDE * SIDE + 1):
        raise SystemExit(f"{source}: {rows.shape}, expected {(IMAGES, SIDE * SIDE + 1)}")
    cells, labels = rows[:, :-1], rows[:, -1]
    if (
        (rows != np.round(rows)).any()
        or rows.min() < 0
        or cells.max() > DEEPEST
        or labels.max() > 9
    ):
        raise SystemExit(f"{source}: a value is out of range")
    return cells.astype(np.uint8).reshape(IMAGES, SIDE, SIDE), labels.astype(np.uint8)


def main() -> None:
    """Convert the file named first on the command line into the one named second."""
    source, target = (Path(name) for name in sys.argv[1:])
    images, labels = read(source)
    np.savez_compressed(target, images=images, labels=labels)
    print(f"{target}: {target.stat().st_size} bytes, {np.bincount(labels)} images per digit")


if __name__ == "__main__":
    main()
