# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Frames to predict from image files, folders, videos and bags."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import cv2
from depthforge_ros.bags.bag import Bag, RawMessage
from depthforge_ros.bags.image_files import IMAGE_SUFFIXES, images_in, list_images
from depthforge_ros.bags.repair import repaired
from depthforge_ros.bags.storage_files import is_bag, METADATA
from depthforge_ros.errors import joined, UserError
from depthforge_ros.files import fitting, require_utf_8
from depthforge_ros.frame import rgb_from_bgr, rgb_from_file, rgb_from_message
import numpy as np
import numpy.typing as npt

VIDEO_SUFFIXES = ('.mp4', '.avi', '.mkv', '.mov', '.webm', '.m4v', '.mpg', '.mpeg', '.ts')
EXACT_COUNTS = ('.mp4', '.mov', '.m4v', '.avi')
"""Of videos that store their number of frames; of others it follows from their duration."""


@dataclass(frozen=True)
class SourceFrame:
    """A frame that is read when it is its turn."""

    name: str
    """File name stem for its results; not unique."""
    read: Callable[[], npt.NDArray[np.uint8]]
    """Give RGB uint8 (H, W, 3), or raise UserError for a broken frame."""
    path: Path
    """File or bag that it is from."""


class Source(Protocol):
    """One input of the user's."""

    path: Path
    count: int
    """Frames that it promises; 0 where a video says nothing."""
    rate_hz: float | None
    """Of a video; None for all others."""
    damage: str | None
    """Why fewer frames were read than promised, once all were read."""

    def frames(self) -> Iterator[SourceFrame]:
        """Yield what can be read."""


def open_source(path: Path, copies: ExitStack, topic: str | None) -> Source:
    """
    Tell what an input is; UserError for one that holds no frames. `topic` is for bags.

    A bag that is cut short is read from a repaired copy, which lives as long as `copies`.
    """
    if not path.exists():
        raise UserError(f'input {path} does not exist; check the path')
    if path.is_dir() and images_in(path) and not (path / METADATA).is_file():
        return _Images(path, list_images(path))
    if is_bag(path):
        copy, damage = copies.enter_context(repaired(path))
        return BagSource(path, copy, topic, damage)
    if path.is_dir():
        return _Images(path, list_images(path))
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return _Images(path, [path])
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _Video(path)
    raise UserError(
        f'input {path} is not known by its suffix; give an image, a folder of images, a video '
        f'({" ".join(VIDEO_SUFFIXES)}) or a bag'
    )


def damage_of(sources: Iterable[Source]) -> str | None:
    """Say why fewer frames were read than promised, once all were read; None where all were."""
    return joined(*(one.damage for one in sources))


class _Images:
    def __init__(self, path: Path, files: list[Path]) -> None:
        self.path, self._files, self.count = path, files, len(files)
        self.rate_hz: float | None = None
        self.damage: str | None = None

    def frames(self) -> Iterator[SourceFrame]:
        for path in self._files:
            yield SourceFrame(path.stem, partial(rgb_from_file, path), path)


class _Video:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: str | None = None
        capture = _opened(path)
        claimed = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        rate_hz = float(capture.get(cv2.CAP_PROP_FPS)) if capture.isOpened() else 0.0
        self.count = max(claimed, 0)
        self.rate_hz = rate_hz if rate_hz > 0.0 else None
        readable, _ = capture.read()
        capture.release()
        if not readable:
            raise UserError(f'video {path} cannot be decoded; convert it, e.g. to H.264 in mp4')

    def frames(self) -> Iterator[SourceFrame]:
        capture = _opened(self.path)
        index = 0
        try:
            while (read := capture.read())[0]:
                rgb = partial(rgb_from_bgr, np.asarray(read[1], np.uint8))
                yield SourceFrame(_numbered(self.path, f'_{index:06d}'), rgb, self.path)
                index += 1
        finally:
            capture.release()
        is_exact = self.path.suffix.lower() in EXACT_COUNTS
        if index < self.count - (0 if is_exact else 1):
            self.damage = f'{self.path.name} breaks off: {index} of {self.count} frames read'


class BagSource:
    """The images of one camera topic of a bag."""

    rate_hz: float | None = None

    def __init__(self, path: Path, copy: Path, topic: str | None, damage: str | None) -> None:
        """`copy` is what is read of it, see `repaired`."""
        self.path, self.copy = path, copy
        with Bag(copy) as bag:
            self.topic = bag.camera_topic(topic)
            self.count = bag.count(self.topic)
            left_out = () if topic else bag.unread_cameras.values()
        self.damage = joined(damage, *left_out)

    def frames(self) -> Iterator[SourceFrame]:
        """Yield the frames, as far as the bag goes."""
        with Bag(self.copy, lenient=True) as bag:
            for recorded in bag.raw_messages(self.topic):
                name = _numbered(self.path, f'_{recorded.received_ns}')
                yield SourceFrame(name, partial(_rgb_from_recorded, bag, recorded), self.path)
            self.damage = joined(self.damage, bag.damage)


def _numbered(path: Path, number: str) -> str:
    """Name a frame of a file."""
    return fitting(path.stem, len(number)) + number


def _rgb_from_recorded(bag: Bag, recorded: RawMessage) -> npt.NDArray[np.uint8]:
    return rgb_from_message(bag.decode(recorded))


def _opened(path: Path) -> cv2.VideoCapture:
    """Open a video; absolute, for OpenCV takes `2026-11-30T10:` for a protocol."""
    whole = path.absolute()
    require_utf_8(whole, 'OpenCV')
    return cv2.VideoCapture(str(whole))
