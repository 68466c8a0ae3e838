# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A bag -> its topics over DDS at their own pace, for machines without `ros2 bag play`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
import sys
import time

from depthforge_ros.bags.bag import Bag
from depthforge_ros.bags.repair import repaired
from depthforge_ros.errors import UserError
from depthforge_ros.ros.tools.session import DURABILITY, own_node
from depthforge_ros.ros.topics.graph import message_class
from depthforge_ros.ros.topics.names import resolved_name
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
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
    on_damage: Callable[[str], None] = lambda line: None,
) -> dict[str, int]:
    """
    Publish what was recorded, of rosbag1 as ROS 2 has it; stamps stay as they are.

    A bag that is cut short is published as far as it goes, and `on_damage` is told.

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
    with ExitStack() as stack:
        copy, damage = stack.enter_context(repaired(Path(bag)))
        reader = stack.enter_context(Bag(copy, lenient=True))
        node = stack.enter_context(own_node('depthforge_replay'))
        chosen = _choose(reader, [resolved_name(topic) for topic in topics])
        publishers = {topic: _publisher(node, reader, topic) for topic in chosen}
        _await_subscribers(publishers, awaited, timeout_s)
        counts: Counter[str] = Counter(dict.fromkeys(publishers, 0))
        messages = paced(reader, chosen, rate)
        total = sum(map(reader.count, chosen))
        for topic, data in tqdm(messages, 'replay', total, unit='msg'):
            publishers[topic].publish(data)
            counts[topic] += 1
        _await_acknowledgements(publishers)
        if damage or reader.damage:
            on_damage(damage or str(reader.damage))
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


def _choose(reader: Bag, topics: Collection[str]) -> list[str]:
    """Return the topics to publish; types that are not installed are named and left out."""
    known = reader.topics
    missing = set(topics) - set(known)
    if missing:
        raise UserError(
            f'the bag has no topic {", ".join(sorted(missing))}; it has {", ".join(sorted(known))}'
        )
    wanted = {topic: kind for topic, kind in known.items() if not topics or topic in topics}
    chosen = [topic for topic, kind in wanted.items() if message_class(kind) is not None]
    skipped = sorted(f'{topic} ({kind})' for topic, kind in wanted.items() if topic not in chosen)
    if skipped:
        print(f'skipped, message types not installed: {", ".join(skipped)}', file=sys.stderr)
    if not chosen:
        raise UserError('the bag has no topic that can be published here; install its messages')
    return chosen


def _publisher(node: Node, reader: Bag, topic: str) -> Publisher:
    """Offer reliable delivery, which every subscriber takes, and latch what was latched."""
    latched = any(one.durability.name == 'TRANSIENT_LOCAL' for one in reader.offered_qos(topic))
    qos = QoSProfile(
        depth=DEPTH,
        reliability=QoSReliabilityPolicy.RELIABLE,
        durability=DURABILITY[latched],
    )
    return node.create_publisher(message_class(reader.topics[topic]), topic, qos)


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


def paced(reader: Bag, topics: Collection[str], rate: float) -> Iterator[tuple[str, bytes]]:
    """Yield topic and bytes of each message when it is due."""
    start_s = time.monotonic()
    first_ns: int | None = None
    for recorded in reader.raw_messages(*topics):
        first_ns = recorded.received_ns if first_ns is None else first_ns
        due_s = start_s + (recorded.received_ns - first_ns) / 1e9 / rate
        time.sleep(max(0.0, due_s - time.monotonic()))
        yield recorded.topic, bytes(reader.cdr(recorded))
