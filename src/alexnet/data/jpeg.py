"""Whole JPEGs by libjpeg-turbo itself: Pillow's pixels, in less time.

Pillow decodes with the same library, but row by row into a canvas of its own. What is odd about a file is left to
Pillow, anything that the library warns of included: what is read, and what is said of a file that is not, stay as
they are.
"""

from typing import IO

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, features

LARGEST = 1 << 28  # bytes of a file that are read at once; Pillow reads larger ones piece by piece
FACTORS = (8, 4, 2)


def decode(file: IO[bytes], image: Image.Image, least: int | None = None) -> NDArray[np.uint8] | None:
    """The pixels of what Pillow has opened as `image`, uint8 (H, W, 3), not yet upright; None: ask Pillow.

    With `least`, decoded at a half, a quarter or an eighth if both sides keep so many pixels: a block of 8×8 pixels
    then becomes one of 4×4, 2×2 or 1 by its lower frequencies, and the rest is never computed.
    """
    if image.format not in ("JPEG", "MPO") or image.mode not in ("RGB", "L") or not _pillow_has_the_same():
        return None
    factor = next((by for by in FACTORS if least and min(image.size) >= by * least), 1)
    height, width = -(-image.height // factor), -(-image.width // factor)
    pixels = np.empty((height, width, 3), np.uint8)
    file.seek(0)
    try:
        decoded = simplejpeg.decode_jpeg(
            file.read(LARGEST),
            "RGB",
            fastdct=factor > 1,
            min_height=height,
            min_width=width,
            min_factor=factor,
            buffer=pixels,
        )
    except ValueError:
        return None
    return pixels if decoded.shape == pixels.shape else None


def _pillow_has_the_same() -> bool:
    """A Pillow built with another library has other pixels; all pictures must have the same."""
    return bool(features.check_feature("libjpeg_turbo"))
