# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The set loss against the published formulas; test_parity_loss has another implementation."""

from __future__ import annotations

import itertools

from depthforge_ros.model.mask2former import HeadOutput, LayerPrediction
from depthforge_trainer.losses import _Truth, LossWeights, match, set_loss
import torch


def perfect_output(labels: torch.Tensor) -> HeadOutput:
    """Make queries that say what the labels say: query k is class k, or nothing if k is absent."""
    present = labels.unique().tolist()
    masks = torch.nn.functional.one_hot(labels.long(), 4).permute(0, 3, 1, 2).float()
    features = (masks - 0.5) * 40.0
    classes = torch.full((len(labels), 6, 5), -20.0)
    for query in range(6):
        classes[:, query, query if query in present else 4] = 20.0
    embed = torch.zeros(len(labels), 6, 4)
    embed[:, :4] = torch.eye(4)
    return HeadOutput([LayerPrediction(classes, embed)], features)


def test_loss_is_small_for_the_truth_and_large_for_anything_else() -> None:
    labels = torch.zeros(2, 32, 32, dtype=torch.uint8)
    labels[:, 16:] = 1
    labels[:, :, 20:] = 3
    weights = LossWeights(semantic=1.0, points=512)
    good = float(set_loss(perfect_output(labels), labels, weights, range(len(labels))))
    bad = float(set_loss(perfect_output(labels.flip(1)), labels, weights, range(len(labels))))
    assert good < 0.2 < 5.0 < bad


def test_unlabelled_pixels_do_not_count() -> None:
    labels = torch.zeros(1, 32, 32, dtype=torch.uint8)
    labels[:, 16:] = 1
    hidden = labels.clone()
    hidden[:, :, 16:] = 255
    output = perfect_output(labels)
    output.mask_features_BDhw[..., 17:] *= -1.0
    weights = LossWeights(semantic=1.0, points=2048)
    assert float(set_loss(output, hidden, weights, (0,))) < 0.2
    assert float(set_loss(output, labels, weights, range(len(labels)))) > 1.0


def test_matching_is_the_cheapest_of_all_assignments() -> None:
    torch.manual_seed(1)
    classes, masks = torch.randn(4, 4), torch.randn(4, 50)
    truth = _Truth(torch.tensor([0, 2]), (torch.rand(2, 50) > 0.5).float())
    known, weights = torch.ones(50), LossWeights()

    def cost(query: int, target: int) -> float:
        share = masks[query].sigmoid()
        bce = torch.nn.functional.binary_cross_entropy(share, truth.masks_GP[target])
        dice = 1 - (2 * (share * truth.masks_GP[target]).sum() + 1) / (
            share.sum() + truth.masks_GP[target].sum() + 1
        )
        chance = classes[query].softmax(-1)[truth.classes_G[target]]
        return float(-2 * chance + 5 * bce + 5 * dice)

    best = min(itertools.permutations(range(4), 2), key=lambda p: cost(p[0], 0) + cost(p[1], 1))
    query, target = match(classes, masks, truth, known, weights)
    found = dict(zip(target.tolist(), query.tolist(), strict=True))
    assert (found[0], found[1]) == best


def test_a_batch_without_labels_wants_no_object() -> None:
    labels = torch.full((2, 32, 32), 255, dtype=torch.uint8)
    output = perfect_output(torch.zeros_like(labels))
    features, classes = output.mask_features_BDhw, output.layers[0].class_logits_BMK
    for tensor in (features, classes):
        tensor.requires_grad_()
    loss = set_loss(output, labels, LossWeights(semantic=1.0, points=64), range(2))
    loss.backward()
    # One of six queries is sure of a class, by a margin of 40.
    torch.testing.assert_close(loss.item(), 2.0 * 40.0 / 6.0)
    assert features.grad is None or not features.grad.any()
    assert classes.grad is not None
    assert torch.isfinite(classes.grad).all()
