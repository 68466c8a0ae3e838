# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Data sets by name; a new one is a file here and a line in `DATASETS`."""

from __future__ import annotations

from collections.abc import Mapping

from depthforge_trainer.datasets.acdc import ACDC
from depthforge_trainer.datasets.base import DataSet
from depthforge_trainer.datasets.bdd100k import BDD100K
from depthforge_trainer.datasets.camvid_32 import CAMVID_32
from depthforge_trainer.datasets.cityscapes import CITYSCAPES
from depthforge_trainer.datasets.gtav import GTAV
from depthforge_trainer.datasets.kitti import KITTI
from depthforge_trainer.datasets.mapillary import MAPILLARY
from depthforge_trainer.datasets.plain import (
    CAMVID,
    IDD_LITE,
    STREET,
    TRAIN_ID_FOLDER,
    TRAIN_ID_SPLITS,
    UNLABELLED_IMAGES,
)
from depthforge_trainer.datasets.synthia import SYNTHIA
from depthforge_trainer.datasets.urbansyn import URBANSYN

DATASETS: Mapping[str, DataSet] = {
    'acdc': ACDC,
    'bdd100k': BDD100K,
    'bdd10k': TRAIN_ID_FOLDER,
    'camvid': CAMVID,
    'camvid_32': CAMVID_32,
    'cityscapes': CITYSCAPES,
    'cityscapes512': TRAIN_ID_SPLITS,
    'folder': TRAIN_ID_FOLDER,
    'gtav': GTAV,
    'idd_lite': IDD_LITE,
    'images': UNLABELLED_IMAGES,
    'kitti': KITTI,
    'kitti_semantic': TRAIN_ID_FOLDER,
    'mapillary': MAPILLARY,
    'pool': TRAIN_ID_FOLDER,
    'street': STREET,
    'synthia': SYNTHIA,
    'urbansyn': URBANSYN,
}
