# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Ground truth of one camera by stamp: from the topics of a bag, or from files named by stamp."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from depthforge_ros.bags.bag import Bags
from depthforge_ros.bags.camera_file import DriveFile, read_drive_file
from depthforge_ros.bags.image_files import list_images, read_depth_m, read_labels
from depthforge_ros.bags.series import Plane, Series
from depthforge_ros.bags.single_channel import depth_from_message, labels_from_message
from depthforge_ros.bags.storage_files import is_bag
from depthforge_ros.errors import UserError
from depthforge_ros.files import UNREADABLE
from depthforge_ros.labels import LABEL_SPACES, LabelSpace
import numpy as np
import numpy.typing as npt

LABELS_ENDING = '/labels'
DEPTH_ENDING = '/depth'
CAMERA_FILE = 'camera.yaml'


class Truth(Protocol):
    """Ground truth, looked up by rising stamps."""

    space: LabelSpace | None
    """Classes of the labels; None where there are no labels."""

    def labels(self, stamp_ns: int) -> npt.NDArray[np.uint8] | None:
        """Return train ids (H, W) of a frame, where there are any."""

    def depth_m(self, stamp_ns: int) -> npt.NDArray[np.float32] | None:
        """Return metres (H, W) of a frame, where there are any."""

    def first_stamp_ns(self) -> int | None:
        """Return the stamp of the first labels or depth; None where there is nothing at all."""


def open_truth(bags: Bags, path: Path, camera: str | None, *, space: LabelSpace | None) -> Truth:
    """
    Open the ground truth of a camera, by its name where there are several.

    `path` is a bag with topics that end in `/labels` and `/depth`, or a folder of files named by
    their stamps in nanoseconds, `labels/1700000000000000000.png` and `depth/...`, with one folder
    per camera where there are several. `space` are the classes if neither says them; UserError
    where nobody does, or where one says others.
    """
    if is_bag(path) or not path.is_dir():
        return _BagTruth(bags, path, camera, space)
    return _FolderTruth(bags, path, camera, space)


class _BagTruth:
    def __init__(
        self,
        bags: Bags,
        path: Path,
        camera: str | None,
        space: LabelSpace | None,
    ) -> None:
        labels = bags.open(path)
        depths = bags.open(path)
        topic = labels.topic_ending(LABELS_ENDING, camera)
        self.space = _one_space(path, labels.label_space, space)
        if topic is not None and self.space is None:
            raise UserError(
                f'{path} holds labels on {topic} but not what their classes are; say it by '
                '--truth-labels'
            )
        self._labels = Series(labels, topic, bags.lost)
        self._depths = Series(depths, depths.topic_ending(DEPTH_ENDING, camera), bags.lost)

    def labels(self, stamp_ns: int) -> npt.NDArray[np.uint8] | None:
        return self._labels.pixels_at(stamp_ns, labels_from_message)

    def depth_m(self, stamp_ns: int) -> npt.NDArray[np.float32] | None:
        return self._depths.pixels_at(stamp_ns, depth_from_message)

    def first_stamp_ns(self) -> int | None:
        firsts = (self._labels.first_stamp_ns, self._depths.first_stamp_ns)
        return min((one for one in firsts if one is not None), default=None)


class _FolderTruth:
    def __init__(
        self, bags: Bags, path: Path, camera: str | None, space: LabelSpace | None
    ) -> None:
        self._lost = bags.lost
        folder = path / camera if camera else path
        self._labels = _by_stamp(folder / 'labels')
        self._depths = _by_stamp(folder / 'depth')
        if not self._labels and not self._depths:
            raise UserError(
                f'folder {folder} holds no ground truth: neither labels/ nor depth/ with images '
                'named by their stamps in nanoseconds; give such a folder, or a bag'
            )
        about = _camera_file(folder) or _camera_file(path)
        self._depth_scale = about.depth_scale if about else None
        declared = LABEL_SPACES[about.label_space] if about and about.label_space else None
        self.space = _one_space(folder, declared, space)
        if self._labels and self.space is None:
            raise UserError(
                f'{folder / "labels"} does not say what its classes are; say it by --truth-labels'
            )

    def labels(self, stamp_ns: int) -> npt.NDArray[np.uint8] | None:
        path, space = self._labels.get(stamp_ns), self.space
        return self._readable(lambda: read_labels(path, space)) if path and space else None

    def depth_m(self, stamp_ns: int) -> npt.NDArray[np.float32] | None:
        path = self._depths.get(stamp_ns)
        return self._readable(lambda: read_depth_m(path, self._depth_scale)) if path else None

    def _readable(self, read: Callable[[], Plane]) -> Plane | None:
        """Leave a broken file out, so that the figures are of a part."""
        try:
            return read()
        except UserError as error:
            if error.reason != UNREADABLE:
                raise
            self._lost.append(str(error))
            return None

    def first_stamp_ns(self) -> int | None:
        return min((*self._labels, *self._depths), default=None)


def _one_space(
    path: Path, declared: LabelSpace | None, requested: LabelSpace | None
) -> LabelSpace | None:
    """Return the classes of the truth, or the requested ones; UserError if they differ."""
    if declared is not None and requested is not None and declared != requested:
        raise UserError(
            f'{path} says that its labels are of {declared.name}, and --truth-labels says '
            f'{requested.name}; leave the option out'
        )
    return declared or requested


def _camera_file(folder: Path) -> DriveFile | None:
    path = folder / CAMERA_FILE
    return read_drive_file(path) if path.is_file() else None


def _by_stamp(folder: Path) -> dict[int, Path]:
    if not folder.is_dir():
        return {}
    images = list_images(folder)
    misnamed = [path.name for path in images if not path.stem.isdecimal()]
    if misnamed:
        raise UserError(
            f'{folder / misnamed[0]} is not named by a stamp; name the files by the '
            "nanoseconds of their images' header stamps, such as 1700000000000000000.png"
        )
    return {int(path.stem): path for path in images}
