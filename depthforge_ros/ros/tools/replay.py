# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A bag -> its topics over DDS at their own pace, for machines without `ros2 bag play`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
import sys
import time

from depthforge_ros.errors import UserError
from depthforge_ros.ros.tools.session import DURABILITY, own_node
from depthforge_ros.ros.topics.graph import message_class
from depthforge_ros.ros.topics.names import resolved_name
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rosbags.interfaces import Connection, ConnectionExtRosbag2
from rosbags.rosbag2 import Reader, ReaderError
from tqdm import tqdm

WAIT_STEP_S = 0.05
MIN_RATE = 1e-3
SETTLE_S = 1.0
ACKNOWLEDGE_TIMEOUT_S = 10.0
DEPTH = 100
"""Messages per topic that the middleware keeps for slow subscribers."""


def replay(
    bag: Path | str,
    *,
    rate: float = 1.0,
    topics: Collection[str] = (),
    wait_for: Mapping[str, int] | None = None,
    timeout_s: float = 30.0,
) -> dict[str, int]:
    """
    Publish the recorded bytes of a rosbag2 (mcap or sqlite3); stamps stay as they are.

    `rate` 2 is twice as fast; no `topics` means all; `wait_for` says how many subscribers a topic
    must have before the first message. Returns the number of messages per topic, once all reliable
    subscribers have them; if one does not take them within ACKNOWLEDGE_TIMEOUT_S, that is said.
    UserError: no bag, no such topic, no subscriber.
    """
    if not rate >= MIN_RATE:
        raise UserError(
            f'rate {rate:g} was given, it must be {MIN_RATE:g} or more; 1 is the recorded pace'
        )
    if not timeout_s >= 0.0:
        raise UserError(f'timeout_s {timeout_s:g} was given, it must be 0 or more, seconds')
    awaited: Counter[str] = Counter()
    for topic, number in (wait_for or {}).items():
        awaited[resolved_name(topic)] += number
    with _opened(bag) as reader, own_node('depthforge_replay') as node:
        connections = _choose(reader, [resolved_name(topic) for topic in topics])
        publishers = {one.topic: _publisher(node, one) for one in connections}
        _await_subscribers(publishers, awaited, timeout_s)
        counts: Counter[str] = Counter(dict.fromkeys(publishers, 0))
        messages = paced(reader.messages(connections), rate)
        total = sum(one.msgcount for one in connections)
        for topic, data in tqdm(messages, 'replay', total, unit='msg'):
            publishers[topic].publish(data)
            counts[topic] += 1
        _await_acknowledgements(publishers)
    return dict(counts)


def _await_acknowledgements(publishers: Mapping[str, Publisher]) -> None:
    """Wait until all reliable subscribers have all messages; name the topics where one has not."""
    for topic, publisher in publishers.items():
        if not publisher.wait_for_all_acked(Duration(seconds=ACKNOWLEDGE_TIMEOUT_S)):
            print(
                f'not all subscribers of {topic} took all messages, {ACKNOWLEDGE_TIMEOUT_S} s '
                'after the last',
                file=sys.stderr,
            )


@contextmanager
def _opened(bag: Path | str) -> Iterator[Reader]:
    try:
        reader = Reader(Path(bag))
        reader.open()
    except (ReaderError, OSError, ValueError) as error:
        raise UserError(
            f'{bag} cannot be read as a rosbag2 of mcap or sqlite3: {error}; give the folder with '
            'metadata.yaml, and run `ros2 bag reindex` on one that was cut short'
        ) from error
    try:
        yield reader
    finally:
        reader.close()


def _choose(reader: Reader, topics: Collection[str]) -> list[Connection]:
    """Return the connections to publish; types that are not installed are named and left out."""
    known = {one.topic for one in reader.connections}
    missing = set(topics) - known
    if missing:
        raise UserError(
            f'the bag has no topic {", ".join(sorted(missing))}; it has {", ".join(sorted(known))}'
        )
    wanted = [one for one in reader.connections if not topics or one.topic in topics]
    chosen = [one for one in wanted if message_class(one.msgtype) is not None]
    skipped = sorted(f'{one.topic} ({one.msgtype})' for one in wanted if one not in chosen)
    if skipped:
        print(f'skipped, message types not installed: {", ".join(skipped)}', file=sys.stderr)
    if not chosen:
        raise UserError('the bag has no topic that can be published here; install its messages')
    return chosen


def _publisher(node: Node, connection: Connection) -> Publisher:
    """Offer reliable delivery, which every subscriber takes, and latch what was latched."""
    assert isinstance(connection.ext, ConnectionExtRosbag2)  # the reader's
    offered = connection.ext.offered_qos_profiles
    latched = any(one.durability.name == 'TRANSIENT_LOCAL' for one in offered)
    qos = QoSProfile(
        depth=DEPTH,
        reliability=QoSReliabilityPolicy.RELIABLE,
        durability=DURABILITY[latched],
    )
    return node.create_publisher(message_class(connection.msgtype), connection.topic, qos)


def _await_subscribers(
    publishers: Mapping[str, Publisher], wait_for: Mapping[str, int], timeout_s: float
) -> None:
    unknown = set(wait_for) - set(publishers)
    if unknown:
        raise UserError(
            f'cannot wait for subscribers of {", ".join(sorted(unknown))}; published are '
            f'{", ".join(sorted(publishers))}'
        )
    deadline_s = time.monotonic() + timeout_s
    for topic, number in wait_for.items():
        while (found := publishers[topic].get_subscription_count()) < number:
            if time.monotonic() > deadline_s:
                raise UserError(
                    f'{topic} has {found} subscribers after {timeout_s:g} s and {number} are '
                    'awaited; start them first and check ROS_DOMAIN_ID'
                )
            time.sleep(WAIT_STEP_S)
    # The subscribers must know the publishers too, which nobody but themselves can tell.
    time.sleep(SETTLE_S if wait_for else 0.0)


def paced(
    messages: Iterator[tuple[Connection, int, bytes]], rate: float
) -> Iterator[tuple[str, bytes]]:
    """Yield topic and bytes of each message when it is due."""
    start_s = time.monotonic()
    first_ns: int | None = None
    for connection, stamp_ns, data in messages:
        first_ns = stamp_ns if first_ns is None else first_ns
        due_s = start_s + (stamp_ns - first_ns) / 1e9 / rate
        time.sleep(max(0.0, due_s - time.monotonic()))
        yield connection.topic, bytes(data)
