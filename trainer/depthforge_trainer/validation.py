# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""mIoU of a network under training, on whole images through the pipeline that the node runs."""

from __future__ import annotations

from collections.abc import Sequence

from depthforge_ros.engine.eager import EagerEngine
from depthforge_ros.engine.torch_engine import Loaded
from depthforge_ros.evaluation.segmentation import SegmentationScore
from depthforge_ros.labels import CAMVID
from depthforge_ros.model.network import DepthForge
from depthforge_ros.pipeline import Pipeline
from depthforge_trainer.data import Loader
from tqdm import tqdm


def validate(network: DepthForge, samples: Sequence[Loader]) -> float:
    """Return the mIoU in percent; images are answered at the network's own short side."""
    training = network.training
    loaded = Loaded.of(network, model='training', label_space=CAMVID, fingerprint='')
    pipeline = Pipeline(EagerEngine(loaded))
    score = SegmentationScore(truth=CAMVID, predicted=CAMVID, target=CAMVID)
    for load in tqdm(samples, desc='validate', leave=False, mininterval=5.0):
        sample = load()
        result, _ = pipeline(sample.rgb)
        score.add(truth=sample.labels, predicted=result.labels)
    network.train(training)
    miou = score.figures()['miou']
    return 0.0 if miou is None else float(miou)
