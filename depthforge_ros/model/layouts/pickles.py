# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Tensors out of pickles that hold more: message hubs, numpy scalars, argparse.Namespace.

A pickle names classes and functions, and Python's reader imports and calls them. Here only those
that make tensors are; every other name becomes `Ignored`, which takes what it is given and does
nothing. So no code of the file runs, and none that it names has to be installed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
import pickle
from types import SimpleNamespace
from typing import Any, BinaryIO

import torch
from torch import Tensor

BUILDERS = {
    ('collections', 'OrderedDict'): OrderedDict,
    ('torch', 'Size'): torch.Size,
    **{
        ('torch._utils', name): getattr(torch._utils, name)
        for name in (
            *('_rebuild_tensor', '_rebuild_tensor_v2', '_rebuild_tensor_v3'),
            '_rebuild_parameter',
        )
    },
    ('torch._tensor', '_rebuild_from_type_v2'): lambda build, kind, args, state: build(*args),
    ('torch.nn.parameter', 'Parameter'): torch.nn.Parameter,
    ('torch', 'Tensor'): Tensor,
    ('torch.storage', 'UntypedStorage'): torch.storage.UntypedStorage,
}
"""All that is called: they make tensors, and the mappings that hold them."""


class Ignored(dict[Any, Any]):
    """Anything else: a mapping keeps its items, in case they are tensors."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()

    def __new__(cls, *args: object, **kwargs: object) -> Ignored:
        """Take any arguments, as objects of a pickle are made."""
        return super().__new__(cls)

    def __call__(self, *args: object, **kwargs: object) -> Ignored:
        """Stand in for what a function would return."""
        return Ignored()

    def __setstate__(self, state: object) -> None:
        """Keep attributes, among which a whole module has its tensors."""
        if isinstance(state, dict):
            self.update(state)

    def append(self, value: object) -> None:
        """Take an item of a list."""

    def extend(self, values: object) -> None:
        """Take items of a list."""

    def add(self, value: object) -> None:
        """Take an item of a set."""

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == 'torch' and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        return BUILDERS.get((module, name), Ignored)


def _load(file: BinaryIO, **options: Any) -> Any:
    return _Unpickler(file, **options).load()


TENSORS_ONLY = SimpleNamespace(
    Unpickler=_Unpickler, load=_load, UnpicklingError=pickle.UnpicklingError, __name__='pickle'
)
"""What torch.load takes for the module `pickle`."""


def load_tensors(file: BinaryIO) -> Any:
    """Load what torch.save wrote; all that is neither a tensor nor plain is `Ignored`."""
    return torch.load(file, map_location='cpu', weights_only=False, pickle_module=TENSORS_ONLY)


def module_tensors(content: Mapping[str, Any], prefix: str = '') -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a whole module that was pickled, by their names in its state dict."""
    for kind in ('_parameters', '_buffers'):
        for name, value in (content.get(kind) or {}).items():
            if isinstance(value, Tensor):
                yield f'{prefix}{name}', value
    for name, child in (content.get('_modules') or {}).items():
        if isinstance(child, Mapping):
            yield from module_tensors(child, f'{prefix}{name}.')
