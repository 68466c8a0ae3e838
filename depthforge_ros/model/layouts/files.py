# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""`depthforge convert`: a file of others in, a file of ours out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from depthforge_ros.errors import UserError
from depthforge_ros.model.checkpoint import read_foundation, write_checkpoint
from depthforge_ros.model.layouts.convert import convert_part, detect, plain_names, Tensors
from depthforge_ros.model.layouts.published import convert_published
from depthforge_ros.model.layouts.sizes import encoder_config
from depthforge_ros.model.layouts.source import read_source
from depthforge_ros.model.parts import sizes_of, write_part
from depthforge_ros.model.registry import find_foundation


class Converted(NamedTuple):
    """What came out."""

    layout: str
    tensors: int
    content: str
    """In words."""


def convert_file(
    source: Path, output: Path, *, allow: Sequence[str] = (), visual: str | None = None
) -> Converted:
    """
    Convert a checkpoint of any known layout.

    Foundation weights and heads become files of parts, published checkpoints of Rein and
    DepthForge become checkpoints. `allow` and `visual` as in `convert_published`.
    """
    if output.suffix != '.safetensors':
        raise UserError(f'output {output}: give a name that ends in .safetensors')
    tensors = plain_names(read_source(source))
    layout = detect(tensors, source=str(source))
    if layout.expect is None:
        config, space, made = convert_published(
            tensors, layout, source=source, read=_foundation, visual=visual, allow=allow
        )
        provenance = {'converted_from': source.name, 'layout': layout.name}
        write_checkpoint(output, made, config=config, label_space=space, provenance=provenance)
        content = f'a network with {len(space)} classes, as a checkpoint'
        return Converted(layout.name, len(made), content)
    part = convert_part(tensors, layout, source=source, allow=allow)
    write_part(output, part, layout=layout.name)
    return Converted(layout.name, len(part), _content(part))


def _foundation(name: str) -> Tensors:
    return read_foundation(find_foundation(name))


def _content(tensors: Tensors) -> str:
    if 'queries' in tensors:
        return 'a Mask2Former head and its queries'
    sizes = sizes_of(encoder_config(tensors, 'encoder.'))
    has_depth = any(name.startswith('depth_head.') for name in tensors)
    return f'an encoder ({sizes}){" and a depth head" if has_depth else ""}'
