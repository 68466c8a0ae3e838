# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What a run says about the domains it never saw."""

from __future__ import annotations

from collections.abc import Sequence
import csv
from pathlib import Path

from depthforge_ros.model.network import DepthForge
from depthforge_trainer.config import FitConfig
from depthforge_trainer.data import Loader
from depthforge_trainer.validation import FrozenDepth, validate

TARGETS = 'targets.csv'
"""The file of a run that is done."""
COLUMNS = ('name', 'kind', 'root', 'split', 'exclude', 'corruption', 'severity')
"""Of a source; the mIoU follows. The severity of what is not corrupted is 0."""


def judge_targets(
    network: DepthForge,
    config: FitConfig,
    targets: Sequence[Sequence[Loader]],
    frozen: FrozenDepth | None,
) -> None:
    """Write the mIoU on the samples of each target of a run."""
    rows: list[tuple[object, ...]] = [(*COLUMNS, 'miou')]
    for source, samples in zip(config.targets, targets, strict=True):
        miou = validate(network, samples, config.classes, frozen)
        cells = {name: getattr(source, name) for name in COLUMNS}
        if not source.corruption:
            cells['severity'] = 0
        rows.append((*cells.values(), f'{miou:.2f}'))
    with (Path(config.output) / TARGETS).open('w', newline='') as file:
        csv.writer(file).writerows(rows)
