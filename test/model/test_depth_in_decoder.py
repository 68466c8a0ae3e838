# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Depth in the refinement decoder, the dense head, and encoders that run once."""

from __future__ import annotations

import dataclasses

from depthforge_ros.model.streams import KnownDepth
from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
from support.networks import DENSE as STEM
from support.networks import MINI, mini_network, variant
import torch

DENSE = dataclasses.replace(MINI.head, kind='dense', depth='fused', normed=True)


@settings(max_examples=8, deadline=None)
@given(first=st.integers(0, 4), depth=st.sampled_from(['none', 'inverse', 'fused']))
def test_blocks_before_the_tokens_run_once_for_both_streams(first: int, depth: str) -> None:
    head = dataclasses.replace(DENSE, depth=depth)
    tokens = dataclasses.replace(MINI.tokens, first_block=first)
    shared = mini_network(variant(head=head, tokens=tokens, shared_encoder=True))
    apart = mini_network(variant(head=head, tokens=tokens))
    state = shared.state_dict()
    state |= {f'visual_{k[6:]}': v for k, v in state.items() if k.startswith('depth_encoder')}
    apart.load_state_dict(state)
    ran: list[int] = []
    for index, block in enumerate(shared.depth_encoder.blocks):
        block.register_forward_hook(lambda *_, index=index: ran.append(index))
    image = torch.randint(0, 256, (2, 42, 56, 3), dtype=torch.uint8)
    with torch.inference_mode():
        for ours, expected in zip(shared(image), apart(image), strict=True):
            torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)
    assert ran == [*range(4), *range(first, 4)]


@pytest.mark.parametrize('kind', ['mask2former', 'dense'])
@pytest.mark.parametrize('depth', ['none', 'inverse', 'fused'])
def test_the_decoder_takes_the_depth_that_it_is_configured_for(kind: str, depth: str) -> None:
    head = dataclasses.replace(MINI.head, kind=kind, depth=depth)
    tokens = dataclasses.replace(MINI.tokens, attention='visual')
    network = mini_network(variant(head=head, tokens=tokens))
    image = torch.randint(0, 256, (1, 42, 56, 3), dtype=torch.uint8)
    with torch.inference_mode():
        *blocks, maps = network.depth_steps(network.normalize(image))
        maps = maps._replace(depth_BHW=torch.rand_like(maps.depth_BHW))
        known = dict(enumerate(blocks))
        scores = {
            name: network.decode(image, KnownDepth(known, other)).scores_BKhw
            for name, other in (
                ('', maps),
                ('scaled', maps._replace(depth_BHW=3.0 * maps.depth_BHW)),
                ('nearer', maps._replace(depth_BHW=maps.depth_BHW.flip(2))),
                ('fused', maps._replace(fused_BFhw=maps.fused_BFhw.flip(3))),
            )
        }
    # Inverse depth has no scale of its own.
    torch.testing.assert_close(scores['scaled'], scores[''], atol=1e-4, rtol=1e-4)
    assert torch.allclose(scores['nearer'], scores[''], atol=1e-6) is (depth == 'none')
    assert torch.allclose(scores['fused'], scores[''], atol=1e-6) is (depth != 'fused')


def test_earlier_depth_leaves_the_visual_features_to_the_frame() -> None:
    # One encoder runs all blocks for both streams.
    network = mini_network(STEM)
    earlier, image = torch.randint(0, 256, (2, 1, 64, 96, 3), dtype=torch.uint8)
    with torch.inference_mode():
        seen = KnownDepth.of(network.depth_steps(network.normalize(earlier)))
        own, reused = network.decode(image), network.decode(image, seen)
        of_earlier = network.decode(earlier)
    torch.testing.assert_close(reused.visual_BChw, own.visual_BChw)
    torch.testing.assert_close(reused.inverse_depth_BHW, of_earlier.inverse_depth_BHW)
    for other in (own, of_earlier):
        assert not torch.allclose(reused.scores_BKhw, other.scores_BKhw, atol=1e-3)


def test_a_convolutional_stem_gives_patches_and_finer_maps_to_the_depth_head() -> None:
    network = mini_network(STEM)
    image = torch.randint(0, 256, (2, 48, 80, 3), dtype=torch.uint8)
    with torch.inference_mode():
        normal = network.normalize(image)
        tokens, stem = network.depth_encoder.embed_with_stem(normal)
        assert tokens.shape == (2, 1 + 3 * 5, 48)
        assert [tuple(x.shape) for x in stem] == [(2, 12, 12, 20), (2, 16, 6, 10)]
        assert network(image).scores_BKHW.shape == (2, 11, 48, 80)
        fused = KnownDepth.of(network.depth_steps(normal)).maps().fused_BFhw
        assert fused.shape == (2, 8, 12, 20)
        doubled = [2.0 * x for x in stem]
        maps = network.depth_maps([tokens] * 4, normal)
        there, moved = (network.estimate_depth(maps, s, (48, 80)) for s in (stem, doubled))
        assert not torch.allclose(there.fused_BFhw, moved.fused_BFhw)


@torch.inference_mode()
def test_a_folded_stem_has_no_norms_and_answers_as_before() -> None:
    network = mini_network(STEM)
    for norm in network.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2.0)
    image = torch.randint(0, 256, (1, 64, 96, 3), dtype=torch.uint8)
    expected = network(image)
    folded = network.fold()
    assert not [one for one in folded.modules() if isinstance(one, torch.nn.BatchNorm2d)]
    for ours, theirs in zip(folded(image), expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
