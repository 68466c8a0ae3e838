# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
A narrow, shallow encoder whose starting weights are cut out of a wide one.

The residual stream is rotated into its principal components and cut (SliceGPT, arXiv
2401.15024); attention heads and MLPs are cut to what their activations need; blocks are left
out. Distillation then repairs what the cut broke.

Shapes: N tokens, C teacher width, c student width, H heads, D and d head widths.
"""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import NamedTuple

from depthforge_ros.errors import UserError
from depthforge_ros.model.config import VitConfig
from depthforge_ros.model.patch import resize_patch_kernel
from depthforge_ros.model.vit import Block, VisionTransformer
import torch
from torch import nn, Tensor
from torch.nn import functional


class Basis(NamedTuple):
    """The linear maps between the two residual streams."""

    cut_cC: Tensor
    """Student stream = cut @ centred teacher stream; its rows have zero mean over c."""
    ratio: float
    """Mean norm of the cut stream over the norm of the whole one."""

    @property
    def expand(self) -> Tensor:
        """Map (C, c) back from the student stream to the teacher's."""
        return self.cut_cC.T


@torch.no_grad()
def slice_encoder(
    teacher: VisionTransformer, config: VitConfig, *, kept: Sequence[int], images_B3HW: Tensor
) -> tuple[VisionTransformer, Basis]:
    """
    Cut a student of shape `config` out of `teacher`, keeping its blocks `kept`.

    `images` are normalised real views; their activations decide what is kept.
    """
    if len(kept) != config.depth:
        raise UserError(f'{len(kept)} blocks are kept for an encoder of depth {config.depth}')
    inputs = _block_inputs(teacher, images_B3HW)
    basis = _basis([inputs[index] for index in kept] + [inputs[-1]], config.width)
    student = VisionTransformer(config)
    cut = basis.cut_cC
    projection = teacher.patch_embed.proj
    kernel = torch.einsum('cC,Cxyz->cxyz', cut, projection.weight)
    student.patch_embed.proj.weight.copy_(resize_patch_kernel(kernel, config.patch))
    if projection.bias is not None and student.patch_embed.proj.bias is not None:
        student.patch_embed.proj.bias.copy_(cut @ projection.bias)
    student.cls_token.copy_(teacher.cls_token @ cut.T)
    student.pos_embed.copy_(teacher.pos_embed @ cut.T)
    for block, index in zip(student.blocks, kept, strict=True):
        wide = teacher.blocks[index]
        _slice_block(wide, block, inputs[index], basis, config)  # type: ignore[arg-type]
    return student, basis


def _block_inputs(teacher: VisionTransformer, images_B3HW: Tensor) -> list[Tensor]:
    """Residual stream before every block and after the last, each (N, C)."""
    x_BNC = teacher.embed(images_B3HW)
    inputs = [x_BNC.flatten(0, 1)]
    for block in teacher.blocks:
        x_BNC = block(x_BNC)
        inputs.append(x_BNC.flatten(0, 1))
    return inputs


def _basis(streams: Sequence[Tensor], width: int) -> Basis:
    """Find the principal components of the layer-normalised streams, orthogonal to the mean."""
    whole = streams[0].shape[1]
    normed = torch.cat([functional.layer_norm(x_NC, (whole,)) for x_NC in streams])
    _, vectors = torch.linalg.eigh(normed.T @ normed / len(normed))
    principal_CK = vectors[:, -(width - 1) :]
    # Orthonormal directions of the student's space that its layer norm does not centre away.
    ones = torch.ones(width, 1) / math.sqrt(width)
    rotation_cc, _ = torch.linalg.qr(torch.cat((ones, torch.eye(width)[:, : width - 1]), 1))
    centred = torch.eye(whole) - 1.0 / whole
    cut_cC = rotation_cc[:, 1:] @ principal_CK.T @ centred
    ratio = ((normed @ cut_cC.T).norm(dim=1) / normed.norm(dim=1)).mean()
    return Basis(cut_cC, float(ratio))


def _slice_block(
    wide: Block, narrow: Block, stream_NC: Tensor, basis: Basis, config: VitConfig
) -> None:
    whole = stream_NC.shape[1]
    # The student's layer norm makes unit-variance tokens of width c out of tokens whose teacher
    # norm was sqrt(C): this factor undoes both the narrowing and the cut.
    widen_Cc = basis.expand * (math.sqrt(whole / config.width) * basis.ratio)
    for norm in (narrow.norm1, narrow.norm2):
        nn.init.ones_(norm.weight)
        nn.init.zeros_(norm.bias)
    for scale in (narrow.ls1, narrow.ls2):
        nn.init.ones_(scale.gamma)
    _slice_attention(wide, narrow, stream_NC, widen_Cc, basis)
    after_NC = stream_NC + wide.ls1(wide.attn(wide.norm1(stream_NC[None])))[0]
    _slice_mlp(wide, narrow, after_NC, widen_Cc, basis)


def _slice_attention(
    wide: Block, narrow: Block, stream_NC: Tensor, widen_Cc: Tensor, basis: Basis
) -> None:
    heads = wide.attn.heads
    if narrow.attn.heads != heads:
        raise UserError(f'the student needs {heads} heads like its teacher')
    qkv = wide.attn.qkv
    weight = (qkv.weight * wide.norm1.weight) @ widen_Cc
    bias = qkv.weight @ wide.norm1.bias + qkv.bias
    activations = qkv(wide.norm1(stream_NC)).unflatten(1, (3, heads, -1))
    whole = activations.shape[-1]
    cut = narrow.attn.proj.in_features // heads
    weight_3HDc, bias_3HD = weight.unflatten(0, (3, heads, whole)), bias.view(3, heads, whole)
    out = wide.ls1.gamma[:, None] * wide.attn.proj.weight
    new_weight, new_bias, new_out = [], [], []
    for head in range(heads):
        query, key, value = activations[:, :, head].unbind(1)
        to_query, to_key = _cut_logits(query, key, cut)
        to_query = to_query * math.sqrt(cut / whole)
        to_value, part = _cut_values(value, out[:, head * whole : (head + 1) * whole], cut)
        maps = (to_query, to_key, to_value)
        new_weight.append(torch.stack([m @ weight_3HDc[i, head] for i, m in enumerate(maps)]))
        new_bias.append(torch.stack([m @ bias_3HD[i, head] for i, m in enumerate(maps)]))
        new_out.append(part)
    narrow.attn.qkv.weight.copy_(torch.stack(new_weight, 1).flatten(0, 2))
    narrow.attn.qkv.bias.copy_(torch.stack(new_bias, 1).flatten())
    narrow.attn.proj.weight.copy_(basis.cut_cC @ torch.cat(new_out, 1))
    narrow.attn.proj.bias.copy_(basis.cut_cC @ (wide.ls1.gamma * wide.attn.proj.bias))


def _cut_logits(query_ND: Tensor, key_ND: Tensor, cut: int) -> tuple[Tensor, Tensor]:
    """Find maps (d, D) of queries and keys that keep their products, in the least squares."""
    root_q, inverse_q = _roots(query_ND)
    root_k, inverse_k = _roots(key_ND)
    left, strength, right = torch.linalg.svd(root_q @ root_k)
    half = strength[:cut].sqrt()[:, None]
    return half * (left[:, :cut].T @ inverse_q), half * (right[:cut] @ inverse_k)


def _cut_values(value_ND: Tensor, out_CD: Tensor, cut: int) -> tuple[Tensor, Tensor]:
    """Map (d, D) of the values and the output matrix (C, d) that goes with it."""
    root, inverse = _roots(value_ND)
    left, strength, right = torch.linalg.svd(out_CD @ root, full_matrices=False)
    half = strength[:cut].sqrt()
    return half[:, None] * (right[:cut] @ inverse), left[:, :cut] * half


def _roots(x_ND: Tensor) -> tuple[Tensor, Tensor]:
    """Square root of the second moment (D, D) and its inverse."""
    values, vectors = torch.linalg.eigh(x_ND.T @ x_ND / len(x_ND))
    values = values.clamp_min(1e-6 * float(values.max())).sqrt()
    return (vectors * values) @ vectors.T, (vectors / values) @ vectors.T


def _slice_mlp(
    wide: Block, narrow: Block, stream_NC: Tensor, widen_Cc: Tensor, basis: Basis
) -> None:
    fc1, fc2 = wide.mlp.fc1, wide.mlp.fc2
    hidden = functional.gelu(fc1(wide.norm2(stream_NC)))
    out = wide.ls2.gamma[:, None] * fc2.weight
    importance = hidden.var(0) * out.square().sum(0)
    keep = importance.topk(narrow.mlp.fc1.out_features).indices.sort().values
    dropped = torch.ones(len(importance), dtype=torch.bool)
    dropped[keep] = False
    # What the dropped neurons give on average goes into the bias.
    mean = out[:, dropped] @ hidden[:, dropped].mean(0) + wide.ls2.gamma * fc2.bias
    narrow.mlp.fc1.weight.copy_((fc1.weight * wide.norm2.weight)[keep] @ widen_Cc)
    narrow.mlp.fc1.bias.copy_((fc1.weight @ wide.norm2.bias + fc1.bias)[keep])
    narrow.mlp.fc2.weight.copy_(basis.cut_cC @ out[:, keep])
    narrow.mlp.fc2.bias.copy_(basis.cut_cC @ mean)
