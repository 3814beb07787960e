"""A subclassed autoencoder with two parts; the images are what it learns to give back."""

import irflow as tf
from irflow.keras import layers, losses
from irflow.keras.models import Model

(x_train, _), (x_test, _) = tf.keras.datasets.mnist.load_data()
x_train = x_train.astype("float32") / 255.0
x_test = x_test.astype("float32") / 255.0


class Autoencoder(Model):
    def __init__(self, latent_dim, shape):
        super().__init__()
        self.encoder = tf.keras.Sequential(
            [layers.Flatten(), layers.Dense(latent_dim, activation="relu")]
        )
        self.decoder = tf.keras.Sequential(
            [layers.Dense(28 * 28, activation="sigmoid"), layers.Reshape(shape)]
        )

    def call(self, x):
        encoded = self.encoder(x)
        return self.decoder(encoded)


autoencoder = model = Autoencoder(64, x_test.shape[1:])
autoencoder.compile(optimizer="adam", loss=losses.MeanSquaredError())
history = autoencoder.fit(
    x_train, x_train, epochs=10, shuffle=True, validation_data=(x_test, x_test)
)
encoded_imgs = autoencoder.encoder(x_test).numpy()
predictions = autoencoder.decoder(encoded_imgs).numpy()
score = 1 - ((predictions - x_test) ** 2).mean() / x_test.var()
print("of the variance explained:", score)
