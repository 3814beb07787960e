"""Optimisers as pure updates: `state = o.init(params)`, then `params, state = o.update(grads, state, params)`.

Parameters, gradients and state are nested structures of tensors, so an update can be part of a jitted training step.
"""

from irflow.optim.adam import Adam, AdamState
from irflow.optim.optimizer import LearningRate, Optimizer
from irflow.optim.sgd import SGD, SgdState

__all__ = ["SGD", "Adam", "AdamState", "LearningRate", "Optimizer", "SgdState"]
