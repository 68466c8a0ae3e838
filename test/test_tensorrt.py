# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What TensorRT is given and, where `make tensorrt-dry-run` has it, what it makes of that."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
import json
from pathlib import Path
from typing import Any

from depthforge_ros.cli.main import main
from depthforge_ros.engine import rehearsal
from depthforge_ros.engine.artefact import Request
from depthforge_ros.engine.build import exported
from depthforge_ros.engine.rehearsal import rehearse
from depthforge_ros.engine.torch_engine import load, Loaded
from depthforge_ros.model.dpt import Upscaling
from networks import MINI, mini_checkpoint, variant
import pytest
import torch
from torch import nn

with_tensorrt = pytest.mark.skipif(
    find_spec('torch_tensorrt') is None, reason='it is not here; see make tensorrt-dry-run'
)


@pytest.fixture
def mini(tmp_path: Path) -> Path:
    """Write a network whose depth is not zero everywhere, as that of random ones may be."""
    path = tmp_path / 'mini.safetensors'
    mini_checkpoint(path, variant(dpt=replace(MINI.dpt, max_depth_m=80.0)))
    return path


def test_what_torch_tensorrt_cannot_build_is_not_in_the_program(mini: Path) -> None:
    graph = exported(load(str(mini), device='cpu'), Request(56, 98)).graph
    attentions = [node for node in graph.nodes if 'dot_product' in str(node.target)]
    # It asks a query for its width, and constant ones, of the head's first layer, have no answer.
    assert attentions
    assert all(node.kwargs.get('scale') for node in attentions)
    # TensorRT has none in bfloat16.
    assert not [node for node in graph.nodes if 'conv_transpose' in str(node.target)]


@pytest.mark.parametrize('factor', [2, 4])
@torch.inference_mode()
def test_upscaling_is_a_transposed_convolution(factor: int) -> None:
    torch.manual_seed(0)
    ours, theirs = Upscaling(6, factor), nn.ConvTranspose2d(6, 6, factor, stride=factor)
    assert {name: value.shape for name, value in ours.state_dict().items()} == {
        name: value.shape for name, value in theirs.state_dict().items()
    }
    theirs.load_state_dict(ours.state_dict())
    maps = torch.randn(2, 6, 5, 7)
    torch.testing.assert_close(ours(maps), theirs(maps))


@with_tensorrt
@pytest.mark.parametrize('precision', ['fp32', 'fp16', 'bf16'])
@pytest.mark.parametrize('batch', ['1', '1-3'])
def test_its_engine_is_built_and_its_network_answers_as_eager(
    precision: str, batch: str, mini: Path, tmp_path: Path
) -> None:
    figures = tmp_path / 'figures.json'
    command = ['compile', '--dry-run', '--engine', 'tensorrt', '--model', str(mini)]
    command += ['--height', '56', '--width', '98', '--batch', batch, '--precision', precision]
    assert main([*command, '--json', str(figures)]) == 0
    row: dict[str, Any] = json.loads(figures.read_text())
    assert row['converted'] == row['operators'] > 100
    assert row['engines'] == 1
    assert row['engine_bytes'] > 100_000
    # Random weights: many pixels are near a tie of two classes.
    assert row['mask_agreement'] > (0.9999 if precision == 'fp32' else 0.97)
    assert row['depth_error'] < (1e-5 if precision == 'fp32' else 0.02)


@with_tensorrt
def test_another_network_does_not_answer_as_eager(
    mini: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shifted(loaded: Loaded, request: Request) -> Any:
        with torch.no_grad():
            loaded.answering.network.depth_head.resize_layers[1].weight.mul_(2.0)
        return exported(loaded, request)

    monkeypatch.setattr(rehearsal, 'exported', shifted)
    found = rehearse(load(str(mini), device='cpu'), Request(56, 98))
    assert found.agreement is not None
    assert found.agreement.mask > 0.9999
    assert found.agreement.depth > 1e-4  # as eager it would be below 1e-5
