# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
mIoU and calibration of the shipped checkpoints on seen and unseen domains: a table and JSON.

Run from the repository root: python benchmarks/accuracy.py --shared ../shared
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
import sys
from typing import Any

from depthforge_ros.allocator import keep_freed_memory
from depthforge_ros.engine import load_engine
from depthforge_ros.engine.torch_engine import answer_in
from depthforge_ros.evaluation.datasets import Dataset, DatasetChoice, open_dataset
from depthforge_ros.evaluation.images import evaluate_images
from depthforge_ros.labels import LABEL_SPACES
from depthforge_ros.metrics.segmentation import common_space
from depthforge_ros.pipeline import Pipeline
from depthforge_ros.resources import share_directory
from report import exit_code, machine, write_report

RESULTS = Path('benchmarks/results/accuracy.json')
KEPT = (
    'miou',
    'per_class',
    'pixel_accuracy',
    'ece',
    'images',
    'classes',
    'confusion',
    'calibration',
)
"""Of the figures of a set; what only `compare` reads is some megabytes."""


@dataclass(frozen=True)
class TestSet:
    """One domain; `root` is below the shared data, or the bundled drive where it is empty."""

    dataset: str
    root: str = ''
    split: str | None = None
    match: str = '*'
    labels: str | None = None
    target: str = 'camvid'
    """Label space that is judged in, where the model's is as fine."""

    def open(self, shared: Path, limit: int | None) -> Dataset:
        """Find the files."""
        root = shared / 'data' / self.root if self.root else share_directory() / 'drive'
        return open_dataset(
            self.dataset,
            DatasetChoice(
                root=root, split=self.split, match=self.match, labels=self.labels, limit=limit
            ),
        )


SETS: Mapping[str, TestSet] = {
    'camvid_test_day': TestSet('camvid', 'camvid', 'test', 'Seq05VD*'),
    'camvid_test_dusk': TestSet('camvid', 'camvid', 'test', '0001TP*'),
    'camvid_test': TestSet('camvid', 'camvid', 'test'),
    'kitti': TestSet('kitti_semantic', 'kitti_semantic'),
    'bdd10k': TestSet('bdd10k', 'bdd10k', target='cityscapes'),
    'cityscapes_val': TestSet('cityscapes512', 'cityscapes512', 'val', target='cityscapes'),
    'bundled_drive': TestSet('folder', labels='camvid'),
}


def main() -> int:
    """Evaluate and write the figures."""
    args = _arguments()
    keep_freed_memory()
    rows = []
    for model in args.models:
        for name in args.sets:
            print(f'{model} on {name}', file=sys.stderr)
            engine = load_engine(
                model,
                engine=args.engine,
                device='cpu',
                threads=args.threads,
                short_side=args.short_side,
            )
            target = common_space(LABEL_SPACES[SETS[name].target], engine.label_space)
            pipeline = Pipeline(answer_in(engine, target))
            dataset = SETS[name].open(args.shared, args.limit)
            figures = evaluate_images(pipeline, dataset, target=target)
            short_side = engine.preprocess.short_side
            kept = {key: figures[key] for key in KEPT}
            rows.append({'model': model, 'set': name, 'short_side': short_side, **kept})
            _write(args, rows)
    print(table(rows))
    return 0


def _write(args: argparse.Namespace, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write after every set, so that an interrupted run keeps what it has."""
    write_report(args.json, {'machine': machine(args.threads), 'rows': rows})


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Lay the figures out as Markdown: a column per model and set, a row per class."""
    heads = [f'{row["model"]}: {row["set"]}' for row in rows]
    lines = ['| IoU in % | ' + ' | '.join(heads) + ' |', '|---' * (len(rows) + 1) + '|']
    for name in dict.fromkeys(name for row in rows for name in row['per_class']):
        cells = (_cell(row['per_class'].get(name)) for row in rows)
        lines.append(f'| {name} | ' + ' | '.join(cells) + ' |')
    for name in ('miou', 'pixel_accuracy', 'ece', 'images', 'short_side'):
        lines.append(f'| **{name}** | ' + ' | '.join(_cell(row[name]) for row in rows) + ' |')
    return '\n'.join(lines)


def _cell(value: float | None) -> str:
    if value is None:
        return '-'
    return str(value) if isinstance(value, int) else f'{value:.1f}'


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('--shared', type=Path, default=Path('../shared'), help='real data')
    parser.add_argument('--models', nargs='+', default=['depthforge_tiny', 'depthforge_small'])
    parser.add_argument('--sets', nargs='+', choices=SETS, default=list(SETS))
    parser.add_argument('--limit', type=int, help='first images of each set; all by default')
    parser.add_argument(
        '--short-side', type=int, help="input's, pixels; the model's own by default"
    )
    parser.add_argument('--engine', default='eager', help='name of an engine')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument('--json', type=Path, default=RESULTS, help='where the figures go')
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(exit_code(main))
