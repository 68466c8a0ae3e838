# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`depthforge replay`."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from depthforge_ros.cli.common import exit_code

HELP = "publish a bag's topics over DDS, for machines without `ros2 bag play`"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the bag, the pace and what to wait for."""
    parser.add_argument(
        'bag', type=Path, metavar='BAG', help='rosbag2 folder; mcap, db3 or rosbag1 file'
    )
    parser.add_argument('--rate', type=float, default=1.0, help='1 is the recorded pace')
    parser.add_argument(
        '--topics', nargs='+', default=[], metavar='TOPIC', help='publish only these'
    )
    parser.add_argument(
        '--wait-for',
        nargs='+',
        default=[],
        metavar='TOPIC',
        help='begin only when each of these topics has a subscriber for each time it is named',
    )
    parser.add_argument(
        '--timeout-s', type=float, default=30.0, help='longest wait for subscribers, seconds'
    )


def run(args: argparse.Namespace) -> int:
    """Replay the bag once."""
    from depthforge_ros.ros.tools.replay import replay
    from depthforge_ros.ros.topics.transport import enlarge_shared_memory

    enlarge_shared_memory()
    damages: list[str] = []
    counts = replay(
        args.bag,
        rate=args.rate,
        topics=args.topics,
        wait_for=Counter(args.wait_for),
        timeout_s=args.timeout_s,
        on_damage=damages.append,
    )
    for topic, count in sorted(counts.items()):
        print(f'{topic}: {count} messages')
    return exit_code(damage='; '.join(damages) or None)
