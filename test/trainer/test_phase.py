# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Phases that end by the clock, and caches that hold fewer blocks than the tokens ask for."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from depthforge_ros.errors import UserError
from depthforge_trainer.cli import main
from depthforge_trainer.config import build_config, FitConfig
from depthforge_trainer.phase import Phase
from depthforge_trainer.state import check_same, text_of
import pytest
from support.networks import mini_checkpoint, SHORT
from support.training import configuration, losses
import yaml


def test_a_phase_is_done_by_iterations_or_seconds() -> None:
    phase = Phase('head', iterations=10, seconds=20.0)
    assert phase.done(step=1, seconds=15.0) == 0.75
    assert phase.done(step=9, seconds=1.0) == 0.9
    assert phase.done(step=3, seconds=40.0) == 1.0
    assert Phase('head', iterations=10).done(step=3, seconds=40.0) == 0.3


def test_each_phase_ends_when_its_own_seconds_are_over(tmp_path: Path) -> None:
    short = {'train': 'all', 'iterations': 50, 'seconds': 1e-3, 'batch': 2}
    long = {'train': 'all', 'iterations': 2, 'seconds': 1e3, 'batch': 2}
    path = configuration(tmp_path, phases=[short, long, short])
    assert main(['fit', str(path)]) == 0
    with (tmp_path / 'run' / 'log.csv').open(newline='') as file:
        done = [(row['phase'], row['iteration']) for row in csv.DictReader(file)]
    assert done == [('0', '1'), ('1', '1'), ('1', '2'), ('2', '1')]


def test_a_key_that_an_earlier_version_did_not_have_is_off(tmp_path: Path) -> None:
    fields = yaml.safe_load(configuration(tmp_path).read_text())
    config = build_config(FitConfig, fields, 'fit')
    stored = json.loads(text_of(config))
    del stored['phases'][0]['seconds']
    check_same(tmp_path, json.dumps(stored), config, 'name another output')
    fields['phases'][0]['seconds'] = 5.0
    changed = build_config(FitConfig, fields, 'fit')
    with pytest.raises(UserError, match='another phases;'):
        check_same(tmp_path, json.dumps(stored), changed, 'name another output')


@pytest.mark.parametrize('attention', ['joint', 'visual'])
def test_a_cache_of_the_tapped_blocks_serves_tokens_of_all(tmp_path: Path, attention: str) -> None:
    network = SHORT.to_json()
    network['encoder']['depth'] = 6
    network['taps'] = [1, 2, 4, 5]
    network['tokens'] |= {'first_block': 6, 'attention': attention}
    phases = [{'train': 'all', 'iterations': 3, 'batch': 2, 'learning_rate': 2e-3}]
    path = configuration(tmp_path, model=network, phases=phases, cached_views=1)
    fields = yaml.safe_load(path.read_text())
    config: FitConfig = build_config(FitConfig, fields, 'fit')
    mini_checkpoint(tmp_path / 'frozen.safetensors', config.model)
    # A head without tokens caches the tapped blocks.
    path.write_text(yaml.safe_dump(fields | {'cache': str(tmp_path / 'tapped')}))
    assert main(['fit', str(path)]) == 0
    network['tokens']['first_block'] = 0
    told = {}
    for cache in ('tapped', 'all'):
        changes = {'cache': str(tmp_path / cache), 'output': str(tmp_path / f'by_{cache}')}
        path.write_text(yaml.safe_dump(fields | {'model': network} | changes))
        assert main(['fit', str(path)]) == 0
        told[cache] = losses(tmp_path / f'by_{cache}')
        stored = json.loads((tmp_path / cache / 'camvid_0' / 'cache.json').read_text())
        assert len(stored['blocks']) == {'tapped': 4, 'all': 6}[cache]
    assert told['tapped'] == pytest.approx(told['all'], abs=5e-3)
