# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Runs and studies of the trainer in miniature: their files, and what they logged."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from support.networks import MINI, mini_checkpoint
import yaml


def street_like(folder: Path, count: int = 4) -> None:
    """Write images whose colour tells the class, in CamVid's layout."""
    rng = np.random.default_rng(0)
    for name in ('images', 'labels'):
        (folder / name).mkdir(parents=True)
    for index in range(count):
        labels = np.zeros((80, 100), np.uint8)
        labels[40 + 5 * index :] = 3
        labels[:, :20] = 1
        rgb = np.array([[200, 200, 250], [90, 40, 40], [0, 0, 0], [80, 80, 80]], np.uint8)[labels]
        rgb = rgb + rng.integers(0, 5, rgb.shape, np.uint8)
        cv2.imwrite(str(folder / 'images' / f'{index}.jpg'), rgb[..., ::-1])
        cv2.imwrite(str(folder / 'labels' / f'{index}.png'), labels)


def configuration(tmp_path: Path, **changes: object) -> Path:
    street_like(tmp_path / 'data')
    mini_checkpoint(tmp_path / 'frozen.safetensors')
    fields = {
        'output': str(tmp_path / 'run'),
        'foundation': str(tmp_path / 'frozen.safetensors'),
        'model': MINI.to_json(),
        'sources': [{'kind': 'camvid', 'root': str(tmp_path / 'data')}],
        'augment': {'height': 56, 'width': 56, 'short_side': 64, 'scale': [1.0, 1.2]},
        'loss': {'semantic': 2.0, 'points': 256},
        'phases': [{'train': 'all', 'iterations': 30, 'batch': 2, 'learning_rate': 2e-3}],
        'average_decay': 0.5,
        'threads': 1,
    } | changes
    path = tmp_path / 'fit.yaml'
    path.write_text(yaml.safe_dump(fields))
    return path


def study_file(tmp_path: Path, **changes: Any) -> Path:
    """Write a study of two variants and two seeds on images that learn in a few steps."""
    fit = yaml.safe_load(configuration(tmp_path).read_text())
    del fit['output']
    data = {'kind': 'camvid', 'root': str(tmp_path / 'data')}
    fit['targets'] = [{'name': 'near', **data}, {'name': 'far/a', **data, 'count': 2}]
    fit['phases'] = [{'train': 'all', 'iterations': 2, 'batch': 2, 'learning_rate': 2e-3}]
    fit['cached_views'] = 1
    fields = {
        'output': str(tmp_path / 'study'),
        'fit': fit,
        'variants': {'joint': None, 'rein': {'model': {'tokens': {'attention': 'visual'}}}},
        'unseen': ['far'],
        'seeds': [0, 1],
    } | changes
    path = tmp_path / 'study.yaml'
    path.write_text(yaml.safe_dump(fields))
    return path


def losses(folder: Path) -> list[float]:
    with (folder / 'log.csv').open(newline='') as file:
        return [float(row['loss']) for row in csv.DictReader(file)]
