# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Training a dense head with labels of several data sets, and a whole network with a teacher."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
from depthforge_ros.labels import CAMVID, CITYSCAPES, groups, IDD_LITE
from depthforge_ros.model.answer import sum_groups
from depthforge_ros.model.checkpoint import load_network
from depthforge_trainer.augment import Augment, view
from depthforge_trainer.classes import Targets
from depthforge_trainer.cli import main
from depthforge_trainer.data import Sample
from depthforge_trainer.depth_loss import depth_loss
from depthforge_trainer.feature_loss import feature_loss
from depthforge_trainer.features import features_in
from depthforge_trainer.pixel_loss import class_weights, pixel_loss
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from support.networks import MINI, mini_checkpoint
from support.refusals import ErrorOf
from support.training import configuration, losses
import torch
from torch.nn import functional
import yaml

DENSE: dict[str, Any] = {
    'head': {'kind': 'dense', 'depth': 'fused', 'normed': True, 'gate_on': 'grid', 'width': 64},
    'shared_encoder': True,
}


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), weighted=st.booleans())
def test_groups_of_one_class_give_the_plain_cross_entropy(seed: int, weighted: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 19, 8, 8, generator=generator)
    labels = torch.randint(0, 19, (2, 16, 16), generator=generator, dtype=torch.uint8)
    labels[0, :3] = 255
    weights = torch.rand(19, generator=generator) + 0.5 if weighted else torch.ones(19)
    ours = pixel_loss(logits, labels, Targets(CITYSCAPES, ()).members, weights)
    expected = functional.cross_entropy(
        logits, labels[:, 1::2, 1::2].long(), weights, ignore_index=255
    )
    torch.testing.assert_close(ours, expected)


def test_a_coarse_label_asks_for_the_sum_of_its_classes() -> None:
    targets = Targets(CITYSCAPES, (CAMVID, IDD_LITE))
    logits = torch.randn(1, 19, 4, 4)
    shares = logits.softmax(1)
    for space in (CAMVID, IDD_LITE):
        for train_id, group in enumerate(groups(CITYSCAPES, space)):
            labels = targets.of(np.full((8, 8), train_id, np.uint8), space)
            ours = pixel_loss(
                logits, torch.from_numpy(labels)[None], targets.members, torch.ones(len(targets))
            )
            torch.testing.assert_close(ours, -shares[:, list(group)].sum(1).log().mean())
        summed = sum_groups(shares, groups(CITYSCAPES, space))
        torch.testing.assert_close(summed.sum(1), torch.ones(1, 4, 4))


def test_rare_classes_and_their_groups_weigh_more() -> None:
    targets = Targets(CITYSCAPES, (CAMVID,))
    counts = np.zeros(len(targets), np.int64)
    counts[[0, 13]] = 900, 100
    weights = class_weights(counts, targets.members)
    assert weights[:19].mean() == pytest.approx(1.0)
    assert weights[0] < weights[13] < weights[5]
    (vehicles,) = (at for at, group in enumerate(targets.members) if group == (13, 14, 15, 16))
    assert weights[vehicles] == weights[13]


def test_the_depth_loss_leaves_the_scale_free_and_views_without_depth_out() -> None:
    truth = torch.rand(2, 24, 32) + 0.1
    assert float(depth_loss(3.0 * truth, truth)) == pytest.approx(0.0, abs=1e-5)
    assert float(depth_loss(truth.flip(1), truth)) > 0.1
    half = torch.stack((truth[0], torch.zeros(24, 32)))
    guess = torch.rand(2, 24, 32)
    torch.testing.assert_close(depth_loss(guess, half), depth_loss(guess[:1], truth[:1]))
    assert float(depth_loss(guess, torch.zeros(2, 24, 32))) == 0.0


def test_features_of_a_view_are_those_of_its_part_of_the_sample() -> None:
    rng = np.random.default_rng(0)
    # A teacher's features that say where they are: x and y of each of 28 x 40 patches.
    y, x = np.meshgrid((np.arange(28) + 0.5) / 28, (np.arange(40) + 0.5) / 40, indexing='ij')
    tokens = torch.from_numpy(np.stack((x, y), -1).reshape(-1, 2).astype(np.float32))
    places = np.stack(((np.arange(400) + 0.5) / 400 * np.ones((280, 1)),
                       (np.arange(280)[:, None] + 0.5) / 280 * np.ones((1, 400)),
                       np.ones((280, 400))), -1)  # fmt: skip
    sample = Sample('', np.round(200 * places).astype(np.uint8), np.zeros((280, 400), np.uint8))
    augment = Augment(224, 320, short_side=256, scale=(0.8, 1.6), brightness=0.0)
    for _ in range(20):
        one = view(sample, augment, rng)
        found = features_in(tokens, (28, 40), one.window, (14, 20)).numpy()
        seen = np.moveaxis(cv2.resize(one.rgb, (20, 14), interpolation=cv2.INTER_AREA), -1, 0)
        inside = found[0] > 0.0
        assert inside.any()
        np.testing.assert_allclose(found[:, inside], seen[:2, inside] / 200, atol=0.02)


def test_the_feature_loss_is_the_share_that_is_not_explained() -> None:
    truth = 5.0 * torch.randn(2, 6, 4, 5) + 3.0
    assert float(feature_loss(torch.zeros(2, 6, 4, 5), truth)) == pytest.approx(1.0, abs=1e-4)
    assert float(feature_loss(truth, torch.zeros(2, 6, 4, 5))) == 0.0
    half = torch.stack((truth[0], torch.zeros(6, 4, 5)))
    guess = torch.randn(2, 6, 4, 5)
    torch.testing.assert_close(feature_loss(guess, half), feature_loss(guess[:1], truth[:1]))
    mean = truth.mean((0, 2, 3), keepdim=True)
    scaled = (truth - mean) / truth.std((0, 2, 3), correction=0, keepdim=True)
    assert float(feature_loss(scaled, truth)) == pytest.approx(0.0, abs=1e-6)


def run(tmp_path: Path, **changes: Any) -> Path:
    """Write a run on CamVid's and IDD Lite's labels, with Cityscapes' classes."""
    path = configuration(tmp_path)
    fields = yaml.safe_load(path.read_text())
    model = fields['model'] | {'head': {**fields['model']['head'], **DENSE['head']}}
    fields |= {'model': model | {'shared_encoder': True}, 'label_space': 'cityscapes'}
    fields['loss'] = {'balance': True}
    root = tmp_path / 'idd' / 'train'
    for name in ('images', 'labels'):
        (root / name).mkdir(parents=True)
    cv2.imwrite(str(root / 'images' / 'a.jpg'), np.full((80, 100, 3), 90, np.uint8))
    cv2.imwrite(str(root / 'labels' / 'a.png'), np.full((80, 100), 5, np.uint8))
    fields['sources'].append({'kind': 'idd_lite', 'root': str(root.parent), 'split': 'train'})
    fields['validation'] = fields['sources']
    path.write_text(yaml.safe_dump(fields | changes))
    return path


@pytest.mark.parametrize('first_block', [0, 2, 4])
def test_a_dense_head_learns_from_cached_features_of_coarser_labels(
    tmp_path: Path, first_block: int
) -> None:
    path = run(
        tmp_path,
        cached_views=1,
        phases=[
            {'train': kind, 'iterations': 12, 'batch': 2, 'learning_rate': 3e-3}
            for kind in (('head', 'all') if first_block < 4 else ('head',))
        ],
    )
    fields = yaml.safe_load(path.read_text())
    fields['model']['tokens']['first_block'] = first_block
    path.write_text(yaml.safe_dump(fields))
    assert main(['fit', str(path)]) == 0
    loss = losses(tmp_path / 'run')
    assert np.mean(loss[-4:]) < np.mean(loss[:4])
    network, checkpoint = load_network(tmp_path / 'run' / 'last.safetensors')
    assert checkpoint.label_space == CITYSCAPES
    assert (network.tokens is None) is (first_block == 4)


def test_a_whole_network_learns_masks_and_its_teachers_depth(tmp_path: Path) -> None:
    encoder = {'width': 32, 'depth': 4, 'heads': 4, 'patch': 16, 'position_grid': 4,
               'stem': [8, 8, 16]}  # fmt: skip
    path = run(
        tmp_path,
        loss={'depth': 1.0, 'features': 1.0},
        augment={'height': 48, 'width': 64, 'short_side': 64, 'scale': [1.0, 1.2]},
        cached_augment={'height': 56, 'width': 70, 'short_side': 64, 'scale': [1.0, 1.2]},
        phases=[{'train': 'network', 'iterations': 12, 'batch': 4, 'learning_rate': 3e-3}],
    )
    teacher = dataclasses.replace(
        MINI, shared_encoder=True, head=dataclasses.replace(MINI.head, kind='dense')
    )
    mini_checkpoint(tmp_path / 'teacher.safetensors', teacher)
    fields = yaml.safe_load(path.read_text())
    fields['model'] |= {'encoder': encoder, 'tokens': {'first_block': 4}}
    fields['model']['dpt'] |= {'from_stem': True, 'full_size': False}
    fields['teacher'] = str(tmp_path / 'teacher.safetensors')
    fields['sources'] += [
        fields['sources'][0] | {'views': 1},
        {'kind': 'images', 'root': str(tmp_path / 'data' / 'images'), 'views': 1, 'name': 'pool'},
    ]
    del fields['validation']
    path.write_text(yaml.safe_dump(fields))
    assert main(['fit', str(path)]) == 0
    loss = losses(tmp_path / 'run')
    assert np.mean(loss[-4:]) < np.mean(loss[:4])
    # A second step goes on from the first one's weights, with the same foundation for its views.
    fields['start_from'] = str(tmp_path / 'run' / 'last.safetensors')
    fields['output'] = str(tmp_path / 'second')
    path.write_text(yaml.safe_dump(fields))
    assert main(['fit', str(path)]) == 0
    assert np.mean(losses(tmp_path / 'second')) < np.mean(loss)


def test_coarser_labels_need_a_dense_head(tmp_path: Path, error_of: ErrorOf) -> None:
    line = error_of('fit', configuration(tmp_path, label_space='cityscapes'))
    assert 'camvid has coarser classes' in line
    assert 'dense head' in line


def test_features_as_targets_need_cached_views(tmp_path: Path, error_of: ErrorOf) -> None:
    error = error_of('fit', run(tmp_path, loss={'features': 1.0}))
    assert 'loss: features compares with a teacher' in error
