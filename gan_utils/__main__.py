"""`python -m gan_utils [picture.png]`: this installation, 64 frogs and 64 digits."""

import sys
import tempfile
from pathlib import Path

# First: it starts Keras without its start-up messages.
from gan_utils import autodiff, data, monitors, results

import keras  # isort: skip
import numpy as np  # isort: skip


def main(path="gan_utils.png"):
    """Print versions, backend, device and data folder, and draw the pictures into one PNG.

    Where the path cannot be written, the picture goes to the temporary folder of the system.
    """
    print(f"Python   {sys.version.split()[0]}, NumPy {np.__version__}, Keras {keras.__version__}")
    print(f"backend  {autodiff.BACKEND} {autodiff.BACKEND_VERSION} on {autodiff.describe_device()}")
    print(f"data     {data.find_folder()}")
    frogs = results.draw(results.load_generator("dcgan_frogs"), 64)
    digits = results.draw(results.load_generator("vanilla_digits"), 64)
    edge = ((0, 0), (2, 2), (2, 2), (0, 0))  # to the size of frogs
    digits = np.pad(digits, edge, constant_values=-1.0).repeat(3, axis=-1)
    try:
        monitors.save_grid(frogs, path, real=digits)
    except OSError:
        path = Path(tempfile.gettempdir()) / Path(path).name
        monitors.save_grid(frogs, path, real=digits)
    print(f"picture  {path}: 64 digits and 64 frogs, none chosen")


if __name__ == "__main__":
    main(*sys.argv[1:2]) if not sys.argv[-1].startswith("-") else print(__doc__)
