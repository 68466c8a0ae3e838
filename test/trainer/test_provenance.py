# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A checkpoint says which steps made it, and the licences of all their data."""

from __future__ import annotations

from pathlib import Path

from depthforge_ros.model.checkpoint import describe_checkpoint
from depthforge_trainer.cli import main
from support.training import configuration
import yaml


def test_steps_and_licences_are_told_of_the_whole_chain(tmp_path: Path) -> None:
    path = configuration(tmp_path, phases=[{'train': 'all', 'iterations': 1, 'batch': 1}])
    fields = yaml.safe_load(path.read_text())
    for name, licence in (('one', 'A, with terms'), ('two', ''), ('three', 'B'), ('four', 'B')):
        fields |= {'output': str(tmp_path / name), 'data_licence': licence, 'seed': len(name)}
        path.write_text(yaml.safe_dump(fields))
        assert main(['fit', str(path)]) == 0
        fields['start_from'] = str(tmp_path / name / 'last.safetensors')
        fields['foundation'] = ''
    step = describe_checkpoint(tmp_path / 'four' / 'last.safetensors').provenance
    assert step['data_licence'] == 'B; A, with terms'
    files, seeds = [], []
    while 'started_from' in step:
        (step,) = step['started_from']
        files.append(step['file'])
        seeds.append(step.get('seed'))
    assert files == [
        'three/last.safetensors', 'two/last.safetensors', 'one/last.safetensors',
        f'{tmp_path.name}/frozen.safetensors',
    ]  # fmt: skip
    # The last one is the foundation, a checkpoint of ours here.
    assert seeds == [5, 3, 3, None]
    assert step['data'] == 'none'
