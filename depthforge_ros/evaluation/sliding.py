# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Evaluation by sliding windows, as papers on segmentation report it beside whole images."""

from __future__ import annotations

from collections.abc import Iterator
import itertools

from depthforge_ros.engine.torch_engine import Loaded, TorchEngine
from depthforge_ros.errors import UserError
from depthforge_ros.model.answer import Answer, summarise
from depthforge_ros.model.refinement import resize
import torch
from torch import Tensor

OVERLAP = 1 / 3
"""Of neighbouring windows, at least: mmsegmentation's crop of 512 and stride of 341."""


class SlidingWindows:
    """
    Answers a frame by the mean class scores of square windows over it, `batch` of them at once.

    Inverse depth and features are means over the windows as well; depth heads that are relative
    scale each window on its own, so that their depth is better taken from the whole image.
    """

    def __init__(self, loaded: Loaded, *, window: int, batch: int) -> None:
        patch = max(loaded.preprocess.patch, loaded.answering.network.visual.config.patch)
        if window < patch or window % patch or batch < 1:
            raise UserError(
                f'--window {window} --batch {batch}: the window must be a multiple of {patch} '
                'pixels, and the batch at least 1'
            )
        self.network = loaded.answering.network
        self.window = window
        self.batch = batch

    def __call__(self, images_BHW3: Tensor) -> Answer:
        """Answer RGB uint8 (B, H, W, 3); windows that are larger than it are cut to its sides."""
        size = images_BHW3.shape[1], images_BHW3.shape[2]
        height, width = (min(self.window, side) for side in size)
        corners = list(itertools.product(starts(size[0], height), starts(size[1], width)))
        places = [(index, *corner) for index in range(len(images_BHW3)) for corner in corners]
        sums: list[Tensor] = []
        features = []
        counts = images_BHW3.new_zeros((len(images_BHW3), 1, *size), dtype=torch.float32)
        for at in range(0, len(places), self.batch):
            some = places[at : at + self.batch]
            crops = torch.stack(
                [images_BHW3[i, y : y + height, x : x + width] for i, y, x in some]
            )
            decoded = self.network.decode(crops)
            scores = resize(decoded.scores_BKhw.float(), (height, width))
            planes = scores, decoded.inverse_depth_BHW[:, None].float()
            if not sums:
                sums = [x.new_zeros(len(images_BHW3), x.shape[1], *size) for x in planes]
            for window, (i, y, x) in enumerate(some):
                counts[i, :, y : y + height, x : x + width] += 1.0
                for total, plane in zip(sums, planes, strict=True):
                    total[i, :, y : y + height, x : x + width] += plane[window]
            features.append(decoded.visual_BChw.flatten(2).float())
        scores, depth = (total / counts for total in sums)
        last = torch.cat(features).unflatten(0, (len(images_BHW3), -1)).transpose(1, 2).flatten(2)
        statistics = torch.cat((last.mean(2), last.std(2, correction=0)), 1)
        return Answer(*summarise(scores, size), depth[:, 0], statistics)


def starts(side: int, window: int) -> Iterator[int]:
    """First pixels of windows that cover a side, evenly, overlapping by a third or more."""
    steps = -(-(side - window) // max(1, round(window * (1.0 - OVERLAP))))
    for step in range(steps + 1):
        yield round(step * (side - window) / max(1, steps))


def sliding_engine(loaded: Loaded, *, window: int, batch: int) -> TorchEngine:
    """Make an engine that answers by windows."""
    windows = SlidingWindows(loaded, window=window, batch=batch)
    return TorchEngine('sliding', loaded, windows, reason=f'windows of {window} pixels')
