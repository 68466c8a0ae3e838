# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What a compressed image says of itself, before anything of it is decoded."""

from __future__ import annotations

from collections.abc import Sequence
import re
from typing import NamedTuple
import zlib

from depthforge_ros.errors import UserError

MAX_SCANS = 32
"""
Most scans that a JPEG may have.

Each goes over the whole image again, at 64 megapixels in up to 100 ms, however few its bytes are.
libjpeg writes 10 for three components, 18 for four.
"""
MAX_SEGMENTS = 100_000
"""Most segments or chunks that are looked at; an image of 64 megapixels has a third of them."""
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
PNG_HEADER, PNG_PIXELS, PNG_ANIMATED, PNG_END = b'IHDR', b'IDAT', b'acTL', b'IEND'
PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By colour type: grey, colours, palette, grey or colours with transparency."""
SMALL_PIXELS = 1 << 18
"""Bytes of compressed pixels that inflate in less than a second, to whatever they are."""
INFLATED_AT_ONCE = 1 << 20


class Header(NamedTuple):
    """The image of a JPEG or PNG."""

    height: int
    width: int
    is_grey: bool
    """One value per pixel: no colours, no transparency."""
    is_jpeg: bool


def read_header(data: bytes, *, max_pixels: int) -> Header:
    """
    Read the header of a whole JPEG or PNG; what follows its end is ignored.

    What is neither, breaks off, has more than MAX_SCANS scans, or holds more than its header says
    raises UserError with the reason `bad_compressed`; the last is not looked for above max_pixels.
    """
    if data.startswith(JPEG_START):
        header = _jpeg(data)
    elif data.startswith(PNG_START):
        header = _png(data, max_pixels)
    else:
        raise bad_compressed(f'{len(data)} bytes that begin with {data[:8]!r}')
    # OpenCV before 5 paints what is missing of a JPEG grey.
    if header is None:
        raise bad_compressed(f'{len(data)} bytes that break off')
    return header


def bad_compressed(what: str) -> UserError:
    """Make the refusal of a compressed image that is `what`."""
    return UserError(
        f'the compressed image is {what}; whole JPEG or PNG is needed; check image_transport '
        'and the topic',
        reason='bad_compressed',
    )


def _png(data: bytes, max_pixels: int) -> Header | None:
    """Go from chunk to chunk up to the end; None where there is no header or no end."""
    view = memoryview(data)
    header: Header | None = None
    pixels: list[memoryview] = []
    at, values = len(PNG_START), 0
    for _ in range(MAX_SEGMENTS):
        length, kind = int.from_bytes(view[at : at + 4], 'big'), bytes(view[at + 4 : at + 8])
        chunk = view[at + 8 : at + 8 + length]
        if kind == PNG_END:
            break
        if header is None:
            if kind != PNG_HEADER or len(chunk) < 13:
                return None
            header, values = _png_header(chunk)
        elif kind == PNG_PIXELS:
            pixels.append(chunk)
        elif kind == PNG_ANIMATED:
            raise bad_compressed(f'{len(data)} bytes that are an animation')
        at += 12 + length
        if at >= len(data):
            return None
    else:
        return None
    # A header that promises the impossible must not be what all is inflated for.
    is_small = header is not None and header.height * header.width <= max_pixels
    if is_small and _inflates_beyond(values, pixels):
        raise bad_compressed(f'{len(data)} bytes that hold more pixels than their header says')
    return header


def _png_header(chunk: memoryview) -> tuple[Header, int]:
    """Return the header, and the most bytes that its pixels have, interlaced or not."""
    width, height = (int.from_bytes(chunk[at : at + 4], 'big') for at in (0, 4))
    depth, colours = chunk[8], chunk[9]
    row = 1 + (width * depth * PNG_CHANNELS.get(colours, 4) + 7) // 8
    return Header(height, width, is_grey=colours == 0, is_jpeg=False), 2 * height * row


def _inflates_beyond(size: int, chunks: Sequence[memoryview]) -> bool:
    """Tell whether zlib's chunks hold more bytes; a decoder would inflate them all."""
    if sum(map(len, chunks)) <= SMALL_PIXELS:
        return False
    inflate = zlib.decompressobj()
    try:
        for chunk in chunks:
            left: bytes | memoryview = chunk
            while left and not inflate.eof:
                size -= len(inflate.decompress(left, INFLATED_AT_ONCE))
                if size < 0:
                    return True
                left = inflate.unconsumed_tail
    except zlib.error:  # the decoder will say so
        pass
    return False


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
                f'the JPEG has more than {MAX_SCANS} scans, and each decodes the whole image '
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
