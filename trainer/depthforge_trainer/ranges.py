# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Which numbers a configuration may hold, by the class and the key that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import math


@dataclass(frozen=True)
class Range:
    """From `low` to `high`, both included unless they are `open`; infinity only as `high`."""

    low: float
    high: float | None = None
    """None: any finite number."""
    low_open: bool = False
    high_open: bool = False

    def __contains__(self, value: float) -> bool:
        """Tell whether a number may stand; what is no number may not."""
        above = value > self.low or (value == self.low and not self.low_open)
        if self.high is None:
            return above and math.isfinite(value)
        return above and (value < self.high or (value == self.high and not self.high_open))

    def __str__(self) -> str:
        """Say it in words."""
        low = f'above {self.low:g}' if self.low_open else f'at least {self.low:g}'
        if self.high in (None, math.inf):
            return low
        return f'{low}, {"below" if self.high_open else "at most"} {self.high:g}'


COUNT = Range(1)
NOT_NEGATIVE = Range(0)
POSITIVE = Range(0, low_open=True)
RATE = Range(0, 1, low_open=True)

_ENCODER = {
    'width': COUNT, 'depth': COUNT, 'heads': COUNT, 'mlp_ratio': POSITIVE, 'patch': COUNT,
    'position_grid': COUNT,
}  # fmt: skip
RANGES: Mapping[str, Mapping[str, Range]] = {
    'FitConfig': {
        'save_every': COUNT,
        'cached_views': NOT_NEGATIVE,
        'weight_decay': NOT_NEGATIVE,
        'gradient_clip': Range(0, math.inf, low_open=True),
        'average_decay': Range(0, 1, high_open=True),
        'seed': NOT_NEGATIVE,
        'threads': COUNT,
    },
    'Phase': {
        'iterations': COUNT,
        'seconds': NOT_NEGATIVE,
        'batch': COUNT,
        'learning_rate': RATE,
        'token_learning_rate': Range(0, 1),
        'encoder_learning_rate': Range(0, 1),
    },
    'Source': {
        'count': NOT_NEGATIVE,
        'every': COUNT,
        'views': NOT_NEGATIVE,
        'severity': Range(1, 5),
    },
    'Augment': {
        'height': COUNT,
        'width': COUNT,
        'short_side': COUNT,
        'scale': POSITIVE,
        'max_class_share': Range(0, 1, low_open=True),
        'brightness': Range(0, 0.5),
        'blur': NOT_NEGATIVE,
        'noise': Range(0, 1),
    },
    'LossWeights': {
        'classes': NOT_NEGATIVE,
        'mask': NOT_NEGATIVE,
        'dice': NOT_NEGATIVE,
        'no_object': NOT_NEGATIVE,
        'semantic': NOT_NEGATIVE,
        'auxiliary': NOT_NEGATIVE,
        'features': NOT_NEGATIVE,
        'depth': NOT_NEGATIVE,
        'points': COUNT,
    },
    'StudyConfig': {'seeds': NOT_NEGATIVE},
    'NetworkConfig': {'taps': NOT_NEGATIVE, 'short_side': COUNT},
    'VitConfig': {
        **_ENCODER,
        'registers': NOT_NEGATIVE,
        'stem': COUNT,
        'stem_blocks': NOT_NEGATIVE,
    },
    'Eva02Config': {**_ENCODER, 'rope_grid': COUNT},
    'TokenConfig': {
        'count': Range(2),
        'rank': COUNT,
        'depth_weight': NOT_NEGATIVE,
        'cosine': NOT_NEGATIVE,
        'first_block': NOT_NEGATIVE,
    },
    'HeadConfig': {
        'width': COUNT,
        'attention_heads': COUNT,
        'pixel_layers': COUNT,
        'pixel_ffn': COUNT,
        'decoder_layers': COUNT,
        'decoder_ffn': COUNT,
        'points': COUNT,
        'dense_layers': NOT_NEGATIVE,
    },
    'DptConfig': {
        'features': COUNT,
        'out_channels': COUNT,
        'taps': NOT_NEGATIVE,
        'max_depth_m': NOT_NEGATIVE,
    },
}
"""Of lists, every number."""
