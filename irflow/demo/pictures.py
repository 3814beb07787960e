"""Small grey images as text."""

from __future__ import annotations

import numpy as np

SHADES = " .:-=+*#%@"


def picture(image: np.ndarray) -> list[str]:
    """One line of text a row of `image`, which holds values from 0 to 1; two characters a pixel."""
    levels = np.clip((image * (len(SHADES) - 1)).round().astype(int), 0, len(SHADES) - 1)
    return ["".join(SHADES[level] * 2 for level in row) for row in levels]


def gallery(images: np.ndarray, captions: list[str]) -> str:
    """Pictures side by side, each above its caption."""
    columns = [
        [*picture(image), caption.center(2 * image.shape[1])]
        for image, caption in zip(images, captions, strict=True)
    ]
    return "\n".join("   ".join(row) for row in zip(*columns, strict=True))
