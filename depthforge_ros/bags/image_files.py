# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Image, label and depth files on disk: the only place that decodes label and depth files."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
import struct
from typing import Any
import zlib

import cv2
from depthforge_ros.errors import one_line, UserError
from depthforge_ros.files import is_hidden, natural_key, read_bytes, UNREADABLE, write_bytes
from depthforge_ros.frame import pixels_of
from depthforge_ros.labels import LabelSpace, UNLABELLED
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp', '.ppm', '.pgm')
CAMVID_IGNORE = 11
KITTI_DEPTH_UNITS_PER_M = 256.0
PILLOW_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, MemoryError,
    Image.DecompressionBombError,
)  # fmt: skip
"""What Pillow raises for files that are broken."""
FEW_BITS = {1: 255, 2: 85, 4: 17}
"""What Pillow multiplies grey values by to fill 8 bits, by the bits that a PNG stores."""
PNG_BITS, PNG_KIND = 24, 25
"""Places of bits per value and of the colour type (0: grey) in a PNG."""


def list_images(folder: Path) -> list[Path]:
    """Return the image files of a folder, numbers in names in order; UserError without any."""
    if not folder.is_dir():
        raise UserError(f'image folder {folder} does not exist; check the path')
    images = images_in(folder)
    if not images:
        raise UserError(
            f'folder {folder} holds no images; {" ".join(IMAGE_SUFFIXES)} files are looked for'
        )
    return images


def images_in(folder: Path, pattern: str = '*') -> list[Path]:
    """
    Return the image files below a folder that match a glob, hidden ones left out.

    Links that lead nowhere stay, so that they are named; folders and pipes are no files.
    """
    named = [path for path in folder.glob(pattern) if path.suffix.lower() in IMAGE_SUFFIXES]
    found = [path for path in named if not is_hidden(path)]
    files = [path for path in found if path.is_file() or not path.exists()]
    return sorted(files, key=lambda path: natural_key(str(path)))


def write_image(path: Path, pixels: npt.NDArray[Any], options: tuple[int, ...] = ()) -> None:
    """Write grey or BGR pixels in the format of the suffix, whole or not at all."""
    write_bytes(path, encoded(path.suffix, pixels, options))


def encoded(suffix: str, pixels: npt.NDArray[Any], options: tuple[int, ...] = ()) -> bytes:
    """Encode grey or BGR pixels as `.png` or `.jpg`."""
    return bytes(cv2.imencode(suffix, pixels, options)[1])


def read_labels(path: Path, space: LabelSpace) -> npt.NDArray[np.uint8]:
    """Read train ids (H, W) of a class image; 255, and CamVid's 11, become 255."""
    labels = read_ids(path)
    labels[np.isin(labels, ignored_ids(space))] = UNLABELLED
    unknown = np.unique(labels[(labels >= len(space)) & (labels != UNLABELLED)])
    if len(unknown):
        raise UserError(
            f'labels {path} hold the id {unknown[0]}, {space.name} has 0 to {len(space) - 1} and '
            f'{UNLABELLED}; choose the right label space'
        )
    return labels


def ignored_ids(space: LabelSpace) -> tuple[int, ...]:
    """Return the ids in labels that mean no class."""
    return (CAMVID_IGNORE, UNLABELLED) if space.name == 'camvid' else (UNLABELLED,)


def read_ids(path: Path) -> npt.NDArray[np.uint8]:
    """Read the ids (H, W) that a label file stores, as `decode_ids` does."""
    return decode_ids(read_bytes(path), f'labels {path}')


def decode_ids(data: bytes, name: str) -> npt.NDArray[np.uint8]:
    """
    Decode the ids (H, W) of an image of one channel.

    Of a palette the indices, of grey values of 1, 2 or 4 bits the values themselves, of 16 bits
    those up to 255. `name` stands in the UserError for anything else.
    """
    stored = _stored(data, name)
    if stored.ndim != 2 or not _are_ids(stored):
        raise UserError(
            f'{name} are {stored.dtype} of shape {stored.shape}; an 8-bit image of one channel '
            'with ids is needed'
        )
    return stored.astype(np.uint8)


def read_colors(path: Path, flags: int = cv2.IMREAD_UNCHANGED) -> npt.NDArray[Any]:
    """Read a label file whose values are in its colours: (H, W, 3), BGR."""
    stored = pixels_of(read_bytes(path), flags)
    if stored is None:
        raise UserError(f'{path} cannot be read as an image; replace it', reason=UNREADABLE)
    return stored


def _are_ids(stored: npt.NDArray[Any]) -> bool:
    return stored.dtype.kind in 'ui' and stored.min() >= 0 and stored.max() <= UNLABELLED


def read_depth_m(path: Path, depth_scale: float | None) -> npt.NDArray[np.float32]:
    """
    Read metres (H, W) from a 16-bit image.

    Without `depth_scale` the values are metres x 256 and 0, no return, becomes NaN. With it they
    are depth_scale / metres and 0, beyond range, becomes +Inf (REP 118).
    """
    stored = read_16_bit(path)
    values = stored.astype(np.float32)
    if depth_scale is None:
        depth_m = np.where(stored > 0, values / KITTI_DEPTH_UNITS_PER_M, np.nan)
    else:
        depth_m = np.where(stored > 0, depth_scale / np.maximum(values, 1.0), np.inf)
    return depth_m.astype(np.float32)


def read_16_bit(path: Path) -> npt.NDArray[Any]:
    """Read the values (H, W) of a depth file, an image of 16 bits and one channel."""
    stored = _stored(read_bytes(path), f'depth {path}')
    if stored.ndim != 2 or stored.dtype.kind not in 'ui' or stored.dtype.itemsize < 2:
        raise UserError(
            f'depth {path} is {stored.dtype} of shape {stored.shape}; a 16-bit image of one '
            'channel is needed'
        )
    return stored


def is_turned(data: bytes) -> bool:
    """Tell whether an image file says by EXIF that it must be turned or mirrored to be upright."""
    try:
        with Image.open(BytesIO(data)) as image:
            return image.getexif().get(0x0112, 1) not in (0, 1)
    except PILLOW_ERRORS:
        return False


def _stored(data: bytes, name: str) -> npt.NDArray[Any]:
    """Decode the stored values, upright: OpenCV would give a palette's colours."""
    try:
        with Image.open(BytesIO(data)) as image:
            upright = ImageOps.exif_transpose(image)
            values = np.array(upright.getchannel(0) if upright.mode == 'LA' else upright)
    except PILLOW_ERRORS as error:
        # The text of the first has an address in memory.
        is_unknown = isinstance(error, UnidentifiedImageError)
        reason = 'of no known format' if is_unknown else one_line(error)
        raise UserError(
            f'{name} cannot be read as an image ({reason}); check the file',
            reason=UNREADABLE,
        ) from error
    bits = data[PNG_BITS] if data.startswith(b'\x89PNG') and not data[PNG_KIND] else 8
    if values.dtype == bool:
        return values.astype(np.uint8)
    return values // values.dtype.type(FEW_BITS[bits]) if bits in FEW_BITS else values
