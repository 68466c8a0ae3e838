# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Sizes of every part of the network. A checkpoint stores exactly these fields."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from dataclasses import dataclass, field
from typing import Any

from depthforge_ros.errors import nearest, UserError


@dataclass(frozen=True)
class VitConfig:
    """A DINOv2 vision transformer: the depth stream's encoder, and mostly the visual one's."""

    width: int = 384
    depth: int = 12
    heads: int = 6
    mlp_ratio: float = 4.0
    patch: int = 14
    position_grid: int = 37
    """Side of the square grid that the position embedding is stored for."""
    registers: int = 0
    """Register tokens after the class token; with any, positions are resized antialiased."""
    stem: tuple[int, ...] = ()
    """Channels of a convolutional stem at strides 2, 4 and 8, which makes the patches of 16 pixels
    in place of one large kernel; empty: that kernel, as published."""
    stem_blocks: int = 1
    """Residual blocks of the stem at each of the strides 4 and 8."""

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise UserError(
                f'encoder width {self.width} does not divide into {self.heads} heads; choose a '
                'multiple'
            )
        if self.stem and (len(self.stem) != 3 or self.patch != 16):
            raise UserError(
                f'stem {self.stem} with patches of {self.patch} pixels: a stem has channels '
                'for the strides 2, 4 and 8, and makes patches of 16 pixels'
            )


@dataclass(frozen=True)
class Eva02Config:
    """An EVA02 vision transformer for the visual stream; the defaults are EVA02-L."""

    width: int = 1024
    depth: int = 24
    heads: int = 16
    mlp_ratio: float = 8.0 / 3.0
    patch: int = 14
    position_grid: int = 16
    """Side of the square grid that the position embedding is stored for."""
    rope_grid: int = 16
    """Side of the pre-training grid, onto which rotary positions of any grid are scaled."""

    def __post_init__(self) -> None:
        if self.width % (4 * self.heads):
            raise UserError(
                f'EVA02 width {self.width} does not divide into {self.heads} heads of a multiple '
                'of 4 channels (rotary pairs for rows and columns); choose a multiple'
            )


VISUAL_KINDS: Mapping[str, type[VitConfig] | type[Eva02Config]] = {
    'dinov2': VitConfig,
    'eva02': Eva02Config,
}
"""The `kind` by which stored configurations name the visual encoder's class."""


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
    cosine: float = 0.0
    """0: scaled dot products, as published. Else the logits are this times the cosine of feature
    and token: with features as small as those of Depth Anything V2 Small the published ones stay
    near zero, and the attention over the tokens even."""
    first_block: int = 0
    """First block whose features they refine. Where one encoder serves both streams, the blocks
    before it run once for both. The number of blocks: no tokens."""

    def __post_init__(self) -> None:
        if self.attention not in ('joint', 'separate', 'visual'):
            raise UserError(
                f'token attention {self.attention!r} is not known; choose joint, separate or '
                'visual'
            )
        if self.count < 2:
            raise UserError(
                f'token count is {self.count}; it must be at least 2, since the first token is '
                'the sink of the attention'
            )


@dataclass(frozen=True)
class HeadConfig:
    """Depth refinement decoder and the head that classifies."""

    kind: str = 'mask2former'
    """`mask2former`: queries with masks, as published; `dense`: a classifier of every pixel at
    stride 4."""
    depth: str = 'none'
    """What the decoder sees of the depth head at stride 4: `none`, as published; `inverse`:
    inverse depth over its largest value; `fused`: the depth head's fused maps too."""
    normed: bool = False
    """The encoder's last normalisation goes over the maps before they reach the decoder."""

    refine: bool = True
    """Gate and fuse the four maps; without it the plain pyramid goes to the head."""
    gate_on: str = 'pyramid'
    """`pyramid`: gates see each map at its own stride; `finest`: every map at stride 4, as the
    published code does; `grid`: the maps as the encoder made them, at a fraction of the time."""
    one_gate: bool = False
    """One gate for all four maps, as in the published code, instead of one each."""
    refine_tokens: bool = False
    """The queries that come from the tokens look once at the fused map. The paper refines tokens
    here without saying how, and the published code does not; this is the plain reading."""
    width: int = 256
    attention_heads: int = 8
    pixel_layers: int = 6
    pixel_ffn: int = 1024
    decoder_layers: int = 9
    decoder_ffn: int = 2048
    points: int = 4
    """Sampling points per head and level of the deformable attention."""
    dense_layers: int = 2
    """Residual convolutions of the dense head, at the patch grid and again at stride 4."""

    def __post_init__(self) -> None:
        if self.kind not in ('mask2former', 'dense'):
            raise UserError(f'head kind {self.kind!r} is not known; choose mask2former or dense')
        if self.depth not in ('none', 'inverse', 'fused'):
            raise UserError(
                f'head depth {self.depth!r} is not known; choose none, inverse or fused'
            )
        if self.kind == 'dense' and self.refine_tokens:
            raise UserError(
                'refine_tokens needs queries, which a dense head does not have; leave it out'
            )
        if self.gate_on not in ('pyramid', 'finest', 'grid'):
            raise UserError(
                f'gate_on {self.gate_on!r} is not known; choose pyramid, finest or grid'
            )
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
    taps: tuple[int, int, int, int] | None = None
    """Blocks whose maps the head takes; None: those of the segmentation. Depth Anything V2 Large
    was trained on other ones."""
    full_size: bool = True
    """The last convolutions run at the input's size, as upstream; else on the map before it, eight
    times as fine as the patch grid, and the answer is resized."""
    from_stem: bool = False
    """The two finest maps are those of the encoder's stem, at strides 4 and 8, in place of the
    first two tapped blocks."""
    max_depth_m: float = 0.0
    """Range of a metric head, which gives metres: 20 for Depth Anything V2's indoor (Hypersim)
    weights, 80 for its outdoor (Virtual KITTI) ones. 0: relative inverse depth."""

    def __post_init__(self) -> None:
        if self.max_depth_m < 0.0:
            raise UserError(
                f'max_depth_m {self.max_depth_m} is negative; give metres, or 0 for a relative '
                'head'
            )


@dataclass(frozen=True)
class NetworkConfig:
    """The whole DepthForge network."""

    encoder: VitConfig = field(default_factory=VitConfig)
    """Shape of the depth encoder, and of the visual one unless `visual` says otherwise."""
    visual: VitConfig | Eva02Config | None = None
    """Visual encoder of the same width and depth, where it is another than `encoder`. Its patch
    may be smaller: the depth stream, which only refines, then costs a fraction."""
    shared_encoder: bool = False
    """True: one set of encoder weights serves both streams."""
    taps: tuple[int, int, int, int] = (2, 5, 8, 11)
    """Blocks whose maps reach the decoder, and the depth head unless `dpt.taps` is given."""
    tokens: TokenConfig = field(default_factory=TokenConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    dpt: DptConfig = field(default_factory=DptConfig)
    short_side: int = 364
    """Default short side of the network input in pixels."""

    def __post_init__(self) -> None:
        for taps in (self.taps, self.depth_taps):
            if list(taps) != sorted(set(taps)) or taps[-1] >= self.encoder.depth:
                raise UserError(
                    f'taps {taps} must rise and stay below the encoder depth, {self.encoder.depth}'
                )
        first, depth = self.tokens.first_block, self.encoder.depth
        if first > depth or (first == depth and self.head.kind != 'dense'):
            raise UserError(
                f'tokens begin at block {first} of {depth}; choose a lower first_block, or '
                f'{depth} and a dense head, which needs no queries'
            )
        if self.dpt.from_stem and not self.encoder.stem:
            raise UserError('dpt.from_stem needs an encoder with a stem; give it one')
        if self.visual is None:
            return
        if self.shared_encoder:
            raise UserError(
                'shared_encoder excludes a visual encoder of its own; leave one of them out'
            )
        if self.encoder.patch % self.visual.patch:
            raise UserError(
                f'visual encoder of patch {self.visual.patch} beside a depth encoder of patch '
                f'{self.encoder.patch}, which must be a multiple of it; resize one patch kernel '
                '(resize_patch_kernel)'
            )
        for name in ('width', 'depth'):
            visual, depth = getattr(self.visual, name), getattr(self.encoder, name)
            if visual != depth:
                raise UserError(
                    f'visual encoder of {name} {visual} beside a depth encoder of {name} '
                    f'{depth}; choose encoders of one size'
                )

    @property
    def depth_taps(self) -> tuple[int, int, int, int]:
        """Blocks of the depth encoder whose maps the depth head takes."""
        return self.dpt.taps or self.taps

    def to_json(self) -> dict[str, Any]:
        """Return nested plain values, for metadata; a visual encoder carries its `kind`."""
        fields = dataclasses.asdict(self)
        for kind, cls in VISUAL_KINDS.items():
            if isinstance(self.visual, cls):
                fields['visual'] = {'kind': kind, **fields['visual']}
        return fields

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> NetworkConfig:
        """Build from what `to_json` gave; unknown fields are an error."""
        parts = {'encoder': VitConfig, 'tokens': TokenConfig, 'head': HeadConfig, 'dpt': DptConfig}
        values: dict[str, Any] = {}
        for name, value in _known(cls, fields).items():
            if name in parts:
                value = parts[name](**_tuples(_known(parts[name], value)))
            elif name == 'visual' and value is not None:
                value = _visual(value)
            values[name] = value
        return cls(**_tuples(values))


def _visual(fields: Mapping[str, Any]) -> VitConfig | Eva02Config:
    values = dict(fields)
    kind = values.pop('kind', None)
    if kind not in VISUAL_KINDS:
        raise UserError(
            f'visual encoder kind {kind!r} is not known; choose {" or ".join(VISUAL_KINDS)}'
        )
    return VISUAL_KINDS[kind](**_tuples(_known(VISUAL_KINDS[kind], values)))


def _known(cls: type, fields: Mapping[str, Any]) -> dict[str, Any]:
    names = [entry.name for entry in dataclasses.fields(cls)]
    if not isinstance(fields, Mapping):
        raise UserError(f'{cls.__name__} is {fields!r}; expected fields: {", ".join(names)}')
    for name in fields:
        if name not in names:
            raise UserError(f'{cls.__name__} has no field {name!r}; {nearest(str(name), names)}')
    return dict(fields)


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
