# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Repairs bags that were cut short: a recorder that was killed, a full disk, half a copy.

Such a file has no index at its end, and no reader opens it without one. Its complete records are
copied into a temporary folder, with an index or an end. The bag itself is not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path, PurePath
import shutil
import sqlite3
import struct
import sys
from tempfile import TemporaryDirectory
from typing import BinaryIO

from depthforge_ros.bags.bag import Bag
from depthforge_ros.bags.storage_files import (
    ABOUT,
    advice,
    bag_files,
    is_compressed,
    METADATA,
    read_metadata,
    storage_suffix,
)
from depthforge_ros.errors import UserError
from lz4.frame import LZ4FrameDecompressor
from rosbags.interfaces import Connection
from rosbags.rosbag1 import Writer
from rosbags.rosbag1.reader import decompressors, Header, ReaderError, RecordType
from rosbags.typesys.msg import normalize_msgtype

if sys.version_info >= (3, 14):
    from compression.zstd import open as zstd_open
    from compression.zstd import ZstdDecompressor, ZstdError
else:
    from backports.zstd import open as zstd_open
    from backports.zstd import ZstdDecompressor, ZstdError

MCAP_MAGIC = b'\x89MCAP0\r\n'
MCAP_RECORD = struct.Struct('<BQ')
MCAP_END = b'\x02\x14' + bytes(7 + 20) + MCAP_MAGIC
"""A footer that says there is no summary, and the magic: readers then scan the file."""
MCAP_LAST = (0x02, 0x0F)
"""Footer and end of data."""
MCAP_CHUNK = 0x06
MCAP_CHUNK_HEAD = struct.Struct('<QQQII')
"""Times, size and checksum of a chunk, and the length of the name of its compression."""
SQLITE_BESIDE = ('-wal', '-journal')
"""What SQLite keeps beside a file that it has not closed."""
SQLITE_PAGE_AT = 16
"""Where an SQLite file says the size of its pages."""
BLOCK = 1 << 20


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
    files = bag_files(path)
    try:
        if any(map(_is_unfinished, files)):
            raise UserError(f'{path} was not closed by its recorder; {advice(path, "")}')
        if not path.is_dir() and files and path.name != plain_name(path):
            return _plain(path, folder), None
        with Bag(path):
            is_known = not path.is_dir() or (path / METADATA).is_file()
            return path, None if is_known else f'{path.name} has no {METADATA}'
    except UserError as error:
        if not files:
            raise
        return _repaired_copy(path, files, folder, error)


def plain_name(path: Path) -> str:
    """Name a file of a bag as readers expect it: `x.bag` of `X.BAG` and `x.bag.active`."""
    suffix = storage_suffix(path) or ''
    return path.name[: path.name.lower().rindex(suffix)] + suffix


def _plain(path: Path, folder: Path) -> Path:
    """Give a file that can be read the name that readers expect, decompressed."""
    plain = folder / 'plain' / plain_name(path)
    plain.parent.mkdir()
    if not is_compressed(path):
        plain.symlink_to(path.absolute())
    elif not _decompress(path, plain):
        raise UserError(f'{path} is no whole zstd file; copy it again')
    try:
        with Bag(plain):
            return plain
    except UserError as error:
        raise UserError(str(error).replace(str(plain), str(path))) from error


def _is_unfinished(path: Path) -> bool:
    """Tell whether a recorder left a file without closing it, as its name or its log says."""
    beside = [path.with_name(path.name + ending) for ending in SQLITE_BESIDE]
    has_more = any(one.is_file() and one.stat().st_size for one in beside)
    return has_more or path.name.lower().endswith('.active')


def _repaired_copy(
    path: Path, files: list[Path], folder: Path, error: UserError
) -> tuple[Path, str | None]:
    """Make a copy of all that can be read; UserError, the given one, where that is nothing."""
    copy = folder / 'repaired' / path.name
    copy.mkdir(parents=True)
    lost = [one.name for one in files if not _repair_file(one, copy, folder)]
    metadata = (path if path.is_dir() else path.parent) / METADATA
    if metadata.is_file():
        shutil.copy(metadata, copy / ABOUT)
    whole = bag_files(copy)
    repaired = whole[0] if len(files) == 1 and whole and not path.is_dir() else copy
    try:
        with Bag(repaired) as bag:
            if not any(map(bag.count, bag.topics)):
                raise error
    except UserError:
        raise error from None
    about = read_metadata(path).get('relative_file_paths', ()) if path.is_dir() else ()
    there = {one.name for one in files}
    lost += [name for name in (PurePath(one).name for one in about) if name not in there]
    damage = f'{path.name} is cut short or damaged'
    return repaired, f'{damage}: {", ".join(lost)} lost' if lost else damage


def _repair_file(source: Path, copy: Path, folder: Path) -> bool:
    """Put a file, or what can be read of it, into the copy; returns whether there is any."""
    target = copy / plain_name(source)
    try:
        if is_compressed(source):
            unpacked = folder / f'unpacked_{target.name}'
            _decompress(source, unpacked)
            source = unpacked
        if not _is_unfinished(source):
            target.symlink_to(source.absolute())
            with suppress(UserError), Bag(target):
                return True
            target.unlink()
        REPAIRERS[target.suffix](source, target)
        with Bag(target):
            return True
    except (OSError, ReaderError, sqlite3.Error, struct.error, ValueError):  # of them UserError
        target.unlink(missing_ok=True)
        return False


def _decompress(source: Path, target: Path) -> bool:
    """Decompress a file into a new one as far as it goes; returns whether it is whole."""
    # Never through a link: it would lead to the bag itself.
    with target.open('xb') as plain, zstd_open(source) as stream:
        try:
            while block := stream.read(BLOCK):
                plain.write(block)
        except (EOFError, ZstdError):
            return False
    return True


def _repair_mcap(source: Path, target: Path) -> None:
    """Keep the records up to the last complete one."""
    size = source.stat().st_size
    with source.open('rb') as file:
        if file.read(len(MCAP_MAGIC)) != MCAP_MAGIC:
            raise ValueError
        end, rest = file.tell(), b''
        while len(head := file.read(MCAP_RECORD.size)) == MCAP_RECORD.size:
            kind, length = MCAP_RECORD.unpack(head)
            if kind in MCAP_LAST:
                break
            if end + MCAP_RECORD.size + length > size:
                rest = _whole_records(file.read()) if kind == MCAP_CHUNK else b''
                break
            end = file.seek(end + MCAP_RECORD.size + length)
    shutil.copy(source, target)
    with target.open('r+b') as file:
        file.truncate(end)
        file.seek(end)
        file.write(rest + MCAP_END)


def _whole_records(chunk: bytes) -> bytes:
    """Return the whole records of a chunk that breaks off."""
    if len(chunk) < MCAP_CHUNK_HEAD.size:
        return b''
    *_, length = MCAP_CHUNK_HEAD.unpack_from(chunk)
    kind = chunk[MCAP_CHUNK_HEAD.size : MCAP_CHUNK_HEAD.size + length]
    packed = chunk[MCAP_CHUNK_HEAD.size + length + 8 :]
    if kind == b'zstd':
        with suppress(ZstdError):
            packed = ZstdDecompressor().decompress(packed)
    elif kind == b'lz4':
        with suppress(RuntimeError):
            packed = LZ4FrameDecompressor().decompress(packed)
    end = 0
    while end + MCAP_RECORD.size <= len(packed):
        _, length = MCAP_RECORD.unpack_from(packed, end)
        if end + MCAP_RECORD.size + length > len(packed):
            break
        end += MCAP_RECORD.size + length
    return packed[:end]


def _repair_sqlite(source: Path, target: Path) -> None:
    """
    Copy the rows that can be read; writable_schema lets SQLite open a file without its end.

    A log or journal beside it is taken in first, in a copy.
    """
    if _is_unfinished(source):
        source = _with_journal(source, target.parent.parent)
    source = _of_whole_pages(source, target.parent.parent)
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


def _of_whole_pages(source: Path, folder: Path) -> Path:
    """Copy a file whose last page is cut without it: SQLite would read zeros for what it lacks."""
    with source.open('rb') as file:
        file.seek(SQLITE_PAGE_AT)
        page = int.from_bytes(file.read(2), 'big')
    # SQLite writes 1 for 65536.
    page = 65536 if page == 1 else page
    size = source.stat().st_size
    if not page or size % page == 0:
        return source
    whole = folder / f'whole_{source.name}'
    shutil.copy(source, whole)
    with whole.open('r+b') as file:
        file.truncate(size - size % page)
    return whole


def _with_journal(source: Path, folder: Path) -> Path:
    """Copy a file with what SQLite left beside it, and let SQLite join them."""
    joined = folder / f'joined_{source.name}'
    for ending in ('', *SQLITE_BESIDE):
        beside = source.with_name(source.name + ending)
        if beside.is_file():
            shutil.copy(beside, folder / f'{joined.name}{ending}')
    with suppress(sqlite3.Error):
        connection = sqlite3.connect(joined)
        connection.execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchall()
        connection.execute('PRAGMA journal_mode=DELETE').fetchall()
        connection.close()
    return joined


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
