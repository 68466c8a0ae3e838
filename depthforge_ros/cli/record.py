# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`depthforge record`."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
import shutil
import signal
import sys

from depthforge_ros.cli.common import catch, EXIT_INCOMPLETE

HELP = 'record topics into a rosbag2 (mcap) until Ctrl-C'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the topics and the bag."""
    parser.add_argument('topics', nargs='+', metavar='TOPIC', help='names, such as /image')
    parser.add_argument(
        '--output', type=Path, required=True, metavar='BAG', help='folder to create'
    )
    parser.add_argument(
        '--duration-s', type=float, default=float('inf'), help='end after so many seconds'
    )


def run(args: argparse.Namespace) -> int:
    """Record until the duration is over or a signal ends it; the bag is whole then."""
    from depthforge_ros.errors import UserError
    from depthforge_ros.ros.tools.record import Recorder

    if not args.duration_s > 0.0:
        raise UserError(f'--duration-s {args.duration_s:g} was given, it must be above 0')
    catch(signal.default_int_handler)
    with Recorder(args.output, args.topics) as recorder, contextlib.suppress(KeyboardInterrupt):
        recorder.wait_until(lambda _: False, args.duration_s)
    for topic, count in recorder.counts.items():
        print(f'{topic}: {count} messages')
    if not any(recorder.counts.values()):
        shutil.rmtree(args.output, ignore_errors=True)
        raise UserError(
            f'nothing came on {", ".join(recorder.counts)}; check the names, the publishers and '
            'ROS_DOMAIN_ID'
        )
    if silent := [topic for topic, count in recorder.counts.items() if not count]:
        print(f'nothing came on {", ".join(silent)}', file=sys.stderr)
        return EXIT_INCOMPLETE
    return 0
