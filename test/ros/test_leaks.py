# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle, again and again, leaves nothing in memory."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from lifecycle_msgs.msg import Transition
from support.node import change_state, node_in_process

CYCLES = """
from pathlib import Path
import tracemalloc

from depthforge_ros.allocator import keep_freed_memory
from depthforge_ros.ros.node import DepthforgeNode
import rclpy
from rclpy.parameter import Parameter

def resident_mib():
    status = Path('/proc/self/status').read_text()
    return int(status.partition('VmRSS:')[2].split()[0]) / 1024

keep_freed_memory()
rclpy.init()
given = {'autostart': False, 'engine': 'eager', 'device': 'cpu', 'threads': 1}
overrides = [Parameter(name, value=value) for name, value in given.items()]
node = DepthforgeNode(parameter_overrides=overrides)
for _ in range(5):
    node.trigger_configure()
    configured = resident_mib()
    node.trigger_cleanup()
    print(configured, resident_mib())

def cycle(times):
    for _ in range(times):
        node.trigger_configure()
        node.trigger_activate()
        node.trigger_deactivate()
        node.trigger_cleanup()

cycle(2)
tracemalloc.start()
cycle(4)
before = tracemalloc.get_traced_memory()[0]
cycle(MEASURED)
print(tracemalloc.get_traced_memory()[0] - before)
"""
MEASURED = 10
WEIGHTS_MIB = 1_963_160 * 4 / 2**20
"""Of depthforge_tiny."""
MAX_LEFT = 4096
"""Bytes that a cycle may leave in Python's memory; 2 KiB are of what comes and goes anyway."""


def test_cleanup_gives_memory_back() -> None:
    program = CYCLES.replace('MEASURED', str(MEASURED))
    done = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=True
    )
    *lines, left = done.stdout.splitlines()
    assert int(left) < MEASURED * MAX_LEFT
    cycles = [tuple(map(float, line.split())) for line in lines]
    assert len(cycles) == 5
    # What the first cycle leaves are libraries.
    for configured, cleaned in cycles[1:]:
        assert configured - cleaned > WEIGHTS_MIB, cycles
        assert abs(cleaned - cycles[0][1]) < 0.01 * cleaned, cycles


def test_activations_leave_nothing_in_the_executor(peer: Any) -> None:
    with node_in_process() as node:
        cycle = Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE
        for number in range(4):
            assert all(change_state(peer, one) for one in cycle)
            if number == 0:
                before = len(node.default_callback_group.entities)
        assert len(node.default_callback_group.entities) == before
