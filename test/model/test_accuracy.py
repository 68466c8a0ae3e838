# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The shipped checkpoints on real frames: a broken stage costs more than these margins."""

from __future__ import annotations

import hashlib
from pathlib import Path

from accuracy import table
from depthforge_ros.engine import load_engine
from depthforge_ros.evaluation.datasets import DatasetChoice, open_dataset
from depthforge_ros.evaluation.images import evaluate_images
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.labels import CAMVID
from depthforge_ros.pipeline import Pipeline
from depthforge_ros.resources import share_directory
import numpy as np
import pytest
from support.paths import ROOT, SHARED

MODELS = ROOT / 'models'
needs_shared = pytest.mark.skipif(
    not (SHARED / 'data').is_dir(), reason='the real driving data is not beside the checkout'
)

# Well below what was measured: only a fault goes below.
TINY_ON_DRIVE = 35.0
TINY_ON_DAY = 35.0
SMALL_ON_DAY = 45.0
PEARSON = 0.7


def miou(model: str, name: str, choice: DatasetChoice) -> float:
    figures = evaluate_images(Pipeline(load_engine(model)), open_dataset(name, choice))
    assert figures['images'] == choice.limit
    value: float = figures['miou']
    return value


def test_bundled_model_on_the_bundled_drive() -> None:
    choice = DatasetChoice(root=share_directory() / 'drive', labels='camvid', limit=4)
    assert miou('depthforge_tiny', 'folder', choice) > TINY_ON_DRIVE


@needs_shared
def test_bundled_model_on_real_day_frames() -> None:
    choice = DatasetChoice(root=SHARED / 'data/camvid', split='test', match='Seq05VD*', limit=8)
    assert miou('depthforge_tiny', 'camvid', choice) > TINY_ON_DAY


@needs_shared
def test_small_model_on_real_day_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('DEPTHFORGE_WEIGHTS', str(SHARED / 'weights'))
    choice = DatasetChoice(root=SHARED / 'data/camvid', split='test', match='Seq05VD*', limit=6)
    assert miou('depthforge_small', 'camvid', choice) > SMALL_ON_DAY


@needs_shared
def test_bundled_depth_agrees_with_its_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('DEPTHFORGE_WEIGHTS', str(SHARED / 'weights'))
    tiny = Pipeline(load_engine('depthforge_tiny'))
    small = Pipeline(load_engine('depthforge_small', short_side=252))
    for index in (52, 64, 76):
        rgb = rgb_from_file(SHARED / f'data/kitti_drive/images/{index:06d}.jpg')
        ours, teacher = (net(rgb)[0].inverse_depth.ravel() for net in (tiny, small))
        assert np.corrcoef(ours, teacher)[0, 1] > PEARSON


def test_table_of_the_benchmark_has_the_calibration_error() -> None:
    figures = {'model': 'm', 'set': 's', 'per_class': dict.fromkeys(CAMVID.classes, 5.0),
               'miou': 5.0, 'pixel_accuracy': 7.0, 'ece': 2.5, 'images': 3,
               'short_side': 8}  # fmt: skip
    assert '| **ece** | 2.5 |' in table([figures]).splitlines()


@pytest.mark.parametrize('path', sorted(MODELS.glob('*.safetensors')), ids=lambda path: path.stem)
def test_model_card_has_the_checksum_of_its_checkpoint(path: Path) -> None:
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    assert f'| sha256 | `{checksum}` |' in path.with_suffix('.md').read_text().splitlines()
