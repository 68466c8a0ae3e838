# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Frames to predict from image files, folders, videos and bags."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
from depthforge_ros.bags.bag import Bag, is_bag, RawMessage
from depthforge_ros.bags.image_files import IMAGE_SUFFIXES, list_images
from depthforge_ros.errors import UserError
from depthforge_ros.frame import rgb_from_bgr, rgb_from_file, rgb_from_message
import numpy as np
import numpy.typing as npt

VIDEO_SUFFIXES = ('.mp4', '.avi', '.mkv', '.mov', '.webm', '.m4v', '.mpg', '.mpeg', '.ts')


@dataclass(frozen=True)
class SourceFrame:
    """A frame that is read when it is its turn."""

    name: str
    """File name stem for its results; not unique."""
    read: Callable[[], npt.NDArray[np.uint8]]
    """Give RGB uint8 (H, W, 3), or raise UserError for a broken frame."""


@dataclass(frozen=True)
class Source:
    """One input of the user's."""

    frames: Callable[[], Iterator[SourceFrame]]
    count: int
    """Frames in it; for a video what its header claims, 0 if nothing."""


def open_source(path: Path, topic: str | None = None) -> Source:
    """Open an input by its kind; UserError for one without frames. `topic` is for bags."""
    if not path.exists():
        raise UserError(f'input {path} does not exist; check the path')
    if is_bag(path):
        return _bag_source(path, topic)
    if path.is_dir():
        return _image_source(list_images(path))
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return _image_source([path])
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _video_source(path)
    raise UserError(
        f'input {path} is not known by its suffix; give an image, a folder of images, a video '
        f'({" ".join(VIDEO_SUFFIXES)}) or a bag'
    )


def _image_source(paths: list[Path]) -> Source:
    frames = [SourceFrame(path.stem, partial(rgb_from_file, path)) for path in paths]
    return Source(lambda: iter(frames), len(frames))


def _opened(path: Path) -> cv2.VideoCapture:
    """Open a video; absolute, for OpenCV takes `2026-11-30T10:` for a protocol."""
    name = str(path.absolute())
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f'video {name!a} has a name that is not UTF-8 here, which OpenCV cannot open; rename '
            'it, or set the locale to C.UTF-8'
        ) from error
    return cv2.VideoCapture(name)


def _video_source(path: Path) -> Source:
    capture = _opened(path)
    claimed = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
    readable, _ = capture.read()
    capture.release()
    if not readable:
        raise UserError(f'video {path} cannot be decoded; convert it, e.g. to H.264 in mp4')
    return Source(partial(_video_frames, path), max(claimed, 0))


def _video_frames(path: Path) -> Iterator[SourceFrame]:
    capture = _opened(path)
    try:
        index = 0
        while True:
            more, bgr = capture.read()
            if not more:
                return
            rgb = partial(rgb_from_bgr, np.asarray(bgr, np.uint8))
            yield SourceFrame(f'{path.stem}_{index:06d}', rgb)
            index += 1
    finally:
        capture.release()


def _bag_source(path: Path, topic: str | None) -> Source:
    with Bag(path) as bag:
        chosen = bag.camera_topic(topic)
        count = bag.count(chosen)
    if not count:
        raise UserError(f'{path} holds no message on {chosen}; record it again')
    return Source(partial(_bag_frames, path, chosen), count)


def _bag_frames(path: Path, topic: str) -> Iterator[SourceFrame]:
    with Bag(path) as bag:
        for recorded in bag.raw_messages(topic):
            name = f'{path.stem}_{recorded.received_ns}'
            yield SourceFrame(name, partial(_rgb_from_recorded, bag, recorded))


def _rgb_from_recorded(bag: Bag, recorded: RawMessage) -> npt.NDArray[np.uint8]:
    return rgb_from_message(bag.decode(recorded))
