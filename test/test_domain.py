# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The monitor that says when images are unlike those that the model was trained on."""

from __future__ import annotations

import json
from pathlib import Path

from depthforge_ros.domain import DomainMonitor, DomainStatistics
from depthforge_ros.engine import load_engine, NetworkOutput
from depthforge_ros.errors import UserError
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.model.registry import find_checkpoint
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from support.paths import ROOT, SHARED
import yaml

needs_shared = pytest.mark.skipif(
    not (SHARED / 'data').is_dir(), reason='the real driving data is not beside the checkout'
)
MODEL = 'depthforge_tiny'


def statistics_of(rows: object) -> DomainStatistics:
    return DomainStatistics.of(np.asarray(rows, np.float32), fingerprint='x', source='a test')


@given(st.integers(0, 1000), st.floats(2.0, 100.0))
def test_distance_is_one_for_the_training_images_and_grows(seed: int, far: float) -> None:
    rows = np.random.default_rng(seed).normal(5.0, 3.0, (50, 8)).astype(np.float32)
    statistics = statistics_of(rows)
    distances = [statistics.distance(row) for row in rows]
    assert np.sqrt(np.mean(np.square(distances))) == pytest.approx(1.0, abs=1e-3)
    deviations = rows.std(0)
    assert statistics.distance(rows.mean(0) + far * deviations) == pytest.approx(far, rel=1e-3)


def test_monitor_smooths_and_reports_what_it_knows() -> None:
    plane = np.full((1, 2, 2), 0.5, np.float32)
    labels = plane.astype(np.uint8)
    without = NetworkOutput(labels, plane, plane, plane)
    monitor = DomainMonitor(statistics_of([[0.0], [2.0]]))
    assert monitor.figures() == {}
    monitor.update(without, 0)
    assert monitor.figures() == {'mean_confidence': 0.5, 'mean_entropy': 0.5}
    for value, expected in ((1.0, 0.0), (11.0, 1.0)):
        features = np.array([[value]], np.float32)
        monitor.update(NetworkOutput(labels, plane, plane, plane, features), 0)
        assert monitor.figures()['domain_shift'] == pytest.approx(expected)


def test_a_frame_that_is_not_finite_does_not_stay() -> None:
    plane = np.full((1, 2, 2), 0.5, np.float32)
    monitor = DomainMonitor(statistics_of([[0.0], [2.0]]))
    for value in (1.0, np.nan, np.inf, 1.0):
        features = np.array([[value]], np.float32)
        monitor.update(NetworkOutput(plane.astype(np.uint8), plane, plane, plane, features), 0)
        assert monitor.figures()['domain_shift'] == pytest.approx(0.0)


@pytest.mark.parametrize('name', ['depthforge', 'six_cameras', 'cpu'])
def test_configured_limit_lies_between_known_and_changed_images(name: str) -> None:
    text = (ROOT / 'config' / f'{name}.yaml').read_text()
    values = yaml.safe_load(text)['/**']['ros__parameters']
    assert values['model'] == MODEL
    measured = json.loads((ROOT / 'benchmarks/results/domain_shift_tiny.json').read_text())
    changed = measured['kinds']['pixelation']['domain_shift']
    assert measured['val_domain_shift']['p99'] < values['max_domain_shift'] < changed['p50']


def test_statistics_survive_the_file(tmp_path: Path) -> None:
    checkpoint = tmp_path / 'mine.safetensors'
    assert DomainStatistics.load(checkpoint) is None
    written = statistics_of([[0.0, 1.0], [2.0, 5.0]])
    path = written.save(checkpoint)
    again = DomainStatistics.load(checkpoint)
    assert again is not None
    assert again.distance(np.ones(2, np.float32)) == written.distance(np.ones(2, np.float32))
    path.write_text('{"mean": 3}')
    with pytest.raises(UserError, match='domain_shift'):
        DomainStatistics.load(checkpoint)


def test_bundled_statistics_are_those_of_the_bundled_model() -> None:
    statistics = DomainStatistics.load(find_checkpoint(MODEL))
    assert statistics is not None
    engine = load_engine(MODEL, device='cpu')
    assert statistics.fingerprint == engine.fingerprint, 'run benchmarks/domain_shift.py --write'
    grey = np.full((240, 320, 3), 90, np.uint8)
    features = engine(engine.preprocess(grey)[0][None]).features
    assert features is not None
    assert statistics.distance(features[0]) > 2.0


@needs_shared
def test_day_is_told_from_dusk_and_darkness() -> None:
    statistics = DomainStatistics.load(find_checkpoint(MODEL))
    engine = load_engine(MODEL, device='cpu')
    assert statistics is not None

    def distance(rgb: object) -> float:
        features = engine(engine.preprocess(np.asarray(rgb))[0][None]).features
        assert features is not None
        assert statistics is not None
        return statistics.distance(features[0])

    folder = SHARED / 'data' / 'camvid'
    day = [rgb_from_file(path) for path in sorted((folder / 'val/images').glob('*'))[::40]]
    dusk = [rgb_from_file(p) for p in sorted((folder / 'train/images').glob('0001TP*'))[::25]]
    worst_day = max(map(distance, day))
    assert worst_day < min(map(distance, dusk))
    assert worst_day < min(distance((rgb * 0.06).astype(np.uint8)) for rgb in day)
