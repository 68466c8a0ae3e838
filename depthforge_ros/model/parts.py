# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Files of parts that came from elsewhere: foundation weights, or a head to start from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from depthforge_ros.errors import UserError
from depthforge_ros.files import require_utf_8
from depthforge_ros.model.config import Eva02Config, VitConfig
from safetensors import safe_open, SafetensorError
from safetensors.torch import save_file
from torch import from_numpy, Tensor

PART_FORMAT = 'depthforge-part-1'
NUMPY_TYPES = ('F64', 'F32', 'F16', 'I64', 'I32', 'I16', 'I8', 'U8', 'BOOL')
"""What NumPy has of the types of a safetensors file, by the file's names."""


class Sizes(NamedTuple):
    """What tells encoders apart."""

    kind: str
    """`dinov2` or `eva02`."""
    width: int
    depth: int
    patch: int
    """Pixels."""
    registers: int

    def __str__(self) -> str:
        return (
            f'{self.kind}, width {self.width}, depth {self.depth}, patch {self.patch}, '
            f'{self.registers} registers'
        )


def sizes_of(config: VitConfig | Eva02Config) -> Sizes:
    """Return the sizes that files of weights are compared by."""
    is_eva02 = isinstance(config, Eva02Config)
    registers = config.registers if isinstance(config, VitConfig) else 0
    kind = 'eva02' if is_eva02 else 'dinov2'
    return Sizes(kind, config.width, config.depth, config.patch, registers)


def write_part(path: Path, tensors: Mapping[str, Tensor], *, layout: str) -> None:
    """Write tensors under our names, whole or not at all."""
    write_safetensors(path, tensors, {'format': PART_FORMAT, 'layout': layout})


def write_safetensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    """Write a file under another name and rename it when it is complete."""
    require_utf_8(path, 'safetensors')
    partial = path.with_name(path.name + '.partial')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(
            {name: value.contiguous() for name, value in tensors.items()}, partial, dict(metadata)
        )
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise UserError(f'{path} cannot be written ({error}); choose another place') from error


def read_safetensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Read metadata and tensors."""
    with _opened(path) as file, safe_open(path, framework='np') as arrays:
        tensors = {name: _tensor(name, file, arrays) for name in file.keys()}  # noqa: SIM118
        return dict(file.metadata() or {}), tensors


def _tensor(name: str, file: Any, arrays: Any) -> Tensor:
    # Read for PyTorch, each tensor leaks its two offsets (safetensors 0.5 to 0.8), which a node
    # that is configured again and again keeps; NumPy's way does not, but lacks some types.
    kind = file.get_slice(name).get_dtype()
    return from_numpy(arrays.get_tensor(name)) if kind in NUMPY_TYPES else file.get_tensor(name)


def read_metadata(path: Path) -> dict[str, str]:
    """Read metadata alone."""
    with _opened(path) as file:
        return dict(file.metadata() or {})


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise UserError(f'{path} does not exist; give the path of a .safetensors file')
    require_utf_8(path, 'safetensors')
    try:
        with safe_open(path, framework='pt') as file:
            yield file
    except SafetensorError as error:
        raise UserError(
            f'{path} is not a safetensors file ({error}); pickled weights are loaded only by '
            '`depthforge convert`'
        ) from error
