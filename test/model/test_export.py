# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`torch.export` of the network: no graph breaks, static and dynamic batch, equal results."""

from __future__ import annotations

import dataclasses

from depthforge_ros.model.config import NetworkConfig
from depthforge_ros.model.network import DepthForge
from depthforge_ros.model.presets import PRESETS
from depthforge_ros.model.registry import load_model
import pytest
from support.networks import DEPTH_FORMS, MINI, mini_network, variant
import torch
from torch.export import Dim, export

FORMS = {
    'shared, joint': variant(
        shared_encoder=True,
        head=dataclasses.replace(MINI.head, gate_on='grid', refine_tokens=True),
    ),
    'separate, published': variant(
        tokens=dataclasses.replace(MINI.tokens, attention='separate'),
        head=dataclasses.replace(MINI.head, gate_on='finest', one_gate=True),
    ),
    **DEPTH_FORMS,
}
"""Every choice of the configuration stands in one of them."""
ONE_OF_A_KIND = ('depthforge_small', 'depthforge_eva02_large')
"""By visual encoder; the other presets differ from these in sizes alone."""


def images(batch: int, config: NetworkConfig = MINI) -> torch.Tensor:
    patch = config.encoder.patch
    return torch.randint(0, 256, (batch, 4 * patch, 7 * patch, 3), dtype=torch.uint8)


@pytest.mark.parametrize('config', FORMS.values(), ids=FORMS)
@torch.no_grad()
def test_exported_network_answers_as_the_network_for_every_batch(config: NetworkConfig) -> None:
    network = mini_network(config).fold()
    program = export(
        network,
        (images(2, config),),
        dynamic_shapes={'image_BHW3': {0: Dim('batch', min=1, max=6)}},
    ).module()
    for batch in (1, 2, 5):
        frames = images(batch, config)
        for ours, expected in zip(program(frames), network(frames), strict=True):
            torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('name', ONE_OF_A_KIND)
@torch.no_grad()
def test_named_models_export_whole_and_ask_nothing_about_data(name: str) -> None:
    # On the meta device: shapes without values, since only the graph is asked for.
    with torch.device('meta'):
        network = DepthForge(PRESETS[name], 19).eval().to('meta').fold()
        batch = images(2)
        program = export(network, (batch,), dynamic_shapes=({0: Dim('batch', min=1, max=6)},))
    operators = {str(node.target) for node in program.graph.nodes if node.op == 'call_function'}
    asking = ('aten.nonzero', 'aten.item', 'aten._local_scalar_dense', 'aten.masked_select')
    assert not [name for name in operators if name.startswith((*asking, 'cond', 'while_loop'))]


@torch.no_grad()
def test_bundled_model_exported_answers_as_it_does() -> None:
    network, _ = load_model('depthforge_tiny')
    frame = torch.randint(0, 256, (1, 128, 192, 3), dtype=torch.uint8)
    exported = export(network.fold(), (frame,)).module()
    for ours, expected in zip(exported(frame), network(frame), strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)
