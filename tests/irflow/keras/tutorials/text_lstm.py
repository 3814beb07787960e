"""Good or bad: an embedding and an LSTM on short reviews of different lengths."""

import random

import numpy as np

from irflow.keras.layers import LSTM, Bidirectional, Dense, Dropout, Embedding
from irflow.keras.models import Sequential
from irflow.keras.utils import pad_sequences

random.seed(7)
GOOD = ["good", "great", "lovely", "fine", "superb"]
BAD = ["bad", "awful", "dull", "poor", "boring"]
FILL = "the a film story was it and music acting really so ending".split()


def review():
    label = random.randint(0, 1)
    words = [random.choice(FILL) for _ in range(random.randint(2, 11))]
    words.insert(random.randrange(len(words)), random.choice(GOOD if label else BAD))
    return " ".join(words), label


texts, labels = zip(*[review() for _ in range(600)])
word_index = {word: i + 1 for i, word in enumerate(sorted({w for t in texts for w in t.split()}))}
sequences = [[word_index[word] for word in text.split()] for text in texts]
maxlen = 12
x = pad_sequences(sequences, maxlen=maxlen)
y = np.array(labels)
x_train, y_train, x_test, y_test = x[:500], y[:500], x[500:], y[500:]

model = Sequential()
model.add(Embedding(len(word_index) + 1, 16, mask_zero=True))
model.add(Bidirectional(LSTM(16, dropout=0.1)))
model.add(Dropout(0.2))
model.add(Dense(1, activation="sigmoid"))
model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
history = model.fit(x_train, y_train, batch_size=32, epochs=12, validation_data=(x_test, y_test))
score = model.evaluate(x_test, y_test, verbose=0)[1]

new = ["a really lovely story", "the music was awful and so was the acting"]
padded = pad_sequences([[word_index[w] for w in t.split()] for t in new], maxlen=maxlen)
predictions = model.predict(padded)
for text, p in zip(new, predictions):
    print(text, "->", "good" if p[0] > 0.5 else "bad")
