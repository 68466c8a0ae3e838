# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Reading rosbags (rosbag2 mcap and sqlite3, and rosbag1) without ROS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from depthforge_ros.bags.pictures import (
    COMPRESSED,
    IMAGE_TYPES,
    is_named_otherwise,
    is_picture,
    is_unread,
    NO_IMAGE,
    NO_VIDEO,
    VIDEO,
)
from depthforge_ros.bags.storage_files import (
    advice,
    bag_files,
    METADATA,
    promised_messages,
    read_metadata,
    SQLITE,
    storage_suffix,
    SUFFIXES,
)
from depthforge_ros.errors import one_line, UserError
from depthforge_ros.files import require_utf_8
from depthforge_ros.labels import LABEL_SPACES, LabelSpace
from rosbags.highlevel import AnyReader
from rosbags.typesys import get_typestore, Stores

LABEL_SPACE_KEY = 'label_space'
"""Key of a bag's custom metadata that names the classes of its ground truth."""
FIRST_MESSAGES = 5
"""So many are looked at for one that tells whether a camera fills the topic."""
STORE = get_typestore(Stores.ROS2_JAZZY)


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
        has_metadata = path.is_dir() and (path / METADATA).is_file()
        paths = bag_files(path) if path.is_dir() and not has_metadata else [path]
        if not paths:
            raise UserError(
                f'folder {path} holds neither metadata.yaml nor files of {", ".join(SUFFIXES)}; '
                'give a rosbag2 folder or a file of a bag'
            )
        for one in bag_files(path):
            if storage_suffix(one) == SQLITE:
                require_utf_8(one, 'SQLite')
        self.path = path
        self.damage: str | None = None
        self._lenient = lenient
        self._cameras: dict[str, bool] = {}
        """Whether a camera fills a topic, where that is known."""
        self._promised = promised_messages(path)
        try:
            self._reader = AnyReader(paths, default_typestore=STORE)
            self._reader.open()
        # Each storage raises its own exceptions, and damaged files raise any.
        except Exception as error:
            reason = one_line(error)
            raise UserError(
                f'{path} cannot be read as a bag ({reason}); {advice(path, reason)}'
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
        """Topics of raw and compressed images that hold messages."""
        return sorted(
            name for name, kind in self.topics.items() if kind in IMAGE_TYPES and self.count(name)
        )

    @property
    def label_space(self) -> LabelSpace | None:
        """Classes of the bag's ground truth, where metadata in it, or beside a file, says them."""
        custom = read_metadata(self.path).get('custom_data') or {}
        return LABEL_SPACES.get(custom.get(LABEL_SPACE_KEY, ''))

    def camera_topic(self, wanted: str | None = None) -> str:
        """Return `wanted` if the bag has it, or the only camera topic; else say what there is."""
        cameras = self.camera_topics(() if wanted is None else (wanted,))
        if len(cameras) == 1:
            return cameras[0]
        raise UserError(
            f'{self.path} has {len(cameras)} camera topics, choose one with --topic; it has '
            f'{_listing(cameras)}'
        )

    def camera_topics(self, wanted: Sequence[str] = ()) -> list[str]:
        """
        Return `wanted` if the bag has them all; by default all topics of camera images.

        The encoding of a topic's first message decides. Of a camera that was recorded raw and
        compressed, the raw topic. UserError where there is none.
        """
        topics, cameras = self.image_topics, self._found_cameras()
        for name in wanted:
            if name not in topics:
                raise UserError(
                    f'{self.path} {self._lack(name)}; it has {_listing(cameras or topics)}'
                )
        if wanted or cameras:
            return list(wanted) or cameras
        contents = {name: self._content(name) for name in sorted(self.topics)}
        remedy = f'; {NO_VIDEO}' if any(map(VIDEO.search, contents.values())) else ''
        raise UserError(
            f'{self.path} has no topic of camera images, that is sensor_msgs/msg/Image or '
            'CompressedImage of JPEG or PNG; it has '
            f'{_listing([f"{name} ({content})" for name, content in contents.items()])}{remedy}'
        )

    @property
    def unread_cameras(self) -> dict[str, str]:
        """
        Topics of cameras in a form that is not read, such as video, with a line that says so.

        None of a camera that is read from another topic: `/front/image` for `/front/image/ffmpeg`.
        """
        read = {one.removesuffix(COMPRESSED) for one in self._found_cameras()}
        found = {}
        for name in sorted(self.topics):
            base = name.rpartition('/')[0]
            if self.count(name) and not read & {name, base} and self._is_unread(name, base):
                content = self._content(name)
                remedy = NO_VIDEO if VIDEO.search(content) else NO_IMAGE
                found[name] = f'{self.path.name}: camera {name} ({content}) is left out ({remedy})'
        return found

    def _is_unread(self, topic: str, base: str) -> bool:
        if any(map(is_named_otherwise, (topic, base))):
            return False
        kind = self.topics[topic]
        is_compressed = kind == IMAGE_TYPES[1] and topic not in self._found_cameras()
        return bool(VIDEO.search(kind) or (is_compressed and self._begins_with(topic, is_unread)))

    def _lack(self, topic: str) -> str:
        """Say why a topic is none of images."""
        kind = self.topics.get(topic)
        if kind is None:
            return f'has no image topic {topic}'
        if kind in IMAGE_TYPES:
            return f'holds no message on {topic}'
        remedy = f' ({NO_VIDEO})' if VIDEO.search(kind) else ''
        return f'holds {kind} on {topic}, not images{remedy}'

    def _content(self, topic: str) -> str:
        """Say the type of a topic and, of its first image, the encoding."""
        kind = self.topics[topic]
        if kind in IMAGE_TYPES:
            with suppress(UserError):
                for raw in islice(self.raw_messages(topic), 1):
                    image = self.decode(raw)
                    return f'{kind} of {getattr(image, "encoding", "") or image.format}'
        return kind

    def _found_cameras(self) -> list[str]:
        filled = [name for name in self.image_topics if self._is_of_camera(name)]
        return [
            name
            for name in filled
            if not (name.endswith(COMPRESSED) and name.removesuffix(COMPRESSED) in filled)
        ]

    def _is_of_camera(self, topic: str) -> bool:
        """Tell whether the topic begins with pictures, or with messages that cannot be decoded."""
        if topic not in self._cameras:
            is_camera = not is_named_otherwise(topic)
            self._cameras[topic] = is_camera and self._begins_with(topic, is_picture) is not False
        return self._cameras[topic]

    def _begins_with(self, topic: str, test: Callable[[Any], bool]) -> bool | None:
        """Tell whether a test holds for a first message; None where none can be decoded."""
        damage, holds = self.damage, None
        with suppress(UserError):
            for raw in islice(self.raw_messages(topic), FIRST_MESSAGES):
                with suppress(UserError):
                    holds = test(self.decode(raw))
                if holds:
                    break
        self.damage = damage
        return holds

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
        """Name in the topics of one of several cameras; None where it is the only one."""
        return namespace(topic) if len(self._found_cameras()) > 1 else None

    def count(self, topic: str) -> int:
        """Return the number of messages of a topic."""
        return self._reader.topics[topic].msgcount

    def raw_messages(self, *topics: str) -> Iterator[RawMessage]:
        """Yield the messages of some topics as raw bytes, in recorded order."""
        wanted = [one for one in self._reader.connections if one.topic in topics]
        if not wanted:
            return
        topic_names = {one.topic for one in wanted}
        promised = sum(max(self.count(one), self._promised.get(one, 0)) for one in topic_names)
        read = 0
        try:
            for connection, received_ns, raw in self._reader.messages(wanted):
                yield RawMessage(received_ns, raw, connection.topic)
                read += 1
        except Exception as error:
            reason = one_line(error)
            if not self._lenient:
                raise UserError(
                    f'{self.path} is damaged ({reason}); copy it again; '
                    f'{advice(self.path, reason)}'
                ) from error
            self.damage = (
                f'{self.path.name} breaks off after {read} of {promised} messages of '
                f'{topics[0]}: {reason}'
            )
            return
        if read < promised:
            self.damage = (
                f'{self.path.name} holds {read} of the {promised} messages of {topics[0]}'
            )

    def cdr(self, recorded: RawMessage) -> bytes:
        """Return the bytes of a message as ROS 2 sends it; rosbag1 is converted."""
        kind = self.topics[recorded.topic]
        if self._reader.is2 or kind not in STORE.fielddefs:
            return recorded.raw
        return bytes(STORE.ros1_to_cdr(recorded.raw, kind))

    def decode(self, recorded: RawMessage) -> Any:
        """
        Deserialise; broken bytes are a UserError with the reason `bad_message`.

        Messages of ROS 1 become their counterparts of ROS 2, `k` of a CameraInfo for `K`.
        """
        kind = self.topics[recorded.topic]
        try:
            if self._reader.is2 or kind not in STORE.fielddefs:
                return self._reader.deserialize(recorded.raw, kind)
            return STORE.deserialize_cdr(self.cdr(recorded), kind)
        except Exception as error:
            raise UserError(
                f'a message of {recorded.topic} at {recorded.received_ns} ns cannot be decoded '
                f'({one_line(error)}); record it again',
                reason='bad_message',
            ) from error

    def offered_qos(self, topic: str) -> list[Any]:
        """Return the QoS profiles of the publishers that were recorded; empty for rosbag1."""
        connections = (one for one in self._reader.connections if one.topic == topic)
        return [qos for one in connections for qos in getattr(one.ext, 'offered_qos_profiles', ())]


class Bags(ExitStack):
    """Bags that are read at the same time, each from its beginning to its end or damage."""

    def __init__(self) -> None:
        super().__init__()
        self._opened: list[Bag] = []
        self.warnings: list[str] = []
        """Warnings about the messages that were read."""
        self.lost: list[str] = []
        """What could not be read of single files and messages, a line each."""

    def open(self, path: Path) -> Bag:
        """Open a bag once more; it is closed with the others."""
        bag = self.enter_context(Bag(path, lenient=True))
        self._opened.append(bag)
        return bag

    @property
    def damage(self) -> str | None:
        """Return what was wrong with the first damaged bag or file; None if all are complete."""
        count = len(self.lost)
        first = f'{count} images cannot be read, the first: ' if count > 1 else ''
        damages = (*(bag.damage for bag in self._opened), *(first + one for one in self.lost))
        return next((one for one in damages if one), None)


def namespace(topic: str) -> str:
    """Camera name in a topic: `front` in `/car/front/image_raw/compressed`."""
    parts = topic.removesuffix(COMPRESSED).split('/')
    return parts[-2] if len(parts) > 1 else ''


def _listing(topics: list[str]) -> str:
    return ', '.join(topics) if topics else 'none'
