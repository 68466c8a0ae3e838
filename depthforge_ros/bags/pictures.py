# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Which messages are pictures that a camera took, and which of those can be read."""

from __future__ import annotations

import re
from typing import Any

from depthforge_ros.headers import JPEG_START, PNG_START

IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
NON_CAMERA_NAMES = ('labels', 'depth', 'mask', 'overlay', 'confidence', 'entropy', 'relative')
"""Last parts of topics that hold images which no camera took, whatever their encoding."""
COMPRESSED, COMPRESSED_DEPTH = '/compressed', '/compressedDepth'
"""What image_transport appends to a topic's name."""
MEASURED = re.compile(r'8[US]C[12]?|(16|32|64)[USF]C\d*')
"""Encodings of values that are no picture: depth, confidence, flow."""
GREY_OF_16_BITS = b'\x10\x00'
"""Bits and colour type of a PNG, at 24."""
VIDEO = re.compile(r'/(CompressedVideo|FFMPEGPacket)$|of (h26|hevc|av1|vp9)', re.IGNORECASE)
"""In the type of a topic, and the format of its first image, where each needs those before it."""
NO_VIDEO = 'video inside a bag is not decoded: record images, or give a video file such as .mp4'
NO_IMAGE = 'an image inside a bag must be raw, JPEG or PNG: record it so'


def is_named_otherwise(topic: str) -> bool:
    """Tell whether a topic's name says that no camera fills it."""
    last = topic.removesuffix(COMPRESSED).rpartition('/')[2]
    return last in NON_CAMERA_NAMES or topic.endswith(COMPRESSED_DEPTH)


def is_picture(message: Any) -> bool:
    """Tell by its encoding whether an Image or CompressedImage is a picture that a camera took."""
    if not hasattr(message, 'format'):
        return MEASURED.fullmatch(message.encoding) is None
    data = bytes(message.data[:26])
    if _is_measured(message) or not data.startswith((JPEG_START, PNG_START)):
        return False
    # What names no encoding and has one value of 16 bits per pixel is depth.
    is_deep = data.startswith(PNG_START) and data[24:] == GREY_OF_16_BITS
    return not (is_deep and _source(message).lower() in ('', 'png'))


def is_unread(message: Any) -> bool:
    """Tell whether a CompressedImage is a picture in a form that is not read, as of zstd."""
    data = bytes(message.data[:8])
    return not (_is_measured(message) or data.startswith((JPEG_START, PNG_START)))


def _source(message: Any) -> str:
    """Return what a CompressedImage says before the name of its compression."""
    return str(message.format.partition(';')[0].strip())


def _is_measured(message: Any) -> bool:
    return MEASURED.fullmatch(_source(message)) is not None
