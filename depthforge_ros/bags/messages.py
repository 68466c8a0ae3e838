# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Messages for bags, made and written without ROS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from depthforge_ros.bags.bag import STORE
from depthforge_ros.geometry.camera import Camera
import numpy as np
import numpy.typing as npt
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import Writer

TYPES = STORE.types
TF_STATIC = '/tf_static'
UNSPECIFIED = QosTime(sec=0, nsec=0)
LATCHED = Qos(
    history=QosHistory.KEEP_LAST,
    depth=1,
    reliability=QosReliability.RELIABLE,
    durability=QosDurability.TRANSIENT_LOCAL,
    deadline=UNSPECIFIED,
    lifespan=UNSPECIFIED,
    liveliness=QosLiveliness.AUTOMATIC,
    liveliness_lease_duration=UNSPECIFIED,
    avoid_ros_namespace_conventions=False,
)
"""What listeners to tf ask of `/tf_static`; `ros2 bag play` offers what a bag says."""
Write = Callable[[str, Any, int], None]
"""Takes topic, message and stamp in ns."""


def write_to(writer: Writer, counts: Counter[str]) -> Write:
    """Return a function that writes messages into a bag and counts them by topic."""
    connections: dict[str, Any] = {}

    def write(topic: str, message: Any, stamp_ns: int) -> None:
        kind = message.__msgtype__
        if topic not in connections:
            qos = [LATCHED] if topic == TF_STATIC else []
            connections[topic] = writer.add_connection(
                topic, kind, typestore=STORE, offered_qos_profiles=qos
            )
        writer.write(connections[topic], stamp_ns, STORE.serialize_cdr(message, kind))
        counts[topic] += 1

    return write


def header_message(frame_id: str, stamp_ns: int) -> Any:
    """Fill a Header."""
    stamp = TYPES['builtin_interfaces/msg/Time'](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return TYPES['std_msgs/msg/Header'](stamp=stamp, frame_id=frame_id)


def image_message(header: Any, pixels: npt.NDArray[Any], encoding: str) -> Any:
    """Fill an Image with (H, W) or (H, W, C) pixels."""
    data = np.ascontiguousarray(pixels).view(np.uint8).reshape(-1)
    return TYPES['sensor_msgs/msg/Image'](
        header=header,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=len(data) // pixels.shape[0],
        data=data,
    )


def compressed_message(header: Any, data: npt.NDArray[np.uint8], kind: str) -> Any:
    """Fill a CompressedImage with the bytes of a file of format `jpeg` or `png`."""
    return TYPES['sensor_msgs/msg/CompressedImage'](header=header, format=kind, data=data)


def camera_info_message(header: Any, camera: Camera) -> Any:
    """Fill a CameraInfo."""
    roi = TYPES['sensor_msgs/msg/RegionOfInterest'](
        x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
    )
    return TYPES['sensor_msgs/msg/CameraInfo'](
        header=header,
        height=camera.height,
        width=camera.width,
        distortion_model=camera.distortion_model,
        d=np.array(camera.d, np.float64),
        k=np.array(camera.k, np.float64),
        r=np.array(camera.r, np.float64),
        p=np.array(camera.p, np.float64),
        binning_x=0,
        binning_y=0,
        roi=roi,
    )


def transform_message(
    header: Any,
    child: str,
    *,
    translation_m: tuple[float, float, float],
    quaternion_xyzw: tuple[float, float, float, float],
) -> Any:
    """Fill a TFMessage with where the frame `child` is in the header's frame."""
    transform = TYPES['geometry_msgs/msg/Transform'](
        translation=TYPES['geometry_msgs/msg/Vector3'](*translation_m),
        rotation=TYPES['geometry_msgs/msg/Quaternion'](*quaternion_xyzw),
    )
    stamped = TYPES['geometry_msgs/msg/TransformStamped'](header, child, transform)
    return TYPES['tf2_msgs/msg/TFMessage'](transforms=[stamped])


def cloud_message(header: Any, points: npt.NDArray[np.void]) -> Any:
    """Fill a PointCloud2 with structured points (rows, columns)."""
    rows, columns = points.shape
    fields: Mapping[str, Any] = points.dtype.fields or {}
    field: Any = TYPES['sensor_msgs/msg/PointField']
    kinds = {'f': field.FLOAT32, 'B': field.UINT8, 'H': field.UINT16, 'I': field.FLOAT32}
    return TYPES['sensor_msgs/msg/PointCloud2'](
        header=header,
        height=rows,
        width=columns,
        fields=[
            field(name=name, offset=offset, datatype=kinds[kind.char], count=1)
            for name, (kind, offset, *_) in fields.items()
        ],
        is_bigendian=False,
        point_step=points.itemsize,
        row_step=points.itemsize * columns,
        data=np.ascontiguousarray(points).view(np.uint8).reshape(-1),
        is_dense=bool(np.isfinite(points['z']).all()),
    )
