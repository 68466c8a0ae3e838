# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Mask2Former's set loss (arXiv 2112.01527), computed at sampled points.

Other than there, the points are drawn half anywhere and half in favour of rare classes, not by the
uncertainty of each mask, and serve the matching too; the loss is the mean over the decoder layers,
not their sum; unlabelled pixels count in no term. Like there, all processes share what the terms
are divided by, so that their mean gradient is that of the whole batch.

Shapes: B batch, M queries, K classes, D head width, P points, G classes present in one image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from depthforge_ros.labels import UNLABELLED
from depthforge_ros.model.mask2former import HeadOutput, LayerPrediction
from scipy.optimize import linear_sum_assignment
import torch
from torch import distributed, Tensor
from torch.nn import functional

LEAST = 1e-6
"""Of a divisor: where nothing is counted, the sum above it is 0."""
WANTED = -1e9
"""Cost of a query whose prediction is not finite: it is matched, so that the loss shows it."""


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms."""

    classes: float = 2.0
    """Of the cross-entropy of the queries' classes."""
    mask: float = 5.0
    """Of the binary cross-entropy of the matched masks."""
    dice: float = 5.0
    """Of their Dice loss."""
    no_object: float = 0.1
    """Of a query without a match in the class term, where the others have 1."""
    semantic: float = 0.0
    """Of the pixel-wise cross-entropy of the semantic output; not in the paper, where it is 0.
    It trains the output that is used, and short trainings need it."""
    auxiliary: float = 0.0
    """Of the cross-entropy of a linear classifier on the visual encoder's maps, which only the
    training has; it trains a visual encoder, where that is trained."""
    points: int = 12544
    """Sampled in each view, at which masks are matched and compared."""
    depth: float = 0.0
    """Of the relative inverse depth against the teacher's, where a phase trains network."""
    features: float = 0.0
    """Of the last tapped map against the teacher's features of cached views, where a phase trains
    network."""
    balance: bool = False
    """Rare classes weigh more in the pixel-wise loss of a dense head, up to ten times."""


class Terms(NamedTuple):
    """Of one decoder layer, before they are weighted."""

    classes: Tensor
    mask: Tensor
    dice: Tensor
    semantic: Tensor


class Counts(NamedTuple):
    """What the terms are divided by: means over the processes of what their batches hold."""

    masks: Tensor
    queries: Tensor
    points: Tensor
    """Labelled ones."""


@dataclass(frozen=True)
class _Truth:
    """Ground truth of one image at the sampled points."""

    classes_G: Tensor
    masks_GP: Tensor


def set_loss(
    output: HeadOutput, labels_BHW: Tensor, weights: LossWeights, seeds: Sequence[int]
) -> Tensor:
    """Mean loss over the decoder layers; labels uint8 with 255 unlabelled; a seed per image."""
    points_BP2 = _draw_points(labels_BHW, weights.points, seeds)
    labels_BP = _labels_at(labels_BHW, points_BP2)
    grid = (2.0 * points_BP2 - 1.0)[:, :, None]
    features = functional.grid_sample(output.mask_features_BDhw, grid, align_corners=False)
    features_BDP = features.squeeze(-1)
    truths = [_truth(labels_P) for labels_P in labels_BP]
    batch, queries = output.layers[0].class_logits_BMK.shape[:2]
    masks = sum(min(queries, len(truth.classes_G)) for truth in truths)
    known = (labels_BP != UNLABELLED).sum()
    counts = Counts(*over_processes(known.new_tensor([masks, batch * queries, int(known)])))
    total = features_BDP.new_zeros(())
    for layer in output.layers:
        terms = layer_terms(layer, features_BDP, labels_BP, truths, weights, counts)
        total = total + weights.classes * terms.classes + weights.mask * terms.mask
        total = total + weights.dice * terms.dice + weights.semantic * terms.semantic
    return total / len(output.layers)


def over_processes(counts: Tensor) -> Tensor:
    """Mean over the processes."""
    if not distributed.is_initialized():
        return counts
    counts = counts.clone()
    distributed.all_reduce(counts)
    return counts / distributed.get_world_size()


def _draw_points(labels_BHW: Tensor, count: int, seeds: Sequence[int]) -> Tensor:
    """Draw points (B, P, 2) as (x, y) in [0, 1]: half anywhere, half in favour of rare classes."""
    batch, height, width = labels_BHW.shape
    drawn = []
    for labels, seed in zip(labels_BHW.view(batch, -1).long(), seeds, strict=True):
        generator = torch.Generator(labels.device).manual_seed(seed)
        counts = labels.bincount(minlength=256).float()
        chance = 1.0 / counts.clamp_min(1.0).sqrt()
        chance[UNLABELLED] = 0.0
        pixel_chance = chance[labels]
        even = count // 2 if float(pixel_chance.sum()) > 0.0 else count
        points = torch.randint(height * width, (even,), generator=generator, device=labels.device)
        if even < count:
            rare = pixel_chance.multinomial(count - even, True, generator=generator)
            points = torch.cat((points, rare))
        drawn.append(points)
    index_BP = torch.stack(drawn)
    x = (index_BP % width + 0.5) / width
    y = (index_BP // width + 0.5) / height
    return torch.stack((x, y), -1)


def _labels_at(labels_BHW: Tensor, points_BP2: Tensor) -> Tensor:
    batch, height, width = labels_BHW.shape
    x = (points_BP2[..., 0] * width).long().clamp(0, width - 1)
    y = (points_BP2[..., 1] * height).long().clamp(0, height - 1)
    return labels_BHW.view(batch, -1).long().gather(1, y * width + x)


def _truth(labels_P: Tensor) -> _Truth:
    classes = labels_P.unique()
    classes = classes[classes != UNLABELLED]
    return _Truth(classes, (labels_P[None] == classes[:, None]).float())


def layer_terms(
    layer: LayerPrediction,
    features_BDP: Tensor,
    labels_BP: Tensor,
    truths: list[_Truth],
    weights: LossWeights,
    counts: Counts,
) -> Terms:
    """Match the queries of a layer and compute its terms."""
    logits_BMP = layer.mask_embed_BMD @ features_BDP
    known_BP = (labels_BP != UNLABELLED).float()
    classes = layer.class_logits_BMK.shape[-1] - 1
    targets = torch.full(layer.class_logits_BMK.shape[:2], classes, device=labels_BP.device)
    mask_terms = []
    for index, truth in enumerate(truths):
        query, target = match(
            layer.class_logits_BMK[index], logits_BMP[index], truth, known_BP[index], weights
        )
        targets[index, query] = truth.classes_G[target]
        mask_terms.append(
            (
                logits_BMP[index, query],
                truth.masks_GP[target],
                known_BP[index].expand(len(query), -1),
            )
        )
    class_weights = torch.ones(classes + 1, device=labels_BP.device)
    class_weights[-1] = weights.no_object
    class_loss = functional.cross_entropy(
        layer.class_logits_BMK.flatten(0, 1), targets.flatten(), class_weights, reduction='sum'
    )
    logits, masks, known = (torch.cat(parts) for parts in zip(*mask_terms, strict=True))
    bce = functional.binary_cross_entropy_with_logits(logits, masks, reduction='none')
    mask_loss = ((bce * known).sum(1) / known.sum(1).clamp_min(1.0)).sum()
    dice_loss = _dice(logits.sigmoid() * known, masks * known).sum()
    semantic = logits.new_zeros(())
    if weights.semantic:
        semantic = _semantic(layer.class_logits_BMK, logits_BMP, labels_BP)
    nothing = counts.queries - counts.masks
    return Terms(
        class_loss / (counts.masks + weights.no_object * nothing),
        mask_loss / counts.masks.clamp_min(LEAST),
        dice_loss / counts.masks.clamp_min(LEAST),
        semantic / counts.points.clamp_min(LEAST),
    )


def _dice(shares: Tensor, masks: Tensor) -> Tensor:
    overlap = (shares * masks).sum(-1)
    return 1.0 - (2.0 * overlap + 1.0) / (shares.sum(-1) + masks.sum(-1) + 1.0)


def _semantic(class_logits_BMK: Tensor, logits_BMP: Tensor, labels_BP: Tensor) -> Tensor:
    """Cross-entropy of the normalised semantic scores, summed over the labelled points."""
    scores_BKP = class_logits_BMK.softmax(-1)[..., :-1].transpose(1, 2) @ logits_BMP.sigmoid()
    shares = scores_BKP / scores_BKP.sum(1, keepdim=True).clamp_min(1e-6)
    logs = shares.clamp_min(1e-6).log()
    return functional.nll_loss(logs, labels_BP, ignore_index=UNLABELLED, reduction='sum')


@torch.no_grad()
def match(
    class_logits_MK: Tensor,
    mask_logits_MP: Tensor,
    truth: _Truth,
    known_P: Tensor,
    weights: LossWeights,
) -> tuple[Tensor, Tensor]:
    """Assign one query to each class in the image (Hungarian): query indices, truth indices."""
    class_cost = -class_logits_MK.softmax(-1)[:, truth.classes_G]
    masks_GP = truth.masks_GP * known_P
    positive = functional.softplus(-mask_logits_MP) * known_P
    negative = functional.softplus(mask_logits_MP) * known_P
    count = known_P.sum().clamp_min(1.0)
    mask_cost = (positive @ masks_GP.T + negative @ (known_P - masks_GP).T) / count
    shares = mask_logits_MP.sigmoid() * known_P
    overlap = shares @ masks_GP.T
    dice_cost = 1.0 - (2.0 * overlap + 1.0) / (shares.sum(1)[:, None] + masks_GP.sum(1) + 1.0)
    cost = weights.classes * class_cost + weights.mask * mask_cost + weights.dice * dice_cost
    cost = cost.where(cost.isfinite(), WANTED)
    query, target = linear_sum_assignment(cost.cpu().numpy())
    device = cost.device
    return torch.as_tensor(query, device=device), torch.as_tensor(target, device=device)
