# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""How the benchmarks of label errors and of unknown objects count, on answers that are known."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from anomalies import measure
import cv2
from depthforge_ros.labels import UNLABELLED
from depthforge_trainer.label_errors import Suspect
from depthforge_trainer.street.camera import ROAD
from label_errors import _hit, falsify
import numpy as np

IMAGES = 20


def suspect(stem: str, region: np.ndarray) -> Suspect:
    """Return what a ranking says of a region."""
    box = cv2.boundingRect(region.astype(np.uint8))
    return Suspect(f'{stem}.png', 'road', 'car', 9.0, int(region.sum()), tuple(box))


def test_falsified_regions_are_found_where_they_are(tmp_path: Path) -> None:
    for index in range(IMAGES):
        labels = np.full((60, 80), 3, np.uint8)
        labels[20:40, 20:50] = index % 3
        cv2.imwrite(str(tmp_path / f'{index}.png'), labels)
    before = {path.stem: cv2.imread(str(path), -1) for path in tmp_path.iterdir()}
    false, count = falsify(tmp_path, 0)
    assert count == round(0.05 * 2 * IMAGES)
    found = set()
    for stem, labels in before.items():
        now = cv2.imread(str(tmp_path / f'{stem}.png'), -1)
        np.testing.assert_array_equal(now != labels, false[stem] > 0)
        for region in (labels == 3, labels != 3):
            hit = _hit(suspect(stem, region), false)
            assert (hit is not None) == (false[stem][region] > 0).all()
            found |= {hit} - {None}
    assert len(found) == count


def test_unknown_objects_are_told_from_the_road() -> None:
    labels = np.full((40, 60), ROAD, np.uint8)
    labels[:10] = 0
    labels[20:25, 20:30] = UNLABELLED
    scores = np.where(labels == UNLABELLED, 0.9, 0.1).astype(np.float32)
    frames: Any = [SimpleNamespace(labels=labels)] * 2
    both = {'entropy': scores, 'feature_distance': -scores}
    scorer: Any = lambda _: both  # noqa: E731
    assert measure(scorer, frames) == {
        'entropy': {'auroc': 100.0, 'fpr95': 0.0},
        'feature_distance': {'auroc': 0.0, 'fpr95': 100.0},
        'pixels': {'road': 2 * (30 * 60 - 50), 'boxes': 2 * 50},
    }
