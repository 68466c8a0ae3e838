# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A model on labelled images, as they are or corrupted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from statistics import mean
from types import MappingProxyType
from typing import Any

from depthforge_ros.domain import DomainStatistics
from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.corruptions import Corruption
from depthforge_ros.evaluation.datasets import Dataset
from depthforge_ros.evaluation.evidence import Evidence, small
from depthforge_ros.evaluation.label_ids import label_ids_warning
from depthforge_ros.evaluation.label_judge import judge_labels, Mask
from depthforge_ros.evaluation.tags import Tags
from depthforge_ros.files import UNREADABLE
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.labels import LabelSpace
from depthforge_ros.metrics.accumulators import Accumulators, total
from depthforge_ros.metrics.clips import Clip, CLIP_FRAMES
from depthforge_ros.metrics.segmentation import common_space, SegmentationScore
from depthforge_ros.metrics.slice_table import slice_figures
from depthforge_ros.metrics.uncertainty import quantized
from depthforge_ros.pipeline import Pipeline
from depthforge_ros.postprocess import Result
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

Rgb = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.uint8]
FIGURES = (
    'miou', 'per_class', 'pixel_accuracy', 'ece', 'aurc', 'auiou', 'error_auroc_confidence',
    'error_fpr95_confidence', 'error_auroc_entropy', 'error_fpr95_entropy',
)  # fmt: skip


class _Judge:
    """Adds up images of one data set, in clips of those with the same tags."""

    def __init__(
        self, pipeline: Pipeline, truth: LabelSpace, target: LabelSpace, keeps_evidence: bool
    ) -> None:
        predicted = pipeline.engine.label_space
        self._score = SegmentationScore(truth=truth, predicted=predicted, target=target)
        self._shape = len(target), len(predicted)
        self._domain = DomainStatistics.fitting(pipeline.engine)
        self.clips: list[Clip] = []
        self.pixels_by_id = np.zeros(256, np.int64)
        """Of the ground truth."""
        self.evidence = Evidence(target.classes) if keeps_evidence else None

    def add(self, image: Path, rgb: Rgb, truth: Labels, result: Result, tags: list[str]) -> None:
        """Count one image, whose truth is uint8 (H, W)."""
        clips = self.clips
        self.pixels_by_id += np.bincount(truth.reshape(-1), minlength=256)
        if not clips or clips[-1].received == CLIP_FRAMES or clips[-1].tags != tags:
            first = sum(clip.received for clip in clips)
            clips.append(Clip('images', first, Accumulators.zeros(*self._shape), tags=tags))
        sums = clips[-1].sums
        mask = Mask(result.labels, quantized(result.confidence), quantized(result.entropy))
        judged = judge_labels(sums, self._score, mask, truth, None)
        features = result.output.features
        if self._domain and features is not None:
            sums.add_value('domain_shift', self._domain.distance(features[result.index]))
        if self.evidence is not None:
            shown = partial(small, str(image), rgb, result.labels, truth)
            self.evidence.add(judged.found, shown, tags)
        clips[-1].received += 1


def _figures(clips: Sequence[Clip], classes: Sequence[str]) -> dict[str, Any]:
    """Return what images have of `Accumulators.figures`, in percent, and `images`."""
    known = total(clip.sums for clip in clips).figures(classes)
    figures = {name: known[name] for name in FIGURES}
    return {**figures, 'images': sum(clip.received for clip in clips)}


def evaluate_images(
    pipeline: Pipeline,
    dataset: Dataset,
    *,
    target: LabelSpace | None = None,
    change: Callable[[Rgb, int], Rgb] = lambda rgb, index: rgb,
    domains: Mapping[str, str] = MappingProxyType({}),
    tags: Tags | None = None,
    keep_evidence: Callable[[Evidence], None] | None = None,
    skip: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """
    Run the model over a dataset, on what `change` makes of each image and its index.

    Returns `miou`, `per_class`, `pixel_accuracy`, `ece` and what confidence and entropy say of
    errors in percent, `images`, how many were `skipped` because a file is broken (each is named
    to `skip`), `warnings`, `slices`, for plots `classes`, `confusion` (K, K + 1), `calibration`
    (10, 3) and `confidence_levels` (256, 2), see `Accumulators`, and the `clips` that `compare`
    reads. `target` is by default the coarser of both label spaces. `domains` are globs of file
    names by name; the first of each are returned under `domains`. `keep_evidence` is given the
    images that show the errors.
    """
    _check_domains(domains, dataset)
    space = target or common_space(dataset.label_space, pipeline.engine.label_space)
    judge = _Judge(pipeline, dataset.label_space, space, keep_evidence is not None)
    progress = tqdm(dataset.pairs, desc='evaluate', unit='image')
    skipped = 0
    for index, (image, labels) in enumerate(progress):
        of_image = {name for name, glob in domains.items() if fnmatch(image.name, glob)}
        of_image |= set(tags.of(image.name)) if tags else set()
        try:
            truth = dataset.read_labels(labels)
            rgb = change(rgb_from_file(image), index)
            result, _ = pipeline(rgb)
            judge.add(image, rgb, truth, result, sorted(of_image))
        except UserError as error:
            if error.reason != UNREADABLE:
                raise UserError(f'{image}: {error}') from error
            skipped += 1
            skip(f'skipped {image.name}: {error}')
    if skipped == len(dataset.pairs):
        raise UserError(f'none of {skipped} images could be read; see the lines above')
    if keep_evidence is not None and judge.evidence is not None:
        keep_evidence(judge.evidence)
    sums = total(clip.sums for clip in judge.clips)
    figures = {
        **_figures(judge.clips, space.classes),
        'skipped': skipped,
        'warnings': label_ids_warning(judge.pixels_by_id, dataset.label_space),
        'classes': list(space.classes),
        'confusion': sums.confusion.tolist(),
        'calibration': sums.calibration.tolist(),
        'confidence_levels': sums.confidence_levels.tolist(),
        **slice_figures(judge.clips, space.classes),
        'unmatched_tags': tags.unmatched if tags else None,
        'clips': [clip.to_json() for clip in judge.clips],
    }
    if domains:
        parts = {name: [one for one in judge.clips if name in one.tags] for name in domains}
        figures['domains'] = {name: _figures(one, space.classes) for name, one in parts.items()}
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
    target: LabelSpace | None,
    report: Callable[[str], None],
    skip: Callable[[str], None],
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
