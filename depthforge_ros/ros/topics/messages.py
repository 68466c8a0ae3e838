# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Arrays -> sensor_msgs/Image and PointCloud2."""

from __future__ import annotations

import array
from collections.abc import Mapping
import sys
from typing import Any

from depthforge_ros.ros.topics.serialized import HEADROOM, serialized_image
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import Image, PointCloud2, PointField
from std_msgs.msg import Header

FIELD_TYPES = {
    'f': PointField.FLOAT32,
    'B': PointField.UINT8,
    'H': PointField.UINT16,
    'I': PointField.FLOAT32,
}
"""By numpy's character; packed colours are FLOAT32, as PCL and RViz read them."""
MILLIMETRES_PER_M = 1000.0


class ImageBuffers:
    """Memory of one camera's images: published as it is, and used again for the next frame."""

    def __init__(self) -> None:
        self._planes: dict[str, tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]] = {}

    def __call__(self, name: str, size: tuple[int, int], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Give memory (H, W), see `postprocess.Memory`."""
        if name in self._planes:
            plane = self._planes[name][1]
            if (plane.shape, plane.dtype) == (size, dtype):
                return plane
        memory = np.zeros(HEADROOM + size[0] * size[1] * np.dtype(dtype).itemsize, np.uint8)
        plane = memory[HEADROOM:].view(dtype).reshape(size)
        self._planes[name] = memory, plane
        return plane

    def memory(self, pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint8] | None:
        """Return the memory of an image in these buffers, with its HEADROOM; None for others."""
        return next((memory for memory, plane in self._planes.values() if plane is pixels), None)


def image_message(
    header: Header, *, encoding: str, pixels: npt.NDArray[Any], buffers: ImageBuffers | None = None
) -> Image:
    """
    Fill an Image with (H, W) or (H, W, C) pixels; stamp and frame are those of `header`.

    Pixels that are a plane of `buffers` are not copied: they are a `SerializedImage`.
    """
    memory = None if buffers is None else buffers.memory(pixels)
    pixels = np.ascontiguousarray(pixels)
    # With its fields checked a message takes an array as it is, and copies it otherwise.
    message = Image(header=header, check_fields=True)
    message.height, message.width = pixels.shape[:2]
    message.encoding = encoding
    message.is_bigendian = int(sys.byteorder == 'big')
    message.step = pixels.strides[0]
    ready = None if memory is None else serialized_image(message, memory)
    if ready is None:
        message.data = _octets(pixels)
    return ready or message


def metric_depth_message(
    header: Header, depth_m: npt.NDArray[np.float32], *, encoding: str
) -> Image:
    """Fill an Image with metres (H, W), or 16UC1 millimetres: 0 where none fit (REP 118)."""
    if encoding == '32FC1':
        return image_message(header, encoding=encoding, pixels=depth_m)
    depth_mm = np.rint(depth_m * MILLIMETRES_PER_M)
    fits = depth_mm <= np.iinfo(np.uint16).max
    pixels = np.where(fits, depth_mm, 0.0).astype(np.uint16)
    return image_message(header, encoding=encoding, pixels=pixels)


def cloud_message(header: Header, points: npt.NDArray[np.void]) -> PointCloud2:
    """Fill a PointCloud2 with structured points (rows, columns)."""
    rows, columns = points.shape
    fields: Mapping[str, Any] = points.dtype.fields or {}
    message = PointCloud2(
        header=header,
        check_fields=True,
        height=rows,
        width=columns,
        is_bigendian=False,
        point_step=points.itemsize,
        row_step=points.itemsize * columns,
        is_dense=bool(np.isfinite(points['z']).all()),
        fields=[
            PointField(name=name, offset=offset, datatype=FIELD_TYPES[kind.char], count=1)
            for name, (kind, offset, *_) in fields.items()
        ],
    )
    message.data = _octets(points)
    return message


def confidence_message(header: Header, confidence: npt.NDArray[np.float32]) -> Image:
    """Scale confidence (H, W) in [0, 1] to mono8, as the Nav2 segmentation layer reads it."""
    scaled = np.rint(confidence * 255.0).astype(np.uint8)
    return image_message(header, encoding='mono8', pixels=scaled)


def _octets(pixels: npt.NDArray[Any]) -> array.array[int]:
    """Copy into an array.array: rclpy checks bytes and lists value by value."""
    octets = array.array('B')
    octets.frombytes(np.ascontiguousarray(pixels).view(np.uint8).reshape(-1).data)
    return octets
