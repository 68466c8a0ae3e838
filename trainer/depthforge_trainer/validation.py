# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""mIoU of a network under training, on whole images as the node sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import cv2
from depthforge_ros.labels import colorize, LabelSpace
from depthforge_ros.metrics.segmentation import SegmentationScore
from depthforge_ros.model.answer import summarise
from depthforge_ros.model.network import DepthForge
from depthforge_ros.preprocess import Preprocess
from depthforge_trainer.data import Loader, Rgb
from depthforge_trainer.datasets.base import Labels
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

PICTURES = 4


class FrozenDepth:
    """
    What the frozen depth stream says about images, kept in memory for the networks to come.

    Networks that share it must share the depth stream's weights and the short side.
    """

    def __init__(self) -> None:
        self._blocks: dict[object, list[Tensor]] = {}

    def __call__(self, network: DepthForge, load: Loader, image: Tensor) -> list[Tensor]:
        """Return the depth stream's blocks (B, N, C) of a loader's image, which is normalised."""
        key = load.image, load.corruption, load.index
        if key not in self._blocks:
            self._blocks[key] = [x.half() for x in network.depth_blocks(image)]
        return [x.to(image.dtype) for x in self._blocks[key]]


def validate(
    network: DepthForge,
    samples: Sequence[Loader],
    space: LabelSpace,
    frozen: FrozenDepth | None = None,
) -> float:
    """Return the mIoU in percent; images are answered at the network's own short side."""
    training = network.training
    score = SegmentationScore(truth=space, predicted=space, target=space)
    for load in tqdm(samples, desc='validate', leave=False, mininterval=5.0):
        sample = load()
        depth = network.depth_blocks if frozen is None else partial(frozen, network, load)
        labels = _labels(network.eval(), sample.rgb, depth)
        score.add(truth=sample.labels, predicted=labels)
    network.train(training)
    miou = score.figures()['miou']
    return 0.0 if miou is None else float(miou)


def picture(
    network: DepthForge, samples: Sequence[Loader], space: LabelSpace
) -> list[npt.NDArray[np.uint8]]:
    """Image, prediction and truth beside each other, RGB (H, 3 W, 3), of the first samples."""
    training = network.training
    pictures = []
    for load in samples[:PICTURES]:
        sample = load()
        labels = _labels(network.eval(), sample.rgb, network.depth_blocks)
        masks = [labels, sample.labels]
        pictures.append(np.hstack([sample.rgb, *(colorize(mask, space) for mask in masks)]))
    network.train(training)
    return pictures


@torch.inference_mode()
def _labels(
    network: DepthForge, rgb: Rgb, depth_blocks: Callable[[Tensor], list[Tensor]]
) -> Labels:
    """Train ids (H, W) at the image's own size; the depth head, the dearest part, is left out."""
    config = network.config
    image_HW3, geometry = Preprocess(config.encoder.patch, config.short_side)(rgb)
    image_BHW3 = torch.from_numpy(image_HW3)[None].to(network.mean.device)
    image = network.normalize(image_BHW3)
    taps = network.visual_taps(image, depth_blocks(image))
    scores_BKhw = network.segment(taps, every_layer=False).class_scores()
    labels_BHW, _, _ = summarise(scores_BKhw, (image_HW3.shape[0], image_HW3.shape[1]))
    labels = labels_BHW[0].to(torch.uint8).cpu().numpy()
    size = geometry.camera_width, geometry.camera_height
    return np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST))
