# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
What the masks owe to depth: mIoU with a frame's own depth, another frame's, and one without place.

Run from the repository root: python benchmarks/depth_ablation.py --shared ../shared

Another frame is the one half a set away. Without place: every map of the depth stream is its mean
over the frame. The visual features are the frame's own, always.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
import json
from pathlib import Path
from statistics import fmean
import sys
from typing import Any

from accuracy import SETS
from depthforge_ros.allocator import keep_freed_memory
from depthforge_ros.engine.torch_engine import load, Loaded, TorchEngine
from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.images import evaluate_images, Rgb
from depthforge_ros.labels import groups, LABEL_SPACES
from depthforge_ros.metrics.segmentation import common_space
from depthforge_ros.model.answer import Answer, Answering
from depthforge_ros.model.dpt import DepthMaps
from depthforge_ros.model.streams import KnownDepth
from depthforge_ros.pipeline import Pipeline
from report import exit_code, machine, write_report
import torch
from torch import Tensor

RESULTS = Path('benchmarks/results/depth_ablation.json')
JUDGED = ('camvid_test', 'kitti', 'bdd10k')
DUSK = 'camvid_test_dusk'
"""A part of `camvid_test`."""
UNSEEN = ('kitti', 'bdd10k')
"""No checkpoint of ours saw a label of these."""
DEPTHS = ('own', 'other', 'constant')
HEADLINE = 'depthforge_small'
"""The model whose gain is `unseen_gain`."""


class DepthFrom:
    """
    Answers the images of a set, which are of one size, with depth that `depth` names.

    What the depth stream says of them is computed once, and kept in half precision.
    """

    depth = 'own'

    def __init__(self, answering: Answering, count: int) -> None:
        self._answering = answering
        self._network = answering.network
        self._count = count
        self._seen: dict[int, KnownDepth] = {}
        self._index = 0

    def look_at(self, rgb: Rgb, index: int) -> Rgb:
        """Take note of the image that is answered next; gives it back as it is."""
        self._index = index
        return rgb

    def __call__(self, image_BHW3: Tensor) -> Answer:
        """Answer RGB uint8 (1, H, W, 3)."""
        image = self._network.normalize(image_BHW3)
        if self._index not in self._seen:
            seen = KnownDepth.of(self._network.depth_steps(image))
            self._seen[self._index] = seen.kept(self._blocks, torch.float16)
        own = self._seen[self._index].kept(None, image.dtype)
        depth = own
        if self.depth == 'other':
            other = (self._index + self._count // 2) % self._count
            depth = self._seen[other].kept(None, image.dtype)
        elif self.depth == 'constant':
            depth = self._constant(own)
        # Blocks that serve both streams are part of the visual one.
        shared = {index: own.block(index) for index in self._blocks & {*range(self._shared)}}
        decoded = self._network.decode_seen(image, depth.replaced(shared))
        return self._answering.answer(decoded, (image_BHW3.shape[1], image_BHW3.shape[2]))

    def _constant(self, own: KnownDepth) -> KnownDepth:
        """Put the mean over the frame everywhere."""
        prefix, blocks = self._network.depth_encoder.prefix, {}
        for index in self._blocks:
            before, patches = own.block(index).tensor_split((prefix,), 1)
            mean = patches.mean(1, keepdim=True).expand_as(patches)
            blocks[index] = torch.cat((before, mean), 1)
        maps = (x.mean((-2, -1), keepdim=True).expand_as(x) for x in own.maps())
        return KnownDepth(blocks, DepthMaps(*maps))

    @property
    def _shared(self) -> int:
        return self._network.shared_blocks

    @property
    def _blocks(self) -> set[int]:
        """Blocks of the depth stream that are asked for."""
        config = self._network.config
        first = config.tokens.first_block
        before = {first - 1} if self._shared else set()
        return {*config.taps, *before, *range(first, config.encoder.depth)}


def main() -> int:
    """Judge every model on every set with every depth."""
    args = _arguments()
    keep_freed_memory()
    torch.set_num_threads(args.threads)
    rows: list[dict[str, Any]] = []
    for model in args.models:
        loaded = load(model, device='cpu')
        for name in args.sets:
            rows += judged(loaded, name, args)
            print(json.dumps(rows[-1]), flush=True)
            _write(args, rows)
    print(json.dumps(gains(rows)))
    return 0


def judged(loaded: Loaded, name: str, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Give a row of mIoU by depth for a set, and for its dusk half."""
    dataset = SETS[name].open(args.shared, args.limit)
    if len(dataset.pairs) < 2:
        raise UserError('1 image is chosen; another frame needs at least 2: raise --limit')
    dusk = {DUSK: SETS[DUSK].match} if name == 'camvid_test' and args.limit is None else {}
    target = common_space(LABEL_SPACES[SETS[name].target], loaded.label_space)
    answering = Answering(loaded.answering.network, groups(loaded.label_space, target))
    source = DepthFrom(answering, len(dataset.pairs))
    engine = TorchEngine('eager', loaded, source)
    engine.label_space = target
    figures = {}
    for depth in DEPTHS:
        source.depth = depth
        figures[depth] = evaluate_images(
            Pipeline(engine), dataset, target=target, change=source.look_at, domains=dusk
        )
    for part in (name, *dusk):
        of_part = {
            depth: one['domains'][part] if part in dusk else one for depth, one in figures.items()
        }
        yield {
            'model': loaded.model,
            'set': part,
            'images': of_part['own']['images'],
            **{depth: one['miou'] for depth, one in of_part.items()},
        }


def gains(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Points of own above another frame's depth on the mean of the unseen sets, by model."""
    by_model: dict[str, list[float]] = {}
    for row in rows:
        if row['set'] in UNSEEN:
            by_model.setdefault(row['model'], []).append(row['own'] - row['other'])
    by_name = {model: round(fmean(gained), 2) for model, gained in by_model.items()}
    return {'unseen_gain': by_name.get(HEADLINE), 'unseen_gain_by_model': by_name}


def _write(args: argparse.Namespace, rows: Sequence[Mapping[str, Any]]) -> None:
    write_report(args.json, {'machine': machine(args.threads), **gains(rows), 'rows': rows})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('--shared', type=Path, default=Path('../shared'), help='real data')
    parser.add_argument('--models', nargs='+', default=['depthforge_small', 'depthforge_tiny'])
    parser.add_argument('--sets', nargs='+', choices=JUDGED, default=list(JUDGED))
    parser.add_argument('--limit', type=int, help='first images of each set; all by default')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument('--json', type=Path, default=RESULTS, help='where the figures go')
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(exit_code(main))
