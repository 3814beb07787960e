"""The model grows by `add`; labels are one-hot rows."""

import numpy as np

from irflow.keras.datasets import mnist
from irflow.keras.layers import Dense, Dropout
from irflow.keras.models import Sequential
from irflow.keras.optimizers import RMSprop
from irflow.keras.utils import to_categorical

batch_size = 128
num_classes = 10

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = x_train.reshape(-1, 784).astype("float32")
x_test = x_test.reshape(-1, 784).astype("float32")
x_train /= 255
x_test /= 255
print(x_train.shape[0], "train samples")

labels = y_test
y_train = to_categorical(y_train, num_classes)
y_test = to_categorical(y_test, num_classes)

model = Sequential()
model.add(Dense(256, activation="relu", input_shape=(784,)))
model.add(Dropout(0.2))
model.add(Dense(256, activation="relu"))
model.add(Dropout(0.2))
model.add(Dense(num_classes, activation="softmax"))
model.summary()

model.compile(loss="categorical_crossentropy", optimizer=RMSprop(), metrics=["accuracy"])
history = model.fit(
    x_train, y_train, batch_size=batch_size, epochs=5, verbose=1, validation_split=0.1
)
results = model.evaluate(x_test, y_test, verbose=0)
score = results[1]
print("Test loss:", results[0])
print("Test accuracy:", results[1])

predictions = model.predict(x_test)
classes = np.argmax(predictions, axis=1)
print("wrong:", np.sum(classes != labels))
