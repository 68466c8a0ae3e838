# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Our set loss against that of `transformers`, on the same points."""

from __future__ import annotations

from typing import Any

from depthforge_ros.model.mask2former import HeadOutput, LayerPrediction, mask_logits
from depthforge_trainer import losses
from depthforge_trainer.losses import LossWeights
import pytest
from support.parity import close
import torch
from torch import Tensor

transformers = pytest.importorskip('transformers', reason='pip install -e .[test]')

BATCH, QUERIES, CLASSES, WIDTH, SIDE = 2, 7, 5, 4, 24
WEIGHTS = LossWeights(points=128)


def case() -> tuple[LayerPrediction, Tensor, Tensor]:
    """Return predictions, mask features and labels; the images show 4 and 3 classes."""
    torch.manual_seed(3)
    layer = LayerPrediction(
        3.0 * torch.randn(BATCH, QUERIES, CLASSES + 1), torch.randn(BATCH, QUERIES, WIDTH)
    )
    labels = torch.zeros(BATCH, SIDE, SIDE, dtype=torch.uint8)
    labels[:, 8:], labels[:, :, 15:], labels[0, 20:] = 2, 4, 1
    return layer, torch.randn(BATCH, WIDTH, SIDE // 2, SIDE // 2), labels


def their_loss(monkeypatch: pytest.MonkeyPatch, points_BP2: Tensor) -> torch.nn.Module:
    """Make their loss look at our points: first where it matches, then where it compares."""
    config = transformers.Mask2FormerConfig(
        num_labels=CLASSES, class_weight=WEIGHTS.classes, mask_weight=WEIGHTS.mask,
        dice_weight=WEIGHTS.dice, no_object_weight=WEIGHTS.no_object,
        train_num_points=WEIGHTS.points,
    )  # fmt: skip
    modeling = transformers.models.mask2former.modeling_mask2former
    loss = modeling.Mask2FormerLoss(config, {})
    images = iter(points_BP2[:, None])
    monkeypatch.setattr(torch, 'rand', lambda *_, **__: next(images))
    counts = torch.tensor([4, 3])
    loss.sample_points_using_uncertainty = lambda *_: points_BP2.repeat_interleave(counts, 0)
    return loss


def recorded(monkeypatch: pytest.MonkeyPatch, name: str) -> list[Any]:
    """Collect what a function of ours returns."""
    answers: list[Any] = []
    function = getattr(losses, name)

    def record(*args: Any) -> Any:
        answers.append(function(*args))
        return answers[-1]

    monkeypatch.setattr(losses, name, record)
    return answers


def test_matching_and_terms_are_those_of_mask2former(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, features_BDhw, labels_BHW = case()
    points_BP2 = losses._draw_points(labels_BHW, WEIGHTS.points, range(BATCH))
    classes = [labels.unique().long() for labels in labels_BHW]
    masks = [
        (labels == own[:, None, None]).float()
        for labels, own in zip(labels_BHW, classes, strict=True)
    ]
    logits_BMhw = mask_logits(layer.mask_embed_BMD, features_BDhw)
    theirs = their_loss(monkeypatch, points_BP2)
    matched: list[Any] = []
    theirs.matcher.register_forward_hook(lambda *args: matched.extend(args[-1]))
    expected = theirs(logits_BMhw, layer.class_logits_BMK, masks, classes)

    ours, terms = recorded(monkeypatch, 'match'), recorded(monkeypatch, 'layer_terms')
    output = HeadOutput([layer, layer], features_BDhw)
    total = losses.set_loss(output, labels_BHW, WEIGHTS, range(BATCH))
    torch.testing.assert_close(ours[:BATCH], matched)
    close(terms[0].classes, expected['loss_cross_entropy'])
    close(terms[0].mask, expected['loss_mask'])
    close(terms[0].dice, expected['loss_dice'])
    # Two equal layers count as one.
    close(total, 2.0 * terms[0].classes + 5.0 * terms[0].mask + 5.0 * terms[0].dice)
