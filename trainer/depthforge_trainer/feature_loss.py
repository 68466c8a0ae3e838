# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The loss of a network's features against a teacher's."""

from __future__ import annotations

import torch
from torch import Tensor

LEAST = 1e-3
"""Of a channel's deviation; a constant channel is not compared."""


def feature_loss(guess_BChw: Tensor, truth_BChw: Tensor) -> Tensor:
    """
    Mean squared error, each channel of the truth at mean 0 and variance 1 over the batch.

    It is 1 for a guess that says nothing. Places whose truth is zero, of which the teacher said
    nothing, do not count.
    """
    known_Bhw = truth_BChw.abs().amax(1) > 0.0
    if not known_Bhw.any():
        return guess_BChw.sum() * 0.0
    guess_NC = guess_BChw.movedim(1, -1)[known_Bhw]
    truth_NC = truth_BChw.movedim(1, -1)[known_Bhw]
    deviation, mean = torch.std_mean(truth_NC, 0, correction=0)
    return (guess_NC - (truth_NC - mean) / deviation.clamp_min(LEAST)).square().mean()
