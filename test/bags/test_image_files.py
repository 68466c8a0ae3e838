# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Image, label and depth files of all the kinds that users have."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
import os
from pathlib import Path
import struct
import zlib

import cv2
from depthforge_ros.bags.image_files import (
    decode_ids,
    is_turned,
    list_images,
    read_depth_m,
    read_labels,
)
from depthforge_ros.errors import UserError
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.labels import CITYSCAPES
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
from PIL import Image
import pytest

Ids = np.ndarray


def grey_png(ids: Ids, bits: int) -> bytes:
    """Write a PNG of grey values of few bits, which Pillow cannot."""
    rows = b''
    for row in ids:
        text = ''.join(f'{value:0{bits}b}' for value in row)
        text += '0' * (-len(text) % 8)
        rows += b'\0' + int(text, 2).to_bytes(len(text) // 8, 'big')
    head = struct.pack('>IIBBBBB', ids.shape[1], ids.shape[0], bits, 0, 0, 0, 0)
    chunks = ((b'IHDR', head), (b'IDAT', zlib.compress(rows)), (b'IEND', b''))
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
        for kind, data in chunks
    )


def saved(image: Image.Image, kind: str = 'PNG', **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def palette(ids: Ids, kind: str = 'PNG', bits: int = 8, **options: object) -> bytes:
    image = Image.fromarray(ids).convert('L')
    image = Image.frombytes('P', image.size, image.tobytes())
    image.putpalette([value * 37 % 256 for value in range(3 * 2**bits)])
    return saved(image, kind, **({'bits': bits} if kind == 'PNG' else {}), **options)


KINDS: dict[str, tuple[Callable[[Ids], bytes], int]] = {
    'grey8': (lambda ids: saved(Image.fromarray(ids)), 255),
    'grey1': (lambda ids: grey_png(ids, 1), 1),
    'grey2': (lambda ids: grey_png(ids, 2), 3),
    'grey4': (lambda ids: grey_png(ids, 4), 15),
    'grey16': (lambda ids: saved(Image.fromarray(ids.astype(np.uint16))), 255),
    'palette1': (lambda ids: palette(ids, bits=1), 1),
    'palette2': (lambda ids: palette(ids, bits=2), 3),
    'palette4': (lambda ids: palette(ids, bits=4), 15),
    'palette8': (palette, 255),
    'transparent palette': (lambda ids: palette(ids, transparency=0), 255),
    'grey and alpha': (lambda ids: saved(Image.fromarray(np.dstack([ids, ids * 0 + 255]))), 255),
    'BMP': (lambda ids: saved(Image.fromarray(ids), 'BMP'), 255),
    'palette BMP': (lambda ids: palette(ids, 'BMP'), 255),
    'TIFF': (lambda ids: saved(Image.fromarray(ids), 'TIFF'), 255),
    'palette TIFF': (lambda ids: palette(ids, 'TIFF'), 255),
    'PGM': (lambda ids: saved(Image.fromarray(ids), 'PPM'), 255),
}


@pytest.mark.parametrize('kind', KINDS)
@given(data=st.data())
def test_ids_are_read_of_every_kind_that_holds_them(kind: str, data: st.DataObject) -> None:
    write, highest = KINDS[kind]
    ids = data.draw(hnp.arrays(np.uint8, (5, 7), elements=st.integers(0, highest)), label='ids')
    np.testing.assert_array_equal(decode_ids(write(ids), 'labels'), ids)


@pytest.mark.parametrize(
    'data',
    [
        saved(Image.fromarray(np.zeros((4, 4, 3), np.uint8))),
        saved(Image.fromarray(np.full((4, 4, 4), 7, np.uint8))),
        saved(Image.fromarray(np.full((4, 4), 256, np.uint16))),
        saved(Image.fromarray(np.zeros((4, 4), np.float32)), 'TIFF'),
        saved(Image.fromarray(np.zeros((4, 4), np.uint8)))[:-30],
        b'no image',
        b'',
    ],
    ids=['rgb', 'rgba', '256', 'float', 'cut', 'text', 'empty'],
)
def test_what_holds_no_ids_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(UserError, match='labels') as refusal:
        decode_ids(data, 'labels')
    assert '\n' not in str(refusal.value)
    assert ' 0x' not in str(refusal.value)


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP', 'TIFF'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_images_labels_and_depth_are_upright(tmp_path: Path, kind: str, orientation: int) -> None:
    ids = np.zeros((16, 32), np.uint8)
    ids[:8, :16] = 15
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {'exif': exif.tobytes()} if kind != 'TIFF' else {'tiffinfo': {0x0112: orientation}}
    options |= {'quality': 95} if kind == 'JPEG' else {'lossless': True} if kind == 'WEBP' else {}
    turned = [
        ids, ids[:, ::-1], ids[::-1, ::-1], ids[::-1], ids.T, np.rot90(ids, -1),
        np.rot90(ids, 2).T, np.rot90(ids),
    ][orientation - 1]  # fmt: skip
    data = saved(Image.fromarray(np.dstack([ids * 16] * 3)), kind, **options)
    assert is_turned(data) == (orientation != 1)
    path = tmp_path / 'image'
    path.write_bytes(data)
    rgb = rgb_from_file(path)
    np.testing.assert_allclose(rgb[..., 0], turned * 16.0, atol=8)
    if kind in ('PNG', 'TIFF'):
        np.testing.assert_array_equal(
            decode_ids(saved(Image.fromarray(ids), kind, **options), ''), turned
        )
        depth = Image.fromarray(ids.astype(np.uint16) * 256)
        path.write_bytes(saved(depth, kind, **options))
        np.testing.assert_array_equal(np.nan_to_num(read_depth_m(path, None)), turned)


def test_folders_and_pipes_are_no_image_files(tmp_path: Path) -> None:
    (tmp_path / 'folder.png').mkdir()
    os.mkfifo(tmp_path / 'pipe.png')
    (tmp_path / 'nowhere.png').symlink_to('lost')
    assert [path.name for path in list_images(tmp_path)] == ['nowhere.png']


def test_files_are_listed_by_number_without_hidden_ones(tmp_path: Path) -> None:
    names = [f'frame_{number}.PNG' for number in (1, 2, 9, 10, 11, 100)]
    for name in (*names, '._frame_1.PNG', '.hidden.jpg', 'notes.txt'):
        (tmp_path / name).write_bytes(b'x')
    assert [path.name for path in list_images(tmp_path)] == names


@pytest.mark.parametrize(('suffix', 'words'), [('.tif', 'float32'), ('.pgm', 'OpenCV can read')])
def test_the_reason_is_the_true_one(tmp_path: Path, suffix: str, words: str) -> None:
    path = tmp_path / f'float{suffix}'
    image = np.random.default_rng(0).uniform(0, 1, (6, 6)).astype(np.float32)
    path.write_bytes(cv2.imencode('.tif', image)[1].tobytes() if suffix == '.tif' else b'P5\n')
    with pytest.raises(UserError, match=words):
        rgb_from_file(path)


def test_an_id_of_another_space_is_still_refused(tmp_path: Path) -> None:
    (tmp_path / 'a.png').write_bytes(palette(np.full((4, 4), 26, np.uint8)))
    with pytest.raises(UserError, match='hold the id 26'):
        read_labels(tmp_path / 'a.png', CITYSCAPES)
