# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Distillation in miniature: from (random) weights of the teacher's shape to a small network."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from depthforge_ros.errors import UserError
from depthforge_ros.model.checkpoint import load_network
from depthforge_ros.model.config import DptConfig, NetworkConfig, VitConfig
from depthforge_ros.model.network import DepthForge
from depthforge_ros.model.patch import resize_patch_kernel
from depthforge_trainer import distill
from depthforge_trainer.cli import main
from depthforge_trainer.features import rare_class_chances
import numpy as np
import pytest
from safetensors.torch import save_file
from support.networks import MINI
from support.training import street_like
import torch
import yaml

STUDENT = dataclasses.replace(
    MINI, encoder=VitConfig(width=48, depth=4, heads=6), dpt=DptConfig(8, (8, 8, 8, 8))
)


@pytest.fixture
def distillation(tmp_path: Path) -> dict[str, object]:
    """Write what a run needs; returns its configuration."""
    torch.manual_seed(0)
    teacher = DepthForge(NetworkConfig(shared_encoder=True), 11)
    names = {'depth_encoder.': 'pretrained.', 'depth_head.': 'depth_head.'}
    weights = {
        new + name.removeprefix(old): value
        for name, value in teacher.state_dict().items()
        for old, new in names.items()
        if name.startswith(old)
    }
    save_file(weights, tmp_path / 'teacher.safetensors')
    street_like(tmp_path / 'data')
    return {
        'output': str(tmp_path / 'run'),
        'teacher': str(tmp_path / 'teacher.safetensors'),
        'model': STUDENT.to_json(),
        'kept_blocks': [2, 5, 8, 11],
        'sources': [{'kind': 'images', 'root': str(tmp_path / 'data' / 'images')}],
        'augment': {'height': 56, 'width': 56, 'short_side': 64, 'scale': [1.0, 1.2]},
        'iterations': 3,
        'batch': 2,
        'views': 3,
        'threads': 1,
    }


def run(tmp_path: Path, command: str, configuration: dict[str, object]) -> None:
    path = tmp_path / f'{command}.yaml'
    path.write_text(yaml.safe_dump(configuration))
    assert main([command, str(path)]) == 0


def test_distilled_encoder_starts_both_streams_and_the_depth_head_goes_on(
    tmp_path: Path, distillation: dict[str, object]
) -> None:
    run(tmp_path, 'distill', distillation)
    first, checkpoint = load_network(tmp_path / 'run' / 'last.safetensors')
    assert checkpoint.provenance['teacher'] == 'Depth Anything V2 Small'
    for name, value in first.depth_encoder.state_dict().items():
        assert torch.equal(value, first.visual_encoder.state_dict()[name])
    again = {'output': str(tmp_path / 'again')}
    start = {'start_from': str(tmp_path / 'run' / 'last.safetensors')}
    run(tmp_path, 'depth-head', distillation | again | start)
    second, _ = load_network(tmp_path / 'again' / 'last.safetensors')
    for name, value in first.depth_encoder.state_dict().items():
        assert torch.equal(value, second.depth_encoder.state_dict()[name])
    weight = first.depth_head.scratch.output_conv1.weight
    assert not torch.equal(weight, second.depth_head.scratch.output_conv1.weight)
    assert (tmp_path / 'again' / 'log.csv').read_text().startswith('iteration,depth_loss')


def test_rare_classes_are_drawn_more_often() -> None:
    labels = np.zeros((10, 40, 40), np.uint8)
    labels[:, 20:] = 3
    labels[7, :12, :12] = 10
    chances = rare_class_chances(labels)
    assert chances.sum() == pytest.approx(1.0)
    assert chances[7] > 3 * chances[:7].max()
    with pytest.raises(UserError, match='no view shows'):
        rare_class_chances(np.full((2, 40, 40), 255, np.uint8))


def test_distillation_goes_on_from_a_checkpoint(
    tmp_path: Path, distillation: dict[str, object]
) -> None:
    run(tmp_path, 'distill', distillation)
    path = tmp_path / 'run' / 'last.safetensors'
    again = {'output': str(tmp_path / 'again'), 'start_from': str(path)}
    run(tmp_path, 'distill', distillation | again)
    first, _ = load_network(path)
    second, _ = load_network(tmp_path / 'again' / 'last.safetensors')
    for name, value in first.head.state_dict().items():
        assert torch.equal(value, second.head.state_dict()[name])
    start, resumed = (
        float((tmp_path / folder / 'log.csv').read_text().splitlines()[1].split(',')[1])
        for folder in ('run', 'again')
    )
    assert resumed < 0.9 * start


def test_student_of_other_patches_starts_from_a_distilled_one(
    tmp_path: Path, distillation: dict[str, object]
) -> None:
    run(tmp_path, 'distill', distillation)
    path = tmp_path / 'run' / 'last.safetensors'
    coarse = dataclasses.replace(
        STUDENT,
        encoder=dataclasses.replace(STUDENT.encoder, patch=32),
        visual=dataclasses.replace(STUDENT.encoder, patch=16),
    )
    again = {'output': str(tmp_path / 'again'), 'start_from': str(path), 'model': coarse.to_json()}
    run(tmp_path, 'distill', distillation | again | {'iterations': 1, 'learning_rate': 1e-12})
    first, _ = load_network(path)
    second, _ = load_network(tmp_path / 'again' / 'last.safetensors')
    kernel = first.depth_encoder.patch_embed.proj.weight
    for patch, encoder in ((32, second.depth_encoder), (16, second.visual_encoder)):
        kernel = resize_patch_kernel(kernel, patch)
        torch.testing.assert_close(encoder.patch_embed.proj.weight, kernel, atol=1e-3, rtol=1e-2)
    assert torch.equal(first.depth_encoder.pos_embed, second.visual_encoder.pos_embed)


@pytest.mark.parametrize(
    ('save_every', 'advice'), [(200, 'lower learning_rate'), (1, 'start_from: ')]
)
def test_a_gradient_that_is_no_number_stops_the_run(
    tmp_path: Path,
    distillation: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    save_every: int,
    advice: str,
) -> None:
    losses = iter([1.0, 1.0, float('nan')])
    compute = distill._depth_loss
    monkeypatch.setattr(distill, '_depth_loss', lambda *given: next(losses) * compute(*given))
    monkeypatch.setattr(distill, 'SAVE_EVERY', save_every)
    path = tmp_path / 'distill.yaml'
    path.write_text(yaml.safe_dump(distillation))
    assert main(['distill', str(path)]) == 2
    (line,) = (one for one in capsys.readouterr().err.splitlines() if 'error' in one)
    assert 'the gradient of iteration 3 is not finite' in line
    assert advice in line
    last = tmp_path / 'run' / 'last.safetensors'
    assert last.is_file() == (save_every == 1)
    if last.is_file():
        weights = load_network(last)[0].state_dict().values()
        assert all(bool(one.isfinite().all()) for one in weights)
