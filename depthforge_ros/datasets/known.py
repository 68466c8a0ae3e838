# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Labelled data sets by name; a new one is an entry of `published`, or a file, and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from depthforge_ros.datasets.base import DataSet
from depthforge_ros.datasets.camvid_32 import CAMVID_32
from depthforge_ros.datasets.cvat import CVAT_CAMVID, CVAT_CITYSCAPES
from depthforge_ros.datasets.mapillary import MAPILLARY
from depthforge_ros.datasets.plain import (
    CAMVID,
    CITYSCAPES_FOLDER,
    CITYSCAPES_SPLITS,
    IDD_LITE,
)
from depthforge_ros.datasets.published import ACDC, BDD100K, CITYSCAPES, GTAV, KITTI, URBANSYN
from depthforge_ros.datasets.synthia import SYNTHIA

DATASETS: Mapping[str, DataSet] = {
    'acdc': ACDC,
    'bdd100k': BDD100K,
    'bdd10k': CITYSCAPES_FOLDER,
    'camvid': CAMVID,
    'camvid_32': CAMVID_32,
    'cityscapes': CITYSCAPES,
    'cityscapes512': CITYSCAPES_SPLITS,
    'cvat_camvid': CVAT_CAMVID,
    'cvat_cityscapes': CVAT_CITYSCAPES,
    'folder': CITYSCAPES_FOLDER,
    'gtav': GTAV,
    'idd_lite': IDD_LITE,
    'kitti': KITTI,
    'kitti_semantic': CITYSCAPES_FOLDER,
    'mapillary': MAPILLARY,
    'pool': CITYSCAPES_FOLDER,
    'synthia': SYNTHIA,
    'urbansyn': URBANSYN,
}
