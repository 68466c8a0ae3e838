# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Whether frames that `depthforge mine` would pick train a better network than random ones.

A dense head is trained on a random ninth of CamVid's train. It judges the rest of the images, and
so does a second head that was trained from another start. Two ninths more are mined by the values
and the k-centre of `depthforge mine`, or drawn at random, and a new head is trained on the third.
All train on one cached view of each image (`depthforge-train fit` with `cache`), so there is no
flow between frames, and domain shift is left out: mined and random alike are of one domain.
mIoU on val. Run from the repository root:
python benchmarks/mining.py --cache out/cache/camvid_0 --root CAMVID [--seeds 3] [--iterations 300]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
import json
from pathlib import Path
import statistics
import sys
from typing import Any

from depthforge_ros.allocator import keep_freed_memory
from depthforge_ros.labels import CAMVID
from depthforge_ros.mining.selection import choose, Seen, Survey, values
from depthforge_ros.model.answer import summarise
from depthforge_ros.model.dpt import DepthMaps
from depthforge_ros.model.network import DepthForge
from depthforge_ros.model.streams import KnownDepth
from depthforge_trainer.cache import Cache, CachedLoader, frozen_digest
from depthforge_trainer.classes import Targets
from depthforge_trainer.config import FitConfig, read_config
from depthforge_trainer.data import loaders, Source
from depthforge_trainer.features import cached, label_counts, Share
from depthforge_trainer.networks import build_network
from depthforge_trainer.optimizer import build_optimizer
from depthforge_trainer.phase import Phase
from depthforge_trainer.pixel_loss import class_weights
from depthforge_trainer.schedule import SCHEDULES
from depthforge_trainer.training import Training
from depthforge_trainer.validation import FrozenDepth, validate
import numpy as np
import numpy.typing as npt
from report import write_report
import torch
from tqdm import trange

RESULTS = Path('benchmarks/results/mining.json')
CONFIG = Path('trainer/configs/small.yaml')
FIRST_SHARE, LAST_SHARE = 1 / 9, 1 / 3
HEAD_WIDTH = 64
PATCHES_FROM = 1
"""Of a view's tokens; the first is the class token."""


class Experiment:
    """Trains heads on cached views and judges them."""

    def __init__(self, args: argparse.Namespace) -> None:
        config = read_config(CONFIG, FitConfig)
        head = replace(config.model.head, width=HEAD_WIDTH)
        self._config = replace(
            config,
            model=replace(config.model, head=head),
            label_space=CAMVID.name,
            foundation=str(args.foundation or config.foundation),
        )
        network = build_network(self._config)
        cache = read_cache(args.cache, network)
        self.views = [CachedLoader(cache, index, CAMVID) for index in range(len(cache.files))][
            : args.images
        ]
        self._targets = Targets(CAMVID, [CAMVID])
        self._phase = Phase('head', args.iterations, 8, 'one_cycle', 2e-3)
        self._val = loaders(Source('camvid', str(args.root / 'val'), every=args.val_every))
        self._frozen = FrozenDepth([self._config.model])

    def train(self, chosen: list[int], seed: int) -> DepthForge:
        """Train a new head on some views."""
        torch.manual_seed(seed)
        views = [self.views[index] for index in chosen]
        network = build_network(self._config)
        counts = label_counts(views, self._targets).sum(0)
        weights = class_weights(counts, self._targets.members)
        training = Training(network, self._config.loss, self._targets, weights)
        training.phase = 'head'
        optimizer = build_optimizer(training, self._phase, self._config.weight_decay)
        batches = cached(
            views, self._targets, share=Share(self._phase.batch), seed=seed, rare_classes=False
        )
        for step in trange(1, self._phase.iterations + 1, desc=f'train on {len(chosen)}'):
            share = SCHEDULES[self._phase.schedule](step / self._phase.iterations)
            for group in optimizer.param_groups:
                group['lr'] = self._phase.learning_rate * share
            loss = training(batches(step))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(training.parameters(), self._config.gradient_clip)
            optimizer.step()
        return network

    def miou(self, network: DepthForge) -> float:
        """Judge on val, percent."""
        return validate(network, self._val, CAMVID, self._frozen)

    def mine(self, models: list[DepthForge], pool: list[int], count: int) -> list[int]:
        """Pick views as `depthforge mine` picks frames."""
        survey = Survey([self._seen(models, index) for index in pool])
        value = values(survey.signals())
        features = np.stack([one.features for one in survey.frames])
        return [pool[place] for place in choose(features, value, count)]

    @torch.inference_mode()
    def _seen(self, models: list[DepthForge], index: int) -> Seen:
        view = self.views[index].cache.read(index, flip=False)
        blocks = self.views[index].cache.blocks
        tokens = dict(zip(blocks, view.tokens_TNC.float()[:, None].unbind(0), strict=True))
        maps = DepthMaps(view.inverse_depth_hw.float()[None], view.fused_Fhw.float()[None])
        depth = KnownDepth(tokens, maps)
        answers = []
        for network in models:
            image = network.normalize(torch.from_numpy(view.rgb[None].copy()))
            taps = network.depth_maps([depth.block(tap) for tap in network.config.taps], image)
            scores = network.segment(taps, depth, every_layer=False).class_scores()
            answers.append(summarise(scores, view.labels.shape[:2]))
        labels, other = (answer[0].numpy() for answer in answers)
        last = tokens[blocks[-1]][0, PATCHES_FROM:]
        counts = np.bincount(labels.ravel(), minlength=len(CAMVID))
        signals = {
            'uncertainty': float(answers[0][2].mean()),
            'domain_shift': np.nan,
            'flow': np.nan,
            'models': float(np.mean(labels != other)),
        }
        features = torch.cat([last.mean(0), last.std(0)]).numpy()
        return Seen(str(index), 0, index, features, counts / counts.sum(), signals)


def read_cache(folder: Path, network: DepthForge) -> Cache:
    """Open a cache to read only, of the network's own frozen features."""
    made_of = json.loads((folder / 'cache.json').read_text())
    if made_of['network'] != frozen_digest(network):
        raise SystemExit(f'{folder} holds features of another network than {CONFIG} names')
    names = ('rgb', 'labels', 'tokens', 'fused', 'inverse_depth')
    arrays: dict[str, npt.NDArray[Any]] = {
        name: np.load(folder / f'{name}.npy', mmap_mode='r') for name in names
    }
    patch, augment = network.config.encoder.patch, made_of['augment']
    grid = augment['height'] // patch, augment['width'] // patch
    return Cache(made_of['files'], tuple(made_of['blocks']), grid, arrays)


def run(experiment: Experiment, seed: int) -> dict[str, float]:
    """One seed: what the first ninth, the mined and the random third give."""
    order = np.random.default_rng(seed).permutation(len(experiment.views)).tolist()
    first = order[: round(FIRST_SHARE * len(order))]
    count = round(LAST_SHARE * len(order)) - len(first)
    models = [experiment.train(first, seed), experiment.train(first, 1000 + seed)]
    mined = experiment.mine(models, order[len(first) :], count)
    drawn = order[len(first) :][:count]
    return {
        'seed': seed,
        'first': experiment.miou(models[0]),
        'random': experiment.miou(experiment.train(first + drawn, seed)),
        'mined': experiment.miou(experiment.train(first + mined, seed)),
    }


def main() -> int:
    """Run the seeds, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--cache', type=Path, required=True, help='folder of cached CamVid train')
    parser.add_argument('--root', type=Path, required=True, help='folder of CamVid')
    parser.add_argument('--foundation', type=Path, help='weights of Depth Anything V2 Small')
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--iterations', type=int, default=300)
    parser.add_argument('--images', type=int, help='only the first so many of train')
    parser.add_argument('--val-every', type=int, default=1, help='each n-th image of val')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--json', type=Path, default=RESULTS)
    args = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(args.threads)
    experiment = Experiment(args)
    rows = [run(experiment, seed) for seed in range(args.seeds)]
    gains = [row['mined'] - row['random'] for row in rows]
    figures = {
        'images': {'first': round(FIRST_SHARE * len(experiment.views)),
                   'third': round(LAST_SHARE * len(experiment.views))},
        'runs': rows,
        'gain_miou': round(statistics.fmean(gains), 2),
        'gain_miou_deviation': round(statistics.stdev(gains), 2) if len(gains) > 1 else None,
    }  # fmt: skip
    print(json.dumps(write_report(args.json, figures), indent=1))
    return 0


if __name__ == '__main__':
    sys.exit(main())
