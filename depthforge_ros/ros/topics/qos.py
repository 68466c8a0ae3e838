# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Publishers and subscriptions of the newest message, and mismatches of quality of service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, TypeVar

from depthforge_ros.errors import UserError
from depthforge_ros.ros.node_protocol import TopicNode
from depthforge_ros.ros.topics.graph import type_name
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.duration import Infinite
from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.publisher import Publisher
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
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo

T = TypeVar('T')
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
MATCHED = ('reliability', 'durability', 'deadline', 'liveliness', 'liveliness_lease_duration')
"""Policies that must match between the two ends of a topic."""
DURATIONS = ('deadline', 'liveliness_lease_duration')
KINDS = ('history', 'reliability', 'durability', 'liveliness')
MAX_DEPTH = 2**31 - 1
NO_LIMIT_NS = 2**63 - 1
UNKNOWN_NODE = '_NODE_NAME_UNKNOWN_'
"""Name of the node of an endpoint that was just discovered."""


@dataclass(frozen=True)
class Endpoint:
    """A publisher or subscription of ours, and its mismatch with others of the topic."""

    topic: str
    """After remapping."""
    mismatch: Callable[[], str]
    """Returns what does not match now and how to mend it, in one line; empty if all do."""


OnMismatch = Callable[[Endpoint], None]
"""Called when an endpoint appears that does not match."""
OnLost = Callable[[int], None]
"""Called with the number of messages that got lost on the way."""


def create_publisher(
    node: TopicNode,
    kind: type,
    topic: str,
    *,
    on_mismatch: OnMismatch,
    depth: int = 1,
    is_latched: bool = False,
    is_managed: bool = True,
) -> Publisher:
    """
    Create a reliable publisher; late subscribers get the last message if it is latched.

    A managed one publishes only while the node is active.
    """

    def find_readers() -> Sequence[TopicEndpointInfo]:
        return node.get_subscriptions_info_by_topic(topic)

    def on_event(event: Any) -> None:
        del event
        on_mismatch(_endpoint(publisher, kind, 'publisher', find_readers))

    qos = _profile(QoSReliabilityPolicy.RELIABLE, depth)
    if is_latched:
        qos.durability = QoSDurabilityPolicy.TRANSIENT_LOCAL
    events = PublisherEventCallbacks(incompatible_qos=on_event)
    create = node.create_lifecycle_publisher if is_managed else node.create_publisher
    publisher = _create(node, create, kind, topic, qos_profile=qos, event_callbacks=events)
    return publisher


def create_subscription(
    node: TopicNode,
    kind: type,
    topic: str,
    callback: Callable[[Any], None],
    *,
    on_mismatch: OnMismatch,
    on_lost: OnLost = lambda count: None,
) -> Subscription:
    """Create a best-effort subscription, which takes from any publisher of the type."""

    def find_senders() -> Sequence[TopicEndpointInfo]:
        return node.get_publishers_info_by_topic(topic)

    def on_event(event: Any) -> None:
        del event
        on_mismatch(_endpoint(subscription, kind, 'subscription', find_senders))

    subscription = _create(
        node,
        node.create_subscription,
        kind,
        topic,
        callback=callback,
        qos_profile=_profile(QoSReliabilityPolicy.BEST_EFFORT),
        event_callbacks=SubscriptionEventCallbacks(
            incompatible_qos=on_event,
            message_lost=lambda event: on_lost(event.total_count_change),
        ),
    )
    return subscription


def _profile(reliability: QoSReliabilityPolicy, depth: int = 1) -> QoSProfile:
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=reliability,
        liveliness=QoSLivelinessPolicy.AUTOMATIC,
    )


def _create(
    node: TopicNode, create: Callable[..., T], kind: type, topic: str, **options: Any
) -> T:
    """Create with the standard override parameters; a bad override raises UserError."""
    _require_one_type(node, kind, topic)
    try:
        return create(
            kind,
            topic,
            **options,
            qos_overriding_options=QoSOverridingOptions(POLICIES, callback=_check_override),
            # A group never forgets who was in it, and looks through them for every callback: that
            # of the node would hold those of all activations.
            callback_group=MutuallyExclusiveCallbackGroup(),
        )
    except (RuntimeError, InvalidQosOverridesError, InvalidParameterTypeException) as error:
        is_override = 'QoS override' in str(error) or 'qos_overrides' in str(error)
        if not is_override:
            # What follows is the place in the C code.
            raise UserError(
                f'the middleware does not give {node.resolve_topic_name(topic)} to the node '
                f'({str(error).split(", at /")[0]}); with SROS 2, the policy must allow it'
            ) from error
        raise UserError(
            f'{error} for topic {topic}; under qos_overrides, history is keep_last or keep_all, '
            'depth an integer from 1, reliability reliable or best_effort, durability volatile or '
            'transient_local, liveliness automatic or manual_by_topic, deadline and '
            'liveliness_lease_duration integers of nanoseconds, 0 for no limit'
        ) from error


def _require_one_type(node: TopicNode, kind: type, topic: str) -> None:
    """Refuse a topic on which the node has another type; the middleware would not say so."""
    name = node.resolve_topic_name(topic)
    for other in (*node.publishers, *node.subscriptions):
        if other.topic_name == name and other.msg_type is not kind:
            raise UserError(
                f'{topic} is remapped to {name}, which carries {type_name(other.msg_type)} '
                f'already and not {type_name(kind)}; remap one of the two elsewhere'
            )


def _check_override(qos: QoSProfile) -> SetParametersResult:
    """Refuse values that the middleware accepts, or refuses without naming them."""
    numbers = {name: getattr(qos, name).nanoseconds for name in DURATIONS}
    bad = [f'{name} {number}' for name, number in numbers.items() if number < 0]
    bad += [f'depth {qos.depth}'] if not 1 <= qos.depth <= MAX_DEPTH else []
    bad += [f'{name} unknown' for name in KINDS if getattr(qos, name).name == 'UNKNOWN']
    return SetParametersResult(successful=not bad, reason=', '.join(bad))


def duplicate_publishers(node: TopicNode, topic: str, subscription: Subscription) -> str:
    """
    Say that several nodes publish to a subscription; empty if at most one does.

    `topic` is the name before remapping; the call remaps it.
    """
    wanted, own = type_name(subscription.msg_type), subscription.qos_profile
    names = sorted(
        {
            f'{one.node_namespace.rstrip("/")}/{one.node_name}'
            for one in node.get_publishers_info_by_topic(topic)
            if one.topic_type == wanted
            and one.node_name != UNKNOWN_NODE
            and not _incompatible_policies(own, one.qos_profile, 'subscription')
        }
    )
    if len(names) < 2:
        return ''
    return (
        f'{node.resolve_topic_name(topic)} has publishers of {len(names)} nodes '
        f'({", ".join(names)}); what all send is taken for that of one: stop or remap the others'
    )


def _endpoint(
    end: Publisher | Subscription,
    kind: type,
    entity: str,
    find_others: Callable[[], Sequence[TopicEndpointInfo]],
) -> Endpoint:
    topic, own = end.topic_name, end.qos_profile

    def mismatch() -> str:
        others = [one.qos_profile for one in find_others() if one.topic_type == type_name(kind)]
        remedies = (_describe_mismatch(topic, own, other, entity) for other in others)
        return next(filter(None, remedies), '')

    return Endpoint(topic, mismatch)


def _describe_mismatch(topic: str, own: QoSProfile, other: QoSProfile, entity: str) -> str:
    """Name the policies that do not match, and how to make them match."""
    names = _incompatible_policies(own, other, entity)
    if not names:
        return ''
    apart, overrides, ours = [], [], []
    for name in names:
        here, there = _value(own, name), _value(other, name)
        unit = ' (nanoseconds, 0 is no limit)' if name in DURATIONS else ''
        apart.append(f'{name}{unit} is {here} here and {there} at the other end')
        overrides.append(f'qos_overrides.{topic}.{entity}.{name} set to {there}')
        ours.append(f'{name} {here}')
    return (
        f'{topic}: {" and ".join(apart)}, so no message passes; restart the node with '
        f'{" and ".join(overrides)}, or set {" and ".join(ours)} at the other end'
    )


def _incompatible_policies(own: QoSProfile, other: QoSProfile, entity: str) -> list[str]:
    """Return the policies of two endpoints that do not match."""
    ours, theirs = _matched_policies(own), _matched_policies(other)
    unfit = []
    for name in MATCHED:
        changed = copy(ours)
        setattr(changed, name, getattr(theirs, name))
        ends = (ours, changed) if entity == 'publisher' else (changed, ours)
        if qos_check_compatible(*ends)[0] == QoSCompatibility.ERROR:
            unfit.append(name)
    return unfit


def _matched_policies(qos: QoSProfile) -> QoSProfile:
    """Copy the policies that must match; no limit is 0 in profiles, and Infinite in the graph."""
    limits = {name: getattr(qos, name) for name in DURATIONS}
    kinds = {name: getattr(qos, name) for name in MATCHED if name not in DURATIONS}
    durations = {name: limit if limit.nanoseconds else Infinite for name, limit in limits.items()}
    return QoSProfile(depth=1, **kinds, **durations)


def _value(qos: QoSProfile, policy: str) -> str:
    value = getattr(qos, policy)
    if policy in DURATIONS:
        return str(value.nanoseconds % NO_LIMIT_NS)
    return str(value.name).lower()
