# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The network: sizes, forms of the token attention, exactness of what is rearranged."""

from __future__ import annotations

import dataclasses

from depthforge_ros.model.answer import summarise
from depthforge_ros.model.config import (
    DptConfig,
    HeadConfig,
    NetworkConfig,
    TokenConfig,
    VitConfig,
)
from depthforge_ros.model.dpt import DepthMaps
from depthforge_ros.model.network import DepthForge
from depthforge_ros.model.refinement import RefinementDecoder, resize
from depthforge_ros.model.streams import KnownDepth
from depthforge_ros.model.tokens import DepthAwareTokens, FoldedTokens, refine
from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
from support.networks import MINI, mini_network, variant
from support.refusals import refused
import torch
from torch import nn
from torch.nn import functional


def coarse(config: NetworkConfig) -> NetworkConfig:
    """Give the depth stream patches twice as large as the visual one's."""
    return dataclasses.replace(
        config, visual=config.encoder, encoder=dataclasses.replace(config.encoder, patch=28)
    )


DEPTH = DepthMaps(torch.zeros(1, 20, 24), torch.zeros(1, 8, 20, 24))
LARGE = VitConfig(width=1024, depth=24, heads=16)


def test_large_model_trains_the_published_number_of_token_parameters() -> None:
    with torch.device('meta'):
        tokens = DepthAwareTokens(TokenConfig(), LARGE, 256)
    assert sum(parameter.numel() for parameter in tokens.parameters()) == 2_990_081


@settings(max_examples=12, deadline=None)
@given(
    rows=st.integers(1, 7),
    columns=st.integers(1, 7),
    batch=st.integers(1, 2),
    attention=st.sampled_from(['joint', 'separate', 'visual']),
    gate_on=st.sampled_from(['pyramid', 'finest', 'grid']),
    one_gate=st.booleans(),
    refine_tokens=st.booleans(),
    shared=st.booleans(),
)
def test_every_size_and_form_answers_at_the_input_resolution(
    rows: int,
    columns: int,
    batch: int,
    attention: str,
    gate_on: str,
    one_gate: bool,
    refine_tokens: bool,
    shared: bool,
) -> None:
    config = variant(
        tokens=dataclasses.replace(MINI.tokens, attention=attention),
        head=dataclasses.replace(
            MINI.head, gate_on=gate_on, one_gate=one_gate, refine_tokens=refine_tokens
        ),
        shared_encoder=shared,
    )
    network = mini_network(config)
    image = torch.randint(0, 256, (batch, 14 * rows, 14 * columns, 3), dtype=torch.uint8)
    with torch.inference_mode():
        prediction = network(image)
    assert prediction.scores_BKHW.shape == (batch, 11, 14 * rows, 14 * columns)
    assert prediction.inverse_depth_BHW.shape == (batch, 14 * rows, 14 * columns)
    for plane in prediction:
        assert bool(plane.isfinite().all())
        assert float(plane.min()) >= 0.0


@settings(max_examples=10, deadline=None)
@given(
    attention=st.sampled_from(['joint', 'separate', 'visual']),
    patches=st.integers(1, 30),
    stored=st.booleans(),
    cosine=st.sampled_from([0.0, 10.0]),
)
def test_folded_tokens_equal_the_published_equations(
    attention: str, patches: int, stored: bool, cosine: float
) -> None:
    config = TokenConfig(
        count=9, rank=3, attention=attention, depth_weight=0.7, scale_init=0.3, cosine=cosine
    )
    tokens = DepthAwareTokens(config, VitConfig(width=32, depth=2, heads=2), 32)
    visual, depth = torch.randn(2, patches, 32), torch.randn(2, patches, 32)
    folded = FoldedTokens(tokens) if stored else tokens
    ours = refine(config, visual, depth, 1, folded.fold())
    token = tokens.a[1] @ tokens.b[1]

    def logits(features: torch.Tensor) -> torch.Tensor:
        if cosine:
            return cosine * functional.cosine_similarity(features[..., None, :], token, dim=-1)
        return features @ token.T / 32**0.5

    weights = logits(visual).softmax(-1)
    if attention == 'joint':
        weights = (logits(visual) + logits(depth)).softmax(-1)
    elif attention == 'separate':
        weights = weights + 0.7 * logits(depth).softmax(-1)
    change = weights[..., 1:] @ tokens.to_feature(token[1:])
    expected = visual + 0.3 * tokens.to_delta(change + visual)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(
    rows=st.integers(1, 6),
    columns=st.integers(1, 6),
    batch=st.integers(1, 3),
    attention=st.sampled_from(['joint', 'separate', 'visual']),
    gate_on=st.sampled_from(['pyramid', 'finest', 'grid']),
    streams=st.sampled_from(['own', 'shared', 'coarse']),
    head=st.sampled_from([('mask2former', 'none'), ('mask2former', 'fused'), ('dense', 'fused')]),
)
def test_inference_form_equals_training_form(
    rows: int,
    columns: int,
    batch: int,
    attention: str,
    gate_on: str,
    streams: str,
    head: tuple[str, str],
) -> None:
    config = variant(
        tokens=dataclasses.replace(MINI.tokens, attention=attention),
        head=dataclasses.replace(MINI.head, gate_on=gate_on, kind=head[0], depth=head[1]),
        shared_encoder=streams == 'shared',
    )
    # On a map of so few patches a group norm divides rounding errors by almost nothing.
    network = mini_network(coarse(config) if streams == 'coarse' else config)
    network.to(torch.float64 if rows * columns < 4 else torch.float32)
    rows, columns = (2 * rows, 2 * columns) if streams == 'coarse' else (rows, columns)
    image = torch.randint(0, 256, (batch, 14 * rows, 14 * columns, 3), dtype=torch.uint8)
    with torch.inference_mode():
        normal = network.normalize(image)
        seen = KnownDepth.of(network.depth_steps(normal))
        every = network.segment(network.visual_taps(normal, seen), seen, every_layer=True)
        trained = resize(every.class_scores(), (14 * rows, 14 * columns))
        depth = seen.maps().depth_BHW
        used = network.fold()(image)
    assert not any(parameter.requires_grad for parameter in network.tokens.parameters())
    torch.testing.assert_close(used.scores_BKHW, trained, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(used.inverse_depth_BHW, depth, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('one_gate', [False, True])
def test_refinement_is_that_of_the_published_code(one_gate: bool) -> None:
    decoder = RefinementDecoder(HeadConfig(gate_on='finest', one_gate=one_gate, width=32), 32)
    nn.init.normal_(decoder.fuse.weight, std=0.1)
    assert len(decoder.gates) == (1 if one_gate else 4)
    gates = list(decoder.gates) * (4 if one_gate else 1)
    maps = [torch.randn(1, 32, 5, 6) for _ in range(4)]
    levels = decoder(maps, lambda: DEPTH).levels
    fine = [resize(resize(x, level.size), (20, 24)) for x, level in zip(maps, levels, strict=True)]
    gated = torch.cat([gate(x) for gate, x in zip(gates, fine, strict=True)], 1)
    expected = fine[0] + functional.conv2d(gated, decoder.fuse.weight, decoder.fuse.bias)
    torch.testing.assert_close(levels[0].resized(), expected, atol=1e-5, rtol=1e-5)


def test_refinement_fuses_as_the_concatenated_convolution_does() -> None:
    decoder = RefinementDecoder(HeadConfig(gate_on='pyramid', width=32), 32)
    nn.init.normal_(decoder.fuse.weight, std=0.1)
    maps = [torch.randn(1, 32, 5, 6) for _ in range(4)]
    levels = decoder(maps, lambda: DEPTH).levels
    plain = [resize(x, level.size) for x, level in zip(maps, levels, strict=True)]
    gated = [gate(x) for gate, x in zip(decoder.gates, plain, strict=True)]
    together = torch.cat([resize(x, levels[0].size) for x in gated], 1)
    expected = plain[0] + functional.conv2d(together, decoder.fuse.weight, decoder.fuse.bias)
    torch.testing.assert_close(levels[0].resized(), expected, atol=1e-5, rtol=1e-5)


@given(
    before=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    step=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    larger=st.tuples(st.integers(0, 1), st.integers(0, 1)),
)
@settings(deadline=None, max_examples=60)
def test_resizing_is_bilinear_at_every_step(
    before: tuple[int, int], step: tuple[int, int], larger: tuple[int, int]
) -> None:
    x = torch.randn(1, 3, before[0] * step[0] + larger[0], before[1] * step[1] + larger[1])
    expected = functional.interpolate(x, size=before, mode='bilinear', align_corners=False)
    torch.testing.assert_close(resize(x, before), expected, rtol=1e-5, atol=1e-6)


@given(classes=st.integers(2, 7), scale=st.integers(1, 5), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_the_winner_is_that_of_the_resized_scores(classes: int, scale: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    # Few different values: equal scores are frequent.
    scores = torch.randint(1, 5, (2, classes, 5, 6), generator=generator).float()
    size = 5 * scale, 6 * scale
    labels, confidence, _ = summarise(scores, size)
    resized = functional.interpolate(scores, size=size, mode='bilinear', align_corners=False)
    assert torch.equal(labels.long(), resized.max(1).indices)
    share = resized.amax(1) / resized.sum(1)
    torch.testing.assert_close(confidence, share.clamp(0.0, 1.0))


def test_refined_tokens_start_as_they_are_and_then_see_the_image() -> None:
    head = dataclasses.replace(MINI.head, refine_tokens=True)
    network = DepthForge(variant(head=head), 11).eval()
    plain = DepthForge(variant(), 11).eval()
    plain.load_state_dict(network.state_dict(), strict=False)
    images = torch.randint(0, 256, (2, 42, 56, 3), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(network(images).scores_BKHW, plain(images).scores_BKHW)
        nn.init.normal_(network.refinement.look.out.weight)
        image = network.normalize(images)
        known = KnownDepth.of(network.depth_steps(image))
        finest = network.refinement(network.visual_taps(image, known), known.maps).levels[0]
        queries = network.refinement.refined_queries(network.tokens.queries(), finest)
        assert not torch.allclose(queries[0], queries[1])
        assert not torch.allclose(network(images).scores_BKHW, plain(images).scores_BKHW)


def test_depth_reaches_the_segmentation_only_through_the_tokens() -> None:
    network = mini_network(variant(tokens=dataclasses.replace(MINI.tokens, attention='visual')))
    joint = mini_network()
    image = torch.randn(1, 3, 42, 42)
    for net, changes in ((network, False), (joint, True)):
        with torch.inference_mode():
            *blocks, maps = net.depth_steps(image)
            depth = KnownDepth(dict(enumerate(blocks)), maps)
            other = KnownDepth({index: -x for index, x in enumerate(blocks)}, maps)
            first, second = (net.visual_taps(image, one)[-1] for one in (depth, other))
        assert bool((first - second).abs().max() > 1e-6) is changes


def test_every_trained_parameter_receives_a_gradient() -> None:
    network = mini_network().train()
    image = torch.randn(1, 3, 56, 56)
    depth = KnownDepth.of(network.depth_steps(image))
    output = network.segment(network.visual_taps(image, depth), depth, every_layer=True)
    loss = (
        sum(
            layer.class_logits_BMK.square().sum() + layer.mask_embed_BMD.square().sum()
            for layer in output.layers
        )
        + output.mask_features_BDhw.square().sum()
    )
    loss.backward()  # type: ignore[union-attr]
    silent = [
        name
        for name, parameter in network.named_parameters()
        if name.startswith(('tokens', 'head', 'refinement')) and parameter.grad is None
    ]
    assert silent == []


@pytest.mark.parametrize(
    ('make', 'words'),
    [
        (lambda: VitConfig(width=100, heads=6), ['100', '6']),
        (lambda: TokenConfig(attention='deep'), ['deep', 'joint', 'separate']),
        (lambda: TokenConfig(count=1), ['1', 'at least 2', 'sink']),
        (lambda: HeadConfig(width=40), ['40', '32']),
        (lambda: HeadConfig(kind='linear'), ['linear', 'mask2former', 'dense']),
        (lambda: HeadConfig(depth='metric'), ['metric', 'inverse', 'fused']),
        (lambda: HeadConfig(kind='dense', refine_tokens=True), ['refine_tokens', 'dense']),
        (lambda: VitConfig(stem=(16, 32, 64)), ['(16, 32, 64)', '14', '16']),
        (lambda: variant(tokens=TokenConfig(first_block=4)), ['4', 'first_block', 'dense']),
        (lambda: variant(dpt=DptConfig(from_stem=True)), ['from_stem', 'stem']),
        (lambda: NetworkConfig(taps=(2, 5, 8, 12)), ['12']),
        (lambda: NetworkConfig.from_json({'taps': [2, 5, 8, 11], 'tabs': 1}), ['tabs', 'taps']),
    ],
)
def test_wrong_configurations_are_refused_in_one_line(make: object, words: list[str]) -> None:
    with refused(*words):
        make()  # type: ignore[operator]


def test_configuration_survives_json() -> None:
    config = variant(shared_encoder=True)
    assert NetworkConfig.from_json(config.to_json()) == config
    assert isinstance(DepthForge(config, 3), DepthForge)
