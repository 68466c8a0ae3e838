# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""From bytes to what leaves an engine, as one graph: network, winning class, its certainty."""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import NamedTuple

from depthforge_ros.labels import Group
from depthforge_ros.model.network import Decoded, DepthForge
from depthforge_ros.model.refinement import resize
import torch
from torch import nn, Tensor
from torch.nn import functional


class Answer(NamedTuple):
    """Per-pixel results at the network's input resolution."""

    labels_BHW: Tensor
    """Train id, int32: TensorRT has no 8-bit integers inside a graph."""
    confidence_BHW: Tensor
    """Share of the winning class in [0, 1]."""
    entropy_BHW: Tensor
    """Entropy of the class shares in nats / ln(classes), [0, 1]."""
    inverse_depth_BHW: Tensor
    """Inverse depth >= 0: relative, or in 1/m with a metric depth head."""
    features_BF: Tensor
    """Mean, then deviation, over the last visual map: (B, 2C)."""


class Answering(nn.Module):
    """A network with all that engines do after it."""

    def __init__(self, network: DepthForge, groups: Sequence[Group] = ()) -> None:
        """Answer with the network's classes, or with groups of them whose scores are added."""
        super().__init__()
        self.network = network
        self.groups = groups

    def forward(self, image_BHW3: Tensor) -> Answer:
        """Answer RGB uint8 (B, H, W, 3) whose sides are multiples of the (larger) patch."""
        size = image_BHW3.shape[1], image_BHW3.shape[2]
        return self.answer(self.network.decode(image_BHW3), size)

    def answer(self, decoded: Decoded, size: tuple[int, int]) -> Answer:
        """Make the answer of an image of `size` (H, W) from what the network knows."""
        last_BCN = decoded.visual_BChw.flatten(2).float()
        scores_BKhw = decoded.scores_BKhw
        if self.groups:
            scores_BKhw = sum_groups(scores_BKhw, self.groups)
        return Answer(
            *summarise(scores_BKhw, size),
            decoded.inverse_depth_BHW.float(),
            torch.cat((last_BCN.mean(2), last_BCN.std(2, correction=0)), 1),
        )


def sum_groups(scores_BKhw: Tensor, groups: Sequence[Group]) -> Tensor:
    """Scores of coarser classes (B, G, h, w): the sums of those of their members."""
    if len(groups) == scores_BKhw.shape[1]:
        return scores_BKhw
    members_GK = scores_BKhw.new_zeros(len(groups), scores_BKhw.shape[1])
    for index, group in enumerate(groups):
        members_GK[index, list(group)] = 1.0
    return functional.conv2d(scores_BKhw, members_GK[..., None, None])


def summarise(scores_BKhw: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """
    Train ids, confidence and normalised entropy in [0, 1], each (B, H, W), from scores >= 0.

    The scores are resized class by class, so that they are never all there at the input's size;
    the entropy is computed at their own resolution and then resized, for its logarithms would be
    the dearest part at the input's.
    """
    total = scores_BKhw.sum(1, keepdim=True).clamp_min(1e-9)
    entropy = torch.special.entr(scores_BKhw / total).sum(1, keepdim=True)
    entropy = (entropy / math.log(scores_BKhw.shape[1])).clamp(0.0, 1.0)
    best, labels = winner(scores_BKhw, size)
    confidence = best / resize(total, size)
    return (
        labels.squeeze(1),
        confidence.clamp(0.0, 1.0).squeeze(1),
        resize(entropy, size).squeeze(1),
    )


def winner(scores_BKhw: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Highest resized score and its class, the lowest of equals, (B, 1, H, W) each."""
    best = resize(scores_BKhw[:, :1], size)
    labels = torch.zeros_like(best, dtype=torch.int32)
    for index in range(1, scores_BKhw.shape[1]):
        score = resize(scores_BKhw[:, index : index + 1], size)
        labels = torch.where(score > best, index, labels)
        best = torch.maximum(best, score)
    return best, labels
