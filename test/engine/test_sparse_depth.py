# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The depth stream for every n-th frame: what it saves, and what it must not change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from depthforge_ros.engine import load_engine, sparse_depth
from depthforge_ros.errors import UserError
from depthforge_ros.model.dpt import DepthMaps
from depthforge_ros.model.network import DepthForge
from depthforge_ros.ros.parameters.definitions import NodeConfig
import numpy as np
import pytest
from sensor_msgs.msg import Image
from support.networks import mini_checkpoint
from support.node import count, DEPTH, make_image, MASK, node_in_process

FRAMES = np.random.default_rng(0).integers(0, 256, (4, 1, 56, 98, 3), np.uint8)


@pytest.fixture(scope='module')
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make a small model of random weights."""
    path: Path = tmp_path_factory.mktemp('model') / 'mini.safetensors'
    mini_checkpoint(path)
    return str(path)


@pytest.fixture(autouse=True)
def no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take no stall of a busy machine for a gap."""
    monkeypatch.setattr(sparse_depth, 'MAX_GAP_S', 1e3)


def load(model: str, every: int, engine: str = 'eager') -> Any:
    return load_engine(model, engine=engine, device='cpu', depth_every=every)


@pytest.mark.parametrize('engine', ['eager', 'int8'])
def test_depth_is_computed_for_every_third_frame(
    model: str, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sparse, whole = load(model, 3, engine), load(model, 1, engine)
    seen = []
    steps = DepthForge.depth_steps
    monkeypatch.setattr(DepthForge, 'depth_steps', lambda *given: seen.append(1) or steps(*given))
    answers = [sparse(frame) for frame in FRAMES]
    assert ([one.depth_age for one in answers], len(seen)) == ([0, 1, 2, 0], 2)
    for index in (0, 3):
        expected = whole(FRAMES[index])
        assert (answers[index].labels == expected.labels).mean() > 0.99
        np.testing.assert_allclose(
            answers[index].inverse_depth, expected.inverse_depth, rtol=1e-3, atol=1e-3
        )
    # Between, the depth is that of the earlier frame, the visual stream of this one.
    np.testing.assert_array_equal(answers[2].inverse_depth, answers[0].inverse_depth)
    features = [one.features for one in answers]
    assert not np.allclose(features[1], features[0])


def test_a_still_camera_loses_nothing(model: str) -> None:
    sparse, whole = load(model, 4), load(model, 1)
    expected = whole(FRAMES[0])
    for _ in range(5):
        answer = sparse(FRAMES[0])
        np.testing.assert_allclose(answer.confidence, expected.confidence, atol=1e-4)
        np.testing.assert_allclose(answer.inverse_depth, expected.inverse_depth, rtol=1e-4)


def test_another_size_a_restart_and_a_gap_begin_anew(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sparse = load(model, 9)
    ages = [sparse(FRAMES[0]).depth_age for _ in range(2)]
    ages.append(sparse(FRAMES[0][:, :28]).depth_age)
    ages.append(sparse(FRAMES[0][:, :28]).depth_age)
    sparse.restart()
    ages.append(sparse(FRAMES[0][:, :28]).depth_age)
    monkeypatch.setattr(sparse_depth, 'MAX_GAP_S', 0.0)
    ages.append(sparse(FRAMES[0][:, :28]).depth_age)
    assert ages == [0, 1, 0, 1, 0, 0]


@pytest.mark.parametrize('part', ['blocks', 'maps'])
def test_a_depth_that_is_not_finite_costs_one_frame(
    model: str, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sparse = load(model, 9)
    steps = DepthForge.depth_steps

    def broken_steps(*given: Any) -> Iterator[Any]:
        *blocks, maps = steps(*given)
        nan = [one * np.nan for one in (blocks if part == 'blocks' else maps)]
        yield from (nan if part == 'blocks' else blocks)
        yield maps if part == 'blocks' else DepthMaps(*nan)

    with monkeypatch.context() as broken:
        broken.setattr(DepthForge, 'depth_steps', broken_steps)
        broken_answer = sparse(FRAMES[0])
        told = broken_answer.confidence if part == 'blocks' else broken_answer.inverse_depth
        assert not np.isfinite(told).all()
    expected = load(model, 1)(FRAMES[1])
    answers = [sparse(FRAMES[1]) for _ in range(2)]
    assert [one.depth_age for one in answers] == [0, 1]
    for answer in answers:
        np.testing.assert_allclose(
            answer.inverse_depth, expected.inverse_depth, rtol=1e-3, atol=1e-3
        )
        assert np.isfinite(answer.confidence).all()


def test_engines_that_cannot_are_refused(model: str) -> None:
    with pytest.raises(UserError, match='depth_every is 2, but engine null'):
        load(model, 2, 'null')
    with pytest.raises(UserError, match='depth_every is 2 with 2 cameras'):
        NodeConfig(depth_every=2, cameras=('front', 'rear'))


def test_the_node_publishes_depth_with_the_frames_it_is_of(peer: Any, model: str) -> None:
    with node_in_process(engine='eager', model=model, depth_every=2, short_side=56) as node:
        masks = peer.subscribe(Image, MASK, seen_by=node)
        depths = peer.subscribe(Image, DEPTH, seen_by=node)
        publisher = peer.publisher(Image, '/image', seen_by=node)
        for number in range(4):
            publisher.publish(make_image(number))
            peer.spin_until(lambda number=number: len(masks) == number + 1)
        peer.spin_until(lambda: len(depths) == 2)
        peer.spin_for(0.3)
    assert [one.header.stamp.sec for one in masks] == [1000, 1001, 1002, 1003]
    assert [one.header.stamp.sec for one in depths] == [1000, 1002]


def test_frames_between_are_not_computed_for_depth_alone(
    peer: Any, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []
    answer = sparse_depth.SparseDepthEngine._answer
    monkeypatch.setattr(
        sparse_depth.SparseDepthEngine,
        '_answer',
        lambda *given: computed.append(1) or answer(*given),
    )
    values = {'engine': 'eager', 'model': model, 'depth_every': 3, 'short_side': 56}
    with node_in_process(watched=False, **values) as node:
        computed.clear()  # of the warm-up
        (camera,) = node._rig.cameras
        depths = peer.subscribe(Image, DEPTH, seen_by=node)
        peer.spin_until(lambda: camera._subscribed_outputs() == {'depth'})
        publisher = peer.publisher(Image, '/image', seen_by=node)

        def send(numbers: Iterable[int]) -> None:
            for number in numbers:
                publisher.publish(make_image(number))
                peer.spin_until(
                    lambda number=number: (
                        count(node).received > number and not count(node).in_flight
                    )
                )

        send(range(7))
        peer.spin_until(lambda: len(depths) == 3)
        assert [one.header.stamp.sec for one in depths] == [1000, 1003, 1006]
        assert (len(computed), count(node).dropped) == (3, {'no_subscribers': 4})
        masks = peer.subscribe(Image, MASK, seen_by=node)
        peer.spin_until(lambda: camera._subscribed_outputs() == {'depth', 'mask'})
        send(range(7, 10))
        peer.spin_until(lambda: len(masks) == 3)
        peer.spin_until(lambda: len(depths) == 4)
        assert len(computed) == 6
    assert depths[-1].header.stamp.sec == 1009
