# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
What the node's lifecycle leaves behind, cycle after cycle, with frames coming all the while.

A process of its own runs the node; services configure and activate it, it answers some frames,
services deactivate it and clean it up, and what it has then is read from /proc.
Run from the repository root: ROS_DOMAIN_ID=101 python benchmarks/cycles.py --engine eager
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
import json
import os
from pathlib import Path
import re
import signal
from statistics import median
import subprocess
import sys
import threading
import time
from typing import Any

from depthforge_ros.ros.tools.session import own_node
from depthforge_ros.ros.topics.messages import image_message
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
import numpy as np
from rclpy.executors import SingleThreadedExecutor
from report import machine, write_report
from sensor_msgs.msg import Image
from std_msgs.msg import Header

RESULTS = Path('benchmarks/results/cycles.json')
DOWN = Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP
UP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE
ROWS = 40
"""The growth is that from the third quarter of them to the last, of the medians."""
PATIENCE_S = 60.0
PERIOD_S = 1.0 / 30.0
FRAME = np.zeros((480, 640, 3), np.uint8)
ANSWERED = 2
"""Frames in each cycle."""


def main() -> int:
    """Cycle each engine and write the figures."""
    args = _arguments()
    reports = [cycle(engine, args.cycles) for engine in args.engine]
    report = write_report(args.json, {'machine': machine(), 'engines': reports})
    print(json.dumps(report, indent=1))
    return 0


def cycle(engine: str, cycles: int) -> dict[str, Any]:
    """Return what the node has over the cycles, and what one adds after the warm-up."""
    command = [
        '-m',
        'depthforge_ros.ros.executable',
        '--ros-args',
        '-p',
        f'engine:={engine}',
        '--log-level',
        'error',
    ]
    with subprocess.Popen([sys.executable, *command]) as process:
        try:
            with own_node('cycles') as peer, _frames(peer):
                services = Services(peer)
                services.wait_until_active(process)
                rows = []
                for number in range(cycles + 1):
                    services.wait_for_answers(ANSWERED)
                    for transition in DOWN:
                        services.change_state(transition)
                    if number % max(1, cycles // ROWS) == 0:
                        rows.append({'cycle': number, **_resources(process.pid)})
                    for transition in UP:
                        services.change_state(transition)
            process.send_signal(signal.SIGINT)
            code = process.wait(PATIENCE_S)
        finally:
            process.kill()
    resident_kib = [row['resident_kib'] for row in rows]
    quarter = max(1, len(rows) // 4)
    warm_kib = median(resident_kib[-2 * quarter : -quarter])
    grown_kib = median(resident_kib[-quarter:]) - warm_kib
    return {
        'engine': engine,
        'cycles': cycles,
        'growth_kib_per_cycle': round(
            grown_kib / (rows[-1]['cycle'] - rows[-1 - quarter]['cycle']), 2
        ),
        'growth_share': round(grown_kib / warm_kib, 5),
        'exit_code': code,
        'rows': rows,
    }


class Services:
    """What asks the node for its transitions."""

    def __init__(self, peer: Any) -> None:
        self._executor = SingleThreadedExecutor(context=peer.context)
        self._executor.add_node(peer)
        self._answers = 0
        peer.create_subscription(Image, '/depthforge/segmentation/mask', self._count, 1)
        self._change = peer.create_client(ChangeState, '/depthforge/change_state')
        self._get = peer.create_client(GetState, '/depthforge/get_state')

    def wait_until_active(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until the node answers that it is; SystemExit where its process ends first."""
        while not self._get.wait_for_service(0.1) or not self._is_active():
            if process.poll() is not None:
                raise SystemExit(f'the node ended with {process.returncode}, see what it said')

    def _is_active(self) -> bool:
        answer = self._answer(self._get, GetState.Request())
        return bool(answer and answer.current_state.id == State.PRIMARY_STATE_ACTIVE)

    def change_state(self, transition: int) -> None:
        """Ask for a transition, which must succeed."""
        request = ChangeState.Request(transition=Transition(id=transition))
        answer = self._answer(self._change, request)
        if not answer or not answer.success:
            raise RuntimeError(f'transition {transition} failed')

    def wait_for_answers(self, number: int) -> None:
        """Wait for masks of frames that come from now on."""
        wanted, until_s = self._answers + number, time.monotonic() + PATIENCE_S
        while self._answers < wanted:
            if time.monotonic() > until_s:
                raise RuntimeError(f'the node answered no frame for {PATIENCE_S:g} s')
            self._executor.spin_once(timeout_sec=0.1)

    def _count(self, mask: Image) -> None:
        del mask
        self._answers += 1

    def _answer(self, client: Any, request: Any) -> Any:
        future = client.call_async(request)
        self._executor.spin_until_future_complete(future, PATIENCE_S)
        return future.result() if future.done() else None


@contextmanager
def _frames(peer: Any) -> Iterator[None]:
    """Publish from a thread at 30 Hz."""
    publisher = peer.create_publisher(Image, '/image', 1)
    is_over = threading.Event()

    def publish() -> None:
        while not is_over.wait(PERIOD_S):
            header = Header(stamp=peer.get_clock().now().to_msg(), frame_id='front_camera')
            publisher.publish(image_message(header, encoding='rgb8', pixels=FRAME))

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _resources(pid: int) -> dict[str, int]:
    status = Path(f'/proc/{pid}/status').read_text()
    found = re.search(r'VmRSS:\s+(\d+)', status), re.search(r'Threads:\s+(\d+)', status)
    resident_kib, threads = (int(one[1]) if one else 0 for one in found)
    files = len(os.listdir(f'/proc/{pid}/fd'))
    return {'resident_kib': resident_kib, 'threads': threads, 'files': files}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--cycles', type=int, default=200)
    parser.add_argument('--engine', nargs='+', default=['null', 'eager'])
    parser.add_argument('--json', type=Path, default=RESULTS, metavar='FILE')
    args = parser.parse_args()
    if args.cycles < 2:
        parser.error(f'--cycles {args.cycles} was given, at least 2 are needed')
    return args


if __name__ == '__main__':
    sys.exit(main())
