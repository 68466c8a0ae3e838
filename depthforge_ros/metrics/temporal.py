# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Temporal consistency of the answers, from frame to frame.

`VideoConsistency` needs ground truth; `Tracker` follows the optical flow instead and needs none.
Frames without an answer are left out: a frame follows the last one that was answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
from depthforge_ros.metrics.confusion import confusion_matrix
import numpy as np
import numpy.typing as npt

LENGTHS = (8, 16)
"""Frames of the windows that consistency is judged over."""
LONGEST_SIDE = 640
"""Flow is estimated on every n-th pixel such that no side is longer."""
STILL_PX = 0.5
"""Motion, at that resolution, up to which a pixel counts as static."""
SAME_DEPTH = 1.05
Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


class VideoConsistency:
    """
    VC_n of Miao et al., "VSPW: A Large-scale Dataset for Video Scene Parsing", CVPR 2021.

    Of the pixels whose ground truth is the same class in n consecutive frames, the share whose
    predicted class is the same in all n; mVC_n is the mean over all windows of n frames. As in the
    published VC_perclip.py the steady class need not be the right one, so read it beside the
    mIoU; pixels without ground truth do not count here. A change of size begins the windows anew.
    """

    def __init__(self) -> None:
        self._last: tuple[Labels, Labels] | None = None
        self._runs: tuple[Labels, Labels] | None = None

    def add(self, *, truth: Labels, predicted: Labels, classes: int) -> list[float | None]:
        """Take the next frame (H, W); returns VC_8 and VC_16 of the windows that end with it."""
        run_true, run_both = np.ones_like(truth), np.ones_like(truth)
        if self._last and self._runs and self._last[0].shape == truth.shape:
            same = truth == self._last[0]
            run_true = _count_runs(self._runs[0], same)
            run_both = _count_runs(self._runs[1], same & (predicted == self._last[1]))
        self._last, self._runs = (truth, predicted), (run_true, run_both)
        labelled = truth < classes
        return [_share(run_both >= n, (run_true >= n) & labelled) for n in LENGTHS]


@dataclass(frozen=True)
class TemporalChange:
    """One answered frame compared with the one before, on the pixels that flow can follow."""

    flow_confusion: npt.NDArray[np.int64]
    """
    (K, K + 1), rows the labels of the frame before, taken along the flow; columns those of this
    one. Its mean IoU is TC: temporal consistency of Liu et al., "Efficient Semantic Video
    Segmentation with Per-frame Inference", ECCV 2020, here over the pixels that pass the
    forward-backward check of Sundaram et al., ECCV 2010, with the flow of OpenCV's DIS.
    """
    flickering: int
    """Static pixels whose label changed."""
    static: int
    """Pixels that moved by less than half a pixel."""
    consistency: list[float | None]
    """
    Label-free VC_8 and VC_16: of the pixels that flow follows through n frames, the share that
    kept its label throughout; None where flow follows none so long.
    """
    same_depth: float | None
    """
    Share of pixels whose relative depth changed by less than 5 %, max(a / b, b / a) < 1.05, after
    the one scale of this pair of frames: the form of rTC in Li et al., "Enforcing Temporal
    Consistency in Video Depth Estimation", ICCV workshops 2021. The camera's own motion changes
    depth too, so only answers to the same frames compare.
    """
    scale_change: float | None
    """|ln s| of that scale s: how much the scale of relative depth jumped."""


class Tracker:
    """Follows points through a video by the flow of one frame to the next."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._gray: npt.NDArray[Any] | None = None
        self._labels: Labels = np.empty((0, 0), np.uint8)
        self._depth: npt.NDArray[np.float32] | None = None
        self._followed: Labels = np.empty((0, 0), np.uint8)
        self._kept: Labels = np.empty((0, 0), np.uint8)

    def add(
        self,
        rgb: npt.NDArray[np.uint8],
        labels: Labels,
        inverse_depth: npt.NDArray[np.float32] | None,
    ) -> TemporalChange | None:
        """Take the next frame (H, W, 3) with its answer (H, W); None for the first."""
        every = -(-max(labels.shape) // LONGEST_SIDE)
        gray = cv2.cvtColor(np.ascontiguousarray(rgb[::every, ::every]), cv2.COLOR_RGB2GRAY)
        labels = np.ascontiguousarray(labels[::every, ::every])
        depth = None if inverse_depth is None else inverse_depth[::every, ::every].copy()
        change = None
        sizes = {gray.shape, labels.shape, self._labels.shape}
        if self._gray is not None and sizes == {self._gray.shape}:
            change = self._compare(gray, labels, depth)
        else:
            self._followed, self._kept = np.ones_like(labels), np.ones_like(labels)
        self._gray, self._labels, self._depth = gray, labels, depth
        return change

    def _compare(
        self, gray: npt.NDArray[Any], labels: Labels, depth: npt.NDArray[np.float32] | None
    ) -> TemporalChange:
        flow = self._flow.calc(gray, self._gray, None)
        came_from = flow + _grid(labels.shape)
        seen = self._followable(gray, flow, came_from)
        before = _sample(self._labels, came_from)
        self._followed = _count_runs(_sample(self._followed, came_from), seen)
        self._kept = _count_runs(_sample(self._kept, came_from), seen & (before == labels))
        still = seen & (_squared(flow) < STILL_PX**2)
        same_depth, scale_change = self._depth_change(depth, came_from, seen)
        return TemporalChange(
            flow_confusion=confusion_matrix(before[seen], labels[seen], classes=self._classes),
            flickering=int((still & (before != labels)).sum()),
            static=int(still.sum()),
            consistency=[_share(self._kept >= n, self._followed >= n) for n in LENGTHS],
            same_depth=same_depth,
            scale_change=scale_change,
        )

    def _followable(
        self, gray: npt.NDArray[Any], flow: npt.NDArray[Any], came_from: npt.NDArray[Any]
    ) -> Mask:
        """Tell pixels whose flow leads back to them, from inside the image."""
        back = _sample(self._flow.calc(self._gray, gray, None), came_from, cv2.INTER_LINEAR)
        error = _squared(flow + back)
        allowed = 0.01 * (_squared(flow) + _squared(back)) + 0.5
        x, y = came_from[..., 0], came_from[..., 1]
        height, width = gray.shape
        inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        return np.asarray((error < allowed) & inside)

    def _depth_change(
        self, depth: npt.NDArray[np.float32] | None, came_from: npt.NDArray[Any], seen: Mask
    ) -> tuple[float | None, float | None]:
        if depth is None or self._depth is None:
            return None, None
        before = _sample(self._depth, came_from, cv2.INTER_LINEAR)
        valid = seen & (before > 0.0) & (depth > 0.0)
        if not valid.any():
            return None, None
        change = np.log(depth[valid].astype(np.float64) / before[valid])
        scale = float(np.median(change))
        return float(np.mean(np.abs(change - scale) < np.log(SAME_DEPTH))), abs(scale)


def _count_runs(runs: Labels, goes_on: Mask) -> Labels:
    """Count one frame more where a run goes on, and begin anew elsewhere."""
    return np.where(goes_on, np.minimum(runs, 254) + 1, 1).astype(np.uint8)


def _squared(flow: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Squared length of vectors (H, W, 2)."""
    return np.asarray(flow[..., 0] ** 2 + flow[..., 1] ** 2)


def _share(part: Mask, whole: Mask) -> float | None:
    total = int(whole.sum())
    return int((part & whole).sum()) / total if total else None


def _grid(shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Coordinates x, y of every pixel: (H, W, 2)."""
    return np.stack(np.meshgrid(np.arange(shape[1]), np.arange(shape[0])), -1).astype(np.float32)


def _sample(
    plane: npt.NDArray[Any], at: npt.NDArray[Any], interpolation: int = cv2.INTER_NEAREST
) -> npt.NDArray[Any]:
    """Read a plane (H, W) or (H, W, 2) at coordinates x, y (H, W, 2)."""
    x, y = at[..., 0], at[..., 1]
    return np.asarray(cv2.remap(plane, x, y, interpolation, borderMode=cv2.BORDER_REPLICATE))
