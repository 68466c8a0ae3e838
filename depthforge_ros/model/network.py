# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The whole DepthForge network: two frozen streams, tokens between them, decoder, depth head.

Shapes: B batch, N patches of an h x w grid, C encoder width, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import NamedTuple

from depthforge_ros.model.config import Eva02Config, NetworkConfig
from depthforge_ros.model.dense import DenseHead, DenseOutput
from depthforge_ros.model.dpt import DepthMaps, DptHead
from depthforge_ros.model.eva02 import Eva02
from depthforge_ros.model.mask2former import HeadOutput, Mask2FormerHead
from depthforge_ros.model.patch import regrid, to_map
from depthforge_ros.model.refinement import RefinementDecoder, resize
from depthforge_ros.model.stem import NormedConv
from depthforge_ros.model.streams import (
    can_run_in_parallel,
    DepthStream,
    in_parallel,
    KnownDepth,
    Steps,
)
from depthforge_ros.model.tokens import DepthAwareTokens, Folded, FoldedTokens, refine
from depthforge_ros.model.vit import VisionTransformer
import torch
from torch import nn, Tensor

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

FROZEN = ('depth_encoder', 'depth_head', 'visual_encoder')
"""Parts that come from foundation weights; the rest is what training makes."""

NEAREST_M = 1e-3
"""Metric depth is raised to this before it is inverted."""


class Prediction(NamedTuple):
    """The network's answer at its input resolution."""

    scores_BKHW: Tensor
    """Class scores >= 0, not normalised."""
    inverse_depth_BHW: Tensor
    """Inverse depth >= 0: relative, or in 1/m with a metric depth head."""


class Decoded(NamedTuple):
    """What the network knows before anything is resized for it."""

    scores_BKhw: Tensor
    """Class scores >= 0, not normalised, at a quarter of the input's size."""
    inverse_depth_BHW: Tensor
    """As in `Prediction`."""
    visual_BChw: Tensor
    """Refined features of the last tapped block."""


class DepthForge(nn.Module):
    """Segmentation from visual features that depth features refine, and inverse depth."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: NetworkConfig, classes: int) -> None:
        super().__init__()
        self.config = config
        width = config.encoder.width
        self.depth_encoder = VisionTransformer(config.encoder)
        if not config.shared_encoder:
            self.visual_encoder = _visual_encoder(config)
        self.depth_head = DptHead(config.dpt, width, config.encoder.stem)
        self.tokens = _tokens(config)
        self.refinement = RefinementDecoder(config.head, width, config.dpt.features)
        make_head = DenseHead if config.head.kind == 'dense' else Mask2FormerHead
        self.head = make_head(config.head, width, classes)
        mean, std = self.normalisation()
        self.register_buffer('mean', mean, persistent=False)
        self.register_buffer('std', std, persistent=False)

    @staticmethod
    def normalisation() -> tuple[Tensor, Tensor]:
        """Return ImageNet's mean and deviation for 8-bit values, (3, 1, 1) each, on CPU."""
        mean = torch.tensor(MEAN, device='cpu').view(3, 1, 1)
        std = torch.tensor(STD, device='cpu').view(3, 1, 1)
        return 255.0 * mean, 255.0 * std

    @property
    def visual(self) -> VisionTransformer | Eva02:
        """Return the visual stream's encoder."""
        return self.depth_encoder if self.config.shared_encoder else self.visual_encoder

    @property
    def shared_blocks(self) -> int:
        """Return how many of the first blocks run once for both streams."""
        return self.config.tokens.first_block if self.config.shared_encoder else 0

    def normalize(self, image_BHW3: Tensor) -> Tensor:
        """RGB uint8 (B, H, W, 3) to the encoders' input (B, 3, H, W), in their precision."""
        # Cast first: TensorRT moves no bytes about, not even by a permutation.
        image = image_BHW3.to(self.mean.dtype).permute(0, 3, 1, 2)
        return ((image - self.mean) / self.std).to(self.depth_encoder.cls_token.dtype)

    def lower(self, dtype: torch.dtype) -> DepthForge:
        """
        Turn weights and activations to half precision, in place; returns itself.

        What needs more stays as it was: input normalisation, where the deformable attention
        samples, class scores and what is made of them.
        """
        mean, std = self.mean, self.std
        self.to(dtype)
        self.mean, self.std = mean, std
        return self

    def fold(self) -> DepthForge:
        """Turn what training leaves constant into stored constants, in place; returns itself."""
        if isinstance(self.tokens, DepthAwareTokens):
            self.tokens = FoldedTokens(self.tokens)
        for module in self.modules():
            if isinstance(module, NormedConv):
                module.fold()
        return self

    def forward(self, image_BHW3: Tensor) -> Prediction:
        """Answer RGB uint8 (B, H, W, 3) whose sides are multiples of the (larger) patch."""
        decoded = self.decode(image_BHW3)
        size = image_BHW3.shape[1], image_BHW3.shape[2]
        return Prediction(resize(decoded.scores_BKhw, size), decoded.inverse_depth_BHW)

    def decode(self, image_BHW3: Tensor, depth: KnownDepth | None = None) -> Decoded:
        """
        Run RGB uint8 (B, H, W, 3) up to the class scores at the head's own resolution.

        `depth` may be what the depth stream said of another frame of the same size; the visual
        features are those of this one.
        """
        image = self.normalize(image_BHW3)
        if depth is None:
            with self.depth_stream(image) as seen:
                return self.decode_seen(image, seen)
        if self.shared_blocks:
            # They are a part of the visual stream too.
            own = islice(self.depth_steps(image), self.shared_blocks)
            depth = depth.replaced(dict(enumerate(own)))  # type: ignore[arg-type]
        return self.decode_seen(image, depth)

    def decode_seen(self, image_B3HW: Tensor, depth: DepthStream) -> Decoded:
        """Decode a normalised image with what the depth stream says of it."""
        visual_taps = self.visual_taps(image_B3HW, depth)
        scores = self.segment(visual_taps, depth, every_layer=False).class_scores()
        return Decoded(scores, depth.maps().depth_BHW, visual_taps[-1])

    def depth_stream(self, image_B3HW: Tensor) -> AbstractContextManager[DepthStream]:
        """Run the depth stream and its head; in a thread where that is faster."""
        if not self.config.shared_encoder and can_run_in_parallel(image_B3HW):
            return in_parallel(lambda: self.depth_steps(image_B3HW), self.config.encoder.depth)
        return nullcontext(KnownDepth.of(self.depth_steps(image_B3HW)))

    def depth_steps(self, image_B3HW: Tensor) -> Steps:
        """Make the depth stream's tokens after every block, then what its head says."""
        x_BNC, stem = self.depth_encoder.embed_with_stem(image_B3HW)
        taps = []
        for index, block in enumerate(self.depth_encoder.blocks):
            x_BNC = block(x_BNC)
            if index in self.config.depth_taps:
                taps.append(x_BNC)
            yield x_BNC
        yield self.estimate_depth(self.depth_maps(taps, image_B3HW), stem, _size(image_B3HW))

    def see_depth(self, image_B3HW: Tensor) -> KnownDepth:
        """Run the depth stream, and its head only where the decoder takes depth."""
        steps = self.depth_steps(image_B3HW)
        if self.config.head.depth != 'none':
            return KnownDepth.of(steps)
        blocks = islice(steps, self.config.encoder.depth)
        return KnownDepth(dict(enumerate(blocks)), None)  # type: ignore[arg-type]

    def visual_taps(self, image_B3HW: Tensor, depth: DepthStream) -> list[Tensor]:
        """
        Run the visual encoder, refined by depth: maps (B, C, h, w) of the tapped blocks.

        Where one encoder serves both streams, they are equal before the first block with tokens.
        """
        config, grid = self.config, self.grid(image_B3HW)
        first, start = config.tokens.first_block, self.shared_blocks
        taps = [depth.block(index) for index in config.taps if index < start]
        x_BNC = depth.block(start - 1) if start else self.visual.embed(image_B3HW)
        folded = None if self.tokens is None else self.tokens.fold()
        for index, block in enumerate(self.visual.blocks_for(grid)):
            if index < start:
                continue
            x_BNC = block(x_BNC)
            if folded is not None and index >= first:
                x_BNC = self._refined(x_BNC, depth, image_B3HW, index, folded)
            if index in config.taps:
                taps.append(x_BNC)
        return [to_map(x_BNC[:, self.visual.prefix :], grid) for x_BNC in taps]

    def _refined(
        self,
        visual_BNC: Tensor,
        depth: DepthStream,
        image_B3HW: Tensor,
        block: int,
        folded: Folded,
    ) -> Tensor:
        """Refine a block's patches by the tokens; the tokens in front of them stay as they are."""
        prefix = self.visual.prefix
        patches = depth_BNC = visual_BNC[:, prefix:]
        # Rein does not ask depth, and does not wait for it.
        if self.config.tokens.attention != 'visual':
            depth_BNC = regrid(
                depth.block(block)[:, self.depth_encoder.prefix :],
                self.depth_grid(image_B3HW),
                self.grid(image_B3HW),
            )
        patches = refine(self.config.tokens, patches, depth_BNC, block, folded)
        return torch.cat((visual_BNC[:, :prefix], patches), 1)

    def segment(
        self, visual_taps: list[Tensor], depth: DepthStream, *, every_layer: bool
    ) -> HeadOutput | DenseOutput:
        """Classify the visual maps, refined by depth; `every_layer` of a Mask2Former head."""
        if self.config.head.normed:
            visual_taps = _normed(self.visual.norm, visual_taps)
        # Depth is only waited for where the decoder takes it.
        refined = self.refinement(visual_taps, depth.maps)
        if isinstance(self.head, DenseHead):
            output: DenseOutput = self.head(refined)
            return output
        assert self.tokens is not None
        queries = self.refinement.refined_queries(self.tokens.queries(), refined.levels[0])
        queried: HeadOutput = self.head(
            refined, queries, every_layer=every_layer, between=depth.yield_threads
        )
        return queried

    def estimate_depth(
        self, depth_taps: list[Tensor], stem: Sequence[Tensor], size: tuple[int, int]
    ) -> DepthMaps:
        """Inverse depth (B, H, W), relative or in 1/m, from the depth stream's maps."""
        maps = self.depth_head(self.depth_inputs(depth_taps, stem), size)
        if self.config.dpt.max_depth_m:
            return maps._replace(depth_BHW=maps.depth_BHW.clamp_min(NEAREST_M).reciprocal())
        out: DepthMaps = maps
        return out

    def depth_inputs(self, depth_taps: list[Tensor], stem: Sequence[Tensor]) -> list[Tensor]:
        """Return the four maps that the depth head expects: normalised, the finest of the stem."""
        maps = _normed(self.depth_encoder.norm, depth_taps)
        return [*stem, *maps[len(stem) :]] if self.config.dpt.from_stem else maps

    def depth_maps(self, taps_BNC: Sequence[Tensor], image_B3HW: Tensor) -> list[Tensor]:
        """Lay tokens (B, 1 + R + N, C) of the depth stream out as maps (B, C, h, w)."""
        grid, prefix = self.depth_grid(image_B3HW), self.depth_encoder.prefix
        return [to_map(x_BNC[:, prefix:], grid) for x_BNC in taps_BNC]

    def grid(self, image_B3HW: Tensor) -> tuple[int, int]:
        """Patches (h, w) of an image in the visual stream."""
        return _grid(image_B3HW, self.visual.config.patch)

    def depth_grid(self, image_B3HW: Tensor) -> tuple[int, int]:
        """Patch grid (h, w) of an image in the depth stream."""
        return _grid(image_B3HW, self.depth_encoder.config.patch)


def _size(image_B3HW: Tensor) -> tuple[int, int]:
    return image_B3HW.shape[2], image_B3HW.shape[3]


def _normed(norm: nn.Module, maps_BChw: list[Tensor]) -> list[Tensor]:
    return [norm(x.movedim(1, -1)).movedim(-1, 1) for x in maps_BChw]


def _grid(image_B3HW: Tensor, patch: int) -> tuple[int, int]:
    return image_B3HW.shape[2] // patch, image_B3HW.shape[3] // patch


def _tokens(config: NetworkConfig) -> DepthAwareTokens | FoldedTokens | None:
    if config.tokens.first_block == config.encoder.depth:
        return None
    query_width = config.head.width if config.head.kind == 'mask2former' else None
    return DepthAwareTokens(config.tokens, config.encoder, query_width)


def _visual_encoder(config: NetworkConfig) -> VisionTransformer | Eva02:
    visual = config.visual or config.encoder
    return Eva02(visual) if isinstance(visual, Eva02Config) else VisionTransformer(visual)
