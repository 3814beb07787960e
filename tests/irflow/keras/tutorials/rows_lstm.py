"""An LSTM that reads an image row by row."""

import irflow as tf

(x_train, y_train), (x_test, y_test) = tf.keras.datasets.mnist.load_data()
x_train, x_test = x_train / 255.0, x_test / 255.0

model = tf.keras.Sequential()
model.add(tf.keras.layers.LSTM(32, input_shape=(x_train.shape[1:]), return_sequences=True))
model.add(tf.keras.layers.Dropout(0.1))
model.add(tf.keras.layers.LSTM(32))
model.add(tf.keras.layers.Dense(10, activation="softmax"))

optimizer = tf.keras.optimizers.Adam(learning_rate=5e-3)
model.compile(loss="sparse_categorical_crossentropy", optimizer=optimizer, metrics=["accuracy"])
history = model.fit(x_train, y_train, epochs=4, validation_data=(x_test, y_test))
score = history.history["val_accuracy"][-1]
predictions = model.predict(x_test)
