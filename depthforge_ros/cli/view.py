# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`depthforge view`."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
import sys
from typing import TYPE_CHECKING

from depthforge_ros.cli.common import (
    add_engine_arguments,
    add_json_argument,
    add_white_level,
    DEFAULT_MODEL,
    exit_code,
    report,
    warn,
    write_json,
)
from depthforge_ros.errors import require_above_0, UserError
from depthforge_ros.labels import LABEL_SPACES

if TYPE_CHECKING:
    from depthforge_ros.evaluation.sources import BagSource
    from depthforge_ros.labels import LabelSpace
    from depthforge_ros.pipeline import Pipeline
    from depthforge_ros.reports.foxglove import Calibration

DEFAULT_RATE_HZ = 10.0
HELP = 'write image, overlay, mask, depth and points to an MCAP for Foxglove, Rerun or RViz'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('input', type=Path, help='bag, folder of images, or video')
    parser.add_argument('--output', type=Path, required=True, metavar='FILE.mcap',
                        help='file to write')  # fmt: skip
    parser.add_argument('--topic', help='camera topic of a bag; without it the only one')
    parser.add_argument('--at', type=int, action='append', default=[], metavar='STAMP_NS',
                        help='only this frame of a bag, as reports name it; may be repeated'
                        )  # fmt: skip
    parser.add_argument('--mask-labels', choices=LABEL_SPACES,
                        help='classes of the masks recorded in a bag')  # fmt: skip
    parser.add_argument(
        '--rate-hz',
        type=float,
        help="of images and videos, by default 10 and the video's own; a bag has its stamps",
    )
    parser.add_argument('--camera-info', type=Path, metavar='YAML',
                        help='calibration as camera_calibration writes it, if the bag has none; '
                        'its key camera_height_m is taken too')  # fmt: skip
    parser.add_argument('--camera-height-m', type=float, metavar='M',
                        help='camera above the road, which sets the scale of the points; without '
                        'it there are no points')  # fmt: skip
    add_engine_arguments(parser, default_model=None)
    add_white_level(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Write what is recorded in a bag, or else what the model answers."""
    from depthforge_ros.bags.bag import Bags
    from depthforge_ros.evaluation.bag_judge import has_masks
    from depthforge_ros.evaluation.sources import BagSource, open_source
    from depthforge_ros.reports.foxglove import bag_answers, POINTS, source_answers, write_view

    _check(args)
    with ExitStack() as copies:
        source = open_source(args.input, copies, args.topic)
        bag = source if isinstance(source, BagSource) else None
        if args.at and bag is None:
            raise UserError('--at chooses frames of a bag, and the input is none; leave it out')
        recorded = bag is not None and args.model is None and has_masks(bag.copy)
        pipeline = None if recorded else _pipeline(args)
        calibration = _calibration(args, bag)
        if calibration is None:
            print('depthforge: no points: they need a calibration and --camera-height-m',
                  file=sys.stderr)  # fmt: skip
        bags = copies.enter_context(Bags())
        if bag is not None:
            answers = bag_answers(bags, bag.copy, bag.topic, pipeline, frozenset(args.at))
        else:
            assert pipeline is not None
            answers = source_answers(
                source, args.rate_hz or source.rate_hz or DEFAULT_RATE_HZ, pipeline
            )
        skipped: list[str] = []
        counts = write_view(
            args.output,
            answers,
            space=pipeline.engine.label_space if pipeline else _recorded_space(args, bag),
            calibration=calibration,
            total=len(args.at) or source.count or None,
            skip=skipped.append,
        )
        warn(bags.warnings)
        damage = source.damage or bags.damage
    frames, clouds = max(counts.values(), default=0), counts.get(POINTS, 0)
    if calibration is not None and clouds < frames:
        warn([f'points for {clouds} of {frames} frames: the road of the others gave no scale; '
              'raise --short-side, or check --camera-height-m and the calibration'])  # fmt: skip
    lacking = len(set(args.at)) - frames - len(skipped)
    if args.at and lacking > 0:
        skipped.append(f'{lacking} of {len(set(args.at))} frames of --at: the bag has none there')
    for name, count in counts.items():
        print(f'{name:<48} {count} messages')
    print(f'open in Foxglove or Rerun, or `ros2 bag play {args.output}`: {args.output}')
    for line in skipped:
        report(f'skipped {line}')
    code = exit_code(skipped=len(skipped), damage=damage)
    write_json(
        args.json,
        {
            'messages': dict(counts),
            'skipped': len(skipped),
            'complete': not code,
            'damage': damage,
        },
    )
    return code


def _check(args: argparse.Namespace) -> None:
    if args.output.suffix != '.mcap':
        raise UserError(f'output {args.output}: give a name that ends in .mcap')
    if args.output.exists():
        raise UserError(f'{args.output} exists already; remove it or choose another --output')
    if args.rate_hz is not None:
        require_above_0(args.rate_hz, f'rate {args.rate_hz} Hz')
    if args.camera_height_m is not None:
        require_above_0(args.camera_height_m, f'camera height {args.camera_height_m} m')


def _pipeline(args: argparse.Namespace) -> Pipeline:
    from depthforge_ros.engine import load_engine
    from depthforge_ros.pipeline import Pipeline

    return Pipeline(
        load_engine(
            args.model or DEFAULT_MODEL,
            engine=args.engine,
            device=args.device,
            short_side=args.short_side,
        )
    )


def _recorded_space(args: argparse.Namespace, source: BagSource | None) -> LabelSpace:
    from depthforge_ros.bags.bag import Bag

    if args.mask_labels:
        return LABEL_SPACES[args.mask_labels]
    assert source is not None
    with Bag(source.copy) as bag:
        if bag.label_space is None:
            raise UserError(
                f'{args.input} does not say what the classes of its masks are; say it by '
                '--mask-labels'
            )
        return bag.label_space


def _calibration(args: argparse.Namespace, source: BagSource | None) -> Calibration | None:
    from depthforge_ros.bags.camera_file import read_drive_file
    from depthforge_ros.evaluation.own_distance import recorded_camera
    from depthforge_ros.reports.foxglove import Calibration

    camera, height_m = None, args.camera_height_m
    if args.camera_info is not None:
        file = read_drive_file(args.camera_info)
        camera, height_m = file.camera, height_m or file.camera_height_m
    elif source is not None and height_m is not None:
        camera = recorded_camera(source.copy, source.topic)
    return Calibration(camera, height_m) if camera and height_m else None
