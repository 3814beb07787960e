"""Layers that prepare data: numbers, images, words and classes."""
