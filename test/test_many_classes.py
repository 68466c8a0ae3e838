# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""More classes than a byte has: masks of two bytes on all ways out, and no silent wrap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
from depthforge_ros.engine import load_engine
from depthforge_ros.errors import UserError
from depthforge_ros.geometry.points import CloudBuilder
from depthforge_ros.labels import LabelSpace
from depthforge_ros.model.checkpoint import save_checkpoint
from depthforge_ros.model.network import DepthForge
from depthforge_ros.postprocess import to_camera
import numpy as np
import pytest
from support.networks import CLASSES, MANY, many_classes, MINI
from support.refusals import ErrorOf
import torch


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('many') / 'many.safetensors'
    torch.manual_seed(0)
    network = DepthForge(MINI, CLASSES).eval()
    bias = next(one for one in network.parameters() if one.shape == (CLASSES + 1,))
    bias.data[290] = 20.0
    save_checkpoint(path, network, label_space=MANY, provenance={'data': 'none'})
    return path


def test_an_engine_gives_the_ids_of_the_network(checkpoint: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (1, 56, 56, 3), np.uint8)
    engine: Any = load_engine(str(checkpoint), engine='eager', device='cpu')
    labels = engine(images).labels
    assert labels.dtype == np.uint16
    assert set(labels.ravel()) == {290}


def test_doubtful_pixels_get_an_id_that_is_no_class() -> None:
    engine = many_classes()
    image, geometry = engine.preprocess(np.zeros((64, 640, 3), np.uint8))
    result = to_camera(engine(image[None]), geometry, confidence_floor=0.5)
    assert set(np.unique(result.labels[:20])) == {65535}
    assert 256 <= result.labels[-20:].max() < CLASSES
    assert tuple(MANY.palette[299]) == (43, 1, 7)
    assert tuple(MANY.palette[65535]) == (0, 0, 0)


def test_points_hold_the_whole_id() -> None:
    labels = np.arange(CLASSES, dtype=np.uint16).reshape(20, 15)
    plane = np.ones(labels.shape, np.float32)
    build = CloudBuilder(np.zeros((*labels.shape, 2), np.float32))
    points = build(
        plane, rgb=np.zeros((*labels.shape, 3), np.uint8), labels=labels, confidence=plane
    )
    np.testing.assert_array_equal(points['label'], labels)


def test_evaluation_refuses_what_no_ground_truth_has(
    checkpoint: Path, tmp_path: Path, error_of: ErrorOf
) -> None:
    for folder in ('images', 'labels'):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / '1.png'), np.zeros((56, 56), np.uint8))
    given = ('--dataset', 'folder', '--root', tmp_path, '--labels', 'camvid')
    error = error_of('evaluate', 'images', *given, '--model', checkpoint)
    assert "'many' has 300 classes, ground truth of 8 bits has at most 255" in error


def test_no_mask_has_room_for_more() -> None:
    with pytest.raises(UserError, match='70000 classes, at most 65535'):
        LabelSpace('more', ('x',) * 70_000, ((0, 0, 0),) * 70_000)
