# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Metric depth by the road on rendered and real frames: half as bad again would be a fault."""

from __future__ import annotations

import json
import os
from pathlib import Path
import subprocess
import sys
from typing import Any

import pytest
from support.paths import ROOT, SHARED

needs_shared = pytest.mark.skipif(
    not (SHARED / 'data').is_dir(), reason='the real driving data is not beside the checkout'
)


def measured(tmp_path: Path, drive: Path, *arguments: str) -> dict[str, Any]:
    path = tmp_path / 'figures.json'
    program = ROOT / 'benchmarks' / 'metric_depth.py'
    environment = {
        **os.environ,
        'PYTHONPATH': str(ROOT),
        'DEPTHFORGE_WEIGHTS': str(SHARED / 'weights'),
    }
    subprocess.run(
        [sys.executable, program, '--drive', drive, '--json', path, *arguments],
        check=True,
        env=environment,
    )
    figures: dict[str, Any] = json.loads(path.read_text())
    return figures


def test_bundled_model_on_the_bundled_drive(tmp_path: Path) -> None:
    figures = measured(
        tmp_path, ROOT / 'drive', '--short-side', '252', '--stop', '8', '--every', '4'
    )
    assert figures['frames'] == 2
    assert figures['absrel_road_scaled'] < 1.5 * figures['absrel_best_scale'] < 0.5
    assert set(figures['sensitivity']) >= {'height + 5 cm', 'pitch + 1 degree'}


@needs_shared
def test_small_model_on_a_real_frame(tmp_path: Path) -> None:
    drive = SHARED / 'data' / 'kitti_drive'
    arguments = ('--model', 'depthforge_small', '--start', '50', '--stop', '51')
    figures = measured(tmp_path, drive, *arguments)
    assert figures['absrel_best_scale'] < figures['absrel_road_scaled'] < 0.15
    assert figures['delta1_road_scaled'] > 0.85
