# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`depthforge make-bag`."""

from __future__ import annotations

import argparse
from pathlib import Path

from depthforge_ros.cli.common import (
    add_json_argument,
    add_white_level,
    EXIT_INCOMPLETE,
    report,
    write_json,
)
from depthforge_ros.errors import UserError

HELP = 'write a rosbag2 (mcap) from a folder of images, with labels and depth where given'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('images', type=Path, help='folder of images, taken in the order of names')
    parser.add_argument('--camera-info', type=Path, required=True, metavar='YAML',
                        help='camera file as camera_calibration writes it; may also hold rate_hz, '
                        'camera_height_m, label_space, depth_encoding: inverse and depth_scale'
                        )  # fmt: skip
    parser.add_argument('--output', type=Path, required=True, metavar='BAG', help='folder to make')
    parser.add_argument('--rate-hz', type=float, metavar='HZ',
                        help='images per second; by default rate_hz of the camera file'
                        )  # fmt: skip
    parser.add_argument('--labels', type=Path, metavar='DIR',
                        help='8-bit images of train ids with the names of the images')  # fmt: skip
    parser.add_argument('--depth', type=Path, metavar='DIR',
                        help='16-bit images with the names of the images: metres x 256, 0 = none, '
                        'or as the camera file says')  # fmt: skip
    parser.add_argument('--topic', default='/camera/image', help='topic of the images')
    parser.add_argument('--frame-id', default='camera', help='frame of every header')
    parser.add_argument('--compressed', action='store_true',
                        help='keep the files as they are: CompressedImage on TOPIC/compressed'
                        )  # fmt: skip
    add_white_level(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Write the bag and say what is in it."""
    from depthforge_ros.bags.camera_file import read_drive_file
    from depthforge_ros.bags.make_bag import BagPlan, make_bag

    drive = read_drive_file(args.camera_info)
    rate_hz = args.rate_hz if args.rate_hz is not None else drive.rate_hz
    if rate_hz is None:
        raise UserError(
            f'no rate is given; give --rate-hz or the key rate_hz in {args.camera_info}'
        )
    plan = BagPlan(
        images=args.images,
        output=args.output,
        drive=drive,
        rate_hz=rate_hz,
        labels=args.labels,
        depth=args.depth,
        topic=args.topic,
        frame_id=args.frame_id,
        compressed=args.compressed,
    )
    skipped: list[str] = []
    counts = make_bag(plan, skip=skipped.append)
    for topic, count in counts.items():
        print(f'{topic:<32} {count:6d} messages')
    print(f'bag: {args.output}')
    write_json(
        args.json, {'messages': counts.total(), 'topics': dict(counts), 'skipped': len(skipped)}
    )
    for line in skipped:
        report(f'skipped {line}')
    return EXIT_INCOMPLETE if skipped else 0
