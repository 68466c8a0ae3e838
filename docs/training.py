# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Write the section `Configuration` of training.md from the code: `python docs/training.py`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import fields, MISSING
import inspect
from pathlib import Path
import textwrap
import typing
from typing import Any

from depthforge_ros.model.config import (
    DptConfig,
    Eva02Config,
    HeadConfig,
    NetworkConfig,
    TokenConfig,
    VitConfig,
)
from depthforge_trainer.augment import Augment
from depthforge_trainer.config import FitConfig, is_needed, Phase
from depthforge_trainer.data import Source
from depthforge_trainer.losses import LossWeights
from depthforge_trainer.ranges import RANGES
from depthforge_trainer.study import StudyConfig

FILE = Path(__file__).with_suffix('.md')
HEADING = '## Configuration\n'
HEAD = f"""{HEADING}
Written by `python docs/training.py` from the code; a test compares them. Wrong keys, types and
values are refused when the file is read, in one line with their place. Keys in **bold** have to be
given.

"""
KINDS = {
    FitConfig: 'fit',
    Phase: 'each of `phases` (and of `start` of a study)',
    Source: 'each of `sources`, `validation`, `targets`',
    Augment: '`augment`',
    LossWeights: '`loss`',
    StudyConfig: 'study',
    NetworkConfig: '`model`',
    VitConfig: '`model: encoder`, and `model: visual` with `kind: dinov2`',
    Eva02Config: '`model: visual` with `kind: eva02`',
    TokenConfig: '`model: tokens`',
    HeadConfig: '`model: head`',
    DptConfig: '`model: dpt`',
}
WORDS = {bool: 'true or false', int: 'whole', float: 'number', str: 'text', dict: 'mapping'}


def section() -> str:
    """Return the section, with a table for each part of a configuration."""
    return HEAD + '\n'.join(''.join(_table(kind, where)) for kind, where in KINDS.items()) + '\n'


def page(text: str) -> str:
    """Put the section in the place of the one in the text, up to the next heading of its rank."""
    before, _, rest = text.partition(HEADING)
    return before + section() + '## ' + rest.partition('\n## ')[2]


def _table(kind: type, where: str) -> Iterator[str]:
    meanings = dict(_meanings(kind))
    hints = typing.get_type_hints(kind)
    yield f'Keys of {where}:\n\n| key | default | allowed | meaning |\n|---|---|---|---|\n'
    for one in fields(kind):
        name = f'**`{one.name}`**' if is_needed(one) else f'`{one.name}`'
        allowed = _allowed(kind, one.name, hints[one.name])
        yield f'| {name} | {_default(one)} | {allowed} | {meanings.get(one.name, "")} |\n'


def _default(one: Any) -> str:
    if one.default is MISSING:
        return '' if is_needed(one) else 'its own'
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
    text = WORDS.get(typing.get_origin(item) or item, 'see its table')
    return f'{"list: " if is_list else ""}{text}{f", {within}" if within else ""}'


def _meanings(kind: type) -> Iterator[tuple[str, str]]:
    """Give the text below each field, on one line."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    for one, below in zip(body.body, body.body[1:], strict=False):
        match one, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=text)):
                yield name, ' '.join(str(text).split())


if __name__ == '__main__':
    FILE.write_text(page(FILE.read_text(encoding='utf-8')), encoding='utf-8')
