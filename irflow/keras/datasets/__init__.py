"""Data sets as `(x_train, y_train), (x_test, y_test)`, with Keras's names and shapes.

`mnist`, `fashion_mnist`, `cifar10` and `imdb` are downloaded by their first `load_data()`; files
that Keras left in `~/.keras/datasets`, or that stand in the folder `IRFLOW_DATA` names, are used
where they are. `digits` comes with irflow.
"""

from irflow.keras.datasets import cifar10, digits, fashion_mnist, imdb, mnist

__all__ = ["cifar10", "digits", "fashion_mnist", "imdb", "mnist"]
