# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""From a batch of views to the loss of what a phase trains."""

from __future__ import annotations

from depthforge_ros.model.dense import DenseOutput
from depthforge_ros.model.mask2former import HeadOutput, LayerPrediction
from depthforge_ros.model.network import DepthForge
from depthforge_ros.model.streams import DepthStream, KnownDepth
from depthforge_trainer.classes import Targets
from depthforge_trainer.depth_loss import depth_loss
from depthforge_trainer.feature_loss import feature_loss
from depthforge_trainer.features import Batch
from depthforge_trainer.losses import LossWeights, set_loss
from depthforge_trainer.pixel_loss import pixel_loss
import torch
from torch import nn, Tensor


class Training(nn.Module):
    """A network with what only its training has; called on a batch, it gives the loss."""

    class_weights: Tensor

    def __init__(
        self,
        network: DepthForge,
        weights: LossWeights,
        targets: Targets,
        class_weights: Tensor | None = None,
        teacher_width: int = 0,
    ) -> None:
        """
        Take weights (T,) of the target ids in the pixel-wise loss; without, all weigh 1.

        `teacher_width` is the number of channels of the teacher's features, if a batch has any.
        """
        super().__init__()
        self.network = network
        self.weights = weights
        self.targets = targets
        if class_weights is None:
            class_weights = torch.ones(len(targets))
        self.register_buffer('class_weights', class_weights, persistent=False)
        self.phase = 'all'
        """What is trained, see `Phase.train`."""
        self.auxiliary: nn.Conv2d | None = None
        """Linear classifier of the visual encoder's tapped maps."""
        if weights.auxiliary > 0.0:
            width = len(network.config.taps) * network.config.encoder.width
            self.auxiliary = nn.Conv2d(width, len(targets.space), 1)
        self.to_teacher: nn.Linear | None = None
        """From the last tapped map, normalised, to the teacher's features."""
        if weights.features > 0.0:
            self.to_teacher = nn.Linear(network.visual.config.width, teacher_width)

    def forward(self, batch: Batch) -> Tensor:
        """Loss of a batch in float32; the graph holds what the phase trains."""
        image = self.network.normalize(batch.image_BHW3)
        depth = self._depth(image, batch)
        taps = self._taps(image, depth)
        logits_BKhw = None if self.auxiliary is None else self.auxiliary(torch.cat(taps, 1))
        output = None
        if self.phase != 'auxiliary':
            output = self.network.segment(taps, depth, every_layer=True)
        loss = image.new_zeros(())
        with torch.autocast(image.device.type, enabled=False):
            if logits_BKhw is not None:
                loss = loss + self.weights.auxiliary * self._pixel_loss(logits_BKhw, batch)
            if self.phase == 'network' and batch.inverse_depth_BHW is not None:
                guess = depth.maps().depth_BHW.float()
                loss = loss + self.weights.depth * depth_loss(guess, batch.inverse_depth_BHW)
            if self.to_teacher is not None and batch.features_BChw is not None:
                last_BhwC = self.network.visual.norm(taps[-1].float().movedim(1, -1))
                guess = self.to_teacher(last_BhwC).movedim(-1, 1)
                loss = loss + self.weights.features * feature_loss(guess, batch.features_BChw)
            if isinstance(output, DenseOutput):
                loss = loss + self._pixel_loss(output.logits_BKhw, batch)
            elif output is not None:
                answers = _in_float(output)
                loss = loss + set_loss(answers, batch.labels_BHW, self.weights, batch.seeds)
        return loss

    def _pixel_loss(self, logits_BKhw: Tensor, batch: Batch) -> Tensor:
        return pixel_loss(
            logits_BKhw.float(), batch.labels_BHW, self.targets.members, self.class_weights
        )

    def _taps(self, image: Tensor, depth: DepthStream) -> list[Tensor]:
        network = self.network
        if self.phase != 'head':
            return network.visual_taps(image, depth)
        # Without tokens both streams see the same features.
        return network.depth_maps([depth.block(tap) for tap in network.config.taps], image)

    def _depth(self, image: Tensor, batch: Batch) -> DepthStream:
        """Take the depth stream as it is cached, or run it; with a gradient if it is trained."""
        if batch.maps is None:
            if self.phase == 'network':
                return KnownDepth.of(self.network.depth_steps(image))
            with torch.no_grad():
                return self.network.see_depth(image)
        blocks = dict(batch.blocks)
        tokens, encoder = self.network.config.tokens, self.network.depth_encoder
        if self.phase != 'head' and tokens.attention != 'visual':
            # What the tokens ask of blocks that are not cached is computed again.
            with torch.no_grad():
                for index in range(tokens.first_block, len(encoder.blocks)):
                    if index not in blocks:
                        before = blocks[index - 1] if index else encoder.embed(image)
                        blocks[index] = encoder.blocks[index](before)
        return KnownDepth(blocks, batch.maps)


def _in_float(output: HeadOutput) -> HeadOutput:
    layers = [LayerPrediction(*(x.float() for x in layer)) for layer in output.layers]
    return HeadOutput(layers, output.mask_features_BDhw.float())
