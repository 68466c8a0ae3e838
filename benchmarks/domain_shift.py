# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Statistics of a model's training images, and how well they tell other images from them.

The statistics are of the train images of the domains that the model was trained on. Judged are
their val images against images of darker drives and against val under heavy corruptions, by the
area under the ROC curve (AUROC) of a single frame: 0.5 is chance, 1 a perfect separation.
Run from the repository root: python benchmarks/domain_shift.py --shared ../shared
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
import fnmatch
import json
from pathlib import Path
import sys
from typing import Any

import cv2
from depthforge_ros.domain import DomainStatistics
from depthforge_ros.engine import Engine, load_engine, NetworkOutput
from depthforge_ros.errors import UserError
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.model.registry import find_checkpoint
import numpy as np
import numpy.typing as npt
from report import exit_code, write_report
from tqdm import tqdm

RESULTS = Path('benchmarks/results')
DUSK = '0001TP*'
"""CamVid's files of the drive at dusk."""
SEED = 0
Rgb = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Domain:
    """Where a data set's images are, below the shared data; `exclude` is a pattern of names."""

    title: str
    train: str
    val: str | None = None
    exclude: str = ''

    def files(self, shared: Path, folder: str, every: int) -> list[Path]:
        """List each so many-th image of a folder."""
        files = sorted((shared / 'data' / folder).glob('*'))
        files = [path for path in files if not fnmatch.fnmatch(path.name, self.exclude)]
        if not files:
            raise UserError(f'{shared / "data" / folder} has no images; say where with --shared')
        return files[::every]


DOMAINS: Mapping[str, Domain] = {
    'camvid_day': Domain(
        'CamVid train without its dusk drive', 'camvid/train/images', 'camvid/val/images', DUSK
    ),
    'camvid': Domain('CamVid train', 'camvid/train/images', 'camvid/val/images'),
    'cityscapes': Domain(
        'Cityscapes train', 'cityscapes512/train/images', 'cityscapes512/val/images'
    ),
    'idd_lite': Domain('IDD Lite train', 'idd_lite/train/images', 'idd_lite/val/images'),
    'road_pool': Domain('road images', 'road_pool/images'),
}
NIGHT = Domain('BDD100K by night', 'bdd_pool/images')
"""Unlabelled; three in four by night, the others at dusk."""


def noise(rgb: Rgb) -> Rgb:
    """Add Gaussian noise of 60 grey levels."""
    random = np.random.default_rng(SEED)
    return _to_uint8(rgb + random.normal(0.0, 60.0, rgb.shape))


def motion_blur(rgb: Rgb) -> Rgb:
    """Smear 25 pixels along the rows."""
    return np.asarray(cv2.blur(rgb, (25, 1)), np.uint8)


def fog(rgb: Rgb) -> Rgb:
    """Cover about two thirds with light grey, in clouds."""
    random = np.random.default_rng(SEED)
    clouds = random.random((6, 8), np.float32)
    size = (rgb.shape[1], rgb.shape[0])
    share = 0.5 + 0.3 * cv2.resize(clouds, size, interpolation=cv2.INTER_CUBIC)[..., None]
    return _to_uint8(rgb * (1.0 - share) + 235.0 * share)


def darkness(rgb: Rgb) -> Rgb:
    """Leave 12 % of the light, with its shot noise."""
    return _to_uint8(np.random.default_rng(SEED).poisson(rgb * 0.12))


def low_contrast(rgb: Rgb) -> Rgb:
    """Keep 15 % of the contrast."""
    return _to_uint8(rgb * 0.15 + 110.0)


def pixelation(rgb: Rgb) -> Rgb:
    """Keep 8 % of the resolution."""
    small = cv2.resize(rgb, None, fx=0.08, fy=0.08, interpolation=cv2.INTER_AREA)
    size = (rgb.shape[1], rgb.shape[0])
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_NEAREST), np.uint8)


CORRUPTIONS: Sequence[Callable[[Rgb], Rgb]] = (
    noise,
    motion_blur,
    fog,
    darkness,
    low_contrast,
    pixelation,
)


def main() -> int:
    """Measure and write statistics and figures."""
    args = _arguments()
    figures = measure(args)
    path = args.json or RESULTS / f'domain_shift_{args.model.removeprefix("depthforge_")}.json'
    write_report(path, figures)
    print(json.dumps(figures, indent=1))
    return 0


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Return the AUROC of each kind of image, by each of the monitor's figures."""
    engine = load_engine(args.model, engine=args.engine, device='cpu', threads=args.threads)
    trained_on = [DOMAINS[name] for name in args.domains]
    train = [path for one in trained_on for path in one.files(args.shared, one.train, args.every)]
    val = [
        path
        for one in trained_on
        if one.val
        for path in one.files(args.shared, one.val, args.every)
    ]
    if not val:
        raise UserError(f'none of {", ".join(args.domains)} has val images; add a domain')
    night = NIGHT.files(args.shared, NIGHT.train, args.every)
    outputs = _run(engine, (rgb_from_file(path) for path in train), f'train, {len(train)}')
    statistics = DomainStatistics.of(
        [output.features[0] for output in outputs if output.features is not None],
        fingerprint=engine.fingerprint,
        source=', '.join(one.title for one in trained_on),
    )
    if args.write:
        print(f'wrote {statistics.save(find_checkpoint(args.model))}', file=sys.stderr)
    images = [rgb_from_file(path) for path in val]
    normal = _figures(_run(engine, images, f'val, {len(val)}'), statistics)
    unlike = {'night': _run(engine, map(rgb_from_file, night), f'night, {len(night)}')}
    for corrupt in CORRUPTIONS:
        unlike[corrupt.__name__] = _run(engine, map(corrupt, images), corrupt.__name__)
    return {
        'model': args.model,
        'engine': engine.name,
        'fingerprint': engine.fingerprint,
        'images': {'train': len(train), 'val': len(val), 'night': len(night)},
        'val_domain_shift': _spread(normal['domain_shift']),
        'kinds': {
            name: _against(normal, _figures(outputs, statistics))
            for name, outputs in unlike.items()
        },
    }


def auroc(normal: Sequence[float], unlike: Sequence[float]) -> float:
    """Share of the pairs in which the second is the larger; ties count half."""
    difference = np.asarray(unlike)[:, None] - np.asarray(normal)[None]
    return float((np.sign(difference) + 1.0).mean() / 2.0)


def _against(
    normal: Mapping[str, Sequence[float]], unlike: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    figures = {f'auroc_{name}': round(auroc(normal[name], unlike[name]), 4) for name in normal}
    return {**figures, 'domain_shift': _spread(unlike['domain_shift'])}


def _figures(
    outputs: Sequence[NetworkOutput], statistics: DomainStatistics
) -> dict[str, list[float]]:
    """Larger is less alike, in all of them."""
    return {
        'domain_shift': [
            statistics.distance(output.features[0])
            for output in outputs
            if output.features is not None
        ],
        'mean_entropy': [float(output.entropy.mean()) for output in outputs],
        'mean_doubt': [1.0 - float(output.confidence.mean()) for output in outputs],
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    low, median, high = np.percentile(values, (1.0, 50.0, 99.0))
    return {'p1': round(low, 3), 'p50': round(median, 3), 'p99': round(high, 3)}


def _run(engine: Engine, images: Iterable[Rgb], name: str) -> list[NetworkOutput]:
    return [engine(engine.preprocess(rgb)[0][None]) for rgb in tqdm(images, name)]


def _to_uint8(values: npt.NDArray[Any]) -> Rgb:
    return np.clip(values, 0, 255).astype(np.uint8)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('--shared', type=Path, default=Path('../shared'), help='real data')
    parser.add_argument('--model', default='depthforge_tiny')
    parser.add_argument(
        '--domains', nargs='+', choices=DOMAINS, default=['camvid_day'], help='trained on'
    )
    parser.add_argument('--every', type=int, default=1, help='take one image of so many')
    parser.add_argument('--engine', default='eager', help='name of an engine')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument(
        '--write', action='store_true', help='keep the statistics beside the checkpoint'
    )
    parser.add_argument('--json', type=Path, help=f'where the figures go; below {RESULTS} if not')
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(exit_code(main))
