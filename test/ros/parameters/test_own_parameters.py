# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What cameras have of their own, as the tools of ROS ask for it over DDS."""

from __future__ import annotations

from pathlib import Path
import signal
from typing import Any

import pytest
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.srv import GetParameters, ListParameters, SetParameters
from rclpy.parameter import Parameter
from support.node import get_state, node_in_process
import yaml


def ask(peer: Any, kind: Any, service: str, **request: Any) -> Any:
    client = peer.node.create_client(kind, f'/depthforge/{service}')
    peer.spin_until(client.service_is_ready)
    future = client.call_async(kind.Request(**request))
    peer.spin_until(future.done)
    return future.result()


def put(peer: Any, name: str, value: Any) -> tuple[bool, str]:
    wanted = [Parameter(name, value=value).to_parameter_msg()]
    (result,) = ask(peer, SetParameters, 'set_parameters', parameters=wanted).results
    return bool(result.successful), str(result.reason)


def values(peer: Any, names: list[str]) -> dict[str, Any]:
    answers = ask(peer, GetParameters, 'get_parameters', names=names).values
    messages = [ParameterMessage(name=n, value=v) for n, v in zip(names, answers, strict=True)]
    return {one.name: Parameter.from_parameter_msg(one).value for one in messages}


def dump(peer: Any) -> dict[str, Any]:
    """Return what `ros2 param dump` writes: all parameters in one request."""
    return values(peer, list(ask(peer, ListParameters, 'list_parameters').result.names))


def test_all_can_be_read_where_some_are_unset(peer: Any) -> None:
    with node_in_process(cameras=['a', 'b'], autostart=False, **{'b.max_rate_hz': 5.0}):
        wanted = {'a.max_rate_hz': None, 'b.max_rate_hz': 5.0, 'max_rate_hz': 0.0}
        assert values(peer, list(wanted)) == wanted
        assert wanted.items() <= dump(peer).items()
        for name, value in (('device', 'cuda:1'), ('engine', 'null'), ('a.max_rate_hz', 2.0)):
            assert put(peer, name, value) == (True, '')
        for value, text in ((1, '1 was given'), ('x', "'x' was given"), (None, 'set a value')):
            is_done, reason = put(peer, 'a.max_rate_hz', value)
            assert (is_done, text in reason) == (False, True), reason
        assert values(peer, ['a.max_rate_hz']) == {'a.max_rate_hz': 2.0}


def test_what_was_dumped_can_be_loaded(peer: Any, start_node: Any, tmp_path: Path) -> None:
    with node_in_process(cameras=['a'], autostart=False, **{'a.camera_height_m': 1.5}):
        dumped = dump(peer)
    path = tmp_path / 'dumped.yaml'
    path.write_text(yaml.safe_dump({'/depthforge': {'ros__parameters': dumped}}))
    with start_node('--params-file', str(path)) as process:
        assert dump(peer) == dumped
        code, errors = process.end(signal.SIGTERM)
    assert code == 0, errors


@pytest.mark.parametrize('later', [['a'], ['']])
def test_a_camera_that_is_no_longer_named_has_none(peer: Any, later: list[str]) -> None:
    with node_in_process(cameras=['a', 'b'], autostart=False, **{'b.max_rate_hz': 5.0}):
        assert put(peer, 'b.max_rate_hz', 6.0)[0]
        assert put(peer, 'cameras', later)[0]
        assert not put(peer, 'b.max_rate_hz', 7.0)[0]
        own = {name for name in dump(peer) if name.partition('.')[0] in ('a', 'b')}
        assert {name.partition('.')[0] for name in own} == set(filter(None, later))


def test_start_values_count_when_their_camera_is_named(peer: Any) -> None:
    started = {'a.max_rate_hz': 'null', 'b.max_rate_hz': 5000.0, 'c.camera_height_m': 1.5}
    with node_in_process(autostart=False, **started) as node:
        for _ in range(2):
            assert put(peer, 'cameras', ['a', 'c'])[0]
            wanted = {'a.max_rate_hz': None, 'c.camera_height_m': 1.5}
            assert values(peer, list(wanted)) == wanted
            assert put(peer, 'cameras', [''])[0]
        is_done, reason = put(peer, 'cameras', ['b', 'c'])
        expected = 'parameter b.max_rate_hz: 5000.0 was given, allowed is a number'
        assert (is_done, expected in reason) == (False, True), reason
        assert node._config.cameras == ('',)
        assert node.get_parameter('cameras').value == ['']


@pytest.mark.parametrize(
    ('name', 'value', 'text'),
    [
        ('engine', 'warp', "parameter engine: 'warp' was given, allowed is one of auto, eager"),
        ('device', 'tpu', "parameter device: 'tpu' was given, allowed is one of auto, cpu"),
        ('short_side', 'high', "parameter short_side: 'high' was given, allowed is an integer"),
        ('max_latency_ms', 50, 'parameter max_latency_ms: 50 was given, allowed is a number such'),
        ('max_latencies_ms', 50.0, 'there is no parameter max_latencies_ms'),
        ('cameras', None, 'parameter cameras cannot be unset; set a value'),
    ],
)
def test_refusals_name_parameter_value_and_what_is_allowed(
    peer: Any, name: str, value: Any, text: str
) -> None:
    with node_in_process(autostart=False):
        is_done, reason = put(peer, name, value)
        assert (is_done, text in reason) == (False, True), reason


def test_start_values_that_nothing_reads_are_named(
    start_node: Any, tmp_path: Path, peer: Any
) -> None:
    given = {
        'engine': 'null',
        'use_sim_time': False,
        'min_rate': 5.0,
        'front.max_rate_hz': 5.0,
        'qos_overrides': {
            '/image': {'subscription': {'depth': 2}},
            '/camera/image': {'subscription': {'depth': 2}},
        },
    }
    path = tmp_path / 'given.yaml'
    path.write_text(yaml.safe_dump({'/**': {'ros__parameters': given}}))
    with start_node('--params-file', str(path)) as process:
        get_state(peer)  # answered once the start is over
        code, errors = process.end(signal.SIGTERM)
    assert code == 0, errors
    unknown = 'front.max_rate_hz, min_rate, qos_overrides./camera/image.subscription.depth'
    assert errors.count(f'start values without effect: {unknown}; the node has no such') == 1
