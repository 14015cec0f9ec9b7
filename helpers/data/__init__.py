"""From a file, a folder or a host to batches of images: see `load`."""

from helpers.data.augmentation import Augmentation, augment, resize
from helpers.data.batches import Batches, ImageData, Split, normalise
from helpers.data.load import SampleWarning, load
from helpers.support.errors import DataError

__all__ = [
    "Augmentation",
    "Batches",
    "DataError",
    "ImageData",
    "SampleWarning",
    "Split",
    "augment",
    "load",
    "normalise",
    "resize",
]
