# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Statistics of a model's training images, and how well they tell other images from them.

The statistics are of CamVid's day drives in train. Judged are CamVid val (day) against the dusk
drive in train and against val under heavy corruptions, by the area under the ROC curve (AUROC) of
a single frame: 0.5 is chance, 1 a perfect separation. CamVid test is not used.
Run from the repository root: python benchmarks/domain_shift.py --shared ../shared
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
import datetime
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
from tqdm import tqdm

RESULTS = Path('benchmarks/results')
DUSK = '0001TP'
SEED = 0
Rgb = npt.NDArray[np.uint8]


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
    """Measure and write statistics and figures; 2 with one line for wrong input."""
    args = _arguments()
    try:
        figures = measure(args)
    except UserError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    report = {'command': ' '.join(sys.argv), 'date': datetime.date.today().isoformat(), **figures}
    path = args.json or RESULTS / f'domain_shift_{args.model.removeprefix("depthforge_")}.json'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + '\n')
    print(json.dumps(figures, indent=1))
    return 0


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Return the AUROC of each kind of image, by each of the monitor's figures."""
    engine = load_engine(args.model, engine=args.engine, device='cpu', threads=args.threads)
    day, dusk, val = _files(args.shared / 'data' / 'camvid', args.every)
    outputs = _run(engine, (rgb_from_file(path) for path in day), f'train, {len(day)}')
    statistics = DomainStatistics.of(
        [output.features[0] for output in outputs if output.features is not None],
        fingerprint=engine.fingerprint,
        source='CamVid train without its dusk drive',
    )
    if args.write:
        print(f'wrote {statistics.save(find_checkpoint(args.model))}', file=sys.stderr)
    images = [rgb_from_file(path) for path in val]
    normal = _figures(_run(engine, images, f'val, {len(val)}'), statistics)
    unlike = {'dusk': _run(engine, map(rgb_from_file, dusk), f'dusk, {len(dusk)}')}
    for corrupt in CORRUPTIONS:
        unlike[corrupt.__name__] = _run(engine, map(corrupt, images), corrupt.__name__)
    return {
        'model': args.model,
        'engine': engine.name,
        'fingerprint': engine.fingerprint,
        'images': {'train': len(day), 'val': len(val), 'dusk': len(dusk)},
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


def _files(camvid: Path, every: int) -> tuple[list[Path], list[Path], list[Path]]:
    train = sorted((camvid / 'train' / 'images').glob('*'))
    val = sorted((camvid / 'val' / 'images').glob('*'))
    day = [path for path in train if not path.name.startswith(DUSK)]
    dusk = [path for path in train if path.name.startswith(DUSK)]
    if not (day and dusk and val):
        raise UserError(f'{camvid} lacks the images of train and val; say where with --shared')
    return day[::every], dusk[::every], val[::every]


def _to_uint8(values: npt.NDArray[Any]) -> Rgb:
    return np.clip(values, 0, 255).astype(np.uint8)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('--shared', type=Path, default=Path('../shared'), help='real data')
    parser.add_argument('--model', default='depthforge_tiny')
    parser.add_argument('--every', type=int, default=1, help='take one image of so many')
    parser.add_argument('--engine', default='eager', help='name of an engine')
    parser.add_argument('--threads', type=int, default=2, help='CPU threads')
    parser.add_argument(
        '--write', action='store_true', help='keep the statistics beside the checkpoint'
    )
    parser.add_argument('--json', type=Path, help=f'where the figures go; below {RESULTS} if not')
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(main())
