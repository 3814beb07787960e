"""How wide text is, without a font at hand: upper bounds, so that names never overflow boxes.

A drawing names several fonts, and the viewer takes the first it has. The widths of titles are
therefore the largest among common sans-serif fonts in bold; all other text is monospaced.
"""

from __future__ import annotations

import unicodedata

TITLE_SIZE = 13.0
"""The font size of titles, in pixels."""

SMALL_SIZE = 11.0
"""The font size of all other text, in pixels."""

SANS = (
    "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
)
MONO = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"

_FIRST = 32
_HUNDREDTHS = (
    35, 46, 56, 84, 70, 100, 87, 31, 46, 46, 58, 84, 38, 42, 38, 37,
    70, 70, 70, 70, 70, 70, 70, 70, 70, 70, 40, 40, 84, 84, 84, 61,
    100, 77, 76, 73, 83, 68, 68, 82, 84, 37, 56, 77, 64, 100, 84, 85,
    73, 85, 77, 72, 68, 81, 77, 110, 77, 72, 73, 46, 37, 46, 84, 56,
    50, 67, 72, 59, 72, 68, 44, 72, 71, 34, 34, 67, 34, 104, 71, 69,
    72, 72, 49, 60, 48, 71, 65, 92, 65, 65, 58, 71, 37, 71, 84,
)  # fmt: skip
"""Of the characters from the space to the tilde, in hundredths of the font size."""

_OTHER = 92.0
_MONO = 61.0
_WIDE = 125.0


def title_width(text: str) -> float:
    """The most pixels that `text` takes as a title."""
    return sum(_hundredths(character) for character in text) * TITLE_SIZE / 100


def small_width(text: str) -> float:
    """The most pixels that `text` takes in the small, monospaced font."""
    widths = (_WIDE if _is_wide(character) else _MONO for character in text)
    return sum(widths) * SMALL_SIZE / 100


def shorten(text: str, most: int) -> str:
    """`text` without its middle when it has more than `most` characters.

    Example:
        >>> shorten("state.slots.mean['hidden/w']", 16)
        "state.…idden/w']"
    """
    if len(text) <= most:
        return text
    front = (most - 1) * 2 // 5
    return f"{text[:front]}…{text[len(text) - (most - 1 - front) :]}"


def _hundredths(character: str) -> float:
    position = ord(character) - _FIRST
    if 0 <= position < len(_HUNDREDTHS):
        return _HUNDREDTHS[position]
    return _WIDE if _is_wide(character) else _OTHER


def _is_wide(character: str) -> bool:
    """Whether a character takes two cells, or may come from a font that is not monospaced."""
    return ord(character) > 0x2FF and (
        unicodedata.east_asian_width(character) in ("W", "F", "A") and character not in "…×·"
    )
