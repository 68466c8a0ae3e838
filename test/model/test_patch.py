# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Patch kernels of another size, by the property that defines them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from depthforge_ros.labels import CAMVID
from depthforge_ros.model.checkpoint import load_network, save_checkpoint
from depthforge_ros.model.config import VitConfig
from depthforge_ros.model.patch import resize_patch_kernel
from depthforge_ros.model.vit import VisionTransformer
from depthforge_trainer.teacher import load_foundation
from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
from support.networks import MINI, mini_checkpoint, mini_network, variant
import torch
from torch import Tensor
from torch.nn import functional


def tokens(patches_B3pp: Tensor, kernel_C3pp: Tensor) -> Tensor:
    return torch.einsum('bipq,cipq->bc', patches_B3pp, kernel_C3pp)


def stretch(x: Tensor, size: int, mode: str = 'bilinear') -> Tensor:
    return functional.interpolate(x, size=(size, size), mode=mode)


@settings(max_examples=20, deadline=None)
@given(stored=st.integers(2, 16), more=st.integers(1, 8), seed=st.integers(0, 99))
def test_larger_patches_give_the_tokens_of_the_stored_ones(
    stored: int, more: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    kernel = torch.randn(5, 3, stored, stored, generator=generator)
    patches = torch.randn(4, 3, stored, stored, generator=generator)
    larger = resize_patch_kernel(kernel, stored + more)
    assert larger.shape == (5, 3, stored + more, stored + more)
    ours = tokens(stretch(patches, stored + more), larger)
    torch.testing.assert_close(ours, tokens(patches, kernel), atol=1e-3, rtol=1e-4)


def test_a_kernel_stretched_like_an_image_does_not() -> None:
    torch.manual_seed(0)
    kernel, patches = torch.rand(5, 3, 14, 14), torch.rand(4, 3, 14, 14)
    expected = tokens(patches, kernel)
    stretched = tokens(stretch(patches, 16), stretch(kernel, 16, 'bicubic'))
    # Its tokens grow with the area of the patch.
    assert float((stretched / expected).mean()) == pytest.approx((16 / 14) ** 2, rel=0.02)
    ours = tokens(stretch(patches, 16), resize_patch_kernel(kernel, 16))
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-5)


def test_smaller_patches_give_the_tokens_that_differ_least() -> None:
    kernel = torch.randn(5, 3, 16, 16)
    single = torch.eye(256).view(256, 1, 16, 16)
    small = stretch(single, 14).flatten(1)
    expected = torch.linalg.lstsq(small, kernel.flatten(0, 1).flatten(1).T).solution
    ours = resize_patch_kernel(kernel, 14).flatten(0, 1).flatten(1).T
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)


def test_the_stored_size_is_left_alone() -> None:
    kernel = torch.randn(5, 3, 14, 14)
    assert resize_patch_kernel(kernel, 14) is kernel
    assert resize_patch_kernel(kernel.half(), 16).dtype == torch.float16


@torch.no_grad()
def test_an_encoder_sees_a_resized_image_through_its_resized_kernel() -> None:
    torch.manual_seed(0)
    small = VisionTransformer(VitConfig(width=48, depth=1, heads=4, position_grid=5)).eval()
    large = VisionTransformer(VitConfig(width=48, depth=1, heads=4, position_grid=5, patch=16))
    state = small.state_dict()
    state['patch_embed.proj.weight'] = resize_patch_kernel(state['patch_embed.proj.weight'], 16)
    large.load_state_dict(state)
    image = functional.interpolate(torch.randn(1, 3, 6, 9), size=(56, 98), mode='bicubic')
    wide = functional.interpolate(image, size=(64, 112), mode='bilinear')
    expected = small.embed(image)
    ours = large.eval().embed(wide)
    stretched = stretch(small.patch_embed.proj.weight, 16, 'bicubic')
    large.patch_embed.proj.weight.copy_(stretched)
    plain = large.embed(wide)
    # Neighbouring patches mix at their borders, so the tokens are near, not equal.
    assert float((ours - expected).abs().mean()) < 0.2 * float((plain - expected).abs().mean())


def test_a_network_of_larger_patches_starts_from_foundation_weights(tmp_path: Path) -> None:
    stored = mini_checkpoint(tmp_path / 'small.safetensors').depth_encoder
    config = variant(encoder=dataclasses.replace(MINI.encoder, patch=16))
    network = mini_network(config)
    load_foundation(network, tmp_path / 'small.safetensors')
    kernel = resize_patch_kernel(stored.patch_embed.proj.weight.half().float(), 16)
    for encoder in (network.depth_encoder, network.visual):
        torch.testing.assert_close(encoder.patch_embed.proj.weight, kernel)
    path = tmp_path / 'large.safetensors'
    save_checkpoint(path, network, label_space=CAMVID, provenance={})
    loaded, _ = load_network(path)
    image = torch.randint(0, 256, (1, 48, 80, 3), dtype=torch.uint8)
    with torch.inference_mode():
        assert loaded(image).scores_BKHW.shape == (1, 11, 48, 80)
