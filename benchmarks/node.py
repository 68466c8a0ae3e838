# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
What the node costs beside its model: an engine without a network, over DDS.

Images of 1920x1280 go to a node in a process of its own, whose mask and depth are subscribed.
`latency_ms` is the node's own, from the subscription's callback to the last published output, as
it was last reported while images came; `round_trip_ms` is from before the camera's publish to the
mask in this process, transport and conversions on both sides included. `lost` frames were sent
and not answered: those `not_delivered` never reached the node, the others were replaced in it.
The CPU shares are of one core. `gil_shares` say for how much of the time the threads of the
executor, the worker, several cameras' frames and the reporter hold the GIL, sampled by py-spy
(`--gil`, pip install py-spy) while images go on after the rest is measured. The input rates show
that the age at publish is bounded at any of them. A busy machine delays all but
`cpu_ms_per_frame`.
Run from the repository root: python benchmarks/node.py
Fast DDS gets the shared memory that large images need, unless the environment names its profiles.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
import json
import os
from pathlib import Path
import shutil
import subprocess
import sys
from tempfile import TemporaryDirectory
import time
from typing import Any

import cv2
from depthforge_ros.ros.tools.session import own_node
from depthforge_ros.ros.topics.messages import image_message
from depthforge_ros.ros.topics.names import camera_topic
from depthforge_ros.ros.topics.transport import enlarge_shared_memory
from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from rclpy.executors import SingleThreadedExecutor
from report import machine, write_report
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

RESULTS = Path('benchmarks/results/node.json')
HEIGHT, WIDTH = 1280, 1920
SIX = ('front', 'front_left', 'front_right', 'rear', 'rear_left', 'rear_right')
WARM_UP_S = 1.0
QUICK_S, QUICK_CASES = 2.5, 3
PATIENCE_S = 60.0
PERIOD_S = 0.5
"""Of /diagnostics."""
GIL_S, GIL_RATE_HZ = 5, 200
THREADS = {
    'MainThread': 'executor',
    'depthforge_worker': 'worker',
    'depthforge_frames': 'frames',
    'depthforge_reporter': 'reporter',
}
"""By their names without the numbers."""
TICKS_HZ = os.sysconf('SC_CLK_TCK')


@dataclass(frozen=True)
class Case:
    """What is sent."""

    transport: str
    rate_hz: float
    """Of each camera."""
    cameras: tuple[str, ...] = ('',)
    output_resolution: str = 'camera'
    at_once: bool = False
    """All cameras are triggered together, not one after the other."""


CASES = (
    Case('raw', 30.0),
    Case('raw', 30.0, output_resolution='network'),
    Case('compressed', 30.0),
    Case('compressed', 10.0, SIX),
    Case('compressed', 10.0, SIX, output_resolution='network'),
    Case('compressed', 10.0, SIX, output_resolution='network', at_once=True),
    Case('raw', 10.0),
    Case('raw', 120.0),
)
"""The first one's figures are those of the whole report."""


def main() -> int:
    """Measure all cases and write the figures."""
    args = _arguments()
    enlarge_shared_memory()
    duration_s = QUICK_S if args.quick else args.duration_s
    cases = [
        measure(case, duration_s, with_gil=args.gil)
        for case in CASES[: QUICK_CASES if args.quick else None]
    ]
    figures = {
        'machine': machine(),
        **{key: cases[0][key] for key in ('latency_ms_p50', 'latency_ms_p99', 'lost')},
        'cases': cases,
    }
    print(json.dumps(write_report(args.json, figures), indent=1))
    return 0


def measure(
    case: Case, duration_s: float, *, with_gil: bool = False, command: Sequence[str] = ()
) -> dict[str, Any]:
    """Send images to the node, or what the command starts: what they cost, what became of them."""
    with _process(command or _node(case)) as process, Camera(case) as camera:
        camera.wait_until(camera.is_connected, 'the node to appear')
        camera.send_for(WARM_UP_S)
        published = _total(camera.settle(), 'published')
        before, sent_before = _cpu_s(process.pid), camera.sent
        camera.round_trips_ms.clear()
        begun_s = time.monotonic()
        camera.send_for(duration_s)
        elapsed_s = time.monotonic() - begun_s
        reported = dict(camera.figures)
        cpu_s = [after - was for after, was in zip(_cpu_s(process.pid), before, strict=True)]
        figures = dict(camera.settle())
        trips_ms = camera.round_trips_ms or [float('nan')]
        sent = camera.sent
        gil_shares = _gil_shares(process.pid, camera) if with_gil else None
    total = {key: _total(figures, key) for key in ('received', 'published')}
    worst = max(reported.values(), key=lambda one: float(one.get('latency_ms_p50', 'inf')))
    return {
        **asdict(case),
        **{key: float(worst[key]) for key in worst if key.endswith(('_ms_p50', '_ms_p99'))},
        'round_trip_ms_p50': round(float(np.percentile(trips_ms, 50.0)), 2),
        'round_trip_ms_p99': round(float(np.percentile(trips_ms, 99.0)), 2),
        'sent_rate_hz': round((sent - sent_before) / elapsed_s, 1),
        'cpu_ms_per_frame': round(cpu_s[0] * 1e3 / max(total['published'] - published, 1), 2),
        'cpu_share': round(cpu_s[0] / elapsed_s, 3),
        'executor_cpu_share': round(cpu_s[1] / elapsed_s, 3),
        'gil_shares': gil_shares,
        'sent': sent,
        **total,
        'not_delivered': sent - total['received'],
        'lost': sent - total['published'],
    }


class Camera:
    """All cameras of a case, and the one who looks at masks, depth and diagnostics."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self.sent = 0
        self.figures: dict[str, Mapping[str, str]] = {}
        self._sent_s: dict[tuple[str, int], float] = {}
        self.round_trips_ms: list[float] = []

    def __enter__(self) -> Camera:
        self._context = own_node('camera')
        node = self._context.__enter__()
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        self._node = node
        kind = Image if self._case.transport == 'raw' else CompressedImage
        self._publishers = {}
        for name in self._case.cameras:
            self._publishers[name] = node.create_publisher(kind, camera_topic('image', name), 5)
            node.create_subscription(Image, _output('segmentation/mask', name), self._answered, 5)
            node.create_subscription(Image, _output('depth/relative', name), _ignore, 5)
        node.create_subscription(DiagnosticArray, '/diagnostics', self._diagnosed, 10)
        self._message = _message(self._case.transport)
        return self

    def __exit__(self, *exception: Any) -> None:
        self._executor.shutdown()
        self._context.__exit__(*exception)

    def is_connected(self) -> bool:
        """Tell whether the node was found in both directions."""
        masks = (_output('segmentation/mask', name) for name in self._publishers)
        # A report that comes while the node configures has no counts yet.
        counted = [name for name, one in self.figures.items() if 'received' in one]
        return len(counted) == len(self._publishers) and all(
            (
                *(one.get_subscription_count() for one in self._publishers.values()),
                *map(self._node.count_publishers, masks),
            )
        )

    def send_for(self, duration_s: float) -> None:
        """Publish every camera at the rate of the case, spread over the period or at once."""
        names = list(self._publishers)
        period_s = 1.0 / (self._case.rate_hz * len(names))
        together = len(names) if self._case.at_once else 1
        begun_s = time.monotonic()
        for number in range(int(duration_s / period_s)):
            due_s = begun_s + number // together * together * period_s
            while (left_s := due_s - time.monotonic()) > 0.0:
                self._executor.spin_once(timeout_sec=left_s)
            name = names[number % len(names)]
            header = Header(frame_id=name)
            header.stamp.sec, header.stamp.nanosec = divmod(time.time_ns(), 1_000_000_000)
            self._message.header = header
            self._sent_s[name, _nanoseconds(header)] = time.perf_counter()
            self._publishers[name].publish(self._message)
            self.sent += 1

    def settle(self) -> Mapping[str, Mapping[str, str]]:
        """Wait until the node has nothing in flight and its figures stand still."""
        seen = ''
        while True:
            before_s = time.monotonic()
            self.wait_until(lambda: time.monotonic() - before_s > 1.0, 'a second')  # noqa: B023
            if (now := _counts(self.figures)) == seen:
                return self.figures
            seen = now

    def wait_until(self, done: Any, what: str) -> None:
        """Handle messages until the condition holds."""
        until_s = time.monotonic() + PATIENCE_S
        while not done():
            if time.monotonic() > until_s:
                raise TimeoutError(f'waited for {what} in vain; the node says {self.figures}')
            self._executor.spin_once(timeout_sec=0.05)

    def _answered(self, mask: Any) -> None:
        sent_s = self._sent_s.pop((mask.header.frame_id, _nanoseconds(mask.header)), None)
        if sent_s is not None:
            self.round_trips_ms.append((time.perf_counter() - sent_s) * 1e3)

    def _diagnosed(self, report: Any) -> None:
        for status in report.status:
            self.figures[status.name] = {pair.key: pair.value for pair in status.values}


def _message(transport: str) -> Any:
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (HEIGHT // 32, WIDTH // 32, 3), np.uint8)
    pixels = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    if transport == 'raw':
        return image_message(Header(), encoding='rgb8', pixels=pixels)
    return CompressedImage(format='jpeg', data=cv2.imencode('.jpg', pixels)[1].tobytes())


def _output(topic: str, camera: str) -> str:
    return camera_topic(f'~/{topic}', camera).replace('~', '/depthforge')


def _ignore(message: Any) -> None:
    del message


def _counts(figures: Mapping[str, Mapping[str, str]]) -> str:
    keys: Sequence[str] = ('received', 'published', 'dropped', 'in_flight')
    return str([[one[key] for key in keys] for one in figures.values()])


def _total(figures: Mapping[str, Mapping[str, str]], key: str) -> int:
    return sum(int(one[key]) for one in figures.values())


def _nanoseconds(header: Any) -> int:
    return int(header.stamp.sec * 1_000_000_000 + header.stamp.nanosec)


def _node(case: Case) -> list[str]:
    cameras = '[' + ','.join(f"'{name}'" for name in case.cameras) + ']'
    given = {
        'engine': 'null',
        'image_transport': case.transport,
        'output_resolution': case.output_resolution,
        'cameras': cameras,
        'diagnostics_period_s': PERIOD_S,
    }
    options = [word for name, value in given.items() for word in ('-p', f'{name}:={value}')]
    options += ['--log-level', 'error']
    return [sys.executable, '-m', 'depthforge_ros.ros.executable', '--ros-args', *options]


@contextmanager
def _process(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _cpu_s(pid: int) -> tuple[float, float]:
    """CPU seconds of a process and of its first thread, which runs the executor."""
    whole = Path(f'/proc/{pid}/stat').read_text()
    thread = Path(f'/proc/{pid}/task/{pid}/stat').read_text()
    fields = (text.rpartition(')')[2].split()[11:13] for text in (whole, thread))
    used = [sum(map(int, field)) / TICKS_HZ for field in fields]
    return used[0], used[1]


def _gil_shares(pid: int, camera: Camera) -> dict[str, float]:
    """Sample which thread holds the GIL while images come."""
    with TemporaryDirectory() as folder:
        stacks = Path(folder) / 'stacks'
        command = f'record --pid {pid} --gil --threads --nonblocking --format raw --rate'.split()
        sampler = subprocess.Popen(
            ['py-spy', *command, str(GIL_RATE_HZ), '-d', str(GIL_S), '-o', str(stacks)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        camera.send_for(GIL_S + 1.0)
        sampler.wait(PATIENCE_S)
        samples = dict.fromkeys(THREADS.values(), 0)
        for line in stacks.read_text().splitlines():
            stack, _, count = line.rpartition(' ')
            thread = stack.split(';')[0].partition(': ')[2]
            name = THREADS.get(thread.rstrip('_0123456789'))
            if name is not None:
                samples[name] += int(count)
    return {name: round(n / (GIL_RATE_HZ * GIL_S), 3) for name, n in samples.items()}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        '--quick', action='store_true', help=f'{QUICK_S:g} s of {QUICK_CASES} cases'
    )
    parser.add_argument('--gil', action='store_true', help='sample who holds the GIL, by py-spy')
    parser.add_argument('--duration-s', type=float, default=20.0, help='of each case')
    parser.add_argument('--json', type=Path, default=RESULTS, help='where the figures go')
    args = parser.parse_args()
    if args.gil and not shutil.which('py-spy'):
        parser.error('--gil needs py-spy on PATH; pip install py-spy')
    return args


if __name__ == '__main__':
    sys.exit(main())
