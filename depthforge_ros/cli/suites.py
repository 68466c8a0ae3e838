# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`depthforge suites`."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys

from depthforge_ros.cli.common import add_json_argument, EXIT_INCOMPLETE, write_json
from depthforge_ros.errors import UserError

FAULTS_SHOWN = 20
HELP = 'list video benchmarks and where their files belong, or check one that is on this machine'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('suite', nargs='?', help='name of a suite to check; without it all are '
                        'listed')  # fmt: skip
    parser.add_argument('--root', type=Path, help='folder in which the data set was unpacked')
    parser.add_argument('--split', help='by default the last one of the suite')
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """List the suites, or check one; exit code 3 where something is wrong with its files."""
    if args.suite is None:
        _list_all()
        return 0
    from depthforge_ros.evaluation.suites import check_suite, find_suite

    suite = find_suite(args.suite)
    if args.root is None:
        raise UserError(f'the folder of {args.suite} is lacking; give it by --root')
    split = args.split or suite.default_split
    check = check_suite(suite, args.root, split)
    print(f'{args.suite} {split}: {check.sequences} sequences, {check.images} images, '
          f'{check.labelled} of them with labels')  # fmt: skip
    for name, images in check.groups.items():
        print(f'  {name:<32} {images:6d} images')
    for fault in check.faults[:FAULTS_SHOWN]:
        print(f'fault: {fault}', file=sys.stderr)
    if len(check.faults) > FAULTS_SHOWN:
        print(f'and {len(check.faults) - FAULTS_SHOWN} more faults', file=sys.stderr)
    write_json(args.json, vars(check))
    return EXIT_INCOMPLETE if check.faults else 0


def _list_all() -> None:
    from depthforge_ros.evaluation.suites import SUITES

    for name, suite in SUITES.items():
        splits = ', '.join(suite.splits)
        print(f'{name}: {suite.title}\n  classes  {len(suite.space)}\n  splits   {splits}\n'
              f'  images   {suite.images}\n  labels   {suite.labels}')  # fmt: skip
        if suite.listing:
            print(f'  lists    {suite.listing}')
