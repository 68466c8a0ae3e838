# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A DDS domain for this test session alone, and a peer that talks to the node over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
import importlib.util
import os
import random
import signal
import subprocess
import sys
import time
from typing import Any

from hypothesis import settings
import pytest
from support.optional import NEED
from support.refusals import error_line, ErrorOf

# No deadline: how long an example takes says nothing on a busy machine.
settings.register_profile('depthforge', deadline=None, max_examples=50)
settings.load_profile('depthforge')
# Read once, when the first context is created: before any test module imports rclpy.
# The two processes of `-n 2` must not hear each other: one has an even domain, the other an odd.
PROCESS = int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw'))
os.environ['ROS_DOMAIN_ID'] = str(2 * random.SystemRandom().randrange(1, 50) + PROCESS % 2)
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
# No engine that the user compiled: `auto` would choose it.
os.environ['DEPTHFORGE_ENGINES'] = os.devnull

MISSING = [package for package in NEED if importlib.util.find_spec(package) is None]
collect_ignore = [name for package in MISSING for name in NEED[package]]

TIMEOUT_S = 200.0
"""Enough for a busy machine to start a process; nothing waits that long without a fault."""


def pytest_report_header() -> str:
    left_out = (f'{one} is not installed, left out: {", ".join(NEED[one])}' for one in MISSING)
    return '; '.join(left_out)


@pytest.fixture
def error_of(capsys: pytest.CaptureFixture[str]) -> ErrorOf:
    """Run a command that refuses its input; returns its error, which is one line."""
    from depthforge_ros.cli.main import main

    return partial(error_line, capsys, main)


class Peer:
    """A node with topics to publish and lists of what came."""

    def __init__(self, node: Any, executor: Any) -> None:
        self.node = node
        self._executor = executor
        self.clients: dict[Any, Any] = {}

    def publisher(self, kind: Any, topic: str, *, seen_by: Any = None) -> Any:
        """Publish reliably, once subscriber and publisher know each other."""
        publisher = self.node.create_publisher(kind, topic, 10)
        self.spin_until(lambda: publisher.get_subscription_count() > 0)
        self.spin_until(lambda: seen_by is None or seen_by.count_publishers(topic) > 0)
        return publisher

    def subscribe(self, kind: Any, topic: str, *, seen_by: Any = None) -> list[Any]:
        """Return a list that grows with each message, once both sides know each other."""
        messages: list[Any] = []
        self.node.create_subscription(kind, topic, messages.append, 10)
        self.spin_until(lambda: self.node.count_publishers(topic) > 0)
        self.spin_until(lambda: seen_by is None or seen_by.count_subscribers(topic) > 0)
        return messages

    def spin_until(self, done: Callable[[], Any], timeout_s: float = TIMEOUT_S) -> None:
        """Handle messages until the condition holds; fails the test if it never does."""
        deadline_s = time.monotonic() + timeout_s
        while not done():
            assert time.monotonic() < deadline_s, f'waited {timeout_s} s in vain'
            self._executor.spin_once(timeout_sec=0.05)

    def spin_for(self, duration_s: float) -> None:
        """Handle messages for a while, to see what does not come."""
        deadline_s = time.monotonic() + duration_s
        while time.monotonic() < deadline_s:
            self._executor.spin_once(timeout_sec=0.05)


@pytest.fixture
def peer() -> Iterator[Peer]:
    from depthforge_ros.ros.tools.session import own_node
    from rclpy.executors import SingleThreadedExecutor

    with own_node('peer') as node:
        executor = SingleThreadedExecutor(context=node.context)
        executor.add_node(node)
        yield Peer(node, executor)
        executor.shutdown()


class NodeProcess:
    """The executable `depthforge_node` in a process of its own."""

    def __init__(self, *arguments: str, program: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *program, '--ros-args', *arguments],
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, number: int | None = None) -> tuple[int, str]:
        """Send a signal if one is given, and return exit code and stderr."""
        if number is not None:
            self.process.send_signal(number)
        try:
            _, errors = self.process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            _, errors = self.process.communicate()
        return self.process.returncode, errors


@contextmanager
def running_node(
    *arguments: str, program: Sequence[str] = ('-m', 'depthforge_ros.ros.executable')
) -> Iterator[NodeProcess]:
    node = NodeProcess(*arguments, program=program)
    try:
        yield node
    finally:
        if node.process.poll() is None:
            node.end(signal.SIGKILL)


@pytest.fixture
def start_node() -> Callable[..., Any]:
    """Run the executable in a `with` block; the arguments are those after `--ros-args`."""
    return running_node


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give the node an engine that breaks on purpose."""
    from depthforge_ros.ros import node, rig
    from support.node import FaultyEngine

    faulty = FaultyEngine()
    monkeypatch.setattr(node, 'load_engine', lambda *_, **__: faulty)
    monkeypatch.setattr(rig, 'DRAIN_TIMEOUT_S', 0.2)
    monkeypatch.setattr(rig, 'CLOSE_TIMEOUT_S', 0.2)
    yield faulty
    faulty.released.set()
