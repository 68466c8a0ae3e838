# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Views that a training takes per second: the recipes that made version 0.1's models, and today's.

Run from the repository root, on a quiet machine: python benchmarks/training.py

Both recipes of a size run in turns, each as `depthforge-train fit` on the first images of its
data. Iterations before the first counted one, start and caches are not counted: a cached view
serves every epoch.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
import csv
from pathlib import Path
import statistics
import subprocess
import sys
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from depthforge_ros.labels import LABEL_SPACES
from depthforge_ros.model.checkpoint import save_checkpoint
from depthforge_ros.model.network import DepthForge
from depthforge_trainer.config import FitConfig, read_config
from report import machine, write_report
import torch
import yaml

CONFIGS = Path('trainer/configs')
RESULTS = Path('benchmarks/results/training.json')
UNCOUNTED = 3
"""First iterations, in which memory is taken and threads start."""


class Recipe(NamedTuple):
    """A training configuration, and what the benchmark changes of it."""

    config: str
    changes: Mapping[str, Any] = {}
    starts_from_random: bool = False
    """The step goes on from a checkpoint: random weights of its sizes take that one's place."""


RECIPES: Mapping[str, Mapping[str, Recipe]] = {
    'small': {
        # As it began: the frozen features of every view are computed with it.
        'before': Recipe('small_day_5', {'cached_views': 0, 'rare_classes': False}),
        'after': Recipe('small'),
    },
    'tiny': {
        'before': Recipe('tiny_fit_8', starts_from_random=True),
        'after': Recipe('tiny'),
    },
}


def main() -> int:
    """Time all recipes in turns, and write what each took; 1 where one fails."""
    args = _arguments()
    with TemporaryDirectory(dir=args.scratch) as folder:
        rows = [
            {'size': size, 'recipe': recipe, 'turns': []}
            for size in args.sizes
            for recipe in RECIPES[size]
        ]
        for turn in range(args.turns):
            for row in rows:
                recipe = RECIPES[row['size']][row['recipe']]
                rate = views_per_s(recipe, args, Path(folder), f'{row["size"]}_{turn}')
                row['turns'].append(round(rate, 2))
                row['views_per_s'] = round(statistics.median(row['turns']), 2)
                print(row, flush=True)
                _write(args, rows)
    return 0


def views_per_s(recipe: Recipe, args: argparse.Namespace, folder: Path, name: str) -> float:
    """Train in a process of its own, and read from its log what the counted iterations took."""
    path = folder / f'{recipe.config}.yaml'
    fields = configuration(recipe, folder, iterations=args.iterations, images=args.images)
    fields['output'] = str(folder / f'{recipe.config}_{name}')
    path.write_text(yaml.safe_dump(fields))
    if recipe.starts_from_random:
        _random_checkpoint(path)
    command = [sys.executable, '-m', 'depthforge_trainer.cli', 'fit', str(path)]
    subprocess.run(command, check=True)
    with (Path(fields['output']) / 'log.csv').open(newline='') as file:
        seconds = [float(row['seconds']) for row in csv.DictReader(file)]
    batch = fields['phases'][0]['batch']
    counted = len(seconds) - UNCOUNTED
    return float(batch * counted / (seconds[-1] - seconds[UNCOUNTED - 1]))


def configuration(recipe: Recipe, folder: Path, *, iterations: int, images: int) -> dict[str, Any]:
    """Take the first phase of a recipe for some iterations, on the first images of its data."""
    fields: dict[str, Any] = yaml.safe_load((CONFIGS / f'{recipe.config}.yaml').read_text())
    fields |= recipe.changes
    for name in ('validation', 'targets', 'start_from'):
        fields.pop(name, None)
    # What other steps of a recipe have made is not there.
    fields['sources'] = [
        {**one, 'count': images} for one in fields['sources'] if not one['root'].startswith('out')
    ]
    fields['phases'] = [{**fields['phases'][0], 'iterations': iterations}]
    fields |= {'cache': str(folder / 'cache'), 'save_every': iterations}
    if recipe.starts_from_random:
        fields['start_from'] = str(folder / 'random.safetensors')
    return fields


def _random_checkpoint(path: Path) -> None:
    config = read_config(path, FitConfig)
    torch.manual_seed(0)
    network = DepthForge(config.model, len(config.classes))
    space = LABEL_SPACES[config.label_space]
    save_checkpoint(Path(config.start_from), network, label_space=space, provenance={})


def _write(args: argparse.Namespace, rows: Sequence[Mapping[str, Any]]) -> None:
    rates = {(row['size'], row['recipe']): row.get('views_per_s') for row in rows}
    ratios = {
        f'{size}_ratio': round(rates[size, 'after'] / rates[size, 'before'], 2)
        for size in args.sizes
        if rates[size, 'before'] and rates[size, 'after']
    }
    write_report(args.json, {'machine': machine(), **ratios, 'rows': rows})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('--sizes', nargs='+', choices=RECIPES, default=list(RECIPES))
    parser.add_argument('--turns', type=int, default=3, help='runs of each recipe')
    parser.add_argument(
        '--iterations', type=int, default=20, help=f'of a run; the first {UNCOUNTED} do not count'
    )
    parser.add_argument('--images', type=int, default=16, help='of each data set')
    parser.add_argument('--scratch', type=Path, help='folder for caches; by default the temporary')
    parser.add_argument('--json', type=Path, default=RESULTS, help='where the figures go')
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(main())
