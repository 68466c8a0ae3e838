# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What a compressed image says of itself, before anything of it is decoded."""

from __future__ import annotations

import re
from typing import NamedTuple

from depthforge_ros.errors import UserError

MAX_SCANS = 32
"""
Most scans that a JPEG may have.

Each goes over the whole image again, at 64 megapixels in up to 100 ms, however few its bytes are.
libjpeg writes 10 for three components, 18 for four.
"""
MAX_SEGMENTS = 10_000
"""Most markers that are looked at; of 64 kB each they hold what any camera says."""
JPEG_START = b'\xff\xd8\xff'
JPEG_MARKER = re.compile(rb'\xff[^\x00\xd0-\xd7\xff]')
"""
What a decoder stops at: no value of a scan, no restart, no fill (ITU-T T.81 B.1.1).

Those before the frame header are skipped as libjpeg does, so that nothing hides it.
"""
JPEG_ALONE = 0x01
JPEG_AGAIN = 0xD8
JPEG_END = 0xD9
JPEG_SCAN = 0xDA
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
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
    """Go from marker to marker up to the end mark; None where there is no frame or no end."""
    header: Header | None = None
    at, scans = 2, 0
    for _ in range(MAX_SEGMENTS):
        found = JPEG_MARKER.search(data, at)
        if found is None:
            return None
        at = found.start()
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], 'big')
        if marker == JPEG_END:
            return header
        if marker == JPEG_AGAIN:
            return None
        if marker in JPEG_FRAMES and header is None:
            header = _jpeg_frame(data[at + 4 : at + 2 + length])
        scans += marker == JPEG_SCAN
        if scans > MAX_SCANS:
            raise UserError(
                f'a JPEG of more than {MAX_SCANS} scans came, and each decodes the whole image '
                'again; encode it with fewer, best as a baseline JPEG',
                reason='bad_compressed',
            )
        at += 2 if marker == JPEG_ALONE else 2 + length
    return None


def _jpeg_frame(segment: bytes) -> Header | None:
    """Read precision, height, width and number of components (T.81 B.2.2)."""
    if len(segment) < 6:
        return None
    height, width = (int.from_bytes(segment[one : one + 2], 'big') for one in (1, 3))
    return Header(height, width, is_grey=segment[5] == 1, is_jpeg=True)
