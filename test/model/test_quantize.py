# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The network in int8 answers as in fp32."""

from __future__ import annotations

from depthforge_ros.engine import load_engine
from depthforge_ros.errors import UserError
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.model.answer import Answering
from depthforge_ros.model.quantize import quantize
from depthforge_ros.model.registry import load_model
from depthforge_ros.resources import share_directory
import numpy as np
import pytest
import torch


def test_engine_int8_is_for_cpus() -> None:
    engine = load_engine('depthforge_tiny', engine='int8')
    assert (engine.name, engine.preprocess.short_side) == ('int8', 256)
    assert engine(np.zeros((1, 64, 64, 3), np.uint8)).labels.shape == (1, 64, 64)
    with pytest.raises(UserError, match='cuda'):
        load_engine('depthforge_tiny', engine='int8', device='cuda')


@torch.inference_mode()
def test_bundled_model_answers_alike_in_int8() -> None:
    rgb = rgb_from_file(share_directory() / 'drive' / 'images' / '000000.jpg')
    image = torch.from_numpy(rgb[None, : rgb.shape[0] // 32 * 32, : rgb.shape[1] // 32 * 32])
    network = load_model('depthforge_tiny')[0].eval().fold()
    answering = Answering(network)
    reference = answering(image)
    quantize(network)
    assert not any(type(module) is torch.nn.Linear for module in network.modules())
    answer = answering(image)
    assert float((answer.labels_BHW == reference.labels_BHW).float().mean()) > 0.98
    error = (answer.inverse_depth_BHW - reference.inverse_depth_BHW).abs().mean()
    assert float(error) < 0.02 * float(reference.inverse_depth_BHW.mean())
