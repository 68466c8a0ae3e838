# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What a compressed image says of itself, before anything of it is decoded."""

from __future__ import annotations

from typing import NamedTuple

from depthforge_ros.errors import UserError

MAX_SCANS = 32
"""
Most scans that a JPEG may have.

Each goes over the whole image again, at 64 megapixels in up to 100 ms, however few its bytes are.
libjpeg writes 10 for three components, 18 for four.
"""
JPEG_START = b'\xff\xd8\xff'
JPEG_SCAN = b'\xff\xda'
"""Begins a scan; data in a scan cannot contain it, nor the end mark (ITU-T T.81 B.1.1.2)."""
JPEG_END = b'\xff\xd9'
JPEG_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
JPEG_ALONE = frozenset((0x01, *range(0xD0, 0xD8)))
"""Markers that no length follows: one taken for such hides the frame header."""
PNG_START = b'\x89PNG\r\n\x1a\n'
PNG_HEADER = b'IHDR'
PNG_END = b'\x00\x00\x00\x00IEND'


class Header(NamedTuple):
    """The image of a JPEG or PNG."""

    height: int
    width: int
    is_grey: bool
    """One value per pixel: no colours, no transparency."""
    is_jpeg: bool


def read_header(data: bytes) -> Header:
    """
    Read the header of a whole JPEG or PNG; what follows its end is ignored.

    What is neither, breaks off, or has more than MAX_SCANS scans raises UserError with the reason
    `bad_compressed`.
    """
    if data.startswith(JPEG_START):
        header = _jpeg(data)
    elif data.startswith(PNG_START):
        header = _png(data)
    else:
        raise bad_compressed(f'{len(data)} bytes that begin with {data[:8]!r}')
    # OpenCV before 5 paints what is missing of a JPEG grey.
    if header is None:
        raise bad_compressed(f'{len(data)} bytes that break off')
    return header


def bad_compressed(what: str) -> UserError:
    """Make the refusal of `what` came."""
    return UserError(
        f'a compressed image of {what} came, whole JPEG or PNG is needed; check image_transport '
        'and the topic',
        reason='bad_compressed',
    )


def _png(data: bytes) -> Header | None:
    if data[12:16] != PNG_HEADER or data.rfind(PNG_END) < 0:
        return None
    width, height = (int.from_bytes(data[at : at + 4], 'big') for at in (16, 20))
    return Header(height, width, is_grey=data[25:26] == b'\x00', is_jpeg=False)


def _jpeg(data: bytes) -> Header | None:
    at = _jpeg_frame(data)
    # A thumbnail, whose end mark proves nothing, lies before the frame header.
    end = -1 if at is None else data.rfind(JPEG_END, at)
    if at is None or end < 0 or data.find(JPEG_SCAN, end) >= 0:
        return None
    scans = data.count(JPEG_SCAN, at)
    if scans > MAX_SCANS:
        raise UserError(
            f'a JPEG of {scans} scans came, at most {MAX_SCANS} are taken, for each decodes the '
            'whole image again; encode it with fewer, best as a baseline JPEG',
            reason='bad_compressed',
        )
    height, width = (int.from_bytes(data[one : one + 2], 'big') for one in (at + 5, at + 7))
    return Header(height, width, is_grey=data[at + 9] == 1, is_jpeg=True)


def _jpeg_frame(data: bytes) -> int | None:
    """Return where the frame header begins, or None if there is none (ITU-T T.81 B.2)."""
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in JPEG_FRAME_MARKERS:
            return at
        if marker == 0xFF:  # fill
            at += 1
        elif marker in JPEG_ALONE:
            at += 2
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], 'big')
    return None
