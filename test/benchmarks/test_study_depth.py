# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The study of depth in the decoder: every variant trains what it says, in the same time."""

from __future__ import annotations

import json
from pathlib import Path
import runpy
import sys
from typing import Any

from depthforge_trainer.config import read_config
from depthforge_trainer.study import StudyConfig
import pytest
from safetensors.torch import load_file
from support.networks import SHORT
from support.paths import ROOT
from support.training import study_file
import torch
import yaml

CONFIGS = ROOT / 'trainer' / 'configs'
HEAD = {'train': 'head', 'iterations': 4, 'seconds': 100.0, 'batch': 2, 'learning_rate': 1e-3}
ALL = {**HEAD, 'train': 'all', 'iterations': 2}


def miniature(tmp_path: Path) -> Path:
    """Write the study of every variant, on a miniature network whose cache is there before."""

    def model(depth: str, **tokens: object) -> dict[str, Any]:
        return {'head': {'depth': depth}, 'tokens': tokens}

    phases = [{**HEAD, 'iterations': 2}, ALL]
    variants: dict[str, Any] = {
        'frozen': None,
        'rein': {'model': model('none', first_block=0, attention='visual'), 'phases': phases},
        'joint': {'model': model('none', first_block=0), 'phases': phases},
        'depth': {'model': model('fused')},
        'both': {'model': model('fused', first_block=0), 'phases': phases},
        'inverse': {'model': model('inverse')},
        'image_stem': {'model': model('fused')},
        'untrained_head': {
            'model': model('fused'),
            'foundation': str(tmp_path / 'random.safetensors'),
            'cache': str(tmp_path / 'random'),
        },
    }
    path = study_file(tmp_path)
    fields = yaml.safe_load(path.read_text())
    network = SHORT.to_json()
    network['head']['depth'] = 'none'
    fields['fit'] |= {'model': network, 'phases': [HEAD], 'cache': str(tmp_path / 'views')}
    fields |= {'variants': variants, 'seeds': [0]}
    path.write_text(yaml.safe_dump(fields, sort_keys=False))
    return path


def run(monkeypatch: pytest.MonkeyPatch, path: Path, *options: str) -> Any:
    """Run the benchmark; returns what it wrote."""
    figures = path.with_suffix('.json')
    monkeypatch.setattr(
        sys, 'argv', ['study_depth.py', str(path), '--json', str(figures), *options]
    )
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / 'benchmarks' / 'study_depth.py'), run_name='__main__')
    assert ended.value.code == 0
    return json.loads(figures.read_text())['study']


def test_every_variant_trains_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = miniature(tmp_path)
    run(monkeypatch, path, '--variants', 'frozen')
    told = run(monkeypatch, path)
    config = read_config(path, StudyConfig)
    weights = {
        name: load_file(Path(config.run(name, 0).output) / 'last.safetensors')
        for name in config.variants
    }
    parts = {name: {key.split('.')[0] for key in one} for name, one in weights.items()}
    assert {name for name in parts if 'tokens' in parts[name]} == {'rein', 'joint', 'both'}
    seen = {
        name: tuple(
            value.shape[1]
            for key, value in one.items()
            if key.startswith('refinement.geometry.') and value.ndim == 4
        )
        for name, one in weights.items()
    }
    assert seen == {
        'frozen': (), 'rein': (), 'joint': (), 'depth': (9,), 'both': (9,), 'inverse': (1,),
        'image_stem': (3, 32, 64), 'untrained_head': (9,),
    }  # fmt: skip
    same = {
        name: torch.equal(
            one['depth_head.scratch.layer1_rn.weight'],
            weights['frozen']['depth_head.scratch.layer1_rn.weight'],
        )
        for name, one in weights.items()
    }
    assert [name for name in same if not same[name]] == ['untrained_head']
    # What the decoder saw differs, and what the tokens were compared with: so what they learned.
    projected = 'refinement.geometry.project.weight'
    assert not torch.equal(weights['depth'][projected], weights['untrained_head'][projected])
    assert not torch.equal(weights['joint']['tokens.b'], weights['rein']['tokens.b'])
    assert float(weights['joint']['tokens.scale']) != pytest.approx(0.1, abs=1e-5)
    assert {one['variant']: one['iterations'] for one in told['runs']} == {
        name: [2, 2] if name in ('rein', 'joint', 'both') else [4] for name in config.variants
    }
    assert told['gains'].keys() == config.variants.keys() - {'frozen'}
    assert all(one['train_s'] > 0.0 for one in told['runs'])
