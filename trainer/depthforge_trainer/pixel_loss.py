# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The dense head's loss: cross-entropy of every pixel, whose label may be a group of classes.

Shapes: B batch, K classes, T target ids (see `depthforge_trainer.classes`).
"""

from __future__ import annotations

from collections.abc import Sequence

from depthforge_ros.labels import Group, UNLABELLED
from depthforge_trainer.losses import LEAST, over_processes
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

STEP = 2
"""Each n-th pixel along x and y is compared."""
RARITY = 1.1
"""Of the class weight 1 / ln(1.1 + share): ENet's bounded one (arXiv 1606.02147) is 1.02."""


def pixel_loss(
    logits_BKhw: Tensor, labels_BHW: Tensor, members: Sequence[Group], weights_T: Tensor
) -> Tensor:
    """
    Weighted mean of -ln p over the labelled pixels, p the sum of the label's classes' shares.

    With groups of one class it is the weighted cross-entropy.
    """
    labels = labels_BHW[:, STEP // 2 :: STEP, STEP // 2 :: STEP].long()
    logits = functional.interpolate(
        logits_BKhw, size=labels.shape[1:], mode='bilinear', align_corners=False
    )
    shares_BKHW = logits.log_softmax(1)
    classes = logits.shape[1]
    grouped = [shares_BKHW[:, list(group)].logsumexp(1) for group in members[classes:]]
    shares_BTHW = torch.cat((shares_BKHW, torch.stack(grouped, 1)), 1) if grouped else shares_BKHW
    total = functional.nll_loss(
        shares_BTHW, labels, weights_T, ignore_index=UNLABELLED, reduction='sum'
    )
    known = labels[labels != UNLABELLED]
    return total / over_processes(weights_T[known].sum()).clamp_min(LEAST)


def class_weights(counts_T: npt.NDArray[np.int64], members: Sequence[Group]) -> Tensor:
    """
    Weights of target ids from their pixel counts, mean 1 over the classes.

    A class's share is that among the pixels whose class is known; a group's is the sum of its
    members'.
    """
    classes = sum(len(group) == 1 and group[0] == at for at, group in enumerate(members))
    shares = counts_T[:classes] / max(int(counts_T[:classes].sum()), 1)
    weights = 1.0 / np.log(RARITY + np.array([shares[list(group)].sum() for group in members]))
    return torch.from_numpy((weights / weights[:classes].mean()).astype(np.float32))
