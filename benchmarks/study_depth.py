# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Does depth help in the decoder? Variants in equal time, and what a sceptic puts in depth's place.

Run from the repository root, on a quiet machine: python benchmarks/study_depth.py CONFIG...

Each configuration is one of `depthforge-train study`, and is gone on with run by run if it was
stopped. Two variants need more than a configuration says, wherever they are named: `image_stem`
has trained convolutions on the image at the place of depth, and `untrained_head` the maps of a
depth head with random weights.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
import csv
import datetime
import json
from pathlib import Path
import statistics
import sys
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.model.checkpoint import save_checkpoint
from depthforge_ros.model.config import HeadConfig, NetworkConfig
from depthforge_ros.model.dpt import DepthMaps
from depthforge_ros.model.network import DepthForge
from depthforge_trainer.cache import DESCRIPTION, frozen_digest
from depthforge_trainer.config import FitConfig, read_config
from depthforge_trainer.data import all_loaders, loaders
from depthforge_trainer.networks import Make
from depthforge_trainer.study import AVERAGE, Judged, study, StudyConfig
from depthforge_trainer.teacher import load_depth, load_foundation
import numpy as np
from report import exit_code, machine
import torch
from torch import nn, Tensor
from tqdm import tqdm

RESULTS = Path('benchmarks/results/study_depth.json')
IMAGE_STEM = 'image_stem'
UNTRAINED = 'untrained_head'
STEM = (32, 64)
"""Channels of the convolutions on the image at strides 2 and 4."""


class ImageStem(nn.Module):
    """Trained convolutions on the image, which take the place of depth in the decoder."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv2d(3, STEM[0], 3, stride=2, padding=1),
            nn.GroupNorm(8, STEM[0]),
            nn.GELU(),
            nn.Conv2d(STEM[0], STEM[1], 3, stride=2, padding=1),
            nn.GroupNorm(8, STEM[1]),
            nn.GELU(),
            nn.Conv2d(STEM[1], config.width, 1),
            nn.GroupNorm(8, config.width),
        )
        self.image_B3HW: Tensor | None = None

    def forward(self, _: DepthMaps) -> Tensor:
        """Return (B, D, h, w) at stride 4."""
        out: Tensor = self.convs(self.image_B3HW)
        return out


class StemNetwork(DepthForge):
    """A network whose decoder sees the image where it would take depth."""

    def __init__(self, config: NetworkConfig, classes: int) -> None:
        super().__init__(config, classes)
        self.refinement.geometry = ImageStem(config.head)  # type: ignore[assignment]

    def normalize(self, image_BHW3: Tensor) -> Tensor:
        """Normalise, and show the decoder's stem the same image."""
        image = super().normalize(image_BHW3)
        self.refinement.geometry.image_B3HW = image  # type: ignore[union-attr]
        return image


def stem_network(config: FitConfig) -> DepthForge:
    """Make the network of a run of `image_stem`."""
    network = StemNetwork(config.model, len(config.classes))
    load_foundation(network, Path(config.foundation))
    return network.eval()


MAKERS: Mapping[str, Make] = {IMAGE_STEM: stem_network}


def make_untrained(trained: FitConfig, untrained: FitConfig) -> None:
    """Write the foundation and the caches of `untrained_head`: the trained one's encoder."""
    path = Path(untrained.foundation)
    if path == Path(trained.foundation):
        raise UserError(f'{UNTRAINED} names the trained foundation, {path}; name a file to write')
    torch.manual_seed(0)
    network = DepthForge(trained.model, len(trained.classes)).eval()
    if not path.is_file():
        random = {name: one.clone() for name, one in network.depth_head.state_dict().items()}
        load_depth(network, Path(trained.foundation))
        network.depth_head.load_state_dict(random)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_checkpoint(path, network, label_space=trained.classes, provenance={'data': 'none'})
    load_depth(network, path)
    for source in trained.sources:
        places = {load.image: index for index, load in enumerate(all_loaders(source))}
        wanted = [places[load.image] for load in loaders(source)]
        for turn in range(source.views or trained.cached_views):
            name = f'{source.title}_{turn}'
            if (Path(trained.cache) / name / DESCRIPTION).is_file():
                derive(Path(trained.cache) / name, Path(untrained.cache) / name, network, wanted)


def derive(source: Path, target: Path, network: DepthForge, wanted: list[int]) -> None:
    """Make a cache of the same views with another depth head: its encoder need not run again."""
    target.mkdir(parents=True, exist_ok=True)
    made_of = json.loads((source / DESCRIPTION).read_text())
    for name in ('rgb', 'labels', 'tokens'):
        if not (target / f'{name}.npy').is_symlink():
            (target / f'{name}.npy').symlink_to((source / f'{name}.npy').resolve())
    arrays = {name: np.load(source / f'{name}.npy', mmap_mode='r') for name in ('rgb', 'tokens')}
    for name in ('fused', 'inverse_depth', 'done'):
        like = np.load(source / f'{name}.npy', mmap_mode='r')
        path = target / f'{name}.npy'
        mode = 'r+' if (target / DESCRIPTION).is_file() else 'w+'
        arrays[name] = np.lib.format.open_memmap(path, mode, dtype=like.dtype, shape=like.shape)
    made_of['network'] = frozen_digest(network)
    (target / DESCRIPTION).write_text(json.dumps(made_of))
    done = np.load(source / 'done.npy')
    lacking = [index for index in wanted if done[index] and not arrays['done'][index]]
    for index in tqdm(lacking, desc='untrained depth head', unit='view', disable=not lacking):
        maps = _maps(network, arrays['rgb'][index], arrays['tokens'][index], made_of['blocks'])
        arrays['fused'][index] = maps.fused_BFhw[0].numpy()
        arrays['inverse_depth'][index] = maps.depth_BHW[0].numpy()
        arrays['done'][index] = 1


@torch.inference_mode()
def _maps(network: DepthForge, rgb: Any, tokens_TNC: Any, blocks: list[int]) -> DepthMaps:
    """Run the depth head on cached tokens; its maps are at stride 4."""
    size = rgb.shape[0], rgb.shape[1]
    image = torch.empty(1, 3, *size)
    tokens = torch.from_numpy(np.array(tokens_TNC)).float()
    taps = [tokens[blocks.index(tap)][None] for tap in network.config.depth_taps]
    maps = network.estimate_depth(network.depth_maps(taps, image), (), size)
    fine = maps.fused_BFhw.shape[-2:]
    depth = nn.functional.interpolate(maps.depth_BHW[:, None], fine, mode='bilinear')[:, 0]
    return DepthMaps(depth, maps.fused_BFhw)


def rows(config: StudyConfig, table: Path) -> Iterator[dict[str, Any]]:
    """Add to the runs of a study what they took: seconds, and iterations by phase."""
    for run in json.loads(table.with_suffix('.json').read_text())['runs']:
        log = Path(config.run(run['variant'], run['seed']).output) / 'log.csv'
        with log.open(newline='') as file:
            last = {row['phase']: row for row in csv.DictReader(file)}
        *_, end = last.values()
        iterations = [int(row['iteration']) for row in last.values()]
        yield {**run, 'train_s': float(end['seconds']), 'iterations': iterations}


def gains(config: StudyConfig, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Points on the unseen average above the first variant, by seed: mean and deviation."""
    averages = {
        (run['variant'], run['seed']): Judged(run['variant'], run['seed'], run['miou']).figures(
            config.unseen
        )[AVERAGE]
        for run in runs
    }
    first = next(iter(config.variants))
    out = {}
    for variant in config.variants:
        gained = [
            average - averages[first, seed]
            for (name, seed), average in averages.items()
            if name == variant != first and (first, seed) in averages
        ]
        if gained:
            spread = statistics.stdev(gained) if len(gained) > 1 else None
            out[variant] = {
                'mean': round(statistics.mean(gained), 2),
                'deviation': None if spread is None else round(spread, 2),
            }
    return out


def main() -> int:
    """Do the studies, and write what each gave."""
    args = _arguments()
    for path in args.config:
        config = read_config(path, StudyConfig)
        names = args.variants or [*config.variants]
        if UNTRAINED in names:
            first = next(iter(config.variants))
            make_untrained(config.run(first, 0), config.run(UNTRAINED, 0))
        table = study(config, seeds=args.seeds, variants=args.variants, makers=MAKERS)
        _write(args, path, config, table)
        print(table.read_text())
    return 0


def _write(args: argparse.Namespace, path: Path, config: StudyConfig, table: Path) -> None:
    report = json.loads(args.json.read_text()) if args.json.is_file() else {}
    runs = list(rows(config, table))
    report[path.stem] = {
        'command': f'benchmarks/study_depth.py {path}',
        'date': datetime.date.today().isoformat(),
        'machine': machine(),
        'unseen': list(config.unseen),
        'gains': gains(config, runs),
        'runs': runs,
    }
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(report, indent=1) + '\n')


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('config', type=Path, nargs='+', help='YAML files of a study')
    parser.add_argument('--seeds', type=int, nargs='+', default=[], help='only these')
    parser.add_argument('--variants', nargs='+', default=[], help='only these')
    parser.add_argument('--json', type=Path, default=RESULTS, help='where the figures go')
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(exit_code(main))
