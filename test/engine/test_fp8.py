# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Engines in fp8: what modelopt makes of the network, and who may make them."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
import sys

from depthforge_ros.engine import build as building
from depthforge_ros.engine.agreement import compare, LIMITS
from depthforge_ros.engine.artefact import Request
from depthforge_ros.engine.build import build, calibration_images, exported
from depthforge_ros.engine.inductor import Inductor
from depthforge_ros.engine.null import NullEngine
from depthforge_ros.engine.torch_engine import load
from depthforge_ros.errors import UserError
from depthforge_ros.model.fp8 import to_fp8
from depthforge_ros.preprocess import Preprocess
import pytest
from support.engines import FRAMES
from support.networks import mini_checkpoint
import torch
from torch import nn

REQUEST = Request(56, 98, precision='fp8')


def test_linear_layers_of_the_encoders_are_rounded_and_exported(tmp_path: Path) -> None:
    pytest.importorskip('modelopt', reason='modelopt is not here; see make tensorrt-dry-run')
    mini_checkpoint(tmp_path / 'mini.safetensors')
    loaded = load(str(tmp_path / 'mini.safetensors'), device='cpu')
    layers = [
        name
        for name, module in loaded.answering.network.named_modules()
        if isinstance(module, nn.Linear) and 'blocks.' in name
    ]
    (image,) = list(calibration_images(loaded, REQUEST))[:1]
    before = loaded.answering(image)
    rounded = copy.deepcopy(loaded.answering)
    to_fp8(rounded.network, [image])
    after = rounded(image)
    assert not torch.equal(after.features_BF, before.features_BF)
    torch.testing.assert_close(after.features_BF, before.features_BF, rtol=0.0, atol=0.2)
    graph = exported(loaded, REQUEST).graph
    quantizers = [node for node in graph.nodes if 'quantize_op' in str(node.target)]
    assert len(quantizers) == 2 * len(layers) > 0


def test_without_modelopt_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'modelopt', None)
    monkeypatch.setitem(sys.modules, 'modelopt.torch.quantization', None)
    loaded = load('depthforge_tiny', device='cpu')
    with pytest.raises(UserError, match='pip install nvidia-modelopt'):
        exported(loaded, Request(64, 128, precision='fp8'))


def test_only_tensorrt_makes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, 'require_precision', lambda name, device: None)
    loaded = load('depthforge_tiny', device='cpu')
    with pytest.raises(UserError, match='inductor makes no engines in fp8'):
        build(Inductor(), loaded, Request(64, 128, precision='fp8'))


def test_limits_are_wider() -> None:
    answer = NullEngine('null', Preprocess(patch=14, short_side=56))(FRAMES)
    other = dataclasses.replace(answer, labels=answer.labels.copy())
    count = answer.labels.size // 100
    other.labels.reshape(-1)[:count] += 1
    assert compare(answer, answer).is_near
    assert not compare(other, answer, LIMITS['fp32']).is_near
    assert compare(other, answer, LIMITS['fp8']).is_near
