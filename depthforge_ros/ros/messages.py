# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Arrays -> sensor_msgs/Image."""

from __future__ import annotations

import array
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import Image


def image_message(header: Any, *, encoding: str, pixels: npt.NDArray[Any]) -> Any:
    """Fill an Image with (H, W) or (H, W, C) pixels; stamp and frame are those of `header`."""
    pixels = np.ascontiguousarray(pixels)
    message = Image(header=header)
    message.height, message.width = pixels.shape[:2]
    message.encoding = encoding
    message.is_bigendian = int(sys.byteorder == 'big')
    message.step = pixels.strides[0]
    # Only an array.array is taken as it is; bytes and lists are checked value by value.
    data = array.array('B')
    data.frombytes(pixels.data.cast('B'))
    message.data = data
    return message


def confidence_message(header: Any, confidence: npt.NDArray[np.float32]) -> Any:
    """Scale confidence (H, W) in [0, 1] to mono8, as the Nav2 segmentation layer reads it."""
    scaled = np.rint(confidence * 255.0).astype(np.uint8)
    return image_message(header, encoding='mono8', pixels=scaled)
