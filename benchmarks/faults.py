# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Messages and an engine that are wrong on purpose, by kind; what `soak.py` sends."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import random
import time
from typing import Any

import cv2
from depthforge_ros.engine import NetworkOutput
from depthforge_ros.engine.null import NullEngine
from depthforge_ros.headers import MAX_SCANS
from depthforge_ros.ros.topics.messages import image_message
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

HANG_S = 5.0
ENGINE_FAULTS = {'engine_nan': 11, 'engine_memory': 12, 'engine_raises': 13, 'engine_hangs': 14}
"""Grey level of the images on which the engine fails so."""
GOOD = 200

COMMON_FAULTS = (
    *('size_change', 'stamp_backwards', 'stamp_zero', 'stamp_future', 'stamp_duplicate'),
    *('engine_nan', 'engine_memory', 'engine_raises'),
)
RAW_FAULTS = (
    *('wrong_step', 'wrong_length', 'no_data', 'zero_size', 'unknown_encoding', 'huge_size'),
    *COMMON_FAULTS,
)
COMPRESSED_FAULTS = (
    *('truncated_jpeg', 'bomb_png', 'bomb_jpeg', 'no_data', 'random_bytes', 'damaged_jpeg'),
    'scan_bomb',
    *COMMON_FAULTS,
)


class BreakingEngine(NullEngine):
    """Fails on images of the grey levels of ENGINE_FAULTS."""

    def __call__(self, images: npt.NDArray[np.uint8]) -> NetworkOutput:
        """Raise, run out of memory, hang, or answer with NaN; or work."""
        level = int(images[0, 0, 0, 0])
        if level == ENGINE_FAULTS['engine_raises']:
            raise RuntimeError('on purpose')
        if level == ENGINE_FAULTS['engine_memory']:
            raise MemoryError
        if level == ENGINE_FAULTS['engine_hangs']:
            time.sleep(HANG_S)
        output = super().__call__(images)
        if level != ENGINE_FAULTS['engine_nan']:
            return output
        return dataclasses.replace(
            output, inverse_depth=np.full_like(output.inverse_depth, np.nan)
        )


def make(name: str, transport: str, stamp: int, source: random.Random) -> Any:
    """Build a message of one kind; see RAW_FAULTS and COMPRESSED_FAULTS."""
    header = Header(frame_id='camera')
    header.stamp.sec = {
        'stamp_zero': 0,
        'stamp_future': 2_000_000_000,
        'stamp_backwards': max(stamp - 5, 0),
        'stamp_duplicate': max(stamp - 1, 0),
    }.get(name, stamp)
    size = (
        (source.randrange(1, 90), source.randrange(1, 90)) if name == 'size_change' else (48, 64)
    )
    pixels = np.full((*size, 3), ENGINE_FAULTS.get(name, GOOD), np.uint8)
    if transport == 'compressed':
        return CompressedImage(
            header=header, format='jpeg', data=_compressed(name, pixels, source)
        )
    return _spoil(name, image_message(header, encoding='rgb8', pixels=pixels))


def _spoil(name: str, image: Any) -> Any:
    if name == 'wrong_step':
        image.step = 1
    elif name == 'wrong_length':
        image.data = image.data[:-1]
    elif name == 'no_data':
        image.data = b''
    elif name == 'zero_size':
        image.height = image.width = 0
    elif name == 'unknown_encoding':
        image.encoding = 'rgb9'
    elif name == 'huge_size':
        image.height = image.width = 2**32 - 1
    return image


def _compressed(name: str, pixels: npt.NDArray[np.uint8], source: random.Random) -> bytes:
    jpeg, png = (cv2.imencode(end, pixels)[1].tobytes() for end in ('.jpg', '.png'))
    if name == 'truncated_jpeg':
        return jpeg[: source.randrange(1, len(jpeg) - 2)]
    if name == 'damaged_jpeg':
        return jpeg[:160] + source.randbytes(40) + jpeg[200:]
    if name == 'bomb_png':
        return png[:16] + (2**31 - 1).to_bytes(4, 'big') * 2 + png[24:]
    if name == 'bomb_jpeg':
        at = jpeg.index(b'\xff\xc0') + 5
        return jpeg[:at] + b'\xff' * 4 + jpeg[at + 4 :]
    if name == 'scan_bomb':
        # Not more: the middleware keeps each slot of a queue as large as its largest message was.
        return jpeg[:-2] + jpeg[jpeg.rindex(b'\xff\xda') :] * (2 * MAX_SCANS)
    if name == 'random_bytes':
        return source.randbytes(500)
    return b'' if name == 'no_data' else source.choice((jpeg, png))


def kinds_of_block(
    transport: str, count: int, source: random.Random, *, hangs: bool
) -> Sequence[str]:
    faults = RAW_FAULTS if transport == 'raw' else COMPRESSED_FAULTS
    kinds = [source.choice(faults) if source.random() < 1 / 3 else 'good' for _ in range(count)]
    if hangs:
        kinds[0] = 'engine_hangs'
    return kinds
