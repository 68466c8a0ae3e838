# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Rename rules, and the engine that applies them and accounts for every name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
import re
from typing import NamedTuple

from depthforge_ros.errors import UserError
import torch
from torch import Tensor

Shapes = Mapping[str, tuple[int, ...]]


class Rule(NamedTuple):
    """
    Names of a source, and ours.

    In a name `*` stands for a number and `**` for any text; in the target they stand for what
    they matched in the (first) source, in order. Several sources are concatenated along the first
    axis, and one source is cut into as many equal parts as there are targets, unless a transform
    does otherwise. Without a target the tensor is left out on purpose.
    """

    source: str | tuple[str, ...]
    target: str | tuple[str, ...] | None
    transform: Callable[..., Tensor | tuple[Tensor, ...]] | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """Return the sources as a tuple, of one or more."""
        return (self.source,) if isinstance(self.source, str) else self.source

    @property
    def targets(self) -> tuple[str, ...]:
        """Return the targets as a tuple, of none or more."""
        if self.target is None:
            return ()
        return (self.target,) if isinstance(self.target, str) else self.target

    def apply(self, values: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Turn the tensors of the sources into one for each target."""
        if self.transform is not None:
            made = self.transform(*values)
            return made if isinstance(made, tuple) else (made,)
        whole = values[0] if len(values) == 1 else torch.cat(tuple(values))
        return (whole,) if len(self.targets) == 1 else whole.chunk(len(self.targets))


class Renamed(NamedTuple):
    """What the rules made of a source."""

    tensors: dict[str, Tensor]
    origins: dict[str, tuple[str, ...]]
    """Source names of each of our names."""
    unused: list[str]
    """Source names that no rule takes."""


def under(rules: Iterable[Rule], source: str, target: str) -> tuple[Rule, ...]:
    """Put a prefix before the source names and another before the target names."""
    return tuple(
        Rule(
            tuple(source + name for name in rule.sources),
            tuple(target + name for name in rule.targets) or None,
            rule.transform,
        )
        for rule in rules
    )


def rename(rules: Sequence[Rule], tensors: Mapping[str, Tensor]) -> Renamed:
    """Apply to each name the first rule that has a source like it."""
    renamed = Renamed({}, {}, [])
    patterns = [
        (_pattern(source), index, rule)
        for rule in rules
        for index, source in enumerate(rule.sources)
    ]
    for name in tensors:
        found = next(
            ((match, index, rule) for pattern, index, rule in patterns
             if (match := pattern.fullmatch(name))),
            None,
        )  # fmt: skip
        if found is None or not _apply(*found, tensors, renamed):
            renamed.unused.append(name)
    return renamed


def _apply(
    match: re.Match[str],
    index: int,
    rule: Rule,
    tensors: Mapping[str, Tensor],
    renamed: Renamed,
) -> bool:
    """Apply a rule once, when its first source comes; False if it lacks one of its sources."""
    names = tuple(_fill(source, match.groups()) for source in rule.sources)
    if not all(name in tensors for name in names):
        return False
    if index > 0 or not rule.targets:
        return True
    values = rule.apply([tensors[name] for name in names])
    for target, value in zip(rule.targets, values, strict=True):
        own = _fill(target, match.groups())
        renamed.tensors[own] = value
        renamed.origins[own] = names
    return True


def account(
    renamed: Renamed, expected: Shapes, *, allow: Sequence[str], source: str
) -> dict[str, Tensor]:
    """
    Return the tensors that are expected, all of them and of their shapes.

    Source names without use and expected names without a source are errors that list all, unless
    a pattern of `allow` (with * and ?) matches. A shape is never allowed to differ.
    """
    extra = [
        name for own in renamed.tensors if own not in expected for name in renamed.origins[own]
    ]
    unused = _refused([*renamed.unused, *extra], allow)
    missing = _refused([name for name in expected if name not in renamed.tensors], allow)
    if unused or missing:
        raise UserError(
            f'{source}: unused {every(unused)}; missing {every(missing)}; use a whole file of '
            "this layout, or let names pass with --allow 'PATTERN'"
        )
    kept = {name: value for name, value in renamed.tensors.items() if name in expected}
    shapes = [
        f'{name} is {tuple(value.shape)} instead of {expected[name]}'
        for name, value in kept.items()
        if tuple(value.shape) != expected[name]
    ]
    whole = [name for name, value in kept.items() if not value.is_floating_point()]
    if whole:
        raise UserError(
            f'{source}: {every(whole)} are whole numbers; give the weights before they were '
            'quantised'
        )
    if shapes:
        raise UserError(
            f'{source}: {some(shapes)}; use a file whose parts have one width, depth and patch'
        )
    return kept


def every(names: Sequence[str]) -> str:
    """List all names, those that differ in numbers alone as one pattern with their count."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(re.sub(r'(?<![^.])\d+(?![^.])', '*', name), []).append(name)
    listed = (
        f'{pattern} ({len(own)})' if len(own) > 1 else own[0] for pattern, own in groups.items()
    )
    return ', '.join(listed) or 'none'


def some(names: Sequence[str], limit: int = 6) -> str:
    """List the first names, and say how many more there are."""
    if not names:
        return 'none'
    rest = f' and {len(names) - limit} more' if len(names) > limit else ''
    return ', '.join(names[:limit]) + rest


def _refused(names: Sequence[str], allow: Sequence[str]) -> list[str]:
    return sorted(
        {name for name in names if not any(fnmatchcase(name, pattern) for pattern in allow)}
    )


def _pattern(name: str) -> re.Pattern[str]:
    escaped = re.escape(name).replace(r'\*\*', '(.+)').replace(r'\*', r'(\d+)')
    return re.compile(escaped)


def _fill(name: str, values: Sequence[str | None]) -> str:
    remaining = iter(values)
    return re.sub(r'\*\*?', lambda _: str(next(remaining)), name)
