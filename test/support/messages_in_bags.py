# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Bags of short texts and small images, written and read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores

TYPESTORE = get_typestore(Stores.ROS2_JAZZY)
TYPES = TYPESTORE.types
PERIOD_NS = 50_000_000
START_NS = 1_300_000_000_000_000_000


def make_header(number: int) -> Any:
    stamp = TYPES['builtin_interfaces/msg/Time'](1_300_000_000 + number, number)
    return TYPES['std_msgs/msg/Header'](stamp, 'camera')


def make_message(kind: str, number: int) -> Any:
    if kind == 'std_msgs/msg/String':
        return TYPES[kind](f'text {number}')
    pixels = np.full(200 * 300 * 3, number, np.uint8)
    return TYPES[kind](make_header(number), 200, 300, 'rgb8', 0, 900, pixels)


def make_bag(
    path: Path,
    topics: dict[str, str],
    *,
    messages: int = 5,
    storage: StoragePlugin = StoragePlugin.MCAP,
) -> Path:
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connections = [
            writer.add_connection(topic, kind, typestore=TYPESTORE)
            for topic, kind in topics.items()
        ]
        for number in range(messages):
            for connection in connections:
                data = TYPESTORE.serialize_cdr(
                    make_message(connection.msgtype, number), connection.msgtype
                )
                writer.write(connection, START_NS + number * PERIOD_NS, data)
    return path


def read_bag(path: Path) -> dict[str, list[Any]]:
    messages: dict[str, list[Any]] = {}
    with Reader(path) as reader:
        for connection, _, data in reader.messages(reader.connections):
            message = TYPESTORE.deserialize_cdr(data, connection.msgtype)
            messages.setdefault(connection.topic, []).append(message)
    return messages
