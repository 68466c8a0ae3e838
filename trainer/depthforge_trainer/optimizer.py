# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Which parameters a phase trains, at which rate, and which of them decay."""

from __future__ import annotations

from depthforge_ros.model.network import FROZEN
from depthforge_trainer.phase import Phase
import torch
from torch import nn

NO_DECAY = (
    'norm', 'level_embed', 'tokens.a', 'tokens.b', 'tokens.scale',
    'cls_token', 'pos_embed', 'register_tokens',
)  # fmt: skip
"""Parts of names; vectors (biases, gains) do not decay either. The queries are made of tokens."""


def build_optimizer(training: nn.Module, phase: Phase, weight_decay: float) -> torch.optim.AdamW:
    """AdamW over what the phase trains; the rest stops requiring gradients."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for long_name, parameter in training.named_parameters():
        name = long_name.removeprefix('network.')
        frozen = name.split('.', 1)[0] in FROZEN and phase.train != 'network'
        encoder = name.startswith('visual_encoder.') and phase.train in ('encoder', 'auxiliary')
        parameter.requires_grad_(encoder or not frozen)
        if parameter.requires_grad:
            rate = phase.encoder_learning_rate if encoder else phase.learning_rate
            if name.startswith('tokens.'):
                rate = phase.token_learning_rate or rate
            decays = parameter.ndim >= 2 and not any(part in name for part in NO_DECAY)
            groups.setdefault((rate, weight_decay if decays else 0.0), []).append(parameter)
    return torch.optim.AdamW(
        {'params': parameters, 'lr': rate, 'weight_decay': decay}
        for (rate, decay), parameters in groups.items()
    )
