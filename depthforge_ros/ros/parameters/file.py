# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Reads a file of ROS parameters as the node will, before there is a node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
import re
from typing import Any

from depthforge_ros.errors import one_line, UserError
from depthforge_ros.resources import share_directory
import yaml

VALUES = 'ros__parameters'
WILDCARDS = {'*': r'/\w+', '**': r'(/\w+)*'}
"""Parts of names that stand for one part of any name, and for any number of them."""


def parameters_in(file: str, node: str) -> dict[str, Any]:
    """
    Return what a file gives the node of this full name; of several sections, the later counts.

    UserError for a file that is none, no YAML, or of another form.
    """
    found: dict[str, Any] = {}
    for name, values in _read(file):
        if _is_for(name, node):
            found |= values
    return found


def unused_files(arguments: Sequence[str], node: str) -> Iterator[str]:
    """Warn of each --params-file among the ROS arguments that has nothing for the node."""
    for option, file in pairwise(arguments):
        if option != '--params-file':
            continue
        names = list(_names(file))
        if names and not any(_is_for(name, node) for name in names):
            yield (
                f'params_file {file} has nothing for this node, it is for {", ".join(names)}; '
                f'name its section {node} or /**'
            )


def _names(file: str) -> Iterator[str]:
    """Name the sections of a file that ROS has read; it takes more for YAML than PyYAML does."""

    def walk(mapping: yaml.Node, name: str) -> Iterator[str]:
        for key, value in mapping.value if isinstance(mapping, yaml.MappingNode) else ():
            if key.value == VALUES:
                yield f'/{name.strip("/")}'
            else:
                yield from walk(value, f'{name}/{str(key.value).strip("/")}')

    with suppress(OSError, ValueError, yaml.YAMLError):
        for document in yaml.compose_all(Path(file).read_text(encoding='utf-8')):
            yield from walk(document, '')


def _read(file: str) -> list[tuple[str, Mapping[str, Any]]]:
    path = Path(file)
    if not path.is_file():
        raise UserError(
            f'params_file {file!r} is no file; give the path of a YAML file of parameters, '
            f'such as {share_directory() / "config" / "depthforge.yaml"}'
        )
    try:
        sections = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f'params_file {path} is no YAML, mend it: {one_line(error)}') from error
    return list(_sections(sections, path, ''))


def _is_for(section: str, node: str) -> bool:
    parts = (part for part in section.split('/') if part)
    pattern = ''.join(WILDCARDS.get(part, '/' + re.escape(part)) for part in parts)
    return re.fullmatch(pattern, node) is not None


def _sections(value: Any, path: Path, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give the name and the values of each node; names may be nested, as namespaces are."""
    for key, inner in _mapping(value, path).items():
        if key == VALUES:
            yield name, _mapping(inner, path)
        else:
            yield from _sections(inner, path, f'{name}/{key}')


def _mapping(value: Any, path: Path) -> Mapping[str, Any]:
    if value is None or isinstance(value, dict):
        return value or {}
    raise UserError(
        f'params_file {path} has {value!r:.60} in place of a mapping; expected is a file such as '
        '/**: {ros__parameters: {model: depthforge_tiny}}'
    )
