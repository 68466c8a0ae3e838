# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`depthforge fleet`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from depthforge_ros.cli.common import add_json_argument, EXIT_INCOMPLETE, warn, write_json
from depthforge_ros.cli.evaluate import add_bag_arguments, print_figures
from depthforge_ros.errors import UserError

HELP = (
    'judge many bags in parallel, here or on a Ray cluster; exit code '
    f'{EXIT_INCOMPLETE} where a bag failed or is cut short'
)
ATTEMPTS = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('manifest', type=Path, metavar='YAML',
                        help='its key bags lists paths, or mappings with bag and truth, relative '
                        'to the file')  # fmt: skip
    parser.add_argument('--output', type=Path, required=True, metavar='DIR',
                        help='gets the figures of each bag; bags that have theirs already, from '
                        'the same file and options, are not judged again')  # fmt: skip
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, metavar='N',
                        help='processes at a time')  # fmt: skip
    parser.add_argument('--ray', metavar='ADDRESS',
                        help='of a Ray cluster, such as auto or HOST:6379, instead of processes '
                        'here; needs depthforge_ros[ray] and the bags under the same paths'
                        )  # fmt: skip
    parser.add_argument('--attempts', type=int, default=ATTEMPTS, metavar='N',
                        help='times that a bag is tried whose process or machine is lost'
                        )  # fmt: skip
    add_bag_arguments(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Judge all bags, and print the merged figures and what failed."""
    from depthforge_ros.evaluation.fleet import local, on_ray, read_manifest, run_fleet
    from depthforge_ros.evaluation.tags import Tags, tags_without_frames

    if min(args.workers, args.attempts) < 1:
        raise UserError(
            f'{args.workers} workers and {args.attempts} attempts; at least 1 of each is needed'
        )
    if args.slices:
        Tags.read(args.slices)
    jobs = read_manifest(args.manifest, _options(args))
    try:
        args.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f'--output {args.output} cannot be made ({error.strerror}); choose another'
        ) from error
    with on_ray(args.ray) if args.ray else local(args.workers) as submit:
        fleet = run_fleet(jobs, args.output, submit, attempts=args.attempts)
    figures = fleet.merged()
    write_json(args.json, figures)
    if fleet.figures:
        print_figures(figures)
        warn(tags_without_frames(figures['unmatched_tags'] or []))
    for name, one in fleet.figures.items():
        if not one['complete']:
            print(f'cut short: {name}: {one["damage"]}, {one["received"]} frames judged')
    for name, reason in fleet.failed.items():
        print(f'failed: {name}: {reason}')
    print(f'{len(fleet.figures)} of {len(jobs)} bags judged; figures of each: {args.output}')
    return 0 if figures['complete'] else EXIT_INCOMPLETE


def _options(args: argparse.Namespace) -> list[str]:
    """Return the options that `evaluate bag` is called with."""
    named = {
        '--mask-labels': args.mask_labels,
        '--truth-labels': args.truth_labels,
        '--label-space': args.label_space,
        '--model': args.model,
        '--engine': args.engine,
        '--device': args.device,
        '--short-side': args.short_side,
        '--slices': args.slices and args.slices.absolute(),
        '--camera-height-m': args.camera_height_m,
        '--white-level': args.white_level,
    }
    topics = [word for topic in args.topics for word in ('--topic', topic)]
    return [
        *topics,
        *(word for name, value in named.items() if value for word in (name, str(value))),
    ]
