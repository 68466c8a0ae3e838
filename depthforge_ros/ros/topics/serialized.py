# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Images that are published as they lie in kept memory, in the form in which they travel (CDR).

rclpy copies a message into one of C, and serialised bytes into a string of C++, before either is
published. For the 9.8 MB of a camera-sized depth map that is a quarter of the time. `rcl`, below
it, publishes from the memory itself.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
import functools
from typing import Any

import numpy as np
import numpy.typing as npt
from rclpy.publisher import Publisher
from rclpy.serialization import serialize_message

HEADROOM = 1024
"""Bytes before a plane, for the rest of its message; a frame_id may have 950 characters."""
COUNT = 4
"""Bytes that say how long the pixels are; they are the last before them."""


@dataclass(frozen=True)
class SerializedImage:
    """A whole sensor_msgs/Image; it is overwritten when the next frame's plane is made."""

    octets: npt.NDArray[np.uint8]


class _Array(ctypes.Structure):
    """As rcutils_uint8_array_t, whose allocator publishing does not use."""

    _fields_ = (
        ('buffer', ctypes.c_void_p),
        ('length', ctypes.c_size_t),
        ('capacity', ctypes.c_size_t),
        ('allocator', ctypes.c_void_p * 5),
    )


def serialized_image(empty: Any, memory: npt.NDArray[np.uint8]) -> SerializedImage | None:
    """
    Write the fields of an Image without data before its pixels, which end `memory`.

    None where they do not fit into the HEADROOM.
    """
    fields = bytearray(serialize_message(empty))
    is_little = fields[1] & 1
    pixels = len(memory) - HEADROOM
    fields[-COUNT:] = pixels.to_bytes(COUNT, 'little' if is_little else 'big')
    start = HEADROOM - len(fields)
    if start < 0:
        return None
    memory[start:HEADROOM] = fields
    return SerializedImage(memory[start:])


def publish(publisher: Publisher, message: Any) -> None:
    """Publish a message, or an image that lies ready."""
    if not isinstance(message, SerializedImage):
        publisher.publish(message)
    elif publisher.is_activated and not _publish(publisher, message.octets):
        publisher.publish(message.octets.tobytes())


def _publish(publisher: Publisher, octets: npt.NDArray[np.uint8]) -> bool:
    """Publish from the memory itself; False where that is not possible."""
    rcl_publish = _rcl_publish()
    if rcl_publish is None:
        return False
    array = _Array(octets.ctypes.data, octets.size, octets.size)
    handle = publisher.handle
    with handle:
        failed: int = rcl_publish(handle.pointer, ctypes.byref(array), None)
    return not failed


@functools.cache
def _rcl_publish() -> Any:
    """Find the function in the library that rclpy has loaded."""
    try:
        function = ctypes.CDLL('librcl.so').rcl_publish_serialized_message
    except (OSError, AttributeError):
        return None
    function.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    function.restype = ctypes.c_int
    return function
