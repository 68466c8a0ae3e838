# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
What the masks owe to depth: mIoU with a frame's own depth, another frame's, and one without place.

Run from the repository root: python benchmarks/depth_ablation.py --shared ../shared

Another frame is the one half a set away, resized. Without place: every map of the depth stream is
its mean over the frame. The visual features are the frame's own, always.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
import datetime
import json
from pathlib import Path
import platform
from statistics import fmean
import sys
from typing import Any

from accuracy import SETS, TestSet
import cv2
from depthforge_ros.allocator import keep_freed_memory
from depthforge_ros.engine.torch_engine import load, Loaded, TorchEngine
from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.images import evaluate_images, Rgb
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.labels import groups, LABEL_SPACES, LabelSpace
from depthforge_ros.metrics.segmentation import common_space
from depthforge_ros.model.answer import Answer, Answering
from depthforge_ros.model.dpt import DepthMaps
from depthforge_ros.model.network import DepthForge
from depthforge_ros.model.streams import KnownDepth
from depthforge_ros.pipeline import Pipeline
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
    """Answers images of a data set with the depth that `depth` says."""

    def __init__(
        self, network: DepthForge, depth: str, images: Sequence[Path], target: Answering
    ) -> None:
        if len(images) < 2:
            raise UserError(f'{len(images)} images came; another frame needs at least 2')
        self._network = network
        self._depth = depth
        self._images = images
        self._target = target
        self._index = 0

    def see(self, rgb: Rgb, index: int) -> Rgb:
        """Take note of the image that is answered next; gives it back as it is."""
        self._index = index
        return rgb

    def __call__(self, image_BHW3: Tensor) -> Answer:
        """Answer RGB uint8 (1, H, W, 3)."""
        size = image_BHW3.shape[1], image_BHW3.shape[2]
        known = None
        if self._depth == 'other':
            known = KnownDepth.of(self._network.depth_steps(self._other(size)))
        elif self._depth == 'constant':
            known = constant_depth(self._network, self._network.normalize(image_BHW3))
        return self._target.answer(self._network.decode(image_BHW3, known), size)

    def _other(self, size: tuple[int, int]) -> Tensor:
        """Another image of the set, normalised, resized to `size` (H, W)."""
        count = len(self._images)
        rgb = rgb_from_file(self._images[(self._index + count // 2) % count])
        resized = cv2.resize(rgb, size[::-1], interpolation=cv2.INTER_AREA)
        return self._network.normalize(torch.from_numpy(resized)[None])


def constant_depth(network: DepthForge, image_B3HW: Tensor) -> KnownDepth:
    """Run the depth stream, and put its mean over the frame everywhere."""
    *blocks, maps = network.depth_steps(image_B3HW)
    assert isinstance(maps, DepthMaps)
    prefix = network.depth_encoder.prefix
    tokens = {}
    for index, x_BNC in enumerate(blocks):
        assert isinstance(x_BNC, Tensor)
        patches = x_BNC[:, prefix:]
        mean = patches.mean(1, keepdim=True).expand_as(patches)
        tokens[index] = torch.cat((x_BNC[:, :prefix], mean), 1)
    return KnownDepth(tokens, DepthMaps(*(x.mean((-2, -1), True).expand_as(x) for x in maps)))


def main() -> int:
    """Judge every model on every set with every depth; 2 with one line for wrong input."""
    args = _arguments()
    keep_freed_memory()
    torch.set_num_threads(args.threads)
    rows: list[dict[str, Any]] = []
    try:
        for model in args.models:
            loaded = load(model, device='cpu')
            for name in args.sets:
                rows += judged(loaded, name, args)
                print(json.dumps(rows[-1]), flush=True)
                _write(args, rows)
    except UserError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    print(json.dumps(gains(rows)))
    return 0


def judged(loaded: Loaded, name: str, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Give a row of mIoU by depth for a set, and for its dusk half."""
    figures = {depth: _figures(loaded, SETS[name], depth, args) for depth in DEPTHS}
    parts = {name: figures}
    if name == 'camvid_test' and 'domains' in figures['own']:
        parts[DUSK] = {depth: one['domains'][DUSK] for depth, one in figures.items()}
    for part, by_depth in parts.items():
        yield {
            'model': loaded.model,
            'set': part,
            'images': by_depth['own']['images'],
            **{depth: one['miou'] for depth, one in by_depth.items()},
        }


def _figures(
    loaded: Loaded, judged_on: TestSet, depth: str, args: argparse.Namespace
) -> dict[str, Any]:
    dataset = judged_on.open(args.shared, args.limit)
    images = [image for image, _ in dataset.pairs]
    if args.limit is None and judged_on == SETS['camvid_test']:
        domains = {DUSK: SETS[DUSK].match}
    else:
        domains = {}
    target = common_space(LABEL_SPACES[judged_on.target], loaded.label_space)
    network = loaded.answering.network
    answering = Answering(network, groups(loaded.label_space, target))
    source = DepthFrom(network, depth, images, answering)
    engine = _engine(loaded, source, target)
    return evaluate_images(
        Pipeline(engine), dataset, target=target, change=source.see, domains=domains
    )


def _engine(loaded: Loaded, source: DepthFrom, target: LabelSpace) -> TorchEngine:
    engine = TorchEngine('eager', loaded, source)
    engine.label_space = target
    return engine


def gains(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Points of own above another frame's depth on the mean of the unseen sets, by model."""
    by_model: dict[str, list[float]] = {}
    for row in rows:
        if row['set'] in UNSEEN:
            by_model.setdefault(row['model'], []).append(row['own'] - row['other'])
    by_name = {model: round(fmean(gained), 2) for model, gained in by_model.items()}
    return {'unseen_gain': by_name.get(HEADLINE), 'unseen_gain_by_model': by_name}


def _write(args: argparse.Namespace, rows: Sequence[Mapping[str, Any]]) -> None:
    report = {
        'command': ' '.join(sys.argv),
        'date': datetime.date.today().isoformat(),
        'machine': f'{platform.machine()}, {args.threads} threads, torch {torch.__version__}',
        **gains(rows),
        'rows': rows,
    }
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(report, indent=1) + '\n')


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
    sys.exit(main())
