# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
How many of the labels that are falsified on purpose `depthforge-train check --with-model` finds.

5 % of the connected regions of a data set's labels, of 100 pixels or more, get another class at
random. Found is a region most of whose pixels are one false region, in the first 10 % of the
ranking. Run from the repository root:
python benchmarks/label_errors.py --root CAMVID [--model depthforge_tiny] [--seeds 3]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import shutil
import sys
from tempfile import TemporaryDirectory
from typing import Any

import cv2
from depthforge_ros.cli.common import DEFAULT_MODEL
from depthforge_ros.engine.torch_engine import load, Loaded
from depthforge_ros.labels import CAMVID
from depthforge_ros.metrics.slices import parted
from depthforge_trainer.data import Source
from depthforge_trainer.label_errors import LEAST_PIXELS, rank_labels, Suspect
import numpy as np
import numpy.typing as npt
from report import write_report

RESULTS = Path('benchmarks/results/label_errors.json')
FALSE_SHARE = 0.05
TOP_SHARE = 0.10
Maps = dict[str, npt.NDArray[np.int32]]


def main() -> int:
    """Falsify, rank, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--root', type=Path, required=True, help='folder of CamVid')
    parser.add_argument('--split', default='val')
    parser.add_argument('--model', default=DEFAULT_MODEL)
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--json', type=Path, default=RESULTS)
    args = parser.parse_args()
    loaded = load(args.model, device='auto')
    rows = [found_share(args.root / args.split, loaded, seed) for seed in range(args.seeds)]
    print(json.dumps(write_report(args.json, {'runs': rows}), indent=1))
    return 0


def found_share(data: Path, loaded: Loaded, seed: int) -> dict[str, Any]:
    """Falsify a copy of the labels and look for them."""
    with TemporaryDirectory() as folder:
        root = Path(folder) / 'data'
        shutil.copytree(data, root)
        false, count = falsify(root / 'labels', seed)
        ranking = rank_labels(Source('camvid', str(root)), loaded)
    top = ranking.suspects[: round(TOP_SHARE * len(ranking.suspects))]
    found = {hit for one in top if (hit := _hit(one, false)) is not None}
    return {
        'falsified': count,
        'ranked': len(ranking.suspects),
        'found_percent_in_first_10': round(100.0 * len(found) / count, 1),
    }


def falsify(labels: Path, seed: int) -> tuple[Maps, int]:
    """Give 5 % of the regions another class; return by stem which pixels are of which, from 1."""
    rng = np.random.default_rng(seed)
    maps = {path: cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in sorted(labels.iterdir())}
    parts = {path: parted(image) for path, image in maps.items()}
    regions = [
        (path, number)
        for path, part in parts.items()
        for number in np.flatnonzero(np.bincount(part.ravel()) >= LEAST_PIXELS)
        if maps[path][part == number][0] < len(CAMVID)
    ]
    chosen = rng.choice(len(regions), round(FALSE_SHARE * len(regions)), replace=False)
    false = {path.stem: np.zeros(image.shape, np.int32) for path, image in maps.items()}
    for count, index in enumerate(chosen, start=1):
        path, number = regions[index]
        mask = parts[path] == number
        others = [one for one in range(len(CAMVID)) if one != maps[path][mask][0]]
        maps[path][mask] = rng.choice(others)
        false[path.stem][mask] = count
    for path, image in maps.items():
        cv2.imwrite(str(path), image)
    return false, len(chosen)


def _hit(suspect: Suspect, false: Maps) -> tuple[str, int] | None:
    """Name the false region that most pixels of a suspect may be, by its box."""
    stem = Path(suspect.image).stem
    x, y, width, height = suspect.box
    inside = false[stem][y : y + height, x : x + width].ravel()
    counts = np.bincount(inside, minlength=2)[1:]
    best = int(counts.argmax())
    return (stem, best + 1) if counts[best] * 2 > suspect.pixels else None


if __name__ == '__main__':
    sys.exit(main())
