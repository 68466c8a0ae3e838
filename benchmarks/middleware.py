# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
What the middleware alone takes of the node's latency, in a bare node that only answers.

A bare rclpy node of one thread publishes, for each image of 1920x1280, a mask and a depth map of
the camera's size that were made beforehand. It and the node with an engine without a network are
measured in turns, each as benchmarks/node.py does; `latency_ms` is from the subscription's
callback to the last published output.
Run from the repository root: python benchmarks/middleware.py
"""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
import json
from pathlib import Path
import sys
import time
from typing import Any

from depthforge_ros.ros.topics.messages import image_message
from depthforge_ros.ros.topics.transport import enlarge_shared_memory
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from node import Case, HEIGHT, measure, PERIOD_S, WIDTH
import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from report import machine, write_report
from sensor_msgs.msg import Image
from std_msgs.msg import Header

RESULTS = Path('benchmarks/results/middleware.json')
CASE = Case('raw', 30.0)
WINDOW = 150
"""Frames whose latency is reported."""
SPREAD = 0, 50, 100
"""Percentiles: least, median, most."""


def main() -> int:
    """Measure both nodes in turns, and write the figures."""
    args = _arguments()
    enlarge_shared_memory()
    if args.bare:
        bare_node()
        return 0
    commands = {'depthforge': (), 'bare': (sys.executable, __file__, '--bare')}
    turns = [
        {name: measure(CASE, args.duration_s, command=one) for name, one in commands.items()}
        for _ in range(args.turns)
    ]
    latencies_ms = {name: [turn[name]['latency_ms_p50'] for turn in turns] for name in commands}
    ratios = [ours / bare for ours, bare in zip(*latencies_ms.values(), strict=True)]
    figures = {
        'machine': machine(),
        'latency_ms_p50': {name: _spread(values) for name, values in latencies_ms.items()},
        'ratio': _spread(ratios),
        'lost': {name: sum(turn[name]['lost'] for turn in turns) for name in commands},
    }
    print(json.dumps(write_report(args.json, figures), indent=1))
    return 0


def bare_node() -> None:
    """Answer every image with the same pixels until a signal comes."""
    rclpy.init()
    node = rclpy.create_node('bare')
    outputs = {}
    for topic, encoding, kind in (
        ('segmentation/mask', 'mono8', np.uint8),
        ('depth/relative', '32FC1', np.float32),
    ):
        pixels = np.ones((HEIGHT, WIDTH), kind)
        publisher = node.create_publisher(Image, f'/depthforge/{topic}', 1)
        outputs[publisher] = image_message(Header(), encoding=encoding, pixels=pixels)
    diagnostics = node.create_publisher(DiagnosticArray, '/diagnostics', 1)
    latencies_ms: deque[float] = deque(maxlen=WINDOW)
    received = 0

    def answer(image: Any) -> None:
        nonlocal received
        begun_s = time.perf_counter()
        received += 1
        for publisher, message in outputs.items():
            message.header = image.header
            publisher.publish(message)
        latencies_ms.append((time.perf_counter() - begun_s) * 1e3)

    def report() -> None:
        values: dict[str, float] = dict.fromkeys(('received', 'published'), received)
        values |= {'dropped': 0, 'in_flight': 0}
        if latencies_ms:
            values['latency_ms_p50'] = float(np.median(latencies_ms))
        pairs = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
        diagnostics.publish(DiagnosticArray(status=[DiagnosticStatus(name='bare', values=pairs)]))

    node.create_timer(PERIOD_S, report)
    newest = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)
    node.create_subscription(Image, '/image', answer, newest)
    with suppress(ExternalShutdownException, KeyboardInterrupt):
        rclpy.spin(node)


def _spread(values: Sequence[float]) -> list[float]:
    return [round(float(value), 3) for value in np.percentile(values, SPREAD)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('--turns', type=int, default=5, help='of both nodes')
    parser.add_argument('--duration-s', type=float, default=10.0, help='of each node and turn')
    parser.add_argument('--json', type=Path, default=RESULTS, help='where the figures go')
    parser.add_argument('--bare', action='store_true', help='be the bare node')
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(main())
