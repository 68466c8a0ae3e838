# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""mIoU of a network under training, on whole images through the pipeline that the node runs."""

from __future__ import annotations

from collections.abc import Sequence

from depthforge_ros.engine.eager import EagerEngine
from depthforge_ros.engine.torch_engine import Loaded
from depthforge_ros.evaluation.segmentation import SegmentationScore
from depthforge_ros.labels import colorize, LabelSpace
from depthforge_ros.model.network import DepthForge
from depthforge_ros.pipeline import Pipeline
from depthforge_trainer.data import Loader
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

PICTURES = 4


def validate(network: DepthForge, samples: Sequence[Loader], space: LabelSpace) -> float:
    """Return the mIoU in percent; images are answered at the network's own short side."""
    training = network.training
    pipeline = _pipeline(network, space)
    score = SegmentationScore(truth=space, predicted=space, target=space)
    for load in tqdm(samples, desc='validate', leave=False, mininterval=5.0):
        sample = load()
        result, _ = pipeline(sample.rgb)
        score.add(truth=sample.labels, predicted=result.labels)
    network.train(training)
    miou = score.figures()['miou']
    return 0.0 if miou is None else float(miou)


def picture(
    network: DepthForge, samples: Sequence[Loader], space: LabelSpace
) -> list[npt.NDArray[np.uint8]]:
    """Image, prediction and truth beside each other, RGB (H, 3 W, 3), of the first samples."""
    training = network.training
    pipeline = _pipeline(network, space)
    pictures = []
    for load in samples[:PICTURES]:
        sample = load()
        result, _ = pipeline(sample.rgb)
        masks = [colorize(labels, space) for labels in (result.labels, sample.labels)]
        pictures.append(np.hstack([sample.rgb, *masks]))
    network.train(training)
    return pictures


def _pipeline(network: DepthForge, space: LabelSpace) -> Pipeline:
    loaded = Loaded.of(network, model='training', label_space=space, fingerprint='')
    return Pipeline(EagerEngine(loaded))
