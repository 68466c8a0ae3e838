# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What a session on a GPU takes along is what its training reads."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
import runpy
from typing import Any

import cv2
from depthforge_trainer.config import build_config, FitConfig
from depthforge_trainer.data import loaders
import numpy as np
import pytest
from support.paths import ROOT

SIZE = 32, 48


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Path]:
    """Pack two views of every cache; returns the program and the pack."""
    monkeypatch.chdir(ROOT)
    program = runpy.run_path('benchmarks/gpu_session.py')
    for name in program['CACHES']:
        folder = tmp_path / 'cache' / name
        folder.mkdir(parents=True)
        np.save(folder / 'done.npy', np.array([1, 0, 1], np.uint8))
        np.save(folder / 'rgb.npy', np.full((3, *SIZE, 3), 90, np.uint8))
        np.save(folder / 'labels.npy', np.full((3, *SIZE), 5, np.uint8))
        np.save(folder / 'inverse_depth.npy', np.full((3, 8, 12), 4.0, np.float16))
    for name in program['VALIDATION']:
        for part, suffix in (('images', 'jpg'), ('labels', 'png')):
            folder = tmp_path / 'shared' / 'data' / name / part
            folder.mkdir(parents=True)
            cv2.imwrite(str(folder / f'a.{suffix}'), np.zeros(SIZE, np.uint8))
    output = tmp_path / 'pack'
    program['pack'](
        Namespace(cache=tmp_path / 'cache', shared=tmp_path / 'shared', output=output, mib=99.0)
    )
    return program, output


def test_a_pack_holds_the_views_with_labels_and_depth(packed: tuple[Any, Path]) -> None:
    program, pack = packed
    arguments = Namespace(pack=pack, batch=4, start_from=None)
    fields = program['configuration'](arguments, pack / 'run', 10)
    config: FitConfig = build_config(FitConfig, fields, 'session')
    assert not config.views_anything
    assert not config.foundation
    assert [(phase.train, phase.iterations) for phase in config.phases] == [('network', 10)]
    for source in config.sources:
        views = loaders(source)
        assert len(views) == 2
        sample = views[0]()
        assert (sample.labels == 5).all()
        assert sample.inverse_depth is not None
        np.testing.assert_array_equal(sample.inverse_depth, np.ones(SIZE))
    assert [len(loaders(source)) for source in config.validation] == [1, 1]
    assert (pack / 'python' / 'lightning_fabric' / '__init__.py').is_file()
