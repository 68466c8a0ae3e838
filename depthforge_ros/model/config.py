# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Sizes of every part of the network. A checkpoint stores exactly these fields."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from dataclasses import dataclass, field
from typing import Any

from depthforge_ros.errors import UserError


@dataclass(frozen=True)
class VitConfig:
    """A DINOv2-style vision transformer; both streams use one."""

    width: int = 384
    depth: int = 12
    heads: int = 6
    mlp_ratio: float = 4.0
    patch: int = 14
    position_grid: int = 37
    """Side of the square grid that the position embedding is stored for."""

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise UserError(
                f'encoder width {self.width} does not divide into {self.heads} heads; choose a '
                'multiple'
            )


@dataclass(frozen=True)
class TokenConfig:
    """Depth-aware learnable tokens, T_i = A_i B_i."""

    count: int = 100
    """m: tokens per block, and queries of the head."""
    rank: int = 16
    """r of the factorisation."""
    attention: str = 'joint'
    """`joint`, `separate`, or `visual` (no depth term: Rein)."""
    depth_weight: float = 1.0
    """Lambda of the separate form."""
    scale_init: float = 1e-3
    """Start of s, the share of the refinement that is added to the features."""

    def __post_init__(self) -> None:
        if self.attention not in ('joint', 'separate', 'visual'):
            raise UserError(
                f'token attention {self.attention!r} is not known; choose joint, separate or '
                'visual'
            )


@dataclass(frozen=True)
class HeadConfig:
    """Depth refinement decoder and Mask2Former head."""

    refine: bool = True
    """Gate and fuse the four maps; without it the plain pyramid goes to the head."""
    gate_on: str = 'pyramid'
    """`pyramid`: gates see the resized maps, as published; `grid`: the maps as the encoder made
    them, which costs a fraction of the time."""
    width: int = 256
    attention_heads: int = 8
    pixel_layers: int = 6
    pixel_ffn: int = 1024
    decoder_layers: int = 9
    decoder_ffn: int = 2048
    points: int = 4
    """Sampling points per head and level of the deformable attention."""

    def __post_init__(self) -> None:
        if self.gate_on not in ('pyramid', 'grid'):
            raise UserError(f'gate_on {self.gate_on!r} is not known; choose pyramid or grid')
        if self.width % 32 or self.width % self.attention_heads:
            raise UserError(
                f'head width {self.width} must be a multiple of 32 (group norm) and of '
                f'{self.attention_heads} attention heads'
            )


@dataclass(frozen=True)
class DptConfig:
    """Depth Anything V2's DPT head."""

    features: int = 64
    out_channels: tuple[int, int, int, int] = (48, 96, 192, 384)


@dataclass(frozen=True)
class NetworkConfig:
    """The whole DepthForge network."""

    encoder: VitConfig = field(default_factory=VitConfig)
    """Shape of the visual and of the depth encoder."""
    shared_encoder: bool = False
    """True: one set of encoder weights serves both streams."""
    taps: tuple[int, int, int, int] = (2, 5, 8, 11)
    """Blocks whose maps reach the decoder and the depth head."""
    tokens: TokenConfig = field(default_factory=TokenConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    dpt: DptConfig = field(default_factory=DptConfig)
    short_side: int = 364
    """Default short side of the network input in pixels."""

    def __post_init__(self) -> None:
        if list(self.taps) != sorted(set(self.taps)) or self.taps[-1] >= self.encoder.depth:
            raise UserError(
                f'taps {self.taps} must rise and stay below the encoder depth, '
                f'{self.encoder.depth}'
            )

    def to_json(self) -> dict[str, Any]:
        """Return nested plain values, for metadata."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> NetworkConfig:
        """Build from what `to_json` gave; unknown fields are an error."""
        parts = {'encoder': VitConfig, 'tokens': TokenConfig, 'head': HeadConfig, 'dpt': DptConfig}
        values: dict[str, Any] = {}
        for name, value in _known(cls, fields).items():
            if name in parts:
                value = parts[name](**_tuples(_known(parts[name], value)))
            values[name] = value
        return cls(**_tuples(values))


def _known(cls: type, fields: Mapping[str, Any]) -> dict[str, Any]:
    names = [entry.name for entry in dataclasses.fields(cls)]
    unknown = sorted(set(fields) - set(names))
    if unknown:
        raise UserError(
            f'{cls.__name__} has no field {", ".join(unknown)}; known: {", ".join(names)}'
        )
    return dict(fields)


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
