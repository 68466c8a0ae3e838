# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A model on labelled images, as they are or corrupted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatch
from statistics import mean
from types import MappingProxyType
from typing import Any

from depthforge_ros.bags.image_files import read_labels
from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.corruptions import Corruption
from depthforge_ros.evaluation.datasets import Dataset
from depthforge_ros.evaluation.label_ids import label_ids_warning
from depthforge_ros.files import UNREADABLE
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.labels import LabelSpace, UNLABELLED
from depthforge_ros.metrics.accumulators import Accumulators, expected_calibration_error
from depthforge_ros.metrics.segmentation import common_space, percent, SegmentationScore
from depthforge_ros.pipeline import Pipeline
from depthforge_ros.postprocess import Result
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

Rgb = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.uint8]
CONFIDENCE_LEVELS = 255


class _ImageScores:
    """Adds up what is right over images."""

    def __init__(self, *, truth: LabelSpace, predicted: LabelSpace, target: LabelSpace) -> None:
        self.score = SegmentationScore(truth=truth, predicted=predicted, target=target)
        self.sums = Accumulators.zeros(len(target), len(target))
        self.pixels_by_id = np.zeros(256, np.int64)
        self._images = 0

    def add(self, truth: Labels, result: Result) -> None:
        """Count one image, whose truth is uint8 (H, W)."""
        self.score.add(truth=truth, predicted=result.labels)
        self.pixels_by_id += np.bincount(truth.reshape(-1), minlength=256)
        truth, mask = self.score.in_target(truth=truth, predicted=result.labels)
        judged = (truth < len(self.score.space)) & (mask != UNLABELLED)
        confidence = np.rint(result.confidence[judged] * CONFIDENCE_LEVELS).astype(np.uint8)
        self.sums.add_calibration(confidence, truth[judged] == mask[judged])
        self._images += 1

    def figures(self) -> dict[str, Any]:
        """Return `miou`, `per_class`, `pixel_accuracy` and `ece` in percent, and `images`."""
        ece = percent(expected_calibration_error(self.sums.calibration))
        return {**self.score.figures(), 'ece': ece, 'images': self._images}


def evaluate_images(
    pipeline: Pipeline,
    dataset: Dataset,
    *,
    target: LabelSpace | None = None,
    change: Callable[[Rgb, int], Rgb] = lambda rgb, index: rgb,
    domains: Mapping[str, str] = MappingProxyType({}),
    skip: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """
    Run the model over a dataset, on what `change` makes of each image and its index.

    Returns `miou`, `per_class`, `pixel_accuracy` and `ece` in percent, `images`, how many were
    `skipped` because a file is broken (each is named to `skip`), `warnings`, and for plots
    `classes`, `confusion` (K, K + 1) and `calibration` (10, 3), see `Accumulators`. `target` is by
    default the coarser of both label spaces. `domains` are globs of file names by name; the first
    five of each are returned under `domains`.
    """
    _check_domains(domains, dataset)
    predicted = pipeline.engine.label_space
    space = target or common_space(dataset.label_space, predicted)
    whole, *parts = (
        _ImageScores(truth=dataset.label_space, predicted=predicted, target=space)
        for _ in range(1 + len(domains))
    )
    progress = tqdm(dataset.pairs, desc='evaluate', unit='image')
    skipped = 0
    for index, (image, labels) in enumerate(progress):
        shown = zip(parts, domains.values(), strict=True)
        try:
            truth = read_labels(labels, dataset.label_space)
            result, _ = pipeline(change(rgb_from_file(image), index))
            for tally in (whole, *(part for part, glob in shown if fnmatch(image.name, glob))):
                tally.add(truth, result)
        except UserError as error:
            if error.reason != UNREADABLE:
                raise UserError(f'{image}: {error}') from error
            skipped += 1
            skip(f'skipped {image.name}: {error}')
    if skipped == len(dataset.pairs):
        raise UserError(f'none of {skipped} images could be read; see the lines above')
    figures = {
        **whole.figures(),
        'skipped': skipped,
        'warnings': label_ids_warning(whole.pixels_by_id, dataset.label_space),
        'classes': list(space.classes),
        'confusion': whole.score.confusion.tolist(),
        'calibration': whole.sums.calibration.tolist(),
    }
    if domains:
        named = zip(domains, parts, strict=True)
        figures['domains'] = {name: part.figures() for name, part in named}
    return figures


def _check_domains(domains: Mapping[str, str], dataset: Dataset) -> None:
    for name, glob in domains.items():
        if not any(fnmatch(image.name, glob) for image, _ in dataset.pairs):
            raise UserError(f'no image that is judged matches {glob!r} of the domain {name!r}')


def domain_rows(figures: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Lay out the figures of domains as a table with a head; empty without domains."""
    domains = figures.get('domains', {})
    rows = [
        (name, str(one['images']), *(_cell(one[key]) for key in ('miou', 'ece', 'pixel_accuracy')))
        for name, one in domains.items()
    ]
    return [('domain', 'images', 'mIoU', 'ECE', 'pixel accuracy'), *rows] if rows else []


def _cell(value: float | None) -> str:
    return '-' if value is None else f'{value:.2f}'


def evaluate_corruptions(
    pipeline: Pipeline,
    dataset: Dataset,
    corruptions: Sequence[Corruption],
    *,
    target: LabelSpace | None = None,
    report: Callable[[str], None] = lambda line: None,
    skip: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """
    Run the model over a dataset once for each corruption.

    Returns the mean `miou` and `ece` in percent, `images`, `skipped`, `warnings`, and under
    `corruptions` both of each with its `per_class`, `name` and `severity`.
    """
    rows = []
    for one in corruptions:
        figures = evaluate_images(pipeline, dataset, target=target, change=one, skip=skip)
        rows.append(
            {
                'name': one.name,
                'severity': one.severity,
                **{key: figures[key] for key in ('miou', 'ece', 'per_class')},
            }
        )
        report(f'{one.name:<18} {one.severity} {figures["miou"]:7.2f} {figures["ece"]:7.2f}')
    return {
        'miou': round(mean(row['miou'] for row in rows), 2),
        'ece': round(mean(row['ece'] for row in rows), 2),
        **{key: figures[key] for key in ('images', 'skipped', 'warnings')},
        'corruptions': rows,
    }
