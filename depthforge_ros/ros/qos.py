# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Publishers and subscriptions of the newest message, and a word where two ends do not fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from depthforge_ros.errors import UserError
from rcl_interfaces.msg import SetParametersResult
from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.qos import (
    qos_check_compatible,
    QoSCompatibility,
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSLivelinessPolicy,
    QoSPolicyKind,
    QoSProfile,
    QoSReliabilityPolicy,
)
from rclpy.qos_overriding_options import InvalidQosOverridesError, QoSOverridingOptions

POLICIES = (
    QoSPolicyKind.HISTORY,
    QoSPolicyKind.DEPTH,
    QoSPolicyKind.RELIABILITY,
    QoSPolicyKind.DURABILITY,
    QoSPolicyKind.DEADLINE,
    QoSPolicyKind.LIVELINESS,
    QoSPolicyKind.LIVELINESS_LEASE_DURATION,
)
"""What the standard parameters may override."""
DURATIONS = ('deadline', 'liveliness_lease_duration')
KINDS = ('history', 'reliability', 'durability', 'liveliness')
MAX_DEPTH = 2**31 - 1
NO_LIMIT_NS = 2**63 - 1


@dataclass(frozen=True)
class Mismatch:
    """Two ends of a topic whose quality of service keeps them apart."""

    topic: str
    text: str
    """What is wrong, in one line."""
    is_present: Callable[[], bool]
    """Asks the graph whether such an end is still there."""


Note = Callable[[Mismatch], None]
"""Is told when an end comes that does not fit."""


def create_publisher(
    node: Any,
    kind: Any,
    topic: str,
    *,
    note: Note,
    depth: int = 1,
    is_latched: bool = False,
    is_managed: bool = True,
) -> Any:
    """
    Create a reliable publisher; late subscribers get the last message if it is latched.

    A managed one publishes only while the node is active.
    """

    def on_mismatch(event: Any) -> None:
        find = partial(node.get_subscriptions_info_by_topic, publisher.topic_name)
        note(_mismatch(event, publisher, 'publisher', find))

    qos = _profile(QoSReliabilityPolicy.RELIABLE, depth)
    if is_latched:
        qos.durability = QoSDurabilityPolicy.TRANSIENT_LOCAL
    events = PublisherEventCallbacks(incompatible_qos=on_mismatch)
    create = node.create_lifecycle_publisher if is_managed else node.create_publisher
    publisher = _create(create, kind, topic, qos_profile=qos, event_callbacks=events)
    return publisher


def create_subscription(
    node: Any, kind: Any, topic: str, callback: Callable[[Any], None], *, note: Note
) -> Any:
    """Create a best-effort subscription, which takes from any publisher of the type."""

    def on_mismatch(event: Any) -> None:
        find = partial(node.get_publishers_info_by_topic, subscription.topic_name)
        note(_mismatch(event, subscription, 'subscription', find))

    subscription = _create(
        node.create_subscription,
        kind,
        topic,
        callback=callback,
        qos_profile=_profile(QoSReliabilityPolicy.BEST_EFFORT),
        event_callbacks=SubscriptionEventCallbacks(incompatible_qos=on_mismatch),
    )
    return subscription


def _profile(reliability: Any, depth: int = 1) -> Any:
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=reliability,
        liveliness=QoSLivelinessPolicy.AUTOMATIC,
    )


def _create(create: Callable[..., Any], kind: Any, topic: str, **options: Any) -> Any:
    """Create with the standard override parameters; a bad override raises UserError."""
    overrides = QoSOverridingOptions(POLICIES, callback=_checked)
    try:
        return create(kind, topic, **options, qos_overriding_options=overrides)
    except (RuntimeError, InvalidQosOverridesError, InvalidParameterTypeException) as error:
        is_override = 'QoS override' in str(error) or 'qos_overrides' in str(error)
        if not is_override:
            raise
        raise UserError(
            f'{error} for topic {topic}; under qos_overrides, history is keep_last or keep_all, '
            'depth an integer from 1, reliability reliable or best_effort, durability volatile or '
            'transient_local, liveliness automatic or manual_by_topic, deadline and '
            'liveliness_lease_duration integers of nanoseconds, 0 for no limit'
        ) from error


def _checked(qos: Any) -> SetParametersResult:
    """Refuse values that the middleware would not, or only in words of its own."""
    numbers = {name: getattr(qos, name).nanoseconds for name in DURATIONS}
    bad = [f'{name} {number}' for name, number in numbers.items() if number < 0]
    bad += [f'depth {qos.depth}'] if not 1 <= qos.depth <= MAX_DEPTH else []
    bad += [f'{name} unknown' for name in KINDS if getattr(qos, name).name == 'UNKNOWN']
    return SetParametersResult(successful=not bad, reason=', '.join(bad))


def why_silent(node: Any, topic: str, kind: Any) -> str:
    """Say why nothing of a message type can come on a topic; empty where somebody sends it."""
    wanted = f'{kind.__module__.partition(".")[0]}/msg/{kind.__name__}'
    sent = {one.topic_type for one in node.get_publishers_info_by_topic(topic)}
    if not sent:
        return 'it has no publisher'
    return '' if wanted in sent else f'{wanted} is wanted, it carries {", ".join(sorted(sent))}'


def _mismatch(
    event: Any, end: Any, entity: str, find_peers: Callable[[], Sequence[Any]]
) -> Mismatch:
    topic, own = end.topic_name, end.qos_profile

    def find_unfit() -> list[Any]:
        return [one for one in find_peers() if not _fits(own, one.qos_profile, entity)]

    peers = find_unfit() or find_peers()
    others = [one.qos_profile for one in peers]
    text = _remedy(event, topic, own, entity, others)
    return Mismatch(topic, text, is_present=lambda: bool(find_unfit()))


def _remedy(event: Any, topic: str, own: Any, entity: str, others: Sequence[Any]) -> str:
    """Name the topic, the policy of both sides and how to bring them together."""
    policy = next((one for one in POLICIES if one == event.last_policy_kind), None)
    if policy == QoSPolicyKind.LIVELINESS and not _other(own, others, 'liveliness'):
        policy = QoSPolicyKind.LIVELINESS_LEASE_DURATION  # DDS has both in one policy
    if policy is None:
        names = ', '.join(one.name.lower() for one in POLICIES)
        return (
            f'{topic}: a policy of the other end does not fit, so no message passes; it is none '
            f'that qos_overrides.{topic}.{entity} has ({names}): change it at the other end'
        )
    name = policy.name.lower()
    ours, theirs = _value(own, name), _other(own, others, name) or 'another'
    unit = ' (nanoseconds, 0 is no limit)' if name in DURATIONS else ''
    return (
        f'{topic}: {name}{unit} is {ours} here and {theirs} at the other end, so no message '
        f'passes; restart the node with qos_overrides.{topic}.{entity}.{name} set to {theirs}, or '
        f'set {ours} at the other end'
    )


def _fits(own: Any, other: Any, entity: str) -> bool:
    offered, wanted = (own, other) if entity == 'publisher' else (other, own)
    return bool(qos_check_compatible(offered, wanted)[0] != QoSCompatibility.ERROR)


def _other(own: Any, others: Sequence[Any], policy: str) -> str:
    """Return the first value that is not ours; empty where all are."""
    values = (_value(other, policy) for other in others)
    return next((value for value in values if value != _value(own, policy)), '')


def _value(qos: Any, policy: str) -> str:
    value = getattr(qos, policy)
    if policy in DURATIONS:
        return str(value.nanoseconds % NO_LIMIT_NS)
    return str(value.name).lower()
