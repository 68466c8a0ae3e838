# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The Mask2Former head (arXiv 2112.01527) with queries that come from the depth-aware tokens.

Shapes: B batch, M queries, D head width, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from depthforge_ros.model.attention import CrossAttention
from depthforge_ros.model.config import HeadConfig
from depthforge_ros.model.deformable import nothing, PixelDecoder, sine_position
from depthforge_ros.model.refinement import Refined, resize
from depthforge_ros.model.sampling import LEVELS
import torch
from torch import nn, Tensor


class LayerPrediction(NamedTuple):
    """What the queries say after one decoder layer."""

    class_logits_BMK: Tensor
    """(B, M, K + 1), the last class is 'no object'."""
    mask_embed_BMD: Tensor
    """Mask logits are its product with the mask features."""


class HeadOutput(NamedTuple):
    """Predictions of every decoder layer (only the last at inference)."""

    layers: list[LayerPrediction]
    mask_features_BDhw: Tensor

    def class_scores(self) -> Tensor:
        """
        Sum over the queries of softmax(class) sigmoid(mask): (B, K, h, w), >= 0.

        At the mask features' size, a quarter of the input's; the caller resizes.
        """
        prediction = self.layers[-1]
        classes = prediction.class_logits_BMK.float().softmax(-1)[..., :-1]
        masks = mask_logits(prediction.mask_embed_BMD, self.mask_features_BDhw).float().sigmoid()
        scores = classes.transpose(1, 2) @ masks.flatten(2)
        return scores.unflatten(-1, masks.shape[2:])


def mask_logits(mask_embed_BMD: Tensor, features_BDhw: Tensor) -> Tensor:
    """Mask logits (B, M, h, w)."""
    logits = mask_embed_BMD @ features_BDhw.flatten(2)
    return logits.unflatten(-1, features_BDhw.shape[2:])


class DecoderLayer(nn.Module):
    """Masked cross-attention, self-attention, feed-forward; post-norm."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        width = config.width
        self.cross = CrossAttention(width, config.attention_heads)
        self.cross_norm = nn.LayerNorm(width)
        self.own = CrossAttention(width, config.attention_heads)
        self.own_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, config.decoder_ffn)
        self.fc2 = nn.Linear(config.decoder_ffn, width)
        self.ffn_norm = nn.LayerNorm(width)

    def forward(
        self, x_BMD: Tensor, queries_MD: Tensor, keys: Tensor, values: Tensor, mask: Tensor
    ) -> Tensor:
        x_BMD = self.cross_norm(x_BMD + self.cross(x_BMD + queries_MD, keys, values, mask))
        placed = x_BMD + queries_MD
        x_BMD = self.own_norm(x_BMD + self.own(placed, placed, x_BMD))
        out: Tensor = self.ffn_norm(x_BMD + self.fc2(self.fc1(x_BMD).relu_()))
        return out


class Mask2FormerHead(nn.Module):
    """Pixel decoder, masked-attention decoder and predictors."""

    def __init__(self, config: HeadConfig, width: int, classes: int) -> None:
        super().__init__()
        head = config.width
        self.pixel_decoder = PixelDecoder(config, width)
        self.level_embed = nn.Parameter(torch.randn(LEVELS, head))
        self.to_content = nn.Linear(head, head)
        """Queries to their initial content."""
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        self.norm = nn.LayerNorm(head)
        self.classify = nn.Linear(head, classes + 1)
        self.to_mask = nn.Sequential(
            nn.Linear(head, head),
            nn.ReLU(),
            nn.Linear(head, head),
            nn.ReLU(),
            nn.Linear(head, head),
        )

    def forward(
        self,
        refined: Refined,
        queries_MD: Tensor,
        *,
        every_layer: bool,
        between: Callable[[], None] = nothing,
    ) -> HeadOutput:
        """
        Predict from the pyramid; `every_layer` keeps all predictions, for the loss.

        `between` is called after each layer of both decoders.

        The queries are (M, D), or (B, M, D) where they differ between the images.
        """
        features, maps = self.pixel_decoder(refined, between)
        sizes = [(x.shape[2], x.shape[3]) for x in maps]
        # Masks and resizing are both linear: the resized features give the resized masks.
        resized = [resize(features, size) for size in sizes]
        values = [
            x.flatten(2).transpose(1, 2) + self.level_embed[index] for index, x in enumerate(maps)
        ]
        keys = [
            value + sine_position(size, x.shape[1], x)[0].flatten(1).T
            for value, size, x in zip(values, sizes, maps, strict=True)
        ]
        x_BMD = self.to_content(queries_MD).expand(features.shape[0], -1, -1)
        predictions = []
        for index, layer in enumerate(self.layers):
            level = index % LEVELS
            prediction = self.predict(x_BMD, with_classes=every_layer)
            predictions.append(prediction)
            mask = self._attention_mask(prediction.mask_embed_BMD, resized[level])
            x_BMD = layer(x_BMD, queries_MD, keys[level], values[level], mask)
            between()
        last = self.predict(x_BMD, with_classes=True)
        return HeadOutput([*predictions, last] if every_layer else [last], features)

    def predict(self, x_BMD: Tensor, *, with_classes: bool) -> LayerPrediction:
        """Read classes and mask embeddings off the queries."""
        normed = self.norm(x_BMD)
        classes = self.classify(normed) if with_classes else normed[..., :0]
        return LayerPrediction(classes, self.to_mask(normed))

    @staticmethod
    def _attention_mask(mask_embed_BMD: Tensor, features_BDhw: Tensor) -> Tensor:
        """Say where each query may look (B, 1, M, S): in its mask, or all over if it is empty."""
        inside = mask_logits(mask_embed_BMD.detach(), features_BDhw.detach()).flatten(2) >= 0.0
        empty = ~inside.any(-1, keepdim=True)
        return (inside | empty)[:, None]
