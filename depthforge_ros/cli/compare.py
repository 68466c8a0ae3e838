# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`depthforge compare`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
import sys
from typing import TYPE_CHECKING

from depthforge_ros.cli.common import add_json_argument, warn, write_json
from depthforge_ros.errors import UserError

if TYPE_CHECKING:
    from depthforge_ros.evaluation.compare import Comparison
    from depthforge_ros.metrics.bootstrap import Estimate

EXIT_GATE = 4
CLIPS_FOR_INTERVALS = 10
"""With fewer, a bootstrap has too little to draw from."""
HELP = (
    'compare models, engines or commits by what evaluate bag or fleet wrote; exit code '
    f'{EXIT_GATE} where a gate is not passed'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('runs', nargs='+', type=Path, metavar='JSON',
                        help='files of --json; the first is what the others are compared with'
                        )  # fmt: skip
    parser.add_argument('--gate', action='append', default=[], metavar='FIGURE:AMOUNT',
                        help='largest amount by which a figure may be worse than in the first '
                        'file, such as miou:1.5 (a name that is none lists all), or one of a '
                        'slice, such as person@20-40m:-1.0 or miou@night:-1.0; may be repeated; '
                        f'exit code {EXIT_GATE} if one is worse')  # fmt: skip
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Print a table with intervals of 95 %, and judge the gates."""
    from depthforge_ros.evaluation.compare import compare, Gate, Run

    if len(args.runs) < 2:
        raise UserError('one file is given, and at least two are compared; add another')
    gates = [Gate.parse(one) for one in args.gate]
    runs = [Run.load(path) for path in args.runs]
    comparison = compare(runs, slices=[one.name for one in gates if one.is_of_slice])
    failures = comparison.failures(gates)
    print('\n'.join(_table(comparison)))
    fewest = min(runs, key=lambda one: len(one.clips))
    if len(fewest.clips) < CLIPS_FOR_INTERVALS:
        warn([f'{fewest.name} has {len(fewest.clips)} clips: intervals of fewer than '
              f'{CLIPS_FOR_INTERVALS} mean little; judge longer or more bags'])  # fmt: skip
    for line in failures:
        print(f'gate not passed: {line}', file=sys.stderr)
    if gates and not failures:
        print('all gates passed')
    write_json(args.json, {**comparison.to_json(), 'passed': not failures, 'failures': failures})
    return EXIT_GATE if failures else 0


def _table(comparison: Comparison) -> list[str]:
    """Write Markdown: each figure with its interval, and how far it is from the first run's."""
    how = 'the same clips' if comparison.paired else 'different clips'
    heads = ['figure', *comparison.runs, *(f'{one} - first' for one in comparison.runs[1:])]
    rows = [
        [row.name, *map(_shown, row.values), *(_shown(one, '+') for one in row.differences[1:])]
        for row in comparison.rows
    ]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [_line(one, widths) for one in (heads, ['-' * width for width in widths], *rows)]
    return [f'[ ] is the 95 % interval of a bootstrap over {how} of eight frames', '', *lines]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f'| {" | ".join(padded)} |'


def _shown(one: Estimate | None, sign: str = '') -> str:
    if one is None:
        return '-'
    return f'{one.value:{sign}.4g} [{one.low:{sign}.4g}, {one.high:{sign}.4g}]'
