# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A folder of images, with optional labels and depth -> a rosbag2 (mcap)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
import re
from typing import Any

import cv2
from depthforge_ros.bags.bag import LABEL_SPACE_KEY
from depthforge_ros.bags.camera_file import DriveFile
from depthforge_ros.bags.image_files import (
    encoded,
    is_turned,
    list_images,
    read_depth_m,
    read_labels,
)
from depthforge_ros.bags.messages import (
    camera_info_message,
    compressed_message,
    header_message,
    image_message,
    write_to,
)
from depthforge_ros.bags.storage_files import remove_bag
from depthforge_ros.errors import require_above_0, UserError
from depthforge_ros.files import read_bytes, UNREADABLE
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.geometry.camera import Camera
from depthforge_ros.labels import LABEL_SPACES
import numpy as np
import numpy.typing as npt
from rosbags.rosbag2 import StoragePlugin, Writer
from tqdm import tqdm

START_NS = 1_700_000_000 * 10**9
"""Stamp of the first image, so that the same folder gives the same bag."""
TOPIC = re.compile(r'(/[A-Za-z_]\w*)+', re.ASCII)
"""What ROS takes as an absolute name."""
LABELS_TOPIC = '/camera/labels'
DEPTH_TOPIC = '/camera/depth'
UPRIGHT_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 97)
COMPRESSED_FORMATS = {'.jpg': 'jpeg', '.jpeg': 'jpeg', '.png': 'png'}


@dataclass(frozen=True)
class BagPlan:
    """What goes into the bag and where."""

    images: Path
    output: Path
    drive: DriveFile
    rate_hz: float
    labels: Path | None = None
    depth: Path | None = None
    topic: str = '/camera/image'
    frame_id: str = 'camera'
    compressed: bool = False
    """Keep the bytes of the image files, as CompressedImage on `topic`/compressed, upright."""

    def __post_init__(self) -> None:
        require_above_0(self.rate_hz, f'rate {self.rate_hz} Hz')
        if not TOPIC.fullmatch(self.topic):
            raise UserError(
                f"topic is {self.topic!r}; it must be an absolute name like '/camera/image'"
            )
        if self.output.exists():
            raise UserError(f'{self.output} exists already; remove it or choose another --output')

    @property
    def image_topic(self) -> str:
        """Topic of the images, by the convention of image_transport."""
        return f'{self.topic}/compressed' if self.compressed else self.topic

    @property
    def info_topic(self) -> str:
        """Topic of the CameraInfo, beside the images'."""
        return f'{self.topic.rsplit("/", 1)[0]}/camera_info'

    def stamp_ns(self, index: int) -> int:
        """Stamp of an image."""
        return START_NS + round(index * 1e9 / self.rate_hz)


def _ignore(line: str) -> None:
    del line


def make_bag(plan: BagPlan, *, skip: Callable[[str], None] = _ignore) -> Counter[str]:
    """
    Write the bag; returns the messages of each topic. Shows a progress bar.

    An image that is broken, or whose labels or depth are, is left out and named to `skip`.
    """
    images = list_images(plan.images)
    beside = {
        LABELS_TOPIC: _by_stem(plan.labels, images),
        DEPTH_TOPIC: _by_stem(plan.depth, images),
    }
    try:
        counts = _write_bag(plan, images, beside, skip)
        if not counts:
            raise UserError(f'none of the {len(images)} images of {plan.images} can be read')
    except OSError as error:
        remove_bag(plan.output)
        raise UserError(
            f'{plan.output} cannot be written ({error.strerror or error}); choose another place'
        ) from error
    except BaseException:
        remove_bag(plan.output)
        raise
    return counts


def _write_bag(
    plan: BagPlan,
    images: list[Path],
    beside: dict[str, dict[str, Path]],
    skip: Callable[[str], None],
) -> Counter[str]:
    counts: Counter[str] = Counter()
    with Writer(plan.output, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        if plan.labels is not None:
            writer.set_custom_data(LABEL_SPACE_KEY, _label_space_name(plan))
        write = write_to(writer, counts)
        for index, path in enumerate(tqdm(images, desc=plan.output.name, unit='image')):
            try:
                messages = _messages(plan, path, beside, plan.stamp_ns(index))
            except UserError as error:
                if error.reason != UNREADABLE:
                    raise
                skip(f'{path.name}: {error}')
                continue
            for topic, message in messages:
                write(topic, message, plan.stamp_ns(index))
    return counts


def _messages(
    plan: BagPlan, path: Path, beside: dict[str, dict[str, Path]], stamp_ns: int
) -> list[tuple[str, Any]]:
    header = header_message(plan.frame_id, stamp_ns)
    rgb = rgb_from_file(path)
    _check_size(path, rgb.shape[:2], plan.drive.camera)
    image = (
        _compressed(header, path, rgb) if plan.compressed else image_message(header, rgb, 'rgb8')
    )
    messages = [
        (plan.image_topic, image),
        (plan.info_topic, camera_info_message(header, plan.drive.camera)),
    ]
    labels = beside[LABELS_TOPIC].get(path.stem)
    if labels is not None:
        ids = read_labels(labels, LABEL_SPACES[_label_space_name(plan)])
        _check_size(labels, ids.shape, plan.drive.camera)
        messages.append((LABELS_TOPIC, image_message(header, ids, 'mono8')))
    depth = beside[DEPTH_TOPIC].get(path.stem)
    if depth is not None:
        depth_m = read_depth_m(depth, plan.drive.depth_scale)
        _check_size(depth, depth_m.shape, plan.drive.camera)
        messages.append((DEPTH_TOPIC, image_message(header, depth_m, '32FC1')))
    return messages


def _by_stem(folder: Path | None, images: list[Path]) -> dict[str, Path]:
    if folder is None:
        return {}
    files = {path.stem: path for path in list_images(folder)}
    found = {path.stem: files[path.stem] for path in images if path.stem in files}
    if not found:
        raise UserError(
            f'{folder} holds no file named like an image, e.g. {images[0].stem}.png; names must '
            'agree up to the suffix'
        )
    return found


def _label_space_name(plan: BagPlan) -> str:
    if plan.drive.label_space is None:
        raise UserError(
            'labels need the names of their classes; add the key label_space to the camera file, '
            f'one of {", ".join(LABEL_SPACES)}'
        )
    return plan.drive.label_space


def _check_size(path: Path, shape: tuple[int, ...], camera: Camera) -> None:
    if shape[:2] != (camera.height, camera.width):
        raise UserError(
            f'{path} has {shape[1]} x {shape[0]} pixels, the camera file says {camera.width} x '
            f'{camera.height}; give the file of this camera'
        )


def _compressed(header: Any, path: Path, rgb: npt.NDArray[np.uint8]) -> Any:
    """Keep the bytes of a file, but for one that EXIF turns: consumers differ in what they do."""
    kind = COMPRESSED_FORMATS.get(path.suffix.lower())
    if kind is None:
        raise UserError(f'{path} is neither JPEG nor PNG, which --compressed needs; leave it out')
    data = read_bytes(path)
    if is_turned(data):
        data = encoded(f'.{kind}', rgb[..., ::-1], UPRIGHT_JPEG if kind == 'jpeg' else ())
    return compressed_message(header, np.frombuffer(data, np.uint8), kind)
