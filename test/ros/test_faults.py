# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Faults of cameras, engine and operator: all frames accounted for, the next one answered."""

from __future__ import annotations

import json
from pathlib import Path
import subprocess
import sys
import threading
from typing import Any

from lifecycle_msgs.msg import State
import pytest
from sensor_msgs.msg import Image
from soak import broken_promises
from support.node import count, FaultyEngine, make_image, MASK, node_in_process, settled
from support.paths import ROOT

TRANSITIONS = 40
MAX_GROWTH_KIB = 1024


def test_short_soak_keeps_its_promises(tmp_path: Path) -> None:
    figures = tmp_path / 'soak.json'
    # How long things take on a shared machine is not what is tested here.
    options = ['--messages', '400', '--block', '40', '--hangs', '0', '--bursts', '1']
    options += ['--slack', '20']
    done = subprocess.run(
        [sys.executable, str(ROOT / 'benchmarks' / 'soak.py'), *options, '--json', str(figures)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for part in json.loads(figures.read_text())['parts']:
        assert part['faulted'] > part['sent'] / 5
        assert (part['bursts'], part['sent']) == (1, 1200)
        assert part['published'] > 0
        assert set(part['dropped_by_reason']) - {'replaced'}


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({}, ''),
        ({'received': 9}, 'sent = received'),
        ({'masks': 5}, '6 frames count as published, 5 masks came'),
        ({'recovery_ms_max': 1100.0}, 'answered 1100.0 ms after'),
        ({'memory_growth': 0.011}, 'memory grew by 1.1%'),
        ({'dropped_by_reason': {'internal_error': 4}}, 'more frames were dropped'),
        ({'exit_s': 2.1}, 'after 2.1 s'),
    ],
)
def test_broken_promises_are_found(change: dict[str, Any], words: str) -> None:
    kept = {
        'sent': 10, 'received': 10, 'published': 6, 'dropped': 4, 'masks': 6,
        'dropped_by_reason': {'internal_error': 3, 'replaced': 1},
        'sent_by_kind': {'good': 7, 'engine_raises': 3},
        'recovery_ms_max': 100.0, 'memory_growth': 0.009,
        'signal': 'SIGINT', 'exit_code': 0, 'exit_s': 0.2,
    }  # fmt: skip
    found = list(broken_promises({**kept, **change}, slack=1.0))
    assert len(found) == bool(words)
    assert all(words in one for one in found)


@pytest.mark.parametrize('stage', ['decode', 'to_camera'])
@pytest.mark.parametrize('words', ['', 'OpenCV: (-4:Insufficient memory) Failed to allocate'])
def test_a_lack_of_memory_is_told_wherever_it_comes(
    peer: Any, monkeypatch: pytest.MonkeyPatch, stage: str, words: str
) -> None:
    def lack(*_: Any, **__: Any) -> None:
        raise RuntimeError(words) if words else MemoryError

    with node_in_process() as node:
        masks = peer.subscribe(Image, MASK, seen_by=node)
        publisher = peer.publisher(Image, '/image', seen_by=node)
        monkeypatch.setattr(f'depthforge_ros.ros.rig.{stage}', lack)
        publisher.publish(make_image(1))
        peer.spin_until(lambda: count(node).dropped == {'out_of_memory': 1})
        assert 'memory ran out beside the engine' in count(node).last_error
        monkeypatch.undo()
        publisher.publish(make_image(2))
        peer.spin_until(lambda: masks)


def test_engine_that_fails_is_counted_by_reason(peer: Any, engine: FaultyEngine) -> None:
    del engine
    with node_in_process() as node:
        masks = peer.subscribe(Image, MASK, seen_by=node)
        publisher = peer.publisher(Image, '/image', seen_by=node)
        for number, level in enumerate((11, 12, 13), start=1):
            publisher.publish(make_image(level))
            peer.spin_until(lambda: sum(count(node).dropped.values()) == number)  # noqa: B023
            publisher.publish(make_image(100 + number))
            peer.spin_until(lambda: len(masks) == number)  # noqa: B023
        final = settled(peer, node)
    assert final.dropped == {'not_finite': 1, 'out_of_memory': 1, 'internal_error': 1}
    assert (final.received, final.published, final.in_flight) == (6, 3, 0)


def test_transitions_under_load_leak_nothing(peer: Any) -> None:
    with node_in_process(autostart=False) as node:
        publisher = peer.node.create_publisher(Image, '/image', 10)
        frame = make_image(1)
        received = published = 0
        for number in range(TRANSITIONS):
            for trigger in (node.trigger_configure, node.trigger_activate):
                trigger()
            for _ in range(3):
                publisher.publish(frame)
                peer.spin_for(0.005)
            node.trigger_deactivate()
            # A callback may still be at it, in the executor's thread.
            peer.spin_until(lambda: count(node).in_flight == 0, timeout_s=1.0)
            final = count(node)
            received += final.received
            published += final.published
            node.trigger_cleanup()
            assert node._rig is None
            if number == TRANSITIONS // 2:
                before_kib, threads = resident_kib(), threading.active_count()
        # A thread that ends may still be counted.
        peer.spin_until(lambda: threading.active_count() <= threads, timeout_s=5.0)
        assert received >= published > 0
        assert node._state_machine.current_state[0] == State.PRIMARY_STATE_UNCONFIGURED
    assert peer.node.count_publishers(MASK) <= 1
    assert resident_kib() - before_kib < MAX_GROWTH_KIB


def resident_kib() -> int:
    status = Path('/proc/self/status').read_text()
    return int(status.partition('VmRSS:')[2].split()[0])
