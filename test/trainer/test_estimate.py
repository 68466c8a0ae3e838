# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Memory and hours of a run, estimated before it starts."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from depthforge_trainer.cli import main
from depthforge_trainer.config import FitConfig, read_config
from depthforge_trainer.estimate import count
from depthforge_trainer.phase import Phase
import pytest
from support.paths import ROOT
import torch

CONFIGS = ROOT / 'trainer' / 'configs'
PHASE = Phase('all', iterations=1, batch=4)


@pytest.fixture(scope='module')
def large() -> FitConfig:
    return read_config(CONFIGS / 'large_gtav.yaml', FitConfig)


def test_operations_are_those_of_the_encoders_and_something_for_the_head(large: FitConfig) -> None:
    encoder, patches = large.model.encoder, 32 * 32 + 1
    # Per token 2 x 12 width^2 for the matrices and 4 N width for attention, per block.
    width = encoder.width
    forward = encoder.depth * patches * (24 * width**2 + 4 * patches * width)
    # Depth forward; visual forward, again for the backward pass, and backward to the inputs.
    expected = PHASE.batch * 4 * forward
    cost = count(large, PHASE)
    assert 1.0 * expected < cost.operations < 1.4 * expected
    one = dataclasses.replace(PHASE, batch=1)
    kept = count(dataclasses.replace(large, activation_checkpointing=False), one)
    assert 4 * kept.operations < 0.9 * cost.operations
    assert 4 * kept.activation_bytes > 2 * cost.activation_bytes
    assert kept.weight_bytes == cost.weight_bytes


def test_estimate_command_scales_what_it_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (CONFIGS / 'large_gtav.yaml').read_text()
    path = tmp_path / 'fit.yaml'
    head = (
        'head: {width: 64, attention_heads: 4, pixel_layers: 1, pixel_ffn: 64, decoder_layers: 2}'
    )
    path.write_text(
        text.replace('  short_side: 512\naugment', f'  short_side: 512\n  {head}\naugment')
    )
    torch.manual_seed(0)
    figures = tmp_path / 'figures.json'
    common = ['estimate', str(path), '--matrix-tflops']
    assert main([*common, '100', '--json', str(figures)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith('measured here')
    assert '160000 views on 8, 32 per iteration' in lines[-1]
    one = json.loads(figures.read_text())['fit']
    (phase,) = one['phases']
    rate = one['measured']['share'] * one['matrix_tflops'] * 3600.0
    hours = phase['iterations'] * phase['tflop_per_iteration'] / rate
    assert phase['hours']['1'] == pytest.approx(hours, rel=0.02)
    assert phase['hours']['8'] == pytest.approx(hours / 8.0, abs=0.01)
    assert main([*common, '0']) == 2


def test_estimates_that_are_told_are_of_the_configurations_that_ship(large: FitConfig) -> None:
    told = json.loads((CONFIGS.parents[1] / 'benchmarks/results/estimate_large.json').read_text())
    assert told.keys() == {'large_gtav', 'large_cityscapes'}
    page = (CONFIGS.parents[1] / 'docs' / 'training.md').read_text()
    cost = count(large, large.phases[0])
    for one in told.values():
        (phase,) = one['phases']
        assert all(f'{hours} h |' in page for hours in phase['hours'].values())
        assert phase['tflop_per_iteration'] == pytest.approx(cost.operations / 1e12, rel=0.01)
        assert phase['activations_gib'] == pytest.approx(cost.activation_bytes / 2**30, rel=0.01)
        assert phase['weights_gib'] == pytest.approx(cost.weight_bytes / 2**30, rel=0.01)
