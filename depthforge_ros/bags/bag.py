# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Reading rosbags (rosbag2 mcap and sqlite3, and rosbag1) without ROS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any

from depthforge_ros.errors import one_line, UserError
from depthforge_ros.labels import LABEL_SPACES, LabelSpace
from rosbags.highlevel import AnyReader
from rosbags.typesys import get_typestore, Stores
import yaml

IMAGE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
METADATA = 'metadata.yaml'
LABEL_SPACE_KEY = 'label_space'
"""Key of a bag's custom metadata that names the classes of its ground truth."""
NON_CAMERA_NAMES = ('labels', 'depth', 'mask', 'overlay', 'confidence', 'entropy', 'relative')
"""Last parts of topics whose images are not from a camera."""
DEPTH_FOLDERS = ('depth', 'depth_registered')
"""Parts before the last in topics of depth cameras, as in `depth/image_raw`."""
ALIGNED_DEPTH = 'aligned_depth_to_'
"""Start of that part where depth is aligned to another lens."""
COMPRESSED, COMPRESSED_DEPTH = '/compressed', '/compressedDepth'
"""What image_transport appends to a topic's name."""


def is_bag(path: Path) -> bool:
    """Tell whether a file has the suffix of a bag, or a folder the metadata of one."""
    return path.suffix in ('.mcap', '.db3', '.bag') or (path / METADATA).is_file()


def _is_camera_topic(topic: str) -> bool:
    *_, folder, last = ('', *topic.removesuffix(COMPRESSED).split('/'))
    is_depth = folder in DEPTH_FOLDERS or folder.startswith(ALIGNED_DEPTH)
    return not (is_depth or last in NON_CAMERA_NAMES or topic.endswith(COMPRESSED_DEPTH))


@dataclass(frozen=True)
class RawMessage:
    """One message as the bag stores it."""

    received_ns: int
    """When it was recorded, on the recorder's clock."""
    raw: bytes
    topic: str


class Bag:
    """
    An open bag; a context manager. Iterate one topic at a time.

    Damaged data raises UserError. In a `lenient` bag it ends `raw_messages` instead, and `damage`
    describes it. `damage` also reports fewer messages than the bag's index lists.
    """

    def __init__(self, path: Path, *, lenient: bool = False) -> None:
        if not path.exists():
            raise UserError(f'bag {path} does not exist; check the path')
        if path.is_dir() and not (path / METADATA).is_file():
            raise UserError(
                f'folder {path} holds no metadata.yaml, so is no rosbag2; give a rosbag2 folder,'
                ' an mcap or db3 file; an interrupted recording is repaired by `ros2 bag reindex`'
            )
        self.path = path
        self.damage: str | None = None
        self._lenient = lenient
        try:
            store = get_typestore(Stores.ROS2_JAZZY)
            self._reader = AnyReader([path], default_typestore=store)
            self._reader.open()
        # Each storage raises its own exceptions, and damaged files raise any.
        except Exception as error:
            raise UserError(
                f'{path} cannot be read as a bag ({one_line(error)}); give a rosbag2 folder, an '
                'mcap, db3 or bag file; an interrupted recording is repaired by `ros2 bag reindex`'
            ) from error

    def __enter__(self) -> Bag:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._reader.close()

    @property
    def topics(self) -> dict[str, str]:
        """Message type of each topic."""
        return {one.topic: one.msgtype for one in self._reader.connections}

    @property
    def image_topics(self) -> list[str]:
        """Topics of raw and compressed images."""
        return sorted(name for name, kind in self.topics.items() if kind in IMAGE_TYPES)

    @property
    def label_space(self) -> LabelSpace | None:
        """Classes of the bag's ground truth, by its metadata; None if they are not there."""
        custom = _metadata(self.path).get('custom_data') or {}
        return LABEL_SPACES.get(custom.get(LABEL_SPACE_KEY, ''))

    def camera_topic(self, wanted: str | None = None) -> str:
        """Return `wanted` if the bag has it, or the only camera topic; else UserError."""
        cameras = self.camera_topics() if wanted is None else self.camera_topics((wanted,))
        if len(cameras) == 1:
            return cameras[0]
        raise UserError(
            f'{self.path} has {len(cameras)} camera topics, choose one with --topic; it has '
            f'{_listing(cameras or self.image_topics)}'
        )

    def camera_topics(self, wanted: Sequence[str] = ()) -> list[str]:
        """
        Return `wanted` if the bag has them all; by default all topics of camera images.

        Of a camera that was recorded raw and compressed, the raw topic.
        """
        topics = self.image_topics
        missing = [name for name in wanted if name not in topics]
        if wanted and not missing:
            return list(wanted)
        cameras = [
            name
            for name in topics
            if _is_camera_topic(name)
            and not (name.endswith(COMPRESSED) and name.removesuffix(COMPRESSED) in topics)
        ]
        if missing:
            there = _listing(cameras or topics)
            raise UserError(f'{self.path} has no image topic {missing[0]}; it has {there}')
        return cameras

    def topic_ending(self, ending: str, part: str | None = None) -> str | None:
        """
        Find an image topic with an ending such as `/segmentation/mask`, raw or compressed.

        `part` must be a part of the topic too, as a camera's name is of `/node/front/depth`.
        """
        found = [
            name
            for name in sorted(self.image_topics, key=len)
            if name.removesuffix(COMPRESSED).endswith(ending)
            and (part is None or part in name.split('/'))
        ]
        return found[0] if found else None

    def camera_name(self, topic: str) -> str | None:
        """Camera name in a topic; None where the bag has one camera only."""
        return namespace(topic) if len(self.camera_topics()) > 1 else None

    def count(self, topic: str) -> int:
        """Return the number of messages of a topic."""
        return self._reader.topics[topic].msgcount

    def raw_messages(self, *topics: str) -> Iterator[RawMessage]:
        """Yield the messages of some topics as raw bytes, in recorded order."""
        wanted = [one for one in self._reader.connections if one.topic in topics]
        if not wanted:
            return
        promised, read = sum(map(self.count, {one.topic for one in wanted})), 0
        try:
            for connection, received_ns, raw in self._reader.messages(wanted):
                yield RawMessage(received_ns, raw, connection.topic)
                read += 1
        except Exception as error:
            if self._lenient:
                self.damage = f'{self.path.name} breaks off: {one_line(error)}'
                return
            raise UserError(
                f'{self.path} is damaged ({one_line(error)}); copy it again or repair it with '
                '`ros2 bag reindex`'
            ) from error
        if read < promised:
            self.damage = (
                f'{self.path.name} holds {read} of the {promised} messages of {topics[0]}'
            )

    def decode(self, recorded: RawMessage) -> Any:
        """Deserialise; broken bytes are a UserError with the reason `bad_message`."""
        try:
            return self._reader.deserialize(recorded.raw, self.topics[recorded.topic])
        except Exception as error:
            raise UserError(
                f'a message of {recorded.topic} at {recorded.received_ns} ns cannot be decoded '
                f'({one_line(error)}); record it again',
                reason='bad_message',
            ) from error


class Bags(ExitStack):
    """Bags that are read at the same time, each from its beginning to its end or damage."""

    def __init__(self) -> None:
        super().__init__()
        self._opened: list[Bag] = []
        self.warnings: list[str] = []
        """Warnings about the messages that were read."""

    def open(self, path: Path) -> Bag:
        """Open a bag once more; it is closed with the others."""
        bag = self.enter_context(Bag(path, lenient=True))
        self._opened.append(bag)
        return bag

    @property
    def damage(self) -> str | None:
        """What was wrong with the first damaged bag; None if all are complete."""
        return next((bag.damage for bag in self._opened if bag.damage), None)


def stamp_ns(message: Any) -> int:
    """Header stamp in nanoseconds."""
    return int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec)


def namespace(topic: str) -> str:
    """Camera name in a topic: `front` in `/car/front/image_raw/compressed`."""
    parts = topic.removesuffix(COMPRESSED).split('/')
    return parts[-2] if len(parts) > 1 else ''


def remove_bag(path: Path) -> None:
    """
    Remove a rosbag2 folder, complete or not; does nothing where there is none.

    A file that no recorder writes is a UserError, and nothing is removed.
    """
    if not path.exists():
        return
    foreign = [one.name for one in path.iterdir() if not _is_bag_file(one)]
    if foreign:
        raise UserError(
            f'{path} is to be replaced but holds {foreign[0]}, which is no part of a bag; move '
            'it away'
        )
    for one in path.iterdir():
        one.unlink()
    path.rmdir()


def _metadata(path: Path) -> Mapping[str, Any]:
    """Read the metadata of a bag, given its folder or one of its files; empty without any."""
    file = (path if path.is_dir() else path.parent) / METADATA
    try:
        about = yaml.safe_load(file.read_text(encoding='utf-8'))['rosbag2_bagfile_information']
        files = [PurePath(one).name for one in about['relative_file_paths']]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        return {}
    return about if path.is_dir() or path.name in files else {}


def _is_bag_file(path: Path) -> bool:
    return path.name.startswith(METADATA) or path.suffix in ('.mcap', '.db3')


def _listing(topics: list[str]) -> str:
    return ', '.join(topics) if topics else 'none'
