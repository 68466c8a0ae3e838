# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""SIGINT, SIGTERM and SIGHUP end the executable with 0 within 2 s, whenever they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import contextlib
import os
from pathlib import Path
import random
import re
import signal
import subprocess
import time
from typing import Any

from depthforge_ros.cli.common import catch
from depthforge_ros.cli.main import main
import pytest
from support.forked_node import run_forked

TIMEOUT_S = 100.0
WITHIN_S = 2.0
ATTEMPTS = 2
"""A host that stands still for a second, as shared ones do, is not the node's doing twice."""
SEGMENT = r'/dev/shm/fastrtps_[0-9a-f]{16}\b'
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SOURCE = random.Random(0)
MOMENTS_S = [round(SOURCE.uniform(0.0, 6.0), 2) for _ in range(6)]
"""After the handlers are there: while PyTorch and the model load, and while the node spins."""

PROGRAM = """
import os, pathlib, re, signal, sys, time
from depthforge_ros.ros import executable, node, rig
import rclpy
from rclpy.executors import SingleThreadedExecutor as executor_type

def strike():
    maps = pathlib.Path('/proc/self/maps').read_text()
    print('in memory', *set(re.findall(r'/dev/shm/fastrtps_[0-9a-f]+', maps)), file=sys.stderr)
    print('struck at', time.monotonic(), file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.{signal})

def load_in_a_library(*args, **options):
    import ctypes
    lock = ctypes.create_string_buffer(64)
    strike()
    for _ in range(2):  # the second waits for ever, and no signal ends that
        ctypes.CDLL(None).pthread_mutex_lock(lock)

def struck(function):
    def call(*args, **options):
        strike()
        return function(*args, **options)
    return call

def load_for_long(*args, **options):
    strike()
    time.sleep(60.0)

def hang(*_):
    strike()
    time.sleep(60.0)

def start_and_hang(self, start=node.DepthforgeNode.start):
    start(self)
    self._rig.worker.put(self._rig.cameras[0], None)

def drain_in_vain(worker, timeout_s):
    strike()
    time.sleep(timeout_s)
    return {{}}

def deactivate_later(self, start=node.DepthforgeNode.start):
    start(self)
    self.create_timer(0.01, self.trigger_deactivate)

def configure_later(self):
    self.create_timer(0.01, self.trigger_configure)

{change}
executable.main()
"""
IN_SPIN = 'executor_type.spin = struck(executor_type.spin)'
CHANGES = {
    'before_ros': 'rclpy.init = struck(rclpy.init)',
    'with_ros_before_the_node': 'node.DepthforgeNode = struck(node.DepthforgeNode)',
    'loading': 'node.load_engine = load_for_long',
    'loading_for_a_manager': 'node.load_engine = load_for_long\n'
    'node.DepthforgeNode.start = configure_later',
    'draining': 'rig.Worker.stop = drain_in_vain\nnode.DepthforgeNode.start = deactivate_later',
    'a_frame_hangs': 'rig.Rig._answer = hang\nnode.DepthforgeNode.start = start_and_hang',
    'spinning': IN_SPIN,
    'closing': f'{IN_SPIN}\nnode.DepthforgeNode.close = struck(node.DepthforgeNode.close)',
    'closed': f'{IN_SPIN}\nrclpy.try_shutdown = struck(rclpy.try_shutdown)',
}

WITHOUT_MEMORY = ('before_ros', 'with_ros_before_the_node')
"""Where there is no node."""


@pytest.fixture(autouse=True)
def without_nohup() -> Iterator[None]:
    """Let children take SIGHUP, which they ignore where the tests do, as under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def wait_for_handlers(pid: int) -> None:
    """Wait until a process catches SIGTERM: no program can before its interpreter has started."""
    caught = 0
    while not caught >> (signal.SIGTERM - 1) & 1:
        time.sleep(0.005)
        status = Path(f'/proc/{pid}/status').read_text()
        caught = int(re.findall(r'SigCgt:\s*(\w+)', status)[0], 16)


def shared_memory(pid: int) -> set[str]:
    """Find the segments of Fast DDS that a process has in use, its own and those of others."""
    maps = Path(f'/proc/{pid}/maps').read_text()
    return set(re.findall(SEGMENT, maps))


def in_time(ended_after_s: Callable[[], float]) -> bool:
    """Whether one of ATTEMPTS ends in time; each must end well."""
    return any(ended_after_s() < WITHIN_S for _ in range(ATTEMPTS))


def end_of(program: str, folder: Path) -> tuple[float, set[str]]:
    """Run a program until it strikes itself; returns the seconds from then on, and its memory."""
    others = set(map(str, Path('/dev/shm').glob('fastrtps_*')))
    code = run_forked(program, folder / 'stderr', TIMEOUT_S)
    ended_s = time.monotonic()
    errors = (folder / 'stderr').read_text()
    assert (code, 'Traceback' in errors) == (0, False), errors
    took_s = ended_s - float(re.findall(r'struck at (\S+)', errors)[-1])
    return took_s, set(re.findall(SEGMENT, errors)) - others


@pytest.mark.parametrize('after_s', MOMENTS_S)
def test_signals_at_any_moment(start_node: Any, after_s: float) -> None:
    number = SIGNALS[MOMENTS_S.index(after_s) % 3]

    def ended_after_s() -> float:
        others = set(map(str, Path('/dev/shm').glob('fastrtps_*')))
        with start_node('-p', 'engine:=eager', '-p', 'device:=cpu', '-p', 'threads:=1') as process:
            wait_for_handlers(process.process.pid)
            time.sleep(after_s)
            begun_s = time.monotonic()
            segments = shared_memory(process.process.pid)
            code, errors = process.end(number)
            took_s = time.monotonic() - begun_s
        assert (code, 'Traceback' in errors) == (0, False), errors
        assert not any(map(os.path.exists, segments - others))
        return took_s

    assert in_time(ended_after_s)


@pytest.mark.parametrize('name', ['SIGINT', 'SIGTERM', 'SIGHUP'])
@pytest.mark.parametrize('change', list(CHANGES))
def test_signals_at_the_seams(tmp_path: Path, change: str, name: str) -> None:
    program = PROGRAM.format(signal=name, change=CHANGES[change])

    def ended_after_s() -> float:
        took_s, segments = end_of(program, tmp_path)
        assert bool(segments) == (change not in WITHOUT_MEMORY)
        assert not any(map(os.path.exists, segments))
        return took_s

    assert in_time(ended_after_s)


@pytest.mark.parametrize('name', ['SIGINT', 'SIGTERM', 'SIGHUP'])
def test_a_library_that_no_signal_interrupts_keeps_nobody_waiting(
    tmp_path: Path, name: str
) -> None:
    program = PROGRAM.format(signal=name, change='node.load_engine = load_in_a_library')

    def ended_after_s() -> float:
        took_s, segments = end_of(program, tmp_path)
        for left in segments:
            Path(left).unlink(missing_ok=True)
        return took_s

    assert in_time(ended_after_s)


def test_a_node_whose_output_nobody_takes_ends_well(tmp_path: Path) -> None:
    end_of(PROGRAM.format(signal='SIGTERM', change=f'sys.stdout = None\n{IN_SPIN}'), tmp_path)


@pytest.mark.parametrize('argument', ['--help', '--bad'])
def test_a_command_that_returns_leaves_signals_as_they_were(argument: str) -> None:
    def state() -> tuple[Any, ...]:
        fd = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(fd)
        return fd, *map(signal.getsignal, SIGNALS), len(os.listdir('/proc/self/fd'))

    before = state()
    with contextlib.suppress(SystemExit):
        main(['node', argument])
    deadline_s = time.monotonic() + 10.0
    while state() != before and time.monotonic() < deadline_s:  # a thread closes its pipe
        time.sleep(0.01)
    assert state() == before


def test_an_ignored_interrupt_is_ignored_again_after_a_command() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert main(['--version']) == 0
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.filterwarnings('error::pytest.PytestUnraisableExceptionWarning')
def test_two_signals_at_once_begin_one_end() -> None:
    ended = []
    both = {signal.SIGHUP, signal.SIGTERM}
    with catch(lambda number, _: ended.append(number)):
        signal.pthread_sigmask(signal.SIG_BLOCK, both)
        for number in both:
            signal.raise_signal(number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
    assert len(ended) == 1


def test_a_second_hangup_does_not_interrupt_the_end() -> None:
    ended = []
    with catch(lambda number, _: ended.append(number)):
        for _ in range(2):
            signal.raise_signal(signal.SIGHUP)
    assert ended == [signal.SIGHUP]


@pytest.mark.parametrize('number', SIGNALS)
def test_signals_while_the_command_loads(start_node: Any, number: int) -> None:
    # From the moment that `main` is entered; before, the interpreter has not started the program.
    program = (
        'import os; from depthforge_ros.cli import main; run = main._run\n'
        f'main._run = lambda arguments: [os.kill(os.getpid(), {number}), run(arguments)]\n'
        "main.main(['node', '--ros-args', '-p', 'engine:=null'])"
    )
    with start_node(program=('-c', program)) as process:
        assert process.end() == (0, '')


def test_nohup_keeps_the_node(start_node: Any) -> None:
    program = (
        'import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n'
        'from depthforge_ros.ros import executable; executable.main()'
    )
    with start_node('-p', 'engine:=null', program=('-c', program)) as process:
        assert any('waiting for images' in line for line in process.process.stderr)
        process.process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.process.wait(1.0)
        assert process.end(signal.SIGINT)[0] == 0
