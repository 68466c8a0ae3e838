# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Write the tables of training_keys.md from the code: `python docs/training_keys.py`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import fields, MISSING
import inspect
from pathlib import Path
import textwrap
import typing
from typing import Any

from blocks import Blocks, write
from depthforge_ros.model.config import (
    DptConfig,
    Eva02Config,
    HeadConfig,
    NetworkConfig,
    TokenConfig,
    VitConfig,
)
from depthforge_trainer.augment import Augment
from depthforge_trainer.config import FitConfig, is_needed
from depthforge_trainer.data import Source
from depthforge_trainer.losses import LossWeights
from depthforge_trainer.phase import Phase
from depthforge_trainer.ranges import RANGES
from depthforge_trainer.study import StudyConfig

FILE = Path(__file__).with_suffix('.md')
KINDS = {
    FitConfig: 'fit',
    Phase: 'phases',
    Source: 'sources',
    Augment: 'augment',
    LossWeights: 'loss',
    StudyConfig: 'study',
    NetworkConfig: 'model',
    VitConfig: 'model encoder',
    Eva02Config: 'model visual',
    TokenConfig: 'model tokens',
    HeadConfig: 'model head',
    DptConfig: 'model dpt',
}
"""Heading of each table."""
REMARKS = {
    FitConfig: 'The keys of the whole file, for `depthforge-train fit`.',
    Phase: 'Each entry of `phases`, and of `start` of a study.',
    Source: 'Each entry of `sources`, `validation` and `targets`.',
    Augment: 'How a view of the training is made.',
    LossWeights: 'The weights of the terms of the loss.',
    StudyConfig: 'The keys of the whole file, for `depthforge-train study`.',
    NetworkConfig: 'The network. [The model](model.md) says what its parts do.',
    VitConfig: 'The keys of `encoder`, and of `visual` with `kind: dinov2`.',
    Eva02Config: 'The keys of `visual` with `kind: eva02`.',
    TokenConfig: 'The depth-aware tokens.',
    HeadConfig: 'The decoder and the head.',
    DptConfig: 'The depth head.',
}
WORDS = {bool: 'true or false', int: 'whole number', float: 'number', str: 'text', dict: 'mapping'}


def blocks() -> Blocks:
    """Return a table for each part of a configuration."""
    return {'keys': '\n'.join(''.join(_table(kind)) for kind in KINDS)}


def _table(kind: type) -> Iterator[str]:
    meanings = dict(_meanings(kind))
    hints = typing.get_type_hints(kind)
    yield f'## {KINDS[kind]}\n\n{REMARKS[kind]}\n\n'
    yield '| key | default | allowed | meaning |\n|---|---|---|---|\n'
    for one in fields(kind):
        name = f'**`{one.name}`**' if is_needed(one) else f'`{one.name}`'
        allowed = _allowed(kind, one.name, hints[one.name])
        yield f'| {name} | {_default(one)} | {allowed} | {meanings.get(one.name, "")} |\n'


def _default(one: Any) -> str:
    if one.default is MISSING:
        return '' if is_needed(one) else 'its defaults'
    value = list(one.default) if isinstance(one.default, tuple) else one.default
    return (
        ''
        if value in ('', None)
        else f'`{value}`'.replace('True', 'true').replace('False', 'false')
    )


def _allowed(kind: type, name: str, hint: Any) -> str:
    # Of alternatives, None is the other one.
    alternatives = typing.get_args(hint) if type(None) in typing.get_args(hint) else (hint,)
    is_list = typing.get_origin(alternatives[0]) is tuple
    item = typing.get_args(alternatives[0])[0] if is_list else alternatives[0]
    within = RANGES.get(kind.__name__, {}).get(name)
    text = WORDS.get(typing.get_origin(item) or item) or _link(item)
    return f'{"list: " if is_list else ""}{text}{f", {within}" if within else ""}'


def _link(kind: type) -> str:
    heading = KINDS[kind]
    return f'[{heading}](#{heading.replace(" ", "-")})'


def _meanings(kind: type) -> Iterator[tuple[str, str]]:
    """Give the text below each field, on one line."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    for one, below in zip(body.body, body.body[1:], strict=False):
        match one, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=text)):
                yield name, ' '.join(str(text).split())


if __name__ == '__main__':
    write(FILE, blocks())
