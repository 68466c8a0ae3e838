# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What a training can take: the labelled data sets, images without labels, rendered streets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from depthforge_ros.datasets import known
from depthforge_ros.datasets.base import DataSet, images_in, mapping, Pair
from depthforge_ros.datasets.plain import folder
from depthforge_ros.labels import CAMVID


def _find_unlabelled(root: Path, split: str) -> list[Pair]:
    return [Pair(image, None) for image in images_in(root)]


DATASETS: Mapping[str, DataSet] = {
    **known.DATASETS,
    # Without labels any class space does.
    'images': DataSet(CAMVID, _find_unlabelled, mapping({}), labels=()),
    'street': folder(CAMVID),
}
