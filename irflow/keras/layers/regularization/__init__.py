"""Noise and penalties against overfitting."""
