"""Helpers of the course on generative adversarial networks in Keras.

Import modules, not names, so that every call shows where it comes from:
`from gan_utils import losses, plotting`. The import of `autodiff` comes first on purpose: it starts
Keras and its backend without their start-up messages.
"""

from gan_utils import autodiff as autodiff
