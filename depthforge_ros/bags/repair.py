# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Repairs bags that were cut short: a recorder that was killed, a full disk, half a copy.

Such a file has no index at its end, and no reader opens it without one. Its complete records are
copied into a temporary folder, with an index or an end. The bag itself is not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
import shutil
import sqlite3
import struct
from tempfile import TemporaryDirectory
from typing import BinaryIO

from depthforge_ros.bags.bag import Bag, METADATA
from depthforge_ros.errors import UserError
from rosbags.interfaces import Connection
from rosbags.rosbag1 import Writer
from rosbags.rosbag1.reader import decompressors, Header, ReaderError, RecordType
from rosbags.typesys.msg import normalize_msgtype

MCAP_MAGIC = b'\x89MCAP0\r\n'
MCAP_RECORD = struct.Struct('<BQ')
MCAP_END = b'\x02\x14' + bytes(7 + 20) + MCAP_MAGIC
"""A footer that says there is no summary, and the magic: readers then scan the file."""
MCAP_LAST = (0x02, 0x0F)
"""Footer and end of data."""


@contextmanager
def repaired(path: Path) -> Iterator[tuple[Path, str | None]]:
    """
    Give the bag itself, or a repaired copy for as long as the context, and what was wrong.

    Raises the UserError of the bag itself where nothing of it can be read. Errors of the copy that
    are raised in the context name the bag.
    """
    with TemporaryDirectory() as folder:
        copy, damage = _repair_if_broken(path, Path(folder))
        try:
            yield copy, damage
        except UserError as error:
            text = str(error).replace(str(copy), str(path))
            raise UserError(text, reason=error.reason) from error


def _repair_if_broken(path: Path, folder: Path) -> tuple[Path, str | None]:
    try:
        with Bag(path):
            return path, None
    except UserError as error:
        files = _files(path)
        if not files:
            raise
        return _repaired_copy(path, files, folder, error), f'{path.name} is cut short or damaged'


def _files(path: Path) -> list[Path]:
    folder = sorted(path.iterdir()) if path.is_dir() else [path]
    return [one for one in folder if one.is_file() and one.suffix in REPAIRERS]


def _repaired_copy(path: Path, files: list[Path], folder: Path, error: UserError) -> Path:
    copy = folder / f'{path.stem}_repaired'
    copy.mkdir()
    for one in files:
        try:
            REPAIRERS[one.suffix](one, copy / one.name)
        except (OSError, ReaderError, sqlite3.Error, struct.error, ValueError):
            raise error from None
    metadata = (path if path.is_dir() else path.parent) / METADATA
    if metadata.is_file():
        shutil.copy(metadata, copy)
    if path.is_dir() and metadata.is_file():
        repaired = copy
    elif len(files) == 1:
        repaired = copy / files[0].name
    else:
        raise error
    try:
        with Bag(repaired) as bag:
            if any(map(bag.count, bag.topics)):
                return repaired
    except UserError:
        pass
    raise error


def _repair_mcap(source: Path, target: Path) -> None:
    """Keep the records up to the last complete one."""
    size = source.stat().st_size
    with source.open('rb') as file:
        if file.read(len(MCAP_MAGIC)) != MCAP_MAGIC:
            raise ValueError
        end = file.tell()
        while len(head := file.read(MCAP_RECORD.size)) == MCAP_RECORD.size:
            kind, length = MCAP_RECORD.unpack(head)
            if kind in MCAP_LAST or end + MCAP_RECORD.size + length > size:
                break
            end = file.seek(end + MCAP_RECORD.size + length)
    shutil.copy(source, target)
    with target.open('r+b') as file:
        file.truncate(end)
        file.seek(end)
        file.write(MCAP_END)


def _repair_sqlite(source: Path, target: Path) -> None:
    """Copy the rows that can be read; writable_schema lets SQLite open a file without its end."""
    with (
        sqlite3.connect(f'{source.resolve().as_uri()}?immutable=1', uri=True) as old,
        sqlite3.connect(target) as new,
    ):
        old.execute('PRAGMA writable_schema=ON')
        tables = old.execute(
            "SELECT name, sql FROM sqlite_master WHERE type='table' AND sql NOT NULL"
        ).fetchall()
        for name, statement in tables:
            new.execute(statement)
            _copy_rows(old, new, name)
    old.close()
    new.close()


def _copy_rows(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> None:
    rows = old.execute(f'SELECT * FROM "{table}" NOT INDEXED')
    places = ', '.join('?' * len(rows.description))
    try:
        for row in rows:
            new.execute(f'INSERT INTO "{table}" VALUES ({places})', row)
    except sqlite3.DatabaseError:
        return


def _repair_rosbag1(source: Path, target: Path) -> None:
    """Write the messages of all complete chunks into a new bag."""
    with source.open('rb') as file, Writer(target) as writer:
        file.readline()
        connections: dict[int, Connection] = {}
        while record := _rosbag1_record(file):
            header, data = record
            if header.get_uint8('op') == RecordType.CHUNK:
                chunk = BytesIO(decompressors[header.get_string('compression')](data))
                while inner := _rosbag1_record(chunk):
                    _write_rosbag1(writer, connections, *inner)


def _rosbag1_record(file: BinaryIO) -> tuple[Header, bytes] | None:
    """Read one record; None where no complete one is left."""
    try:
        header = Header.read(file)
    except ReaderError:
        return None
    size = file.read(4)
    data = file.read(int.from_bytes(size, 'little'))
    whole = 'op' in header and len(data) == int.from_bytes(size, 'little')
    return (header, data) if whole else None


def _write_rosbag1(
    writer: Writer, connections: dict[int, Connection], header: Header, data: bytes
) -> None:
    number = header.get_uint32('conn')
    if header.get_uint8('op') == RecordType.MSGDATA:
        writer.write(connections[number], header.get_time('time'), data)
    elif number not in connections:
        # A record's data is laid out as a header here.
        about = Header.read(BytesIO(struct.pack('<I', len(data)) + data))
        connections[number] = writer.add_connection(
            header.get_string('topic'),
            normalize_msgtype(about.get_string('type')),
            msgdef=about.get_string('message_definition'),
            md5sum=about.get_string('md5sum'),
        )


REPAIRERS: Mapping[str, Callable[[Path, Path], None]] = {
    '.mcap': _repair_mcap,
    '.db3': _repair_sqlite,
    '.bag': _repair_rosbag1,
}
