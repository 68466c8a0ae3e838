# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The tables of study.md that benchmarks/study_depth.py measured, which tables.py writes."""

from __future__ import annotations

from collections.abc import Iterator
import json
from pathlib import Path
from statistics import fmean
from typing import Any

RESULTS = Path(__file__).resolve().parents[1] / 'benchmarks' / 'results' / 'study_depth.json'


def study_depth() -> str:
    """Return mIoU by variant of the studies that are done, and how far each variant trained."""
    if not RESULTS.is_file():
        return 'Not measured yet.'
    told = json.loads(RESULTS.read_text(encoding='utf-8'))
    parts = [part for name, one in told.items() for part in _parts(name, one)]
    return '\n\n'.join(('File `benchmarks/results/study_depth.json`.', *parts))


def _parts(name: str, told: dict[str, Any]) -> Iterator[str]:
    from depthforge_trainer.study import Judged, lines

    runs = told['runs']
    seconds = fmean(run['train_s'] for run in runs)
    yield f'`{name}`, {told["machine"]}, {seconds:.0f} s of training a run on average:'
    judged = [Judged(run['variant'], run['seed'], run['miou']) for run in runs]
    yield '\n'.join(lines(judged, told['unseen']))
    iterations: dict[str, list[list[int]]] = {}
    for run in runs:
        iterations.setdefault(run['variant'], []).append(run['iterations'])
    trained = [
        f'`{variant}` {" + ".join(f"{fmean(phase):.0f}" for phase in zip(*counts, strict=True))}'
        for variant, counts in iterations.items()
    ]
    yield f'Iterations by phase, mean over the seeds: {", ".join(trained)}.'
