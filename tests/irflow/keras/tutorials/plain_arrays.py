"""Dense(100) and Dense(10) on arrays of one's own, and XOR from nested lists."""

import numpy as np

from irflow import keras
from irflow.keras.layers import Dense
from irflow.keras.models import Sequential

rng = np.random.default_rng(1)
x = rng.random((1000, 20))
y = np.argmax(x[:, :10], axis=1)
x_train, y_train = x[:800], y[:800]
x_test, y_test = x[800:], y[800:]

model = Sequential()
model.add(Dense(100, input_dim=20, activation="relu"))
model.add(Dense(10, activation="softmax"))
model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
history = model.fit(x_train, y_train, epochs=40, batch_size=16, verbose=0)
loss, score = model.evaluate(x_test, y_test, verbose=0)
print("Accuracy: %.2f%%" % (score * 100))
predictions = model.predict(x_test)
print(np.argmax(predictions[0]), y_test[0])

xor = Sequential([Dense(16, activation="tanh"), Dense(1, activation="sigmoid")])
xor.compile(
    loss="binary_crossentropy", optimizer=keras.optimizers.Adam(learning_rate=0.05), metrics=["acc"]
)
inputs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
targets = np.array([[0], [1], [1], [0]])
xor.fit(inputs, targets, epochs=200, verbose=0)
answers = (xor.predict(inputs, verbose=0) > 0.5).astype(int)
print(answers.ravel())
