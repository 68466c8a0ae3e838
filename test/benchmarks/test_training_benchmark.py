# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The recipes that the benchmark of training compares are configurations that a training takes."""

from __future__ import annotations

from pathlib import Path
import runpy

from depthforge_trainer.config import build_config, FitConfig
import pytest
from support.paths import ROOT


@pytest.mark.parametrize('size', ['small', 'tiny'])
def test_recipes_are_configurations(
    size: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    program = runpy.run_path('benchmarks/training.py')
    for name, recipe in program['RECIPES'][size].items():
        fields = program['configuration'](recipe, tmp_path, iterations=5, images=2)
        config: FitConfig = build_config(FitConfig, fields, name)
        assert [phase.iterations for phase in config.phases] == [5]
        assert all(source.count == 2 for source in config.sources)
        assert (config.model.head.kind == 'dense') == (name == 'after')
        assert config.views_anything == (name == 'after')
    # No core is idle today.
    assert config.threads == 2
