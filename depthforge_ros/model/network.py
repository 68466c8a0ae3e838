# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The whole DepthForge network: two frozen streams, tokens between them, decoder, depth head.

Shapes: B batch, N patches of an h x w grid, C encoder width, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from depthforge_ros.model.ahead import Ahead, ahead
from depthforge_ros.model.config import Eva02Config, NetworkConfig
from depthforge_ros.model.deformable import nothing
from depthforge_ros.model.dpt import DptHead
from depthforge_ros.model.eva02 import Eva02
from depthforge_ros.model.mask2former import HeadOutput, Mask2FormerHead
from depthforge_ros.model.patch import regrid, to_map
from depthforge_ros.model.refinement import RefinementDecoder, resize
from depthforge_ros.model.tokens import DepthAwareTokens, FoldedTokens, refine
from depthforge_ros.model.vit import VisionTransformer
import torch
from torch import nn, Tensor

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

FROZEN = ('depth_encoder', 'depth_head', 'visual_encoder')
"""Parts that come from foundation weights; the rest is what training makes."""

Blocks = Sequence[Tensor] | Ahead
"""Patches (B, N, C) of the depth stream after every block."""
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
        self.depth_head = DptHead(config.dpt, width)
        self.tokens: DepthAwareTokens | FoldedTokens = DepthAwareTokens(
            config.tokens, config.encoder, config.head.width
        )
        self.refinement = RefinementDecoder(config.head, width)
        self.head = Mask2FormerHead(config.head, width, classes)
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
        return self

    def forward(self, image_BHW3: Tensor) -> Prediction:
        """Answer RGB uint8 (B, H, W, 3) whose sides are multiples of the (larger) patch."""
        decoded = self.decode(image_BHW3)
        size = image_BHW3.shape[1], image_BHW3.shape[2]
        return Prediction(resize(decoded.scores_BKhw, size), decoded.inverse_depth_BHW)

    def decode(self, image_BHW3: Tensor) -> Decoded:
        """Run RGB uint8 (B, H, W, 3) up to the class scores at the head's own resolution."""
        size = image_BHW3.shape[1], image_BHW3.shape[2]
        image = self.normalize(image_BHW3)
        if not self.config.shared_encoder and _can_run_apart(image):
            return self._decode_apart(image, size)
        depth_taps, visual_taps = self.streams(image)
        output = self.segment(visual_taps, every_layer=False)
        depth = self.estimate_depth(depth_taps, size)
        return Decoded(output.class_scores(), depth, visual_taps[-1])

    def _decode_apart(self, image_B3HW: Tensor, size: tuple[int, int]) -> Decoded:
        """Do the same with the depth stream and its head in a thread beside."""
        count = self.config.encoder.depth
        with ahead(lambda: self._depth_stream(image_B3HW, size), count + 1) as depth:
            visual_taps = self.visual_taps(image_B3HW, depth)
            output = self.segment(visual_taps, every_layer=False, between=depth.widen)
            return Decoded(output.class_scores(), depth[count], visual_taps[-1])

    def _depth_stream(self, image_B3HW: Tensor, size: tuple[int, int]) -> Iterator[Tensor]:
        """Make the patches after every block, and at last the inverse depth."""
        blocks = []
        for patches_BNC in self._depth_blocks(image_B3HW):
            blocks.append(patches_BNC)
            yield patches_BNC
        yield self.estimate_depth(self.depth_maps(blocks, image_B3HW), size)

    def streams(self, image_B3HW: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Run both encoders: depth and visual maps (B, C, h, w) of the tapped blocks."""
        depth_BNC = self.depth_encoder.embed(image_B3HW)
        visual_BNC = (
            depth_BNC if self.visual is self.depth_encoder else self.visual.embed(image_B3HW)
        )
        folded = self.tokens.fold()
        depth_taps, visual_taps = [], []
        depth_prefix, visual_prefix = self.depth_encoder.prefix, self.visual.prefix
        depth_grid, grid = self.depth_grid(image_B3HW), self.grid(image_B3HW)
        blocks = zip(
            self.depth_encoder.blocks_for(depth_grid), self.visual.blocks_for(grid), strict=True
        )
        for index, (depth_block, visual_block) in enumerate(blocks):
            depth_BNC, visual_BNC = _lockstep(depth_block, visual_block, depth_BNC, visual_BNC)
            patches_BNC = depth_BNC[:, depth_prefix:]
            refined = refine(
                self.config.tokens,
                visual_BNC[:, visual_prefix:],
                regrid(patches_BNC, depth_grid, grid),
                index,
                folded,
            )
            visual_BNC = torch.cat((visual_BNC[:, :visual_prefix], refined), 1)
            if index in self.config.depth_taps:
                depth_taps.append(to_map(patches_BNC, depth_grid))
            if index in self.config.taps:
                visual_taps.append(to_map(refined, grid))
        return depth_taps, visual_taps

    def depth_blocks(self, image_B3HW: Tensor) -> list[Tensor]:
        """Run the depth encoder alone: patches (B, N, C) after every block."""
        return list(self._depth_blocks(image_B3HW))

    def _depth_blocks(self, image_B3HW: Tensor) -> Iterator[Tensor]:
        x_BNC = self.depth_encoder.embed(image_B3HW)
        for block in self.depth_encoder.blocks:
            x_BNC = block(x_BNC)
            yield x_BNC[:, self.depth_encoder.prefix :]

    def visual_taps(self, image_B3HW: Tensor, depth_blocks: Blocks) -> list[Tensor]:
        """Run the visual encoder alone, refined by what `depth_blocks` gave."""
        x_BNC = self.visual.embed(image_B3HW)
        folded = self.tokens.fold()
        taps = []
        prefix = self.visual.prefix
        depth_grid, grid = self.depth_grid(image_B3HW), self.grid(image_B3HW)
        for index, block in enumerate(self.visual.blocks_for(grid)):
            x_BNC = block(x_BNC)
            depth_BNC = regrid(depth_blocks[index], depth_grid, grid)
            refined = refine(self.config.tokens, x_BNC[:, prefix:], depth_BNC, index, folded)
            x_BNC = torch.cat((x_BNC[:, :prefix], refined), 1)
            if index in self.config.taps:
                taps.append(to_map(refined, grid))
        return taps

    def segment(
        self,
        visual_taps: list[Tensor],
        *,
        every_layer: bool,
        between: Callable[[], None] = nothing,
    ) -> HeadOutput:
        """Decode the visual maps into queries' classes and masks, `between` after each layer."""
        levels = self.refinement(visual_taps)
        queries = self.refinement.refined_queries(self.tokens.queries(), levels[0])
        output: HeadOutput = self.head(levels, queries, every_layer=every_layer, between=between)
        return output

    def estimate_depth(self, depth_taps: list[Tensor], size: tuple[int, int]) -> Tensor:
        """Inverse depth (B, H, W) from the depth stream's maps: relative or in 1/m."""
        answer: Tensor = self.depth_head(self.normed(depth_taps), size)
        if self.config.dpt.max_depth_m:
            return answer.clamp_min(NEAREST_M).reciprocal()
        return answer

    def normed(self, depth_taps: list[Tensor]) -> list[Tensor]:
        """Normalise the depth stream's maps (B, C, h, w) as its head expects them."""
        norm = self.depth_encoder.norm
        return [norm(x.movedim(1, -1)).movedim(-1, 1) for x in depth_taps]

    def depth_maps(self, blocks: Blocks, image_B3HW: Tensor) -> list[Tensor]:
        """Lay the tapped of `depth_blocks` out as maps (B, C, h, w), for `estimate_depth`."""
        grid = self.depth_grid(image_B3HW)
        return [to_map(blocks[tap], grid) for tap in self.config.depth_taps]

    def grid(self, image_B3HW: Tensor) -> tuple[int, int]:
        """Patch grid (h, w) of an image in the visual stream."""
        return _grid(image_B3HW, self.visual.config.patch)

    def depth_grid(self, image_B3HW: Tensor) -> tuple[int, int]:
        """Patch grid (h, w) of an image in the depth stream."""
        return _grid(image_B3HW, self.depth_encoder.config.patch)


def _can_run_apart(image: Tensor) -> bool:
    """Say whether threads of our own may run the streams: on CPUs, but not for the trainer."""
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return False
    return image.device.type == 'cpu' and torch.get_num_threads() > 1


def _grid(image_B3HW: Tensor, patch: int) -> tuple[int, int]:
    return image_B3HW.shape[2] // patch, image_B3HW.shape[3] // patch


def _visual_encoder(config: NetworkConfig) -> VisionTransformer | Eva02:
    visual = config.visual or config.encoder
    return Eva02(visual) if isinstance(visual, Eva02Config) else VisionTransformer(visual)


_Block = Callable[[Tensor], Tensor]


def _lockstep(
    depth_block: _Block, visual_block: _Block, depth_BNC: Tensor, visual_BNC: Tensor
) -> tuple[Tensor, Tensor]:
    """Run one block of each stream; shared blocks once, on both streams as one batch."""
    if depth_block is not visual_block:
        return depth_block(depth_BNC), visual_block(visual_BNC)
    if depth_BNC is visual_BNC:
        out = depth_block(depth_BNC)
        return out, out
    both = depth_block(torch.cat((depth_BNC, visual_BNC)))
    depth, visual = both.unflatten(0, (2, depth_BNC.shape[0])).unbind(0)
    return depth, visual
