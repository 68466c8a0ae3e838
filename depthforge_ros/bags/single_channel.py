# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Images of one value per pixel, masks and depth, from messages of any step and byte order."""

from __future__ import annotations

from typing import Any

from depthforge_ros.bags.image_files import decode_ids
from depthforge_ros.errors import UserError
from depthforge_ros.files import UNREADABLE
from depthforge_ros.headers import PNG_START
import numpy as np
import numpy.typing as npt

PLANE_TYPES = {'mono8': 'u1', '8UC1': 'u1', '16UC1': 'u2', '32FC1': 'f4'}
MILLIMETRES_PER_M = 1000.0


def labels_from_message(message: Any) -> npt.NDArray[np.uint8]:
    """Read train ids (H, W) of an 8-bit image, raw or as PNG."""
    if hasattr(message, 'format'):
        return _labels_from_png(bytes(message.data))
    plane = _plane(message, ('mono8', '8UC1'))
    return np.asarray(plane, np.uint8)


def depth_from_message(message: Any) -> npt.NDArray[np.float32]:
    """Read 32FC1 as it is, metres or relative; 16UC1 is millimetres, 0 becomes NaN (REP 118)."""
    plane = _plane(message, ('32FC1', '16UC1'))
    if plane.dtype.kind == 'f':
        return plane.astype(np.float32)
    depth_m = plane.astype(np.float32) / MILLIMETRES_PER_M
    return np.where(plane > 0, depth_m, np.float32(np.nan))


def _labels_from_png(data: bytes) -> npt.NDArray[np.uint8]:
    """Decode PNG; JPEG would blend ids into others."""
    ids = decode_ids(data, f'a compressed mask: {len(data)} bytes')
    if not data.startswith(PNG_START):
        raise UserError(
            f'the compressed mask, {len(data)} bytes that begin with {data[:8]!r}, is no 8-bit '
            'PNG of one channel; record the raw topic'
        )
    return ids


def _plane(message: Any, encodings: tuple[str, ...]) -> npt.NDArray[Any]:
    if message.encoding not in encodings:
        raise UserError(
            f'the image has encoding {message.encoding!r}; {" or ".join(encodings)} is '
            'needed; choose another topic'
        )
    order = '>' if message.is_bigendian else '<'
    dtype = np.dtype(f'{order}{PLANE_TYPES[message.encoding]}')
    height, width, step = message.height, message.width, message.step
    data = np.frombuffer(message.data, np.uint8)
    if step < width * dtype.itemsize or len(data) != height * step:
        raise UserError(
            f'the image has {len(data)} bytes in rows of {step} for {width} x {height} pixels in '
            f'{message.encoding}; record the topic again',
            reason=UNREADABLE,
        )
    rows = data.reshape(height, step)[:, : width * dtype.itemsize]
    return np.ascontiguousarray(rows).view(dtype)
