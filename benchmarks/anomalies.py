# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
How well entropy and a feature distance find unknown objects on the road.

Boxes of no class stand on the street of the bundled drive, rendered anew. Judged are the pixels of
road and boxes, as in the obstacle track of SegmentMeIfYouCan (arXiv 2104.14812): AUROC, and FPR95,
the share of road pixels that are suspected with 95 % of the box pixels. The scores are

- entropy: of the classes, as the node publishes it;
- feature_distance: from the nearest class mean of the visual stream's last map, with one variance
  for each channel (the diagonal form of Lee et al., NeurIPS 2018, arXiv 1807.03888). Means are of
  rendered streets without boxes, other than the drive's.

Run from the repository root: python benchmarks/anomalies.py [--model depthforge_tiny]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import replace
import json
from pathlib import Path
import sys

import cv2
from depthforge_ros.cli.common import DEFAULT_MODEL
from depthforge_ros.engine.torch_engine import load, Loaded
from depthforge_ros.labels import UNLABELLED
from depthforge_ros.metrics.uncertainty import auroc, fpr95, HIGHEST, LEVELS, quantized
from depthforge_ros.model.answer import summarise
from depthforge_trainer import street
from depthforge_trainer.street.camera import Frame, ROAD
from depthforge_trainer.street.drive import (
    DEFAULT_SEED,
    drive_frame,
    drive_scene,
    FRAMES,
    HEIGHT,
    WIDTH,
)
from depthforge_trainer.street.scene import Obstacle, Scene
from depthforge_trainer.street.traffic import own_lateral_m
import numpy as np
import numpy.typing as npt
from report import write_report
import torch
from tqdm import tqdm

RESULTS = Path('benchmarks/results/anomalies.json')
SIZE = HEIGHT, WIDTH
LEAST_PATCHES = 20
"""Of a class, so that its mean counts."""
Plane = npt.NDArray[np.float32]
Features = npt.NDArray[np.float32]


def obstructed(scene: Scene) -> Scene:
    """Place boxes on both sides of the own path: crates, logs, a barrel and a mattress."""
    own_m = own_lateral_m(scene.street)
    places = [
        Obstacle(11.0, own_m - 1.9, 0.9, 0.8, 0.9, 'bark', (1.0, 0.8, 0.6)),
        Obstacle(19.0, own_m + 1.7, 0.6, 0.9, 0.6, 'plain', (0.9, 0.35, 0.1)),
        Obstacle(27.0, own_m - 1.6, 1.8, 0.35, 0.4, 'bark'),
        Obstacle(34.0, own_m + 1.8, 1.2, 0.3, 1.9, 'plain', (0.85, 0.85, 0.8)),
        Obstacle(42.0, own_m - 1.8, 1.0, 1.0, 1.0, 'board9'),
        Obstacle(50.0, own_m + 1.6, 0.5, 0.5, 0.5, 'plain', (0.1, 0.45, 0.2)),
        Obstacle(60.0, own_m - 1.5, 1.4, 0.7, 0.8, 'roof1'),
    ]
    return replace(scene, obstacles=tuple(places))


class Scorer:
    """Runs a network, and measures features against those of known classes."""

    def __init__(self, loaded: Loaded, known: Iterable[Frame]) -> None:
        self._loaded = loaded
        features, labels = [], []
        for frame in known:
            map_Chw = self._answer(frame)[1]
            features.append(map_Chw.reshape(len(map_Chw), -1).T)
            size = map_Chw.shape[:0:-1]
            labels.append(cv2.resize(frame.labels, size, interpolation=cv2.INTER_NEAREST).ravel())
        self._fit(np.concatenate(features), np.concatenate(labels))

    def _fit(self, features: Features, labels: npt.NDArray[np.uint8]) -> None:
        ids, counts = np.unique(labels, return_counts=True)
        ids = ids[counts >= LEAST_PATCHES]
        self._means = np.stack([features[labels == one].mean(0) for one in ids])
        rest = np.concatenate(
            [features[labels == one] - mean for one, mean in zip(ids, self._means, strict=True)]
        )
        self._deviation = rest.std(0) + 1e-6

    @torch.inference_mode()
    def _answer(self, frame: Frame) -> tuple[Plane, Features]:
        """Entropy (H, W) and the visual stream's last map (C, h, w)."""
        image, geometry = self._loaded.preprocess(frame.rgb)
        decoded = self._loaded.answering.network.decode(torch.from_numpy(image[None]))
        size = geometry.height, geometry.width
        _, _, entropy = summarise(decoded.scores_BKhw, size)
        map_Chw = decoded.visual_BChw[0].float().numpy()
        shown = entropy[0, : geometry.content_height, : geometry.content_width].float().numpy()
        return cv2.resize(shown, SIZE[::-1]), map_Chw

    def __call__(self, frame: Frame) -> dict[str, Plane]:
        """Scores (H, W), higher for what is unknown."""
        entropy, map_Chw = self._answer(frame)
        points = (map_Chw.reshape(len(map_Chw), -1).T / self._deviation)[:, None]
        apart = np.linalg.norm(points - self._means / self._deviation, axis=2).min(1)
        distance = cv2.resize(apart.reshape(map_Chw.shape[1:]).astype(np.float32), SIZE[::-1])
        return {'entropy': entropy, 'feature_distance': distance}


def measure(scorer: Scorer, frames: Iterable[Frame]) -> dict[str, dict[str, float]]:
    """AUROC and FPR95 of each score over all frames, percent."""
    scores: dict[str, list[Plane]] = {}
    truths = []
    for frame in frames:
        judged = (frame.labels == ROAD) | (frame.labels == UNLABELLED)
        truths.append(frame.labels[judged] == UNLABELLED)
        for name, plane in scorer(frame).items():
            scores.setdefault(name, []).append(plane[judged])
    unknown = np.concatenate(truths)
    found = {}
    for name, parts in scores.items():
        levels = _levels(np.concatenate(parts), unit=name == 'entropy')
        counts = [np.bincount(levels[one], minlength=LEVELS) for one in (unknown, ~unknown)]
        found[name] = {
            'auroc': round(100.0 * auroc(*counts), 2),
            'fpr95': round(100.0 * fpr95(*counts), 2),
        }
    return found | {'pixels': {'road': int((~unknown).sum()), 'boxes': int(unknown.sum())}}


def _levels(values: Plane, *, unit: bool) -> npt.NDArray[np.uint8]:
    """Bring to 8 bits: shares as the node publishes them, all else in levels of equal counts."""
    if unit:
        return quantized(values)
    edges = np.quantile(values, np.arange(1, LEVELS) / LEVELS)
    return np.searchsorted(edges, values, 'right').clip(0, HIGHEST).astype(np.uint8)


def _drive(every: int) -> Iterator[Frame]:
    scene = obstructed(drive_scene(DEFAULT_SEED))
    for index in tqdm(range(0, FRAMES, every), desc='drive', unit='frame'):
        yield drive_frame(scene, DEFAULT_SEED, index, FRAMES, HEIGHT, WIDTH)


def _known(count: int) -> Iterator[Frame]:
    for seed in tqdm(range(count), desc='streets', unit='view'):
        yield street.sample(1_000_000 + seed, HEIGHT, WIDTH)


def main() -> int:
    """Measure, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--model', default=DEFAULT_MODEL)
    parser.add_argument('--every', type=int, default=2, help='each n-th frame of the drive')
    parser.add_argument('--streets', type=int, default=40, help='views that give the class means')
    parser.add_argument('--pictures', type=Path, metavar='DIR', help='write some frames')
    parser.add_argument('--json', type=Path, default=RESULTS)
    args = parser.parse_args()
    scorer = Scorer(load(args.model, device='cpu'), _known(args.streets))
    frames = list(_drive(args.every))
    figures = {
        'model': args.model,
        'size': f'{WIDTH}x{HEIGHT}',
        'frames': len(frames),
        **measure(scorer, frames),
    }
    print(json.dumps(write_report(args.json, figures), indent=1))
    if args.pictures:
        write_pictures(args.pictures, scorer, frames[:: max(1, len(frames) // 4)])
    return 0


def write_pictures(folder: Path, scorer: Scorer, frames: list[Frame]) -> None:
    """Write image, boxes and scores side by side."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames):
        planes = [np.where(frame.labels == UNLABELLED, 255, 0), *scorer(frame).values()]
        shown = [cv2.normalize(np.float32(one), None, 0, 255, cv2.NORM_MINMAX) for one in planes]
        grey = [cv2.cvtColor(one.astype(np.uint8), cv2.COLOR_GRAY2BGR) for one in shown]
        rows = [np.hstack([frame.rgb[..., ::-1], grey[0]]), np.hstack(grey[1:])]
        cv2.imwrite(str(folder / f'{number}.png'), np.vstack(rows))


if __name__ == '__main__':
    sys.exit(main())
