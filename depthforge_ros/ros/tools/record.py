# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Topics -> a rosbag2 (mcap), for machines without `ros2 bag record`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
import threading
import time
from types import TracebackType

from depthforge_ros.errors import UserError
from depthforge_ros.ros.tools.session import DURABILITY, own_node
from depthforge_ros.ros.topics.graph import message_class
from depthforge_ros.ros.topics.names import resolved_name
from rclpy.duration import Duration
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rclpy.subscription import Subscription
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError
from rosbags.typesys import get_typestore, Stores

DISCOVERY_PERIOD_S = 0.1
"""Time between two looks for topics that are not there yet."""
DEPTH = 100
"""Messages per topic that wait while the disk is slow."""


class Recorder:
    """
    Records topics, as they appear, from `with` until its end; bag times are receive times.

    Types come from the graph and the quality of service from the publishers, so that both best
    effort and latched topics are heard. The bytes are written as they came.
    """

    def __init__(self, output: Path | str, topics: Sequence[str]) -> None:
        if not topics:
            raise UserError('no topic to record was given; name at least one')
        self.output = Path(output)
        self.counts: dict[str, int] = dict.fromkeys(map(resolved_name, topics), 0)
        """Messages so far, per topic."""
        self._kinds: dict[str, str] = {}
        """Types that are recorded, by topic: that of the first publisher."""
        self._connections: dict[str, Connection] = {}
        """Of the bag, by topic."""
        self._subscriptions: dict[str, Subscription] = {}
        self._failure: Exception | None = None
        self._stack = ExitStack()
        self._typestore = get_typestore(Stores.ROS2_JAZZY)

    def __enter__(self) -> Recorder:
        try:
            writer = Writer(self.output, version=9, storage_plugin=StoragePlugin.MCAP)
            self._writer = self._stack.enter_context(writer)
        except (WriterError, OSError) as error:
            raise UserError(f'{self.output} cannot be recorded to: {error}') from error
        self._node = self._stack.enter_context(own_node('depthforge_record'))
        self._executor = SingleThreadedExecutor(context=self._node.context)
        self._executor.add_node(self._node)
        self._node.create_timer(DISCOVERY_PERIOD_S, self._discover)
        self._thread = threading.Thread(target=self._spin, name='depthforge_record', daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._executor.shutdown()
        self._thread.join()
        # Whatever ends the recording, what was recorded is kept.
        try:
            self._stack.close()
        except OSError as closing:
            self._failure = self._failure or self._write_error(closing)
        # Else it is the failure itself that ends it.
        if error is None or not isinstance(error, Exception):
            self._raise_failure()

    def wait_until(self, done: Callable[[Recorder], bool], timeout_s: float) -> bool:
        """Wait for a condition on this recorder; False if it did not come true in time."""
        deadline_s = time.monotonic() + timeout_s
        while not done(self):
            self._raise_failure()
            if time.monotonic() > deadline_s:
                return False
            time.sleep(DISCOVERY_PERIOD_S)
        return True

    @property
    def missing(self) -> list[str]:
        """Topics that nobody publishes yet."""
        return [topic for topic in self.counts if topic not in self._subscriptions]

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            pass
        except OSError as error:
            self._failure = self._write_error(error)
        except Exception as error:  # handed to the caller's thread
            self._failure = error

    def _write_error(self, error: OSError) -> UserError:
        return UserError(
            f'{self.output} cannot be written to any more ({error.strerror}); free space, and '
            'record again; `depthforge evaluate bag` reads what is there'
        )

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _discover(self) -> None:
        for topic in self.counts:
            publishers = self._node.get_publishers_info_by_topic(topic)
            if publishers:
                kind = self._kinds.setdefault(topic, publishers[0].topic_type)
                offered = [one.qos_profile for one in publishers if one.topic_type == kind]
                self._subscribe(topic, kind, offered)

    def _subscribe(self, topic: str, kind: str, offered: Sequence[QoSProfile]) -> None:
        """Subscribe, and subscribe anew where a new publisher offers less than the others."""
        before = self._subscriptions.get(topic)
        wanted = _requested_qos([*offered, *([before.qos_profile] if before else [])])
        if before is None:
            message_type = self._add_connection(topic, kind, offered)
        elif _is_same(before.qos_profile, wanted):
            return
        else:
            message_type = before.msg_type
            self._node.destroy_subscription(before)
        self._subscriptions[topic] = self._node.create_subscription(
            message_type,
            topic,
            partial(self._write, topic),
            wanted,
            raw=True,
            # Who does not fit is subscribed to anew.
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
        )

    def _add_connection(self, topic: str, kind: str, offered: Sequence[QoSProfile]) -> type:
        """Add the topic to the bag; returns the class of its messages."""
        message_type = message_class(kind)
        if message_type is None or kind not in self._typestore.types:
            raise UserError(f'{topic} is of type {kind}, which is not installed; leave it out')
        self._connections[topic] = self._writer.add_connection(
            topic,
            kind,
            typestore=self._typestore,
            offered_qos_profiles=[_bag_qos(one) for one in offered],
        )
        return message_type

    def _write(self, topic: str, data: bytes) -> None:
        self._writer.write(self._connections[topic], time.time_ns(), data)
        self.counts[topic] += 1


def _requested_qos(offered: Sequence[QoSProfile]) -> QoSProfile:
    """Return the highest quality of service that every publisher of a topic offers."""
    reliable = all(one.reliability == QoSReliabilityPolicy.RELIABLE for one in offered)
    latched = all(one.durability == DURABILITY[True] for one in offered)
    return QoSProfile(
        depth=DEPTH,
        reliability=(
            QoSReliabilityPolicy.RELIABLE if reliable else QoSReliabilityPolicy.BEST_EFFORT
        ),
        durability=DURABILITY[latched],
    )


def _is_same(one: QoSProfile, other: QoSProfile) -> bool:
    return (one.reliability, one.durability) == (other.reliability, other.durability)


def _bag_qos(profile: QoSProfile) -> Qos:
    """Return an offered profile as bags store it, so that a replay can offer the same."""
    return Qos(
        history=QosHistory[profile.history.name],
        depth=profile.depth,
        reliability=QosReliability[profile.reliability.name],
        durability=QosDurability[profile.durability.name],
        deadline=_time(profile.deadline),
        lifespan=_time(profile.lifespan),
        liveliness=QosLiveliness[profile.liveliness.name],
        liveliness_lease_duration=_time(profile.liveliness_lease_duration),
        avoid_ros_namespace_conventions=profile.avoid_ros_namespace_conventions,
    )


def _time(duration: Duration) -> QosTime:
    return QosTime(*divmod(duration.nanoseconds, 1_000_000_000))
