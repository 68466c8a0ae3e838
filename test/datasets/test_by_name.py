# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Data sets by the names that a training has for them, as `evaluate images` opens them."""

from __future__ import annotations

from pathlib import Path

import cv2
from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.datasets import DatasetChoice, open_dataset
from depthforge_ros.labels import CAMVID, CITYSCAPES, IDD_LITE, LabelSpace
import numpy as np
import pytest


@pytest.mark.parametrize(
    ('name', 'split', 'space'),
    [
        ('camvid', 'test', CAMVID),
        ('camvid', None, CAMVID),
        ('bdd10k', None, CITYSCAPES),
        ('pool', None, CITYSCAPES),
        ('cityscapes512', 'val', CITYSCAPES),
        ('idd_lite', 'train', IDD_LITE),
    ],
)
def test_what_a_training_takes_is_judged_by_the_same_names(
    name: str, split: str | None, space: LabelSpace, tmp_path: Path
) -> None:
    values = np.repeat(np.array([[3, 255]], np.uint8), 4, 0)
    for kind in ('images', 'labels'):
        folder = tmp_path / (split or '') / kind
        folder.mkdir(parents=True)
        for number in range(11):
            cv2.imwrite(str(folder / f'{number}.png'), values)
    dataset = open_dataset(name, DatasetChoice(tmp_path, split, limit=3))
    assert dataset.label_space == space
    assert [image.stem for image, _ in dataset.pairs] == ['0', '1', '2']
    labels = dataset.pairs[0][1]
    np.testing.assert_array_equal(dataset.read_labels(labels), values)
    cv2.imwrite(str(labels), values - 200)
    with pytest.raises(UserError, match=r'holds the value 59, expected 0, 1, .*, 255; choose'):
        dataset.read_labels(labels)


def test_cityscapes_is_judged_as_it_is_published(tmp_path: Path) -> None:
    files = {'leftImg8bit': 'ulm_1_leftImg8bit.png', 'gtFine': 'ulm_1_gtFine_labelIds.png'}
    for kind, name in files.items():
        folder = tmp_path / kind / 'val' / 'ulm'
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / name), np.array([[7, 33, 0]], np.uint8))
    dataset = open_dataset('cityscapes', DatasetChoice(tmp_path, 'val'))
    ((_, labels),) = dataset.pairs
    np.testing.assert_array_equal(dataset.read_labels(labels), [[0, 18, 255]])
