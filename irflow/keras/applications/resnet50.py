"""`ResNet50`, under the other name that Keras has for its module."""

from __future__ import annotations

from irflow.keras.applications.resnet import ResNet50, decode_predictions, preprocess_input

__all__ = ["ResNet50", "decode_predictions", "preprocess_input"]
