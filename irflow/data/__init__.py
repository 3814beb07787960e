"""`irf.data`: pipelines that bring samples from arrays, generators and files to a training loop.

A `Dataset` is made from a source and changed step by step; nothing is read before it is iterated
over, and it can be iterated over again.

    for x, y in Dataset.from_arrays(images, labels).shuffle(seed=0).batch(128).prefetch(2):
        ...
"""

from irflow.data.dataset import Dataset

__all__ = ["Dataset"]
