# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Compiled engines on disk: written completely or not at all, loaded only where everything fits.

A program lies beside what eager answered to its proving frames (.npz), and a description (.json)
with the checksum of both and the fingerprint.
Loading a program runs its code, so files that others could have written are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
import hashlib
import json
import math
import os
from pathlib import Path
import stat
from typing import Any

from depthforge_ros.errors import one_line, UserError

FORMAT = 'depthforge-engine-3'
ENGINES_VARIABLE = 'DEPTHFORGE_ENGINES'
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
"""As for sshd: a group may have unexpected members."""


@dataclass(frozen=True)
class Request:
    """What an engine is compiled for."""

    height: int
    """Rows of the network's input."""
    width: int
    min_batch: int = 1
    max_batch: int = 1
    precision: str = 'fp32'
    """One of `precision.PRECISIONS`."""

    def __str__(self) -> str:
        batch = f'b{self.min_batch}-{self.max_batch}'
        return f'{self.height}x{self.width}-{batch}-{self.precision}'


@dataclass(frozen=True)
class Artefact:
    """One compiled engine."""

    program: Path
    request: Request
    fingerprint: Mapping[str, str]
    """All that the program depends on, by part: weights, code, device, driver, versions."""
    sha256: str
    """Of the program's file and its proof's."""
    ms: float = 0.0
    """Median time of a batch when it was built; 0 is unknown."""
    other_ms: float = 0.0
    """Likewise of what needs no compiling on the same device."""

    @property
    def proof(self) -> Path:
        """Path of what eager answered to the proving frames, see `proof.write_reference`."""
        return self.program.with_suffix('.npz')

    @property
    def description(self) -> Path:
        """Path of the file with these fields."""
        return self.program.with_suffix('.json')

    def require_fit(self, present: Mapping[str, str]) -> None:
        """Raise UserError unless the fingerprint is that of this machine and these weights."""
        parts = sorted({*self.fingerprint, *present})
        differing = [
            f'{part} was {self.fingerprint.get(part, "none")!r} and is '
            f'{present.get(part, "none")!r}'
            for part in parts
            if self.fingerprint.get(part) != present.get(part)
        ]
        if differing:
            raise UserError(
                f'compiled engine {self.program.name} does not fit: {"; ".join(differing)}; '
                'compile it again (`depthforge compile`)'
            )

    def require_intact(self) -> None:
        """Raise UserError unless the program is the file that was written."""
        files = self.program, self.proof
        if not all(path.is_file() for path in files) or _sha256(*files) != self.sha256:
            raise UserError(
                f'compiled engine {self.program} is damaged or not the one that was compiled; '
                'compile it again (`depthforge compile`)'
            )


def engines_directory() -> Path:
    """Folder of compiled engines: $DEPTHFORGE_ENGINES, or in the user's cache."""
    named = os.environ.get(ENGINES_VARIABLE)
    if named:
        if Path(named).is_file():
            raise UserError(f'{ENGINES_VARIABLE} is {named}, a file; name a folder')
        return Path(named)
    cache = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
    return cache / 'depthforge' / 'engines'


def make_engines_directory() -> None:
    """
    Make that folder and its missing parents the user's alone, whatever the umask.

    UserError for a folder from which `read` would refuse all.
    """
    folder = engines_directory()
    for one in (*reversed(folder.parents), folder):
        one.mkdir(mode=0o700, exist_ok=True)
    _require_own(folder)


def stem(model: str, engine: str) -> str:
    """Return the start of the names of a model's engines of one kind."""
    return f'{Path(model).stem}-{engine}-'


def describe(
    program: Path,
    proof: Path,
    *,
    model: str,
    engine: str,
    request: Request,
    fingerprint: Mapping[str, str],
    ms: float,
    other_ms: float,
) -> Artefact:
    """Name and describe a program that was just written, for `store`."""
    # Checkpoints of the same name in different folders do not overwrite each other's engines.
    name = f'{stem(model, engine)}{request}-{fingerprint["weights"][:8]}.pt2'
    path = engines_directory() / name
    return Artefact(path, request, dict(fingerprint), _sha256(program, proof), ms, other_ms)


def store(program: Path, proof: Path, artefact: Artefact) -> None:
    """Move all files in place, the description last: an interrupted store is not valid."""
    fields = {'format': FORMAT, **asdict(artefact), 'program': artefact.program.name}
    partial = artefact.description.with_suffix('.partial')
    program.replace(artefact.program)
    proof.replace(artefact.proof)
    partial.write_text(json.dumps(fields, indent=1) + '\n', encoding='utf-8')
    partial.chmod(0o600)
    partial.replace(artefact.description)


def stored(model: str, engine: str) -> list[Path]:
    """List the descriptions of a model's engines of one kind, the newest first."""
    folder = engines_directory()
    paths = list(folder.glob(f'{stem(model, engine)}*.json'))
    # lstat: a link may lead nowhere.
    paths.sort(key=lambda path: path.lstat().st_mtime, reverse=True)
    return paths


def read(path: Path) -> Artefact:
    """Read a description without loading the engine; UserError for one that is not trusted."""
    for one in (path.parent, path, path.with_suffix('.pt2'), path.with_suffix('.npz')):
        _require_own(one)
    try:
        if not path.is_file():
            # Opening a FIFO would block until somebody writes.
            raise ValueError('no regular file')
        fields: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
        if fields['format'] != FORMAT:
            raise ValueError(f'format {fields["format"]!r}')
        return Artefact(
            program=path.with_suffix('.pt2'),
            request=_request(fields['request']),
            fingerprint=dict(fields['fingerprint']),
            sha256=str(fields['sha256']),
            ms=_time_ms(fields['ms']),
            other_ms=_time_ms(fields['other_ms']),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f'{path} does not describe a compiled engine ({one_line(error)}); delete it and '
            'compile again (`depthforge compile`)'
        ) from error


def _request(fields: Mapping[str, Any]) -> Request:
    request = Request(**fields)
    for name, default in asdict(Request(1, 1)).items():
        if type(getattr(request, name)) is not type(default):
            raise TypeError(f'{name} {getattr(request, name)!r}')
    return request


def _time_ms(value: Any) -> float:
    if not 0.0 <= float(value) < math.inf:
        raise ValueError(f'{value!r} ms')
    return float(value)


def _require_own(path: Path) -> None:
    """Refuse a file that another user owns, may write or may replace; missing files pass."""
    if not path.exists():
        return
    status = path.stat()
    if _is_foreign(status) or status.st_mode & OTHERS_WRITE:
        raise UserError(
            f'{path} could have been written by another user, and an engine runs as code; '
            f'delete it, or make it yours alone (chown, chmod go-w {path})'
        )
    _require_safe_way(path.absolute())


def _require_safe_way(path: Path) -> None:
    """Refuse an absolute path that others may redirect; links are followed one by one."""
    for one in (*reversed(path.parents), path):
        status = one.lstat()
        if stat.S_ISLNK(status.st_mode):
            if _is_foreign(status):
                raise _replaceable(one, status)
            _require_safe_way(one.parent / one.readlink() / path.relative_to(one))
            return
        # In a sticky folder, as /tmp is, only owners may replace what is theirs.
        is_open = status.st_mode & OTHERS_WRITE and not status.st_mode & stat.S_ISVTX
        if one != path and (_is_foreign(status) or is_open):
            raise _replaceable(one, status)


def _is_foreign(status: os.stat_result) -> bool:
    return status.st_uid not in (os.getuid(), 0)


def _replaceable(path: Path, status: os.stat_result) -> UserError:
    return UserError(
        f'other users may replace {path} or what lies in it ({stat.filemode(status.st_mode)}, '
        f'owner {status.st_uid}), and an engine runs as code; make it yours alone (chown, chmod '
        f'go-w {path}), or keep engines elsewhere ({ENGINES_VARIABLE})'
    )


def _sha256(*paths: Path) -> str:
    sha = hashlib.sha256()
    for path in paths:
        with path.open('rb') as file:
            while block := file.read(1 << 20):
                sha.update(block)
    return sha.hexdigest()
