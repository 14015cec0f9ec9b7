"""Read picture files: any format and mode that Pillow knows, upright, as 8-bit grey or RGB.

Training on a folder of your own images and `predict.py` read their files here, so that a model
is asked about the very pixels that it would have been trained on.
"""

import io
import os
import re
import stat
import unicodedata
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers.support.errors import DataError, printable

LARGE, LARGEST = 20_000_000, 250_000_000  # pixels; phones make photographs of 108 million
# What counts as a picture inside a folder. Pillow cannot read the last two, which phones write;
# they are listed so that they are named as unreadable instead of being passed over.
IMAGE_SUFFIXES = frozenset(
    ".png .jpg .jpeg .jfif .bmp .gif .tif .tiff .webp .avif .jp2 .j2k .jpx "
    ".ppm .pgm .pbm .pnm .tga .ico .heic .heif".split()
)
# Folders and files that systems and tools leave behind; others begin with a dot or with ~$.
LEFTOVERS = frozenset(
    {"@eadir", "@recycle", "@tmp", "#recycle", "#snapshot", "$recycle.bin", "found.000"}
    | {"lost+found", "system volume information", "temporary items", "network trash folder"}
    | {"__macosx", "__pycache__", "node_modules", "lightning_logs"}
)
# How files of the common formats begin, whatever their names.
SIGNATURE = re.compile(
    rb"\x89PNG|\xff\xd8\xff|GIF8|II\*\0|MM\0\*|RIFF....WEBP|BM....\0{4}|....ftyp(avif|heic|mif1)|"
    rb"\0\0\0\x0c(jP  |JXL )|8BPS",
    re.DOTALL,
)
# Why something is left out: each follows a number.
BY_SYSTEM, LINKED_AGAIN = "left behind by a system", "linked to a folder that is here already"
LINKED_AROUND = "linked to a folder around one that is here already"
HARMLESS = {BY_SYSTEM, LINKED_AGAIN}  # no picture is lost with these


class Listing(NamedTuple):
    """What is in one folder, sorted by name."""

    folders: list[Path]
    pictures: list[Path]


class Finder:
    """Finds the pictures below a folder, by suffix; `left_out` has what is passed over, and why.

    Hidden names are passed over without a word. Links to folders are followed, each folder once.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.left_out: dict[str, list[Path]] = defaultdict(list)
        self._listings: dict[Path, Listing] = {}
        self._entered: set[Path] = set()
        self._above: set[Path] = set()
        self._enter(root)

    def _enter(self, folder: Path) -> str:
        """Enter a folder that is new; else why it is not: an entered one, inside or around one."""
        folder = folder.resolve()
        if not self._entered.isdisjoint((folder, *folder.parents)):
            return LINKED_AGAIN
        if folder in self._above:
            return LINKED_AROUND
        self._entered.add(folder)
        self._above.update(folder.parents)
        return "folder"

    def listing(self, folder: Path) -> Listing:
        """The folders and pictures directly in `folder`.

        Raises:
            DataError: it cannot be listed.
        """
        if folder not in self._listings:
            try:
                with os.scandir(folder) as entries:
                    found = sorted(entries, key=lambda entry: (composed(entry.name), entry.name))
            except OSError as error:
                where = printable(folder)
                raise DataError(f"cannot list the folder {where}: {error.strerror}") from error
            listing = self._listings[folder] = Listing([], [])
            for entry in found:
                kind, path = _kind(entry), folder / entry.name
                if kind == "folder" and entry.is_symlink():
                    kind = self._enter(path)
                if kind == "folder":
                    listing.folders.append(path)
                elif kind == "picture":
                    listing.pictures.append(path)
                elif kind:
                    self.left_out[kind].append(path)
        return self._listings[folder]

    def pictures(self, *folders: Path) -> list[Path]:
        """All pictures in the folders and the folders inside them, sorted by path."""
        found, waiting = [], [*folders]
        while waiting:
            listing = self.listing(waiting.pop())
            found += listing.pictures
            waiting += listing.folders
        return sorted(found, key=lambda path: composed(path.as_posix()).split("/"))

    def report(self) -> str:
        """What is left out, counted and named, with the reason; empty if nothing is."""
        parts = []
        for reason, paths in self.left_out.items():
            names = listed([path.relative_to(self.root).as_posix() for path in paths])
            parts += [f"{len(paths)} {reason} ({names})"] if paths else []
        return f"left out: {', '.join(parts)}" if parts else ""


def _kind(entry: os.DirEntry[str]) -> str | None:
    """folder, picture, or why it is left out; None is left out without a word."""
    name = entry.name.lower()
    is_picture = os.path.splitext(name)[1] in IMAGE_SUFFIXES
    try:
        is_folder, is_file = entry.is_dir(), entry.is_file()
    except OSError:  # links in a circle
        is_folder = is_file = False
    if name.startswith("."):
        return None
    if name in LEFTOVERS or name.startswith("~$"):
        return BY_SYSTEM if is_folder or is_picture else None
    if is_file and not is_picture:
        return "not named like a picture" if _is_signed(entry) else None
    if is_file or is_folder:
        return "picture" if is_file else "folder"
    return "neither file nor folder" if os.path.exists(entry) else "linked to nothing"


def _is_signed(file: os.DirEntry[str]) -> bool:
    """Whether a file begins like a picture."""
    try:
        with open(file, "rb") as opened:
            return SIGNATURE.match(opened.read(16)) is not None
    except OSError:
        return False


def composed(name: str) -> str:
    """A name with composed letters (NFC): some systems store é as e and an accent."""
    return unicodedata.normalize("NFC", name)


def listed(names: Sequence[str], most: int = 3) -> str:
    """Names for a message."""
    shown = ", ".join(map(printable, names[:most]))
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


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
    with Image.open(file) as opened:
        if opened.width * opened.height > LARGE:
            opened.draft(None, (2000, 2000))  # JPEG can be decoded smaller at once
        opened.load()
        try:
            image = ImageOps.exif_transpose(opened)
        except Exception:  # a damaged EXIF block does not spoil the pixels
            image = opened.copy()
        # The photometric interpretation of TIFF; Pillow heeds it where a grey has 8 bits or fewer.
        return _grey_or_rgb(image, white_is_zero=getattr(opened, "tag_v2", {}).get(262) == 0)


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


def _grey_or_rgb(image: Image.Image, white_is_zero: bool) -> Image.Image:
    """Any mode of Pillow's to "L" or "RGB"."""
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        values = eight_bits(np.asarray(image), of_16=image.mode.startswith("I;"))
        return Image.fromarray(255 - values if white_is_zero else values)
    if image.mode == "LAB":
        from PIL import ImageCms

        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        # None would be the answer of a change in place.
        return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB") or image
    if image.mode in ("La", "RGBa"):  # colours that are multiplied by their opacity already
        image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    grey = image.mode in ("1", "L", "LA")
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        image = _on_ground(image.convert("RGBA"))
    return image.convert("L" if grey else "RGB")


def _on_ground(image: Image.Image) -> Image.Image:
    """A transparent picture on white, or on black if nothing of it can be seen on white.

    One that is transparent all over is taken as it is: some programs leave the opacity at 0.
    """
    if image.getchannel("A").getextrema() == (0, 0):
        return image.convert("RGB")
    for colour in ("white", "black"):
        found = Image.alpha_composite(Image.new("RGBA", image.size, colour), image)
        if np.ptp(np.asarray(found.convert("L"))) >= 32:
            return found
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def eight_bits(values: np.ndarray, of_16: bool = False) -> np.ndarray:
    """Numbers of any range as uint8, with the range that they most probably were meant to have.

    Floats within [0, 1] are fractions, other numbers within [0, 255] are taken as they are, within
    [0, 4095] as 12-bit numbers, within [0, 65535] as 16-bit ones; any other range is stretched from
    its lowest to its highest number. With `of_16` they are 12-bit or 16-bit numbers: cameras of
    microscopes and X-rays put 12 bits into 16. What is not finite becomes 0.

    Args:
        values: integers or floats, of any shape.

    Returns:
        uint8 of the same shape.
    """
    numbers = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = numbers.min(), numbers.max()
    if low >= 0 and high <= 1 and values.dtype.kind == "f":
        low, high = 0, 1
    elif low >= 0 and high <= 65535:
        likely = (4095, 65535) if of_16 else (255, 4095, 65535)
        low, high = 0, next(top for top in likely if high <= top)
    scale = 255 / (high - low) if high > low else 0.0
    return np.rint((numbers - low) * scale).astype(np.uint8)


def squeeze(image: Image.Image, height: int, width: int) -> np.ndarray:
    """A picture in colour, resized to `height x width`: uint8 `H x W x 3`.

    The whole picture is kept, so one that is not square becomes narrower or flatter. A crop would
    keep the proportions and lose what lies at the edges. Training on a folder and prediction both
    use this function; a picture that has the right size already is not changed.
    """
    return np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))
