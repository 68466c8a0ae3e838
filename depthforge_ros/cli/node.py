# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`depthforge node`: the same as the executable `depthforge_node`."""

from __future__ import annotations

import argparse
from typing import NoReturn

HELP = 'run the ROS node: camera images in, masks and depth out'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the one option, which takes the rest of the line."""
    parser.add_argument(
        '--ros-args',
        nargs=argparse.REMAINDER,
        default=[],
        metavar='ARG',
        help='what ROS nodes take: -p PARAMETER:=VALUE, --params-file FILE, -r FROM:=TO and more',
    )


def run(args: argparse.Namespace) -> NoReturn:
    """Run the node until it is interrupted, and end the process."""
    from depthforge_ros.ros.executable import main

    main(['--ros-args', *args.ros_args] if args.ros_args else [])
