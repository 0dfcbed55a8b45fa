"""`python -m gan_utils [picture.png]`: what is installed here, and 64 frogs and 64 digits from the shipped generators."""

import sys
import time

from gan_utils import autodiff, data, monitors, results  # first: it starts Keras without its start-up messages

import keras  # isort: skip
import numpy as np  # isort: skip


def main(path="gan_utils.png"):
    """Print versions, backend, device and data folder, and draw the pictures into one PNG."""
    print(f"Python   {sys.version.split()[0]}, NumPy {np.__version__}, Keras {keras.__version__}")
    print(f"backend  {autodiff.BACKEND} {autodiff.BACKEND_VERSION} on {autodiff.describe_device()}")
    print(f"data     {data.find_folder()}")
    began = time.perf_counter()
    frogs, digits = (results.draw(results.load_generator(name), 64) for name in ("dcgan_frogs", "vanilla_digits"))
    digits = np.pad(digits, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=-1.0).repeat(3, axis=-1)  # to the size of frogs
    monitors.save_grid(frogs, path, real=digits)
    print(f"picture  {path}: 64 digits and 64 frogs, none chosen, drawn in {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main(*sys.argv[1:2]) if not sys.argv[-1].startswith("-") else print(__doc__)
