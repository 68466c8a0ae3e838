# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""mIoU of a network under training, on whole images as the node sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import cv2
from depthforge_ros.datasets.base import Labels
from depthforge_ros.labels import colorize, Group, groups, LabelSpace
from depthforge_ros.metrics.segmentation import common_space, SegmentationScore
from depthforge_ros.model.answer import sum_groups, summarise
from depthforge_ros.model.config import NetworkConfig
from depthforge_ros.model.network import DepthForge
from depthforge_ros.model.streams import DepthStream, KnownDepth
from depthforge_ros.preprocess import Preprocess
from depthforge_trainer.cache import CachedLoader
from depthforge_trainer.data import Loader, Rgb
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

    def __init__(self, models: Sequence[NetworkConfig]) -> None:
        """Keep what networks of these configurations ask for."""
        self._blocks = {block for model in models for block in _needed(model)}
        self._has_maps = any(model.head.depth != 'none' for model in models)
        self._known: dict[object, KnownDepth] = {}

    def __call__(self, network: DepthForge, load: Loader, image: Tensor) -> DepthStream:
        """Return what the depth stream says of a loader's image, which is normalised."""
        key = load.image, load.corruption, load.index
        if key not in self._known:
            if self._has_maps:
                depth = KnownDepth.of(network.depth_steps(image))
            else:
                depth = network.see_depth(image)
            self._known[key] = depth.kept(self._blocks, torch.float16)
        return self._known[key].kept(None, image.dtype)


def _needed(config: NetworkConfig) -> set[int]:
    """Blocks of the depth stream that the visual stream asks for."""
    first = config.tokens.first_block
    start = {first - 1} if config.shared_encoder and first else set()
    compared = range(first, config.encoder.depth) if config.tokens.attention != 'visual' else ()
    return {*config.taps, *start, *compared}


def validate(
    network: DepthForge,
    samples: Sequence[Loader],
    space: LabelSpace,
    frozen: FrozenDepth | None = None,
) -> float:
    """
    Return the mIoU in percent in the images' own label space, or the network's if that is coarser.

    Images are answered at the network's own short side. Scores of classes that are one in the
    labels are added.
    """
    training = network.training
    truth = samples[0].space
    target = common_space(truth, space)
    score = SegmentationScore(truth=truth, predicted=target, target=target)
    for load in tqdm(samples, desc='validate', leave=False, mininterval=5.0):
        sample = load()
        depth = None if frozen is None else partial(frozen, network, load)
        labels = _labels(network.eval(), sample.rgb, groups(space, target), depth)
        score.add(truth=sample.labels, predicted=labels)
    network.train(training)
    miou = score.figures()['miou']
    return 0.0 if miou is None else float(miou)


def picture(
    network: DepthForge, samples: Sequence[Loader | CachedLoader], space: LabelSpace
) -> list[npt.NDArray[np.uint8]]:
    """Image, prediction and truth beside each other, RGB (H, 3 W, 3), of the first samples."""
    training = network.training
    pictures = []
    for load in samples[:PICTURES]:
        sample = load()
        labels = _labels(network.eval(), sample.rgb, groups(space, space), None)
        masks = colorize(labels, space), colorize(sample.labels, load.space)
        pictures.append(np.hstack([sample.rgb, *masks]))
    network.train(training)
    return pictures


@torch.inference_mode()
def _labels(
    network: DepthForge,
    rgb: Rgb,
    members: Sequence[Group],
    depth: Callable[[Tensor], DepthStream] | None,
) -> Labels:
    """Train ids (H, W) at the image's own size."""
    config = network.config
    image_HW3, geometry = Preprocess(config.encoder.patch, config.short_side)(rgb)
    image_BHW3 = torch.from_numpy(image_HW3)[None].to(network.mean.device)
    image = network.normalize(image_BHW3)
    known = network.see_depth(image) if depth is None else depth(image)
    output = network.segment(network.visual_taps(image, known), known, every_layer=False)
    scores_BKhw = sum_groups(output.class_scores(), members)
    labels_BHW, _, _ = summarise(scores_BKhw, (image_HW3.shape[0], image_HW3.shape[1]))
    labels = labels_BHW[0].to(torch.uint8).cpu().numpy()
    size = geometry.camera_width, geometry.camera_height
    return np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST))
