"""The `.irflow` file: graphs, arrays and metadata in one zip, without executable content."""

from irflow.artifact.container import Container, load, save

__all__ = ["Container", "load", "save"]
