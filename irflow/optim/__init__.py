"""Optimisers as pure updates of nested structures of tensors, so that jit can take one in.

state = optimizer.init(params)
params, state = optimizer.update(grads, state, params)
"""

from irflow.optim.adam import Adam, AdamState
from irflow.optim.optimizer import LearningRate, Optimizer
from irflow.optim.sgd import SGD, SgdState

__all__ = ["SGD", "Adam", "AdamState", "LearningRate", "Optimizer", "SgdState"]
