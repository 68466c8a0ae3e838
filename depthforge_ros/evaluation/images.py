# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A model on labelled images, as they are or corrupted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import mean
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.corruptions import Corruption
from depthforge_ros.evaluation.datasets import Dataset
from depthforge_ros.evaluation.files import read_labels
from depthforge_ros.evaluation.segmentation import common_space, percent, SegmentationScore
from depthforge_ros.evaluation.sums import expected_calibration_error, Sums
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.labels import LabelSpace, UNLABELLED
from depthforge_ros.pipeline import Pipeline
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

Rgb = npt.NDArray[np.uint8]
CONFIDENCE_LEVELS = 255


def evaluate_images(
    pipeline: Pipeline,
    dataset: Dataset,
    *,
    target: LabelSpace | None = None,
    change: Callable[[Rgb, int], Rgb] = lambda rgb, index: rgb,
) -> dict[str, Any]:
    """
    Run the model over a dataset, on what `change` makes of each image and its index.

    Returns `miou`, `per_class`, `pixel_accuracy` and `ece` in percent, `images`, and for plots
    `classes`, `confusion` (K, K + 1) and `calibration` (10, 3), see `Sums`. `target` defaults to
    the coarser of both label spaces.
    """
    predicted = pipeline.engine.label_space
    space = target or common_space(dataset.label_space, predicted)
    score = SegmentationScore(truth=dataset.label_space, predicted=predicted, target=space)
    sums = Sums.zeros(len(space), len(space))
    progress = tqdm(dataset.pairs, desc='evaluate', unit='image')
    for index, (image, labels) in enumerate(progress):
        result, _ = pipeline(change(rgb_from_file(image), index))
        try:
            truth = read_labels(labels, dataset.label_space)
            score.add(truth=truth, predicted=result.labels)
            truth, mask = score.in_target(truth=truth, predicted=result.labels)
        except UserError as error:
            raise UserError(f'{image}: {error}') from error
        judged = (truth < len(space)) & (mask != UNLABELLED)
        confidence = np.rint(result.confidence[judged] * CONFIDENCE_LEVELS).astype(np.uint8)
        sums.add_calibration(confidence, truth[judged] == mask[judged])
    return {
        **score.figures(),
        'ece': percent(expected_calibration_error(sums.calibration)),
        'images': len(dataset.pairs),
        'classes': list(space.classes),
        'confusion': score.confusion.tolist(),
        'calibration': sums.calibration.tolist(),
    }


def evaluate_corruptions(
    pipeline: Pipeline,
    dataset: Dataset,
    corruptions: Sequence[Corruption],
    *,
    target: LabelSpace | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """
    Run the model over a dataset once for each corruption.

    Returns the mean `miou` and `ece` in percent, `images`, and under `corruptions` both of each,
    with its `name` and `severity`.
    """
    rows = []
    for one in corruptions:
        figures = evaluate_images(pipeline, dataset, target=target, change=one)
        rows.append(
            {
                'name': one.name,
                'severity': one.severity,
                'miou': figures['miou'],
                'ece': figures['ece'],
            }
        )
        report(f'{one.name:<18} {one.severity} {figures["miou"]:7.2f} {figures["ece"]:7.2f}')
    return {
        'miou': round(mean(row['miou'] for row in rows), 2),
        'ece': round(mean(row['ece'] for row in rows), 2),
        'images': len(dataset.pairs),
        'corruptions': rows,
    }
