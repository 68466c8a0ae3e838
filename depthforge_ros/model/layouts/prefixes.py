# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What frameworks put before the names of weights, and what training keeps beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import re

from torch import Tensor

Tensors = Mapping[str, Tensor]
WRAPPED = re.compile(r'(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.')
"""Modules that torch.compile and FSDP put around others, at any depth."""
CHUNKED = re.compile(r'\bblocks\.\d+\.(\d+)\.')
"""DINOv2's training puts blocks into chunks and counts them through."""
OF_TRAINING = ('student.', 'dino_head.', 'ibot_head.', 'dino_loss.', 'ibot_patch_loss.')
"""What a training of DINOv2 needs beside the encoder."""
PREFERRED = ('teacher.', 'ema.', 'model_ema.', 'ema_model.', 'module_ema.')
"""Averaged weights, which are those to use, beside the ones that were trained."""


def without_wrappers(tensors: Tensors) -> dict[str, Tensor]:
    """Take the names of wrapping modules out, and blocks out of their chunks."""
    plain = {WRAPPED.sub('', name): value for name, value in tensors.items()}
    if any(CHUNKED.search(name) for name in plain):
        plain = {CHUNKED.sub(r'blocks.\1.', name): value for name, value in plain.items()}
    return plain


def unprefixed(tensors: Tensors, is_known: Callable[[Tensors], bool]) -> dict[str, Tensor]:
    """
    Take prefixes such as Lightning's `model.` off until the layout is known.

    Names as they are come first. What has another prefix stays, to be accounted for, but for what
    only training needs and the weights that averaged ones replace.
    """
    if is_known(tensors):
        return dict(tensors)
    heads = dict.fromkeys(f'{name.partition(".")[0]}.' for name in tensors if '.' in name)
    order = sorted(heads, key=lambda head: (head not in PREFERRED, list(heads).index(head)))
    for head in order:
        inner = {
            name.removeprefix(head): value
            for name, value in tensors.items()
            if name.startswith(head)
        }
        found = unprefixed(inner, is_known)
        if is_known(found):
            dropped = (*OF_TRAINING, *(order if head in PREFERRED else ()))
            rest = {
                name: value
                for name, value in tensors.items()
                if not name.startswith((head, *dropped))
            }
            return {**rest, **found}
    return dict(tensors)
