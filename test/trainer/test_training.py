# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The training loop: schedules, optimiser, memory, processes, and what it does when it fails."""

from __future__ import annotations

from pathlib import Path
import threading

import cv2
from depthforge_ros.errors import UserError
from depthforge_ros.labels import CAMVID
from depthforge_ros.model.network import DepthForge
from depthforge_trainer import train
from depthforge_trainer.classes import Targets
from depthforge_trainer.cli import main
from depthforge_trainer.config import FitConfig, read_config
from depthforge_trainer.datasets import DATASETS
from depthforge_trainer.features import ahead, Batch
from depthforge_trainer.losses import LossWeights
from depthforge_trainer.optimizer import build_optimizer
from depthforge_trainer.phase import Phase
from depthforge_trainer.processes import recompute_activations
from depthforge_trainer.schedule import ONE_CYCLE_RISE, SCHEDULES
from depthforge_trainer.study import StudyConfig
from depthforge_trainer.training import Training
import numpy as np
import pytest
from safetensors.torch import load_file
from support.networks import mini_network
from support.paths import ROOT
from support.refusals import ErrorOf
from support.training import configuration, losses
import torch
from torch import Tensor
from torch.optim import lr_scheduler

STEPS = 200
TRAINER = ROOT / 'trainer'


def test_poly_is_the_one_of_torch() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], 2.0)
    reference = lr_scheduler.PolynomialLR(optimizer, total_iters=STEPS, power=0.9)
    check_schedule('poly', optimizer, reference)


def test_one_cycle_is_the_one_of_torch() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], 2.0)
    # torch counts the first iteration as 0 and peaks one iteration early.
    rise = (ONE_CYCLE_RISE * STEPS + 1) / (STEPS + 1)
    reference = lr_scheduler.OneCycleLR(
        optimizer, 2.0, total_steps=STEPS + 1, pct_start=rise, cycle_momentum=False
    )
    check_schedule('one_cycle', optimizer, reference)


def check_schedule(
    name: str, optimizer: torch.optim.Optimizer, reference: lr_scheduler.LRScheduler
) -> None:
    for step in range(STEPS + 1):
        expected = reference.get_last_lr()[0]
        assert 2.0 * SCHEDULES[name](step / STEPS) == pytest.approx(expected, rel=1e-6, abs=1e-9)
        optimizer.step()
        if step < STEPS:
            reference.step()


@pytest.mark.parametrize('name', SCHEDULES)
def test_schedules_stay_within_the_peak_and_end_near_zero(name: str) -> None:
    shares = [SCHEDULES[name](step / STEPS) for step in range(STEPS + 1)]
    assert max(shares) == pytest.approx(1.0)
    assert 0.0 <= shares[-1] < 1e-4


def test_norms_tokens_embeddings_and_scale_do_not_decay() -> None:
    training = training_of(mini_network(), auxiliary=1.0)
    phase = Phase('encoder', 1, learning_rate=1e-3, encoder_learning_rate=1e-4)
    optimizer = build_optimizer(training, phase, 0.05)
    group_of = {id(p): group for group in optimizer.param_groups for p in group['params']}
    names = dict(training.named_parameters())
    plain = {n for n, p in names.items() if id(p) in group_of and not decay(group_of, p)}
    matrices = {name.removeprefix('network.') for name in plain if names[name].ndim >= 2}
    assert matrices == {
        'tokens.a', 'tokens.b', 'head.level_embed', 'head.pixel_decoder.level_embed',
        'visual_encoder.cls_token', 'visual_encoder.pos_embed',
    }  # fmt: skip
    assert 'network.tokens.scale' in plain
    assert {name for name in names if 'norm' in name and id(names[name]) in group_of} <= plain
    assert decay(group_of, names['network.tokens.to_feature.weight']) == 0.05
    frozen = {name for name in names if id(names[name]) not in group_of}
    assert {name.split('.')[1] for name in frozen} == {'depth_encoder', 'depth_head'}
    assert not any(names[name].requires_grad for name in frozen)


def test_tokens_may_learn_at_a_rate_of_their_own() -> None:
    training = training_of(mini_network())
    for own in (0.0, 3e-3):
        phase = Phase('all', 1, learning_rate=1e-3, token_learning_rate=own)
        optimizer = build_optimizer(training, phase, 0.05)
        rates = {id(p): group['lr'] for group in optimizer.param_groups for p in group['params']}
        for name, parameter in training.named_parameters():
            if parameter.requires_grad:
                wanted = own or 1e-3 if name.startswith('network.tokens.') else 1e-3
                assert rates[id(parameter)] == wanted, name


def training_of(network: DepthForge, **weights: float) -> Training:
    return Training(network, LossWeights(**weights), Targets(CAMVID, ()))  # type: ignore[arg-type]


def decay(group_of: dict[int, dict[str, float]], parameter: Tensor) -> float:
    return group_of[id(parameter)]['weight_decay']


def batch_of(network: DepthForge) -> Batch:
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (2, 56, 56, 3), np.uint8)
    labels = rng.integers(0, 4, (2, 56, 56)).astype(np.uint8)
    return Batch(torch.from_numpy(rgb), torch.from_numpy(labels), {}, None, ['a', 'b'], [1, 2])


def gradients(*, recompute: bool) -> tuple[int, dict[str, Tensor]]:
    """Bytes kept for the backward pass, and the gradients."""
    network = mini_network()
    training = training_of(network, points=64)
    build_optimizer(training, Phase('all', 1), 0.0)
    if recompute:
        recompute_activations(network.visual)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        loss = training(batch_of(network))
    stream = {p.data_ptr() for p in network.depth_encoder.parameters()}
    assert stream.isdisjoint(kept), 'the frozen depth stream keeps tensors for gradients'
    loss.backward()
    return sum(kept.values()), {
        n: p.grad for n, p in training.named_parameters() if p.grad is not None
    }


def test_recomputed_activations_give_the_same_gradients_in_less_memory() -> None:
    kept, expected = gradients(recompute=False)
    kept_less, got = gradients(recompute=True)
    assert kept_less < 0.9 * kept
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value, msg=name)


def test_bfloat16_trains(tmp_path: Path) -> None:
    phases = [{'train': 'all', 'iterations': 2, 'batch': 1, 'schedule': 'poly'}]
    changes: dict[str, object] = {'precision': 'bf16-mixed', 'activation_checkpointing': True}
    assert main(['fit', str(configuration(tmp_path, phases=phases, **changes))]) == 0
    saved = load_file(tmp_path / 'run' / 'last.safetensors')
    assert all(torch.isfinite(value).all() for value in saved.values())


def test_tensorboard_shows_the_run_and_targets_are_judged(tmp_path: Path) -> None:
    accumulator = pytest.importorskip('tensorboard.backend.event_processing.event_accumulator')
    pytest.importorskip('imagecorruptions')
    data = str(tmp_path / 'data')
    changes: dict[str, object] = {
        'phases': [{'train': kind, 'iterations': 2, 'batch': 1} for kind in ('all', 'head')],
        'tensorboard': True,
        'validation': [{'kind': 'camvid', 'root': data, 'count': 1}],
        'targets': [
            {'kind': 'camvid', 'root': data, 'exclude': '0*'},
            {'kind': 'camvid', 'root': data, 'count': 1, 'corruption': 'fog', 'severity': 4},
        ],
    }
    assert main(['fit', str(configuration(tmp_path, **changes))]) == 0
    header, target, foggy = (tmp_path / 'run' / 'targets.csv').read_text().splitlines()
    assert header == 'name,kind,root,split,exclude,corruption,severity,miou'
    assert target.startswith(f',camvid,{data},,0*,,0,')
    assert foggy.startswith(f',camvid,{data},,,fog,4,')
    events = accumulator.EventAccumulator(str(tmp_path / 'run' / 'tensorboard')).Reload()
    assert [event.step for event in events.Scalars('loss')] == [1, 2, 3, 4]
    logged = [event.value for event in events.Scalars('loss')]
    assert logged == pytest.approx(losses(tmp_path / 'run'), abs=1e-3)
    assert [event.step for event in events.Scalars('validation_miou')] == [2, 4]
    pictures = events.Images('prediction/0')
    assert [event.step for event in pictures] == [2, 4]
    assert (pictures[0].width, pictures[0].height) == (300, 80)


def test_batches_are_drawn_ahead_in_their_order() -> None:
    later = threading.Event()

    def draw(step: int) -> Batch:
        if step == 3:
            later.wait(20.0)
        if step == 7:
            later.set()
        if step == 9:
            raise UserError('broken file')
        return Batch(torch.zeros(0), torch.zeros(0), {}, None, [str(step)], [step])

    batches = ahead(draw, range(3, 12))
    assert next(batches).seeds == [3]
    assert later.is_set()
    assert [next(batches).seeds[0] for _ in range(5)] == [4, 5, 6, 7, 8]
    with pytest.raises(UserError, match='broken file'):
        next(batches)


CONFIGS = sorted((TRAINER / 'configs').glob('*.yaml'))


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_configuration_that_ships_is_valid(path: Path) -> None:
    kind = FitConfig
    is_study = 'variants:' in path.read_text()
    config = (
        read_config(path, StudyConfig).run('joint', 0) if is_study else read_config(path, kind)
    )
    assert all(source.kind in DATASETS for source in config.sources)
    if isinstance(config, FitConfig):
        for source in config.targets:
            assert source.split in (DATASETS[source.kind].splits or ('',))


def test_camvid_by_day_is_judged_on_dusk_kitti_and_corrupted_days() -> None:
    targets = read_config(TRAINER / 'configs' / 'small_camvid_day.yaml', FitConfig).targets
    assert {target.name.split('/')[0] for target in targets} == {'dusk', 'kitti', 'corrupted'}
    assert len({target.corruption for target in targets if target.corruption}) == 6
    # What corrupts is an extra of the trainer too.
    extras = (TRAINER / 'pyproject.toml').read_text().partition('optional-dependencies')[2]
    assert "corruptions = ['depthforge_ros[corruptions]']" in extras


def test_every_configuration_that_ships_is_told_of() -> None:
    page = (TRAINER.parent / 'docs' / 'training.md').read_text()
    for path in CONFIGS:
        assert f'`{path.stem}`' in page, path.stem


def test_a_loss_that_is_not_finite_stops_and_names_the_files(
    tmp_path: Path, error_of: ErrorOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = Training.forward
    steps = iter(range(2))

    def fail(self: Training, batch: Batch) -> Tensor:
        bad = next(steps, None) is None
        return forward(self, batch) * (float('nan') if bad else 1.0)

    phases = [{'train': 'all', 'iterations': 4, 'batch': 2}]
    path = configuration(tmp_path, phases=phases)
    monkeypatch.setattr(Training, 'forward', fail)
    error = error_of('fit', path)
    assert 'nan' in error
    assert error.count(str(tmp_path / 'data' / 'images')) == 2
    saved = load_file(tmp_path / 'run' / 'last.safetensors')
    assert all(torch.isfinite(value).all() for value in saved.values())
    monkeypatch.undo()
    assert main(['fit', str(path), '--resume']) == 0
    assert len(losses(tmp_path / 'run')) == 4


def test_a_first_loss_that_is_not_finite_keeps_nothing_and_says_so(
    tmp_path: Path, error_of: ErrorOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Training, 'forward', lambda self, batch: torch.tensor(float('nan')))
    error = error_of('fit', configuration(tmp_path))
    assert 'after iteration 0 of phase 0' in error
    assert 'nothing is trained yet' in error
    assert not list((tmp_path / 'run').glob('*.safetensors'))


def test_a_run_that_is_stopped_at_its_first_save_does_not_look_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    path = configuration(tmp_path, phases=[{'train': 'all', 'iterations': 2, 'batch': 1}])
    monkeypatch.setattr(train, 'save', stop)
    assert main(['fit', str(path)]) == 130
    run = tmp_path / 'run'
    assert [one.name for one in run.glob('*.safetensors')] == ['state.safetensors']
    monkeypatch.undo()
    assert main(['fit', str(path), '--resume']) == 0
    assert [one.name for one in run.glob('*.safetensors')] == ['last.safetensors']


def test_a_label_of_no_class_is_named(tmp_path: Path, error_of: ErrorOf) -> None:
    path = configuration(tmp_path)
    for name in (tmp_path / 'data' / 'labels').iterdir():
        cv2.imwrite(str(name), np.full((80, 100), 77, np.uint8))
    error = error_of('fit', path)
    assert 'value 77' in error
    assert '.png' in error
