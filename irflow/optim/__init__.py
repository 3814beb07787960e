"""Optimisers as pure updates of nested structures of tensors, so that jit can take one in.

state = optimizer.init(params)
params, state = optimizer.update(grads, state, params)

`irflow.optim.schedules` has learning rates that depend on the step, `irflow.optim.clipping` bounds
gradients before an update.
"""

from typing import TYPE_CHECKING

from irflow import names
from irflow.optim.adadelta import Adadelta
from irflow.optim.adafactor import Adafactor
from irflow.optim.adagrad import Adagrad
from irflow.optim.adam import Adam, AdamW
from irflow.optim.adamax import Adamax
from irflow.optim.clipping import clip_by_global_norm, clip_by_norm, clip_by_value, global_norm
from irflow.optim.ftrl import Ftrl
from irflow.optim.lamb import Lamb
from irflow.optim.lion import Lion
from irflow.optim.nadam import Nadam
from irflow.optim.optimizer import LearningRate, Optimizer, State
from irflow.optim.rmsprop import RMSprop
from irflow.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "LearningRate",
    "Lion",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "State",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "global_norm",
]

if not TYPE_CHECKING:  # to a type checker an unknown name is an error as it is

    def __getattr__(name: str) -> object:
        """The error that says where irflow has a name of another system."""
        raise names.unknown(__name__, name)
