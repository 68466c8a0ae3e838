# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Foundation weights from their public addresses, checked before they are used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
import hashlib
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from depthforge_ros.errors import UserError
from depthforge_ros.model.layouts.convert import convert_part, detect
from depthforge_ros.model.layouts.sizes import encoder_config
from depthforge_ros.model.layouts.source import read_source
from depthforge_ros.model.manifest import Foundation
from depthforge_ros.model.parts import Sizes, sizes_of, write_part
from depthforge_ros.model.registry import foundation_in, MODELS, WEIGHTS_VARIABLE
from tqdm import tqdm

CHUNK = 1 << 20
"""Bytes read at once."""
TIMEOUT_S = 30.0


def fetch(
    name: str,
    manifest: Mapping[str, Foundation],
    directory: Path,
    *,
    source: Path | None = None,
) -> list[Path]:
    """
    Put the foundation weights of a model, or those of a name in the manifest, into a folder.

    `source` is a published file that is here already. Returns the files of ours, new or not.
    """
    wanted = _wanted(name, manifest)
    for foundation in wanted:
        print(f'{foundation.name}: licence {foundation.terms}')
    if source is not None:
        return [_take(source, wanted, directory)]
    return [_get(foundation, directory) for foundation in wanted]


def _wanted(name: str, manifest: Mapping[str, Foundation]) -> list[Foundation]:
    if name in manifest:
        return [manifest[name]]
    if name not in MODELS:
        raise UserError(
            f'{name!r} is neither a model ({", ".join(MODELS)}) nor foundation weights '
            f'({", ".join(manifest)}); choose one of these'
        )
    if not MODELS[name].foundations:
        raise UserError(f'{name} is bundled with every weight; there is nothing to fetch')
    return [manifest[one] for one in MODELS[name].foundations]


def _take(source: Path, wanted: Sequence[Foundation], directory: Path) -> Path:
    """Convert a file that is here: the foundation whose sum it has, or the one without a sum."""
    if not source.is_file():
        raise UserError(f'{source} does not exist; give the file that was downloaded')
    found = _sha256(source)
    # Those with a published sum come first: a file that has it is that one for certain.
    for foundation in sorted(wanted, key=lambda one: one.sha256 is None):
        if foundation.sha256 in (found, None):
            return _convert(source, foundation, directory)
    expected = ' or '.join(f'{one.sha256} ({one.name})' for one in wanted)
    raise UserError(
        f'{source} has sha256 {found}, {expected} was expected; get the published file, or use '
        '`depthforge convert` for another copy of the weights'
    )


def _get(foundation: Foundation, directory: Path) -> Path:
    """Download, check and convert, unless the file of ours is there."""
    present = foundation_in(directory, foundation.name)
    if present is not None:
        return present
    download = directory / f'{foundation.name}.download'
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _check(foundation, *_download(foundation, download))
        return _convert(download, foundation, directory)
    except OSError as error:
        raise UserError(
            f'{download} cannot be written ({error.strerror or error}); make room there, or set '
            f'{WEIGHTS_VARIABLE} to another folder'
        ) from error
    finally:
        if directory.is_dir():
            download.unlink(missing_ok=True)


def _download(foundation: Foundation, path: Path) -> tuple[int, str]:
    """Write the file behind the address; returns its size in bytes and its sha256."""
    digest, size = hashlib.sha256(), 0
    bar = tqdm(total=foundation.bytes, desc=foundation.name, unit='B', unit_scale=True)
    with path.open('wb') as file, bar:
        for chunk in _chunks(foundation.url):
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            bar.update(len(chunk))
    return size, digest.hexdigest()


def _chunks(url: str) -> Iterator[bytes]:
    """Yield what is behind an address; faults of the network are a UserError, no OSError."""
    try:
        with urlopen(url, timeout=TIMEOUT_S) as response:
            while chunk := response.read(CHUNK):
                yield chunk
    except (OSError, HTTPException) as error:
        raise UserError(
            f'{url} cannot be read ({error}); check the network, or download it elsewhere and '
            'give it with --from FILE'
        ) from error


def _check(foundation: Foundation, size: int, found: str) -> None:
    """Compare with what the manifest states."""
    if foundation.bytes not in (size, None):
        raise UserError(
            f'{foundation.url} has {size} bytes, {foundation.bytes} were expected; try again, or '
            'give the published file with --from FILE'
        )
    if foundation.sha256 not in (found, None):
        raise UserError(
            f'{foundation.url} has sha256 {found}, {foundation.sha256} was expected; it was '
            'removed: try again, or give the published file with --from FILE'
        )


def _convert(file: Path, foundation: Foundation, directory: Path) -> Path:
    """Write the file of ours, if the weights are of the sizes that the manifest states."""
    if foundation.sha256 is None:
        print(f'{foundation.name}: no sha256 is published; only names and shapes are checked')
    tensors = read_source(file)
    layout = detect(tensors, source=str(file))
    part = convert_part(tensors, layout, source=file)
    has_depth = any(name.startswith('depth_head.') for name in part)
    found = sizes_of(encoder_config(part, 'encoder.'))
    if (found, has_depth) != (foundation.encoder, foundation.depth_head):
        raise UserError(
            f'{file} holds {_told(found, has_depth)}, '
            f'{_told(foundation.encoder, foundation.depth_head)} was expected for '
            f'{foundation.name}; give the file of that model'
        )
    target = directory / f'{foundation.name}.safetensors'
    write_part(target, part, layout=layout.name)
    return target


def _told(encoder: Sizes, has_depth: bool) -> str:
    return f'an encoder ({encoder}) with{"" if has_depth else "out"} a depth head'


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with (
        path.open('rb') as file,
        tqdm(total=path.stat().st_size, desc='sha256', unit='B', unit_scale=True) as bar,
    ):
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            bar.update(len(chunk))
    return digest.hexdigest()
