"""Layers of matrices, tables and functions."""
