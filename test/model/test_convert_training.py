# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Training checkpoints: what lies beside their tensors, and before the names of these."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
import pickle
import re

from depthforge_ros.model.layouts.convert import plain_names
from depthforge_ros.model.layouts.files import convert_file
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from safetensors.torch import load_file
from support import foreign
from support.foreign import refuse, written
import torch

WIDTH = 32


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str, str], object], tuple[str, str]]:
        return open, (str(self.path), 'w')


def assert_alike(made: Path, expected: Path) -> None:
    """Compare what two files hold; safetensors orders metadata by chance."""
    found, wanted = load_file(made), load_file(expected)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_tensors_are_read_and_nothing_else_is_run_or_needed(tmp_path: Path) -> None:
    sprung = tmp_path / 'sprung'
    path, state = written(tmp_path / 'plain.pth', foreign.dinov2(WIDTH, 1))
    beside = {
        'message_hub': {'loss': np.float64(0.5), 'history': [np.arange(3)]},
        'args': argparse.Namespace(lr=1e-4, path=tmp_path),
        'optimizer': {'state': {0: torch.zeros(3)}},
        'trap': Trap(sprung),
    }
    plain = convert_file(path, tmp_path / 'plain.safetensors')
    for use_zip in (True, False):
        torch.save(
            {'state_dict': state, **beside},
            tmp_path / 'training.pth',
            _use_new_zipfile_serialization=use_zip,
        )
        made = convert_file(tmp_path / 'training.pth', tmp_path / 'made.safetensors')
        assert made == plain
        assert_alike(tmp_path / 'made.safetensors', tmp_path / 'plain.safetensors')
    assert not sprung.exists()


def test_a_pickle_without_tensors_is_refused_and_never_run(tmp_path: Path) -> None:
    sprung = tmp_path / 'sprung'
    (tmp_path / 'x.pth').write_bytes(pickle.dumps({'x': Trap(sprung)}))
    refuse(tmp_path / 'x.pth', 'get the file again')
    torch.save({'x': Trap(sprung)}, tmp_path / 'y.pth')
    refuse(tmp_path / 'y.pth', 'holds no tensors by name')
    assert not sprung.exists()


def chunked(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Name blocks as DINOv2's training does, two to a chunk."""
    return {
        re.sub(r'^blocks\.(\d+)\.', lambda m: f'blocks.{int(m[1]) // 2}.{m[1]}.', name): value
        for name, value in state.items()
    }


def under(prefix: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + name: value for name, value in state.items()}


def of_training(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Put a student and heads beside the teacher."""
    other = {name: value + 1.0 for name, value in state.items()}
    head = {'teacher.dino_head.mlp.0.weight': torch.ones(3), 'dino_loss.center': torch.ones(3)}
    return {
        **under('student.backbone.', chunked(other)), **head,
        **under('teacher.backbone.', chunked(state)),
    }  # fmt: skip


@pytest.mark.parametrize(
    'store',
    [
        lambda state: under('_orig_mod.', state),
        lambda state: under('module._orig_mod.', state),
        lambda state: {'state_dict': under('model.', state), 'pytorch-lightning_version': '2'},
        lambda state: {'model_state_dict': state, 'epoch': 3},
        lambda state: {'state_dict_ema': state, 'state_dict': under('x.', state)},
        lambda state: {'model': {'ema': state}},
        lambda state: {'teacher': under('backbone.', chunked(state))},
        lambda state: {'model': of_training(state), 'iteration': 5},
        lambda state: under('backbone.', chunked(state)),
        lambda state: under('net.encoder.', state),
        lambda state: {name.replace('blocks.', 'blocks._orig_mod.'): one
                       for name, one in state.items()},
        lambda state: {name: torch.nn.Parameter(one) for name, one in state.items()},
    ],
)  # fmt: skip
def test_what_frameworks_put_around_weights_is_taken_off(
    tmp_path: Path, store: Callable[[dict[str, torch.Tensor]], object]
) -> None:
    path, state = written(tmp_path / 'plain.pth', foreign.dinov2(WIDTH, 4))
    convert_file(path, tmp_path / 'plain.safetensors')
    torch.save(store(state), tmp_path / 'training.pth')
    convert_file(tmp_path / 'training.pth', tmp_path / 'made.safetensors')
    assert_alike(tmp_path / 'made.safetensors', tmp_path / 'plain.safetensors')


@settings(max_examples=15, deadline=None)
@given(st.lists(st.from_regex(r'\A[a-z_]{1,8}\Z'), max_size=4))
def test_any_prefix_is_taken_off(prefixes: list[str]) -> None:
    state = foreign.filled(foreign.dinov2(WIDTH, 1))
    stored = under(''.join(f'{one}.' for one in prefixes), state)
    assert plain_names(stored).keys() == state.keys()


def test_what_is_beside_another_prefix_is_still_accounted_for(tmp_path: Path) -> None:
    _, state = written(tmp_path / 'plain.pth', foreign.dinov2(WIDTH, 1))
    torch.save({**under('model.', state), 'extra.weight': torch.zeros(2)}, tmp_path / 'x.pth')
    refuse(tmp_path / 'x.pth', 'unused extra.weight')


def test_soma_is_refused_by_name(tmp_path: Path) -> None:
    state = foreign.filled(foreign.dinov2(WIDTH, 1))
    adapter = {'blocks.0.attn.qkv.lora_A.weight': torch.zeros(4, WIDTH)}
    torch.save({'state_dict': under('backbone.model.', {**state, **adapter})}, tmp_path / 'x.pth')
    refuse(tmp_path / 'x.pth', 'SoMA', 'lora_A', 'convert Rein or DepthForge')
