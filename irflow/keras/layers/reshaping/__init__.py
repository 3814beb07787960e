"""Layers that move, cut, repeat and surround elements."""
