# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Several processes train one network."""

from __future__ import annotations

import os
from pathlib import Path
import subprocess
import sys
from typing import Any
from unittest import mock

from depthforge_trainer import processes
from depthforge_trainer.cli import main
import pytest
from safetensors.torch import load_file
from support.training import configuration, losses
import torch


@pytest.mark.parametrize(
    'own',
    [
        {'cached_views': 0},
        {'cached_views': 2, 'rare_classes': True},
    ],
    ids=['drawn', 'rare_classes'],
)
def test_two_processes_train_like_one_with_twice_the_batch(
    tmp_path: Path, own: dict[str, Any]
) -> None:
    # Small crops, which show one to three classes and some unlabelled pixels each.
    changes: dict[str, Any] = {
        'augment': {'height': 28, 'width': 28, 'short_side': 56, 'scale': [0.4, 1.2]},
        'loss': {'semantic': 2.0, 'auxiliary': 1.0, 'points': 256},
        'phases': [
            {
                'train': kind, 'iterations': 3, 'batch': 4, 'learning_rate': 1e-3,
                'encoder_learning_rate': 1e-4,
            }
            for kind in ('all', 'encoder')
        ],
    }  # fmt: skip
    path = configuration(tmp_path, average_decay=0.0, **changes, **own)
    assert main(['fit', str(path)]) == 0
    one = tmp_path / 'run'
    two = tmp_path / 'two'
    text = path.read_text().replace(str(one), str(two)).replace('batch: 4', 'batch: 2')
    path.write_text(text)
    command = [
        sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2',
        '-m', 'depthforge_trainer.cli', 'fit', str(path),
    ]  # fmt: skip
    environment = os.environ | {'OMP_NUM_THREADS': '1', 'GLOO_SOCKET_IFNAME': 'lo'}
    subprocess.run(command, check=True, env=environment, timeout=280, capture_output=True)
    assert losses(two) == pytest.approx(losses(one), rel=3e-4)
    expected = load_file(one / 'last.safetensors')
    for name, value in load_file(two / 'last.safetensors').items():
        torch.testing.assert_close(value, expected[name], atol=5e-3, rtol=1e-2, msg=name)


def test_processes_wait_long_for_the_first_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '2')
    fabric = mock.Mock()
    monkeypatch.setattr(processes, 'Fabric', fabric)
    processes.launch('32-true')
    # Validation and caches take longer than the half hour that is torch's default.
    assert fabric.call_args.kwargs['strategy']._timeout.total_seconds() > 12 * 3600
