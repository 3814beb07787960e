"""Sequences of different lengths."""

from irflow.keras.utils.sequences import pad_sequences

__all__ = ["pad_sequences"]
