"""Read picture files: any format and mode that Pillow knows, upright, as 8-bit grey or RGB.

Training on a folder of your own images and `predict.py` read their files here, so that a model
is asked about the very pixels that it would have been trained on.
"""

import io
import os
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers.errors import DataError, printable

# What counts as a picture inside a folder. Pillow cannot read the last two, which phones write;
# they are listed so that they are named as unreadable instead of being passed over.
LARGE, LARGEST = 20_000_000, 250_000_000  # pixels; phones make photographs of 108 million
IMAGE_SUFFIXES = frozenset(
    ".png .jpg .jpeg .jfif .bmp .gif .tif .tiff .webp .avif .jp2 .ppm .pgm .pbm .tga .ico "
    ".heic .heif".split()
)
SYSTEM_NAMES = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


def is_hidden(path: Path) -> bool:
    """Whether a file or folder is hidden or put there by the system (.DS_Store, __MACOSX …)."""
    return path.name.startswith(".") or path.name.lower() in SYSTEM_NAMES


def find_images(folder: Path) -> list[Path]:
    """All picture files in `folder` and the folders inside it, by suffix, sorted by path.

    Hidden files and folders are left out, and links to folders are not followed.

    Raises:
        DataError: a folder cannot be listed.
    """
    return sorted(_walk(folder), key=lambda path: path.relative_to(folder).parts)


def _walk(folder: Path) -> Iterator[Path]:
    def stop(error: OSError) -> None:
        where = printable(error.filename)
        raise DataError(f"cannot list the folder {where}: {error.strerror}") from error

    for place, folders, names in os.walk(folder, onerror=stop):
        here = Path(place)
        folders[:] = [name for name in folders if not is_hidden(here / name)]
        for path in (here / name for name in names):
            if path.suffix.lower() in IMAGE_SUFFIXES and not is_hidden(path):
                yield path


def read_image(source: Path | IO[bytes], name: str | None = None) -> Image.Image:
    """Read the first frame of a picture, upright, on white where it is transparent.

    The EXIF orientation is applied. 16-bit, 32-bit and float pictures are brought to 8 bits (see
    `eight_bits`). A picture that claims more than LARGEST pixels, as decompression bombs do, is
    refused before they are unpacked.

    Args:
        source: a file's path, or an open binary file, also one that cannot seek.
        name: how messages call it; without it, the path.

    Returns:
        An image of mode "L" (uint8 grey) if the picture is grey, else "RGB".

    Raises:
        DataError: it cannot be read; the message is one line that names it and says why.
    """
    name = printable(source if name is None else name)
    # Other warnings, such as about odd metadata, do not matter for the pixels.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        # Damaged bytes make the many decoders raise nearly every kind of exception.
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, LARGEST
        try:
            if not isinstance(source, Path):
                return _decode(source)
            if not stat.S_ISREG(source.stat().st_mode):
                raise DataError("it is no file")  # to open a pipe would be to wait for its writer
            with open(source, "rb") as file:
                return _decode(file)
        except Exception as error:
            raise DataError(f"cannot read {name}: {_reason(error)}") from error
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _decode(file: IO[bytes]) -> Image.Image:
    if not file.seekable():
        file = io.BytesIO(file.read())
    if not file.read(1):
        raise DataError("the file is empty")
    file.seek(0)
    with Image.open(file) as image:
        if image.width * image.height > LARGE:
            image.draft(None, (2000, 2000))  # JPEG can be decoded smaller at once
        image.load()
        try:
            image = ImageOps.exif_transpose(image)
        except Exception:  # a damaged EXIF block does not spoil the pixels
            image = image.copy()
        return _grey_or_rgb(image)


def _reason(error: Exception) -> str:
    if isinstance(error, DataError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, UnidentifiedImageError):
        return "not a picture in a format that can be read"
    if isinstance(error, Image.DecompressionBombWarning | Image.DecompressionBombError):
        return f"it claims more than {LARGEST:,} pixels, which may be a decompression bomb"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, MemoryError):
        return "not enough memory for it"
    detail = printable(" ".join(str(error).split()))[:120]
    return f"the picture is damaged ({detail or type(error).__name__})"


def _grey_or_rgb(image: Image.Image) -> Image.Image:
    """Any mode of Pillow's to "L" or "RGB"."""
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return Image.fromarray(eight_bits(np.asarray(image), of_16=image.mode.startswith("I;")))
    if image.mode == "LAB":
        from PIL import ImageCms

        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    if image.mode in ("La", "RGBa"):  # colours that are multiplied by their opacity already
        image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    grey = image.mode in ("1", "L", "LA")
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        image = _on_ground(image.convert("RGBA"))
    return image.convert("L" if grey else "RGB")


def _on_ground(image: Image.Image) -> Image.Image:
    """A transparent picture on white, or on black if nothing of it can be seen on white."""
    for colour in ("white", "black"):
        found = Image.alpha_composite(Image.new("RGBA", image.size, colour), image)
        low, high = found.convert("L").getextrema()
        if high - low >= 32:
            return found
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def eight_bits(values: np.ndarray, of_16: bool = False) -> np.ndarray:
    """Numbers of any range as uint8, with the range that they most probably were meant to have.

    With `of_16`: 0 to 65535. Otherwise floats within [0, 1] are fractions, other numbers within
    [0, 255] are taken as they are, within [0, 65535] as 16-bit numbers; any other range is
    stretched from its lowest to its highest number. What is not finite becomes 0.

    Args:
        values: integers or floats, of any shape.

    Returns:
        uint8 of the same shape.
    """
    numbers = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = numbers.min(), numbers.max()
    if of_16:
        low, high = 0, 65535
    elif low >= 0 and high <= 1 and values.dtype.kind == "f":
        low, high = 0, 1
    elif low >= 0 and high <= 65535:
        low, high = 0, 255 if high <= 255 else 65535
    scale = 255 / (high - low) if high > low else 0.0
    return np.rint((numbers - low) * scale).astype(np.uint8)


def squeeze(image: Image.Image, height: int, width: int) -> np.ndarray:
    """A picture in colour, resized to `height x width`: uint8 `H x W x 3`.

    The whole picture is kept, so one that is not square becomes narrower or flatter. A crop would
    keep the proportions and lose what lies at the edges. Training on a folder and prediction both
    use this function; a picture that has the right size already is not changed.
    """
    resized = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized)
