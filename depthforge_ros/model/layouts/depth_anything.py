# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Depth Anything V2, relative and metric: official names, and transformers' class."""

from __future__ import annotations

from depthforge_ros.model.layouts import dinov2
from depthforge_ros.model.layouts.rules import Rule, under

OFFICIAL = (
    *under(dinov2.OFFICIAL, 'pretrained.', 'encoder.'),
    Rule('depth_head.**', 'depth_head.**'),
)


def _fusion(layer: int) -> tuple[Rule, ...]:
    """Count the fusion from the coarsest map as transformers does; officially: from the finest."""
    theirs, ours = (
        f'neck.fusion_stage.layers.{layer}.',
        f'depth_head.scratch.refinenet{4 - layer}.',
    )
    return (
        Rule(f'{theirs}projection.**', f'{ours}out_conv.**'),
        *(
            Rule(
                f'{theirs}residual_layer{unit}.convolution{conv}.**',
                f'{ours}resConfUnit{unit}.conv{conv}.**',
            )
            for unit in (1, 2)
            for conv in (1, 2)
        ),
    )


TRANSFORMERS = (
    *under(dinov2.TRANSFORMERS, 'backbone.', 'encoder.'),
    Rule('neck.reassemble_stage.layers.*.projection.**', 'depth_head.projects.*.**'),
    Rule('neck.reassemble_stage.layers.*.resize.**', 'depth_head.resize_layers.*.**'),
    *(
        Rule(f'neck.convs.{level}.**', f'depth_head.scratch.layer{level + 1}_rn.**')
        for level in range(4)
    ),
    *(rule for layer in range(4) for rule in _fusion(layer)),
    Rule('head.conv1.**', 'depth_head.scratch.output_conv1.**'),
    Rule('head.conv2.**', 'depth_head.scratch.output_conv2.0.**'),
    Rule('head.conv3.**', 'depth_head.scratch.output_conv2.2.**'),
)
