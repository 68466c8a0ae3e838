# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The trainer: whole runs in miniature."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
import shutil

import cv2
from depthforge_ros.errors import UserError
from depthforge_ros.model.checkpoint import load_network, read_checkpoint
from depthforge_ros.model.config import Eva02Config
from depthforge_ros.model.parts import write_part
from depthforge_trainer import cli
from depthforge_trainer.augment import Augment, view
from depthforge_trainer.cli import main
from depthforge_trainer.config import FitConfig, read_config
from depthforge_trainer.data import loaders, Rgb, Sample, Source
from depthforge_trainer.log import Log
from depthforge_trainer.state import Place
import numpy as np
import pytest
from safetensors.torch import load_file
from support.networks import MINI, mini_network
from support.refusals import ErrorOf
from support.training import configuration, losses, street_like
import torch
from torch.optim.swa_utils import AveragedModel

EVA02 = Eva02Config(width=48, depth=4, heads=4, position_grid=5)


@pytest.mark.parametrize('train', ['all', 'encoder'])
def test_fit_learns_and_writes_a_checkpoint(tmp_path: Path, train: str) -> None:
    phase = {'train': train, 'iterations': 30, 'batch': 2, 'learning_rate': 2e-3}
    path = configuration(tmp_path, phases=[phase | {'encoder_learning_rate': 1e-3}])
    assert main(['fit', str(path)]) == 0
    loss = losses(tmp_path / 'run')
    assert len(loss) == 30
    assert np.mean(loss[-5:]) < 0.8 * np.mean(loss[:5])
    before, _ = load_network(tmp_path / 'frozen.safetensors')
    after, checkpoint = load_network(tmp_path / 'run' / 'last.safetensors')
    for name, value in before.depth_encoder.state_dict().items():
        assert torch.equal(value, after.depth_encoder.state_dict()[name]), name
    same = all(
        torch.equal(value, after.visual_encoder.state_dict()[name])
        for name, value in before.depth_encoder.state_dict().items()
    )
    assert same is (train == 'all')
    assert checkpoint.provenance['phases'][0]['iterations'] == 30


def test_fit_reads_the_cache_of_frozen_features(tmp_path: Path) -> None:
    phases = [{'train': kind, 'iterations': 3, 'batch': 2} for kind in ('head', 'all')]
    path = configuration(tmp_path, phases=phases, cached_views=2)
    assert main(['fit', str(path)]) == 0
    for turn in range(2):
        tokens = np.load(tmp_path / 'run' / 'cache' / f'camvid_{turn}' / 'tokens.npy')
        assert tokens.shape == (4, 4, 17, 48)
        # As before views could be blurred.
        description = tmp_path / 'run' / 'cache' / f'camvid_{turn}' / 'cache.json'
        made_of = json.loads(description.read_text())
        del made_of['augment']['blur']
        description.write_text(json.dumps(made_of))
    assert main(['fit', str(path)]) == 0
    assert read_checkpoint(tmp_path / 'run' / 'last.safetensors')[0].foundation is None


def test_a_training_keeps_freed_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(cli, 'keep_freed_memory', lambda: calls.append(1))
    assert main(['fit', str(tmp_path / 'missing.yaml')]) == 2
    assert calls == [1]


def test_a_run_that_goes_on_keeps_its_rows_at_once(tmp_path: Path) -> None:
    config = read_config(configuration(tmp_path), FitConfig)
    output = Path(config.output)
    output.mkdir()
    rows = 'phase,iteration,miou\n0,2,54.34\n'
    (output / 'validation.csv').write_text(f'{rows}0,4,62.31\n')
    # Whatever ends it next must not take them away.
    with Log(config, Place(step=3), write=True):
        assert (output / 'validation.csv').read_text().replace('\r', '') == rows


def test_a_resumed_run_equals_one_that_was_never_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phases = [
        {'train': kind, 'iterations': 4, 'batch': 2, 'encoder_learning_rate': 1e-4}
        for kind in ('all', 'encoder')
    ]
    validation = [{'kind': 'camvid', 'root': str(tmp_path / 'data')}]
    changes: dict[str, object] = {'phases': phases, 'validation': validation, 'save_every': 2}
    path = configuration(tmp_path, **changes)
    assert main(['fit', str(path)]) == 0
    whole = tmp_path / 'run'
    stopped = tmp_path / 'stopped'
    path.write_text(path.read_text().replace(str(whole), str(stopped)))
    steps = iter(range(7))

    def stop(*_: object) -> None:
        if next(steps, None) is None:
            raise KeyboardInterrupt

    update = AveragedModel.update_parameters
    monkeypatch.setattr(
        AveragedModel, 'update_parameters', lambda self, model: (stop(), update(self, model))
    )
    assert main(['fit', str(path)]) == 130
    assert main(['fit', str(path)]) == 2
    monkeypatch.undo()
    assert main(['fit', str(path), '--resume']) == 0
    assert not (stopped / 'state.safetensors').exists()
    for name in ('last', 'best'):
        one, other = (load_file(run / f'{name}.safetensors') for run in (whole, stopped))
        assert all(torch.equal(value, other[key]) for key, value in one.items()), name
    logs = [
        [row.rsplit(',', 1)[0] for row in (run / 'log.csv').read_text().splitlines()]
        for run in (whole, stopped)
    ]
    assert logs[0] == logs[1]


def test_fit_trains_between_two_foundations(tmp_path: Path, error_of: ErrorOf) -> None:
    network = mini_network(dataclasses.replace(MINI, visual=EVA02))
    for part, name in (('depth_encoder', 'depth'), ('visual_encoder', 'visual')):
        state = {f'encoder.{k}': v for k, v in getattr(network, part).state_dict().items()}
        if name == 'depth':
            head = network.depth_head.state_dict()
            state |= {f'depth_head.{key}': value for key, value in head.items()}
        write_part(tmp_path / f'{name}.safetensors', state, layout='test')
    changes: dict[str, object] = {
        'model': network.config.to_json(),
        'foundation': str(tmp_path / 'depth.safetensors'),
        'foundation_name': 'depth',
        'phases': [{'train': 'all', 'iterations': 2, 'batch': 1}],
    }
    assert 'visual_foundation' in error_of('fit', configuration(tmp_path, **changes))
    shutil.rmtree(tmp_path / 'data')
    visual = str(tmp_path / 'visual.safetensors')
    changes |= {'visual_foundation': visual, 'visual_foundation_name': 'visual'}
    assert main(['fit', str(configuration(tmp_path, **changes))]) == 0
    trained, checkpoint = load_network(
        tmp_path / 'run' / 'last.safetensors',
        tmp_path / 'depth.safetensors',
        tmp_path / 'visual.safetensors',
    )
    assert (checkpoint.foundation, checkpoint.visual_foundation) == ('depth', 'visual')
    for name, value in network.visual_encoder.state_dict().items():
        assert torch.equal(value, trained.visual_encoder.state_dict()[name])


def test_another_configuration_does_not_go_on_with_a_run(
    tmp_path: Path, error_of: ErrorOf
) -> None:
    assert 'without --resume' in error_of('fit', configuration(tmp_path), '--resume')


def test_views_keep_labels_on_their_pixels() -> None:
    labels = np.zeros((60, 90), np.uint8)
    labels[20:40, 30:60] = 3
    rgb = np.repeat((labels * 60)[..., None], 3, 2)
    augment = Augment(height=56, width=56, short_side=60, brightness=0.0, scale=(0.7, 1.5))
    for seed in range(20):
        depth = labels.astype(np.float32)
        sample = Sample('x', rgb, labels, depth)
        image, mask, depth, _ = view(sample, augment, np.random.default_rng(seed))
        assert image.shape == (56, 56, 3)
        known = mask != 255
        assert ((image[..., 0] > 90) != (mask == 3))[known].mean() < 0.05
        assert ((depth > 1.5) != (mask == 3))[known].mean() < 0.05


def test_views_are_blurred_and_noisy_where_asked_for() -> None:
    rgb = np.full((60, 60, 3), 100, np.uint8)
    rgb[:, ::2] = 150
    sample = Sample('x', rgb, np.zeros((60, 60), np.uint8))

    def rgbs(**changes: float) -> list[Rgb]:
        augment = Augment(56, 56, short_side=60, brightness=0.0, scale=(1.0, 1.0), **changes)
        return [view(sample, augment, np.random.default_rng(seed)).rgb for seed in range(20)]

    def spread(rgbs: list[Rgb], axis: int) -> list[float]:
        return [float(np.diff(one.astype(float), axis=axis).std()) for one in rgbs]

    assert max(spread(rgbs(), 0)) == 0.0
    noisy = spread(rgbs(noise=0.2), 0)
    assert min(noisy) == 0.0
    assert 20.0 < max(noisy) < 80.0
    sharp = [np.abs(np.diff(one.astype(float), axis=1)).mean() for one in rgbs(blur=2.0)]
    assert max(sharp) == 50.0
    assert min(sharp) < 5.0


def test_labels_of_another_size_are_refused(tmp_path: Path) -> None:
    street_like(tmp_path / 'data')
    cv2.imwrite(str(tmp_path / 'data' / 'labels' / '0.png'), np.zeros((9, 9), np.uint8))
    with pytest.raises(UserError, match='9 x 9'):
        [load() for load in loaders(Source('camvid', str(tmp_path / 'data')))]


def test_configuration_fields_are_built_as_annotated(tmp_path: Path) -> None:
    config = read_config(configuration(tmp_path), FitConfig)
    assert config.model == MINI
    assert config.augment.scale == (1.0, 1.2)
    assert config.phases[0].train == 'all'


def test_auxiliary_phase_trains_the_visual_encoder_and_not_the_decoder(tmp_path: Path) -> None:
    phases = [
        {
            'train': 'auxiliary', 'iterations': 20, 'batch': 2, 'learning_rate': 2e-3,
            'encoder_learning_rate': 2e-3,
        }
    ]  # fmt: skip
    path = configuration(tmp_path, phases=phases, loss={'auxiliary': 1.0, 'points': 256})
    before = mini_network().state_dict()
    assert main(['fit', str(path)]) == 0
    network, _ = load_network(tmp_path / 'run' / 'last.safetensors')
    changed = {
        name.split('.')[0]
        for name, value in network.state_dict().items()
        if not torch.allclose(value, before[name], atol=1e-2)
    }
    assert 'visual_encoder' in changed
    assert changed.isdisjoint({'depth_encoder', 'depth_head'})
    loss = losses(tmp_path / 'run')
    assert loss[-1] < 0.7 * loss[0]
