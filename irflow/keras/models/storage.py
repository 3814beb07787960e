"""`load_model` and `save_model` where Keras has them as well."""

from irflow.keras.saving.saving import load_model, save_model

__all__ = ["load_model", "save_model"]
