"""Both networks updated from one pass through each: a variant of `training.GAN` that was measured and not kept.

It saves one pass of G and one of D, a sixth of the arithmetic of an MLP, but each network is judged by the other as it was
before. Source: Mescheder et al. 2018, arXiv:1801.04406, simultaneous gradient descent. It runs on TensorFlow.
"""

import keras
import tensorflow as tf
from keras import ops

from gan_utils import training


class SimultaneousGAN(training.GAN):
    """`update` differentiates both losses of one forward pass."""

    def update(self, real_images):
        last = ops.shape(real_images)[0] // self.discriminator_steps
        for i in range(self.discriminator_steps - 1):
            self.discriminator_step(real_images[i * last : (i + 1) * last])
        real_images = real_images[-last:]
        with tf.GradientTape(persistent=True) as tape:
            d_loss, (real_logits, fake_logits) = self.judge(real_images, self.draw(last))
            g_loss = self.generator_loss(real_logits, fake_logits)
        for loss, network, optimizer in (
            (d_loss, self.discriminator, self.discriminator_optimizer),
            (g_loss, self.generator, self.generator_optimizer),
        ):
            variables = network.trainable_variables
            optimizer.apply(tape.gradient(loss, variables), variables)
        d_real, d_fake = (ops.mean(ops.sigmoid(logits)) for logits in (real_logits, fake_logits))
        return {"discriminator_loss": d_loss, "generator_loss": g_loss, "d_real": d_real, "d_fake": d_fake}


class Average(keras.callbacks.Callback):
    """Gives G the moving average of its weights at the end of training, one step of it for each logged update."""

    def __init__(self, momentum):
        super().__init__()
        self.momentum, self.average = momentum, None

    def on_train_batch_end(self, batch, logs=None):
        weights = self.model.generator.get_weights()
        old = self.average or weights
        self.average = [self.momentum * a + (1.0 - self.momentum) * w for a, w in zip(old, weights)]

    def on_train_end(self, logs=None):
        self.model.generator.set_weights(self.average)
