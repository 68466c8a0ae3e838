# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Configurations of the trainer: wrong values are refused when they are read, in one line."""

from __future__ import annotations

import dataclasses
from pathlib import Path
import re
import runpy
from typing import Any

from depthforge_ros.model.checkpoint import describe_checkpoint
from depthforge_ros.model.config import (
    DptConfig,
    Eva02Config,
    HeadConfig,
    NetworkConfig,
    TokenConfig,
    VitConfig,
)
from depthforge_trainer.augment import Augment
from depthforge_trainer.cli import main
from depthforge_trainer.config import FitConfig, read_config
from depthforge_trainer.data import Source
from depthforge_trainer.losses import LossWeights
from depthforge_trainer.phase import Phase
from depthforge_trainer.ranges import RANGES
from depthforge_trainer.study import merged, StudyConfig
import pytest
from support.paths import ROOT
from support.refusals import ErrorOf
from support.training import configuration
import yaml

DOCS = ROOT / 'docs'
ENCODER = {'train': 'encoder', 'iterations': 2, 'batch': 1, 'encoder_learning_rate': 1e-3}
HEAD = {'train': 'head', 'iterations': 2, 'batch': 1}
PLAIN = {'kind': 'images', 'root': 'data'}


def changed(tmp_path: Path, changes: dict[str, Any]) -> Path:
    """Write the miniature run, with changes inside its mappings too."""
    path = configuration(tmp_path)
    path.write_text(yaml.safe_dump(merged(yaml.safe_load(path.read_text()), changes)))
    return path


def phase(**changes: object) -> dict[str, Any]:
    return {'phases': [{'train': 'all', 'iterations': 2, 'batch': 2} | changes]}


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'phaces': []}, ['phaces', 'phases']),
        ({'phases': [{'train': 'tail', 'iterations': 1}]}, ['tail', 'head']),
        ({'sources': [{'kind': 'camvod'}]}, ['camvod', 'camvid']),
        ({'foundation': 'none.safetensors'}, ['none.safetensors']),
        ({'model': {'shrt_side': 56}}, ['fit.yaml', 'shrt_side', 'did you mean short_side?']),
        ({'model': {'head': {'widht': 32}}}, ['HeadConfig', 'widht', 'did you mean width?']),
        ({'model': {'head': 4}}, ['HeadConfig is 4', 'width']),
        ({'model': 3}, ['NetworkConfig is 3', 'taps']),
        ({'augment': {'scale': [1.0]}}, ['fit.yaml: augment: scale', 'expected 2 values']),
        ({'augment': None}, ['augment is None', 'mapping']),
        (phase(iterations='abc'), ["iterations is 'abc'", 'int']),
        (phase(iterations=2.5), ['iterations is 2.5', 'int']),
        ({'loss': {'points': None}}, ['loss: points is None', 'int']),
        ({'tensorboard': 'abc'}, ["tensorboard is 'abc'", 'bool']),
        ({'sources': 5}, ['sources is 5', 'list']),
        ({'sources': []}, ['sources', 'empty']),
        ({'phases': []}, ['phases', 'empty']),
        (
            {'rare_classes': True, 'cached_views': 1} | phase(batch=1),
            ['rare_classes', 'batch is 1'],
        ),
        ({'threads': 0}, ['fit.yaml: threads is 0', 'int at least 1']),
        ({'seed': -1}, ['seed is -1', 'at least 0']),
        ({'save_every': 0}, ['save_every is 0', 'at least 1']),
        ({'average_decay': 1.0}, ['average_decay is 1.0', 'at least 0, below 1']),
        ({'cached_views': -1}, ['cached_views is -1', 'at least 0']),
        ({'gradient_clip': 0}, ['gradient_clip is 0', 'above 0']),
        ({'gradient_clip': float('nan')}, ['gradient_clip is nan', 'above 0']),
        ({'weight_decay': -0.1}, ['weight_decay is -0.1', 'at least 0']),
        ({'augment': {'height': 0}}, ['augment: height is 0', 'at least 1']),
        ({'augment': {'height': 60}}, ['views have 60 x 56', 'multiples of the patch, 14']),
        ({'augment': {'scale': [0, 1]}}, ['augment: scale[0] is 0', 'above 0']),
        ({'augment': {'scale': [2, 1]}}, ['augment: scale is (2.0, 1.0)', 'smaller number first']),
        ({'augment': {'max_class_share': 0}}, ['max_class_share is 0', 'above 0, at most 1']),
        ({'loss': {'points': 0}}, ['loss: points is 0', 'at least 1']),
        ({'loss': {'dice': -1}}, ['loss: dice is -1', 'at least 0']),
        (phase(iterations=0), ['phases[0]: iterations is 0', 'at least 1']),
        (phase(learning_rate=0), ['phases[0]: learning_rate is 0', 'above 0']),
        (phase(learning_rate='.inf'), ["learning_rate is '.inf'", 'above 0']),
        (phase(train='encoder'), ['phases[0]', 'encoder', 'encoder_learning_rate']),
        (phase(train='auxiliary', encoder_learning_rate=1e-3), ['auxiliary is 0']),
        ({'sources': [PLAIN | {'severity': 5}]}, ['sources[0]', 'severity 5', 'corruption']),
        ({'sources': [PLAIN]}, ['sources', 'without labels']),
        ({'validation': [PLAIN]}, ['validation', 'without labels']),
        ({'targets': [PLAIN]}, ['targets', 'without labels']),
        ({'rare_classes': True}, ['rare_classes', 'cached_views, and there are none']),
        ({'model': {'taps': 'abc'}}, ["fit.yaml: model: taps is 'abc'", 'list']),
        ({'model': {'taps': [1, 2, 3]}}, ['model: taps is [1, 2, 3]', 'expected 4 values']),
        ({'model': {'encoder': {'heads': 0}}}, ['model: encoder: heads is 0', 'at least 1']),
        ({'model': {'encoder': {'width': 'x'}}}, ["encoder: width is 'x'", 'int']),
        (
            {'model': {'visual': {'kind': 'eva02', 'depth': 0}}},
            ['model: visual: depth is 0', 'at least 1'],
        ),
    ],
)
def test_wrong_values_are_refused_with_their_place(
    tmp_path: Path, error_of: ErrorOf, changes: dict[str, Any], words: list[str]
) -> None:
    error = error_of('fit', changed(tmp_path, changes))
    assert all(word in error for word in words), error
    assert not (tmp_path / 'run').exists()


def test_a_missing_key_is_said_in_our_words(tmp_path: Path, error_of: ErrorOf) -> None:
    path = tmp_path / 'fit.yaml'
    path.write_text('model: {}\nsources: []\n')
    needed = 'give output, model, sources, phases'
    assert error_of('fit', path).endswith(f'fit.yaml has no output, phases; {needed}')


def test_a_broken_file_is_said_with_its_place(tmp_path: Path, error_of: ErrorOf) -> None:
    path = tmp_path / 'fit.yaml'
    path.write_text('output: [run,\nmodel: 3\n')
    error = error_of('fit', path)
    assert 'fit.yaml is no YAML' in error
    assert 'line 3, column 1' in error


def test_numbers_of_a_model_may_come_as_yaml_writes_them(tmp_path: Path) -> None:
    # To YAML, 1e-3 is text.
    path = changed(tmp_path, {'model': {'tokens': {'scale_init': '1e-3'}}})
    assert read_config(path, FitConfig).model.tokens.scale_init == 1e-3


def test_a_gradient_need_not_be_clipped(tmp_path: Path) -> None:
    path = changed(tmp_path, {'gradient_clip': float('inf')})
    assert read_config(path, FitConfig).gradient_clip == float('inf')


def test_every_range_is_of_a_key() -> None:
    kinds = (
        FitConfig, Phase, Source, Augment, LossWeights, StudyConfig, NetworkConfig,
        VitConfig, Eva02Config, TokenConfig, HeadConfig, DptConfig,
    )  # fmt: skip
    keys = {kind.__name__: {one.name for one in dataclasses.fields(kind)} for kind in kinds}
    assert keys.keys() == RANGES.keys()
    for kind, ranges in RANGES.items():
        assert ranges.keys() <= keys[kind], kind


def test_every_key_has_a_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(DOCS)
    module = runpy.run_path(str(DOCS / 'training_keys.py'))
    for kind in (FitConfig, Phase, Source, Augment, LossWeights, StudyConfig):
        assert not [row for row in module['_table'](kind) if row.endswith('|  |\n')], kind


def test_the_example_goes_on_from_the_shipped_checkpoint(tmp_path: Path) -> None:
    (example,) = re.findall(r'```yaml\n(.*?)```', (DOCS / 'training.md').read_text(), re.DOTALL)
    path = tmp_path / 'mine.yaml'
    path.write_text(example)
    config = read_config(path, FitConfig)
    checkpoint = describe_checkpoint(ROOT / config.start_from)
    assert config.model == checkpoint.config
    assert config.label_space == checkpoint.label_space.name
    assert config.foundation_name == checkpoint.foundation == Path(config.foundation).stem


@pytest.mark.parametrize('late', [False, True])
def test_a_head_is_not_trained_on_features_of_another_encoder(
    tmp_path: Path, error_of: ErrorOf, late: bool
) -> None:
    path = changed(tmp_path, {'phases': [ENCODER, HEAD] if late else [ENCODER]})
    if not late:
        assert main(['fit', str(path)]) == 0
        fields = yaml.safe_load(path.read_text())
        fields |= {'start_from': str(tmp_path / 'run' / 'last.safetensors'), 'phases': [HEAD]}
        path.write_text(yaml.safe_dump(fields))
    error = error_of('fit', path)
    assert ('is trained before it' if late else 'has other weights') in error
