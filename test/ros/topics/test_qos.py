# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Quality of service: both ends of a topic, and a word where they do not fit."""

from __future__ import annotations

import re
import signal
from types import SimpleNamespace
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.ros.tools.session import own_node
from depthforge_ros.ros.topics.names import OUTPUTS
from depthforge_ros.ros.topics.qos import _endpoint, create_publisher, create_subscription
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import pytest
from rclpy.duration import Duration, Infinite
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSLivelinessPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
)
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from support.node import count, make_image, MASK, node_in_process, RELIABLE

BEST_EFFORT = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)


def test_defaults_take_any_camera_and_serve_any_reader(peer: Any) -> None:
    with node_in_process(**{next(iter(RELIABLE)): 'best_effort'}) as node:
        (camera,) = node.get_subscriptions_info_by_topic('/image')
        assert camera.qos_profile.reliability == QoSReliabilityPolicy.BEST_EFFORT
        for topic in OUTPUTS.values():
            (output,) = node.get_publishers_info_by_topic(node.resolve_topic_name(topic))
            assert output.qos_profile.reliability == QoSReliabilityPolicy.RELIABLE
        masks: list[Any] = []
        peer.node.create_subscription(Image, MASK, masks.append, BEST_EFFORT)
        publish_until(masks, peer, peer.node.create_publisher(Image, '/image', BEST_EFFORT))


def publish_until(masks: list[Any], peer: Any, publisher: Any) -> None:
    """Send images until one is answered: who is matched, and when, shows only then."""

    def is_answered() -> bool:
        publisher.publish(make_image(1))
        peer.spin_for(0.1)
        return bool(masks)

    peer.spin_until(is_answered)


def test_mismatch_names_both_sides_and_the_remedy(peer: Any) -> None:
    with node_in_process() as node:
        peer.node.create_publisher(Image, '/image', BEST_EFFORT)
        peer.spin_until(lambda: count(node).last_error)
        told = count(node).last_error
    assert '/image: reliability is reliable here and best_effort at the' in told
    remedy = 'qos_overrides./image.subscription.reliability set to best_effort'
    assert f'restart the node with {remedy}' in told


PERIOD = Duration(nanoseconds=100_000_000)
MANUAL = QoSLivelinessPolicy.MANUAL_BY_TOPIC


@pytest.mark.parametrize(
    ('wanted', 'policy', 'values'),
    [
        ({'durability': LATCHED.durability}, 'durability', ('volatile', 'transient_local')),
        ({'deadline': PERIOD}, 'deadline', (0, 100_000_000)),
        ({'liveliness': MANUAL}, 'liveliness', ('automatic', 'manual_by_topic')),
        (
            {'liveliness': QoSLivelinessPolicy.AUTOMATIC, 'liveliness_lease_duration': PERIOD},
            'liveliness_lease_duration',
            (0, 100_000_000),
        ),
    ],
)
def test_remedy_of_what_a_reader_demands_helps(
    peer: Any, wanted: dict[str, Any], policy: str, values: tuple[Any, Any]
) -> None:
    ours, theirs = values
    parameter = f'qos_overrides.{MASK}.publisher.{policy}'
    reader = QoSProfile(depth=1, **wanted)
    masks: list[Any] = []
    peer.node.create_subscription(Image, MASK, masks.append, reader)
    with node_in_process() as node:
        peer.spin_until(lambda: count(node).last_error)
        told = count(node).last_error
        assert f'is {ours} here and {theirs} at the other end' in told
        assert f'{parameter} set to {theirs},' in told
    with node_in_process(**{parameter: theirs}) as node:
        publish_until(masks, peer, peer.publisher(Image, '/image', seen_by=node))


def test_a_reader_of_the_diagnostics_that_does_not_fit_is_told_to_the_others(peer: Any) -> None:
    with node_in_process() as node:
        reports = peer.subscribe(DiagnosticArray, '/diagnostics', seen_by=node)
        unfit = peer.node.create_subscription(DiagnosticArray, '/diagnostics', print, LATCHED)
        peer.spin_until(
            lambda: reports and '/diagnostics: durability' in reports[-1].status[0].message
        )
        assert '/diagnostics: durability is volatile here' in node._last_error
        assert 'qos_overrides./diagnostics.publisher.durability' in node._last_error
        peer.node.destroy_subscription(unfit)
        peer.spin_until(lambda: '/diagnostics' not in reports[-1].status[0].message)


def test_two_types_on_one_topic_are_refused_in_one_line() -> None:
    with own_node('node') as node:
        create_subscription(node, Image, '/x', print, on_mismatch=print)
        with pytest.raises(UserError, match=r'/x, which carries sensor_msgs/msg/Image already'):
            create_publisher(node, CompressedImage, 'x', on_mismatch=print, is_managed=False)


def peer_of(**qos: Any) -> Any:
    return SimpleNamespace(
        topic_type='sensor_msgs/msg/Image', qos_profile=QoSProfile(depth=1, **qos)
    )


@pytest.mark.parametrize('ours', [{}, {'deadline': Infinite}])
def test_an_ordinary_peer_fits(ours: dict[str, Any]) -> None:
    end: Any = SimpleNamespace(topic_name=MASK, qos_profile=QoSProfile(depth=1, **ours))
    # As the graph tells of those that have no limit.
    others = [peer_of(deadline=Infinite, liveliness_lease_duration=Infinite), peer_of()]
    for entity in ('publisher', 'subscription'):
        assert _endpoint(end, Image, entity, lambda: others).mismatch() == ''


def test_the_remedy_is_for_the_end_that_does_not_fit_now() -> None:
    own, fitting, unfit = (Duration(nanoseconds=number) for number in (100, 200, 50))
    others = [peer_of(deadline=Infinite), peer_of(deadline=fitting), peer_of(deadline=unfit)]
    end: Any = SimpleNamespace(topic_name=MASK, qos_profile=QoSProfile(depth=1, deadline=own))
    as_publisher = _endpoint(end, Image, 'publisher', lambda: others)
    assert 'is 100 here and 50 at the other end' in as_publisher.mismatch()
    as_subscription = _endpoint(end, Image, 'subscription', lambda: others)
    assert 'is 100 here and 0 at the other end' in as_subscription.mismatch()
    del others[0]
    assert 'is 100 here and 200 at the other end' in as_subscription.mismatch()
    del others[0]
    assert as_subscription.mismatch() == ''
    others[0].topic_type = 'sensor_msgs/msg/CompressedImage'
    assert as_publisher.mismatch() == ''


def test_all_policies_that_do_not_fit_are_told() -> None:
    end: Any = SimpleNamespace(topic_name=MASK, qos_profile=BEST_EFFORT)
    told = _endpoint(
        end, Image, 'publisher', lambda: [peer_of(durability=LATCHED.durability)]
    ).mismatch()
    for policy, ours, theirs in (
        ('reliability', 'best_effort', 'reliable'),
        ('durability', 'volatile', 'transient_local'),
    ):
        assert f'{policy} is {ours} here and {theirs} at the other end' in told
        assert f'publisher.{policy} set to {theirs}' in told
        assert f'{policy} {ours}' in told


def test_no_mismatch_hides_another_and_one_that_is_gone_is_told_no_more(peer: Any) -> None:
    with node_in_process(stall_after_s=0.2) as node:

        def message() -> str:
            return str(node._statuses()[0].message)

        camera = peer.node.create_publisher(Image, '/image', BEST_EFFORT)
        peer.spin_until(lambda: '/image: reliability is reliable here' in message())
        reader = peer.node.create_subscription(Image, MASK, print, LATCHED)
        peer.node.create_subscription(Image, MASK, print, BEST_EFFORT)
        peer.spin_until(lambda: f'{MASK}: durability is volatile here' in message())
        assert message().index('/image: reliability') < message().index(f'{MASK}: durability')
        peer.node.destroy_publisher(camera)
        peer.spin_until(lambda: 'no image on /image' in message() and '/image: ' not in message())
        peer.node.destroy_subscription(reader)
        peer.spin_until(lambda: 'durability' not in message())


def test_what_else_keeps_a_topic_silent_is_told(peer: Any) -> None:
    with node_in_process(stall_after_s=0.2) as node:

        def ends_with(words: str) -> bool:
            return str(node._statuses()[0].message).endswith(words)

        peer.spin_until(lambda: ends_with(' s: it has no publisher'))
        with own_node('other') as other:
            other.create_publisher(CompressedImage, '/image', 1)
            told = 'sensor_msgs/msg/Image is wanted, it carries sensor_msgs/msg/CompressedImage'
            peer.spin_until(lambda: ends_with(f' s: {told}'))
            peer.node.create_publisher(Image, '/image', 1)
            peer.spin_until(lambda: ends_with(' s'))


def test_a_second_camera_on_the_topic_is_told_while_it_is_there(peer: Any) -> None:
    with node_in_process(metric_scale=20.0) as node:

        def message() -> str:
            return str(node._statuses()[0].message)

        def message_while_images_come() -> str:
            first.publish(make_image(1))
            return message()

        def others_are(number: int) -> bool:
            return bool(node.count_publishers('/image') == 1 + number)

        first = peer.publisher(Image, '/image', seen_by=node)
        peer.node.create_publisher(Image, '/image', 1)  # of the same node
        with own_node('silent') as other:
            other.create_publisher(Image, '/image', 1)
            peer.spin_until(lambda: others_are(2))
            assert ' nodes ' not in message()
        peer.spin_until(lambda: others_are(1))
        with own_node('of_another_type') as other:
            other.create_publisher(CompressedImage, '/image', 1)
            peer.spin_until(lambda: others_are(2))
            peer.spin_until(lambda: 'no metric depth' in message_while_images_come())
            assert ' nodes ' not in message()
        peer.spin_until(lambda: others_are(1))
        with own_node('of_another_quality') as other:
            other.create_publisher(Image, '/image', BEST_EFFORT)
            peer.spin_until(lambda: 'best_effort at the other' in message_while_images_come())
            assert ' nodes ' not in message()
        peer.spin_until(lambda: others_are(1))
        peer.node.create_publisher(CameraInfo, '/camera_info', 1)
        with own_node('other') as other:
            other.create_publisher(CameraInfo, '/camera_info', 1)
            told = '/camera_info has publishers of 2 nodes (/'
            peer.spin_until(lambda: told in message_while_images_come())
            assert '/image has' not in message()
        with own_node('other') as other:
            other.create_publisher(Image, '/image', 1)
            told = '/image has publishers of 2 nodes (/other, '
            peer.spin_until(lambda: told in message_while_images_come())
        peer.spin_until(lambda: others_are(1))
        assert ' nodes ' not in message_while_images_come()


@pytest.mark.parametrize('autostart', [False, True])
def test_a_second_node_of_the_name_is_told_while_it_is_there(peer: Any, autostart: bool) -> None:
    told = 'another node is /depthforge too'
    with node_in_process(autostart=autostart) as node:

        def message() -> str:
            return str(node._statuses()[0].message)

        with own_node('another_name'):
            peer.spin_until(lambda: 'another_name' in node.get_node_names())
            assert told not in message()
        with own_node('depthforge'):
            peer.spin_until(lambda: told in message())
            assert node._statuses()[0].level == DiagnosticStatus.WARN
            if autostart:
                node.trigger_deactivate()
                assert message().startswith('not active; another node')
        peer.spin_until(lambda: told not in message())


@pytest.mark.parametrize(
    ('policy', 'value', 'named'),
    [
        ('depth', 0, 'depth 0'),
        ('depth', -1, 'depth -1'),
        ('depth', 2**40, 'depth 1099511627776'),
        ('depth', 2.5, "to '2.5' of type 'DOUBLE'"),
        ('reliability', True, "to 'True' of type 'BOOL'"),
        ('durability', 'unknown', 'durability unknown'),
        ('deadline', -5, 'deadline -5'),
        ('liveliness_lease_duration', -1, 'liveliness_lease_duration -1'),
    ],
)
def test_overrides_that_cannot_be_are_refused_with_what_can(
    policy: str, value: Any, named: str
) -> None:
    parameter = f'qos_overrides./image.subscription.{policy}'
    with node_in_process(autostart=False, **{parameter: value}) as node:
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_activate() == TransitionCallbackReturn.FAILURE
        told = f'activate failed: .*{named}.* for topic image; .*depth an integer from 1'
        assert re.match(told, node._last_error), node._last_error


def test_names_that_are_swapped_are_not_swapped_back(peer: Any, start_node: Any) -> None:
    swapped = ('-r', '/a/image:=/b/image', '-r', '/b/image:=/a/image')
    given = [
        text
        for value in (
            'engine:=null',
            'cameras:=[a, b]',
            'stall_after_s:=0.3',
            'diagnostics_period_s:=0.2',
        )
        for text in ('-p', value)
    ]
    peer.node.create_publisher(Image, '/a/image', 1)
    with start_node(*given, *swapped) as process:
        reports = peer.subscribe(DiagnosticArray, '/diagnostics')

        def messages() -> list[str]:
            return [str(one.message) for one in reports[-1].status] if reports else []

        peer.spin_until(lambda: len(messages()) == 2 and all('no image' in m for m in messages()))
        peer.spin_for(0.5)  # until both ends are known
        first, second = messages()
        assert process.end(signal.SIGTERM)[0] == 0
    assert first.startswith('no image on /b/image')
    assert first.endswith('it has no publisher')
    assert second.startswith('no image on /a/image')
    assert second.endswith(' s')


def test_what_the_middleware_refuses_is_told_with_its_topic() -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError('Failed to create subscription: invalid allocator, at /src/s.c:1')

    with own_node('node') as node:
        node.create_subscription = refuse
        with pytest.raises(
            UserError, match=r'does not give /x .*\(.*invalid allocator\); with SROS'
        ):
            create_subscription(node, Image, 'x', print, on_mismatch=print)
