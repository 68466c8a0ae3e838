# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Mined frames as annotation tools take them.

    images/NAME.png, labels/NAME.png    frames, and masks of train ids: a data set for training,
                                        and FiftyOne's ImageSegmentationDirectory
    manifest.csv                        the frames in the order of the picks, with all signals
    cvat_labels.json, cvat_masks.zip    CVAT's labels, and annotations in Segmentation mask 1.1
    label_studio.xml, label_studio.json Label Studio's interface, and tasks with predictions
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import csv
import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr
import zipfile

from depthforge_ros.bags.image_files import encoded, write_image
from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.sources import Source, SourceFrame
from depthforge_ros.files import write_text, written
from depthforge_ros.labels import LabelSpace
from depthforge_ros.mining.selection import Chosen, SIGNALS
from depthforge_ros.pipeline import Pipeline
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

RUN_BITS = (3, 4, 8, 16)
"""Of Label Studio's run lengths; only the last is used here."""
LONGEST_RUN = 2**14
"""Pixels, of four values each."""
SERVED = '/data/local-files/?d='
"""Where Label Studio serves files below LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT."""


def write_mined(
    output: Path, pipeline: Pipeline, sources: Sequence[Source], chosen: Sequence[Chosen]
) -> None:
    """Run the model over the chosen frames once more, and write them all."""
    space, names = pipeline.engine.label_space, [one.name for one in chosen]
    tasks: dict[str, dict[str, Any]] = {}
    frames = tqdm(_found(sources, chosen), desc='write', unit='frame', total=len(chosen))
    with written(output / 'cvat_masks.zip') as part, zipfile.ZipFile(part, 'w') as masks:
        for one, frame in frames:
            rgb = frame.read()
            labels = pipeline(rgb)[0].labels
            write_image(output / 'images' / f'{one.name}.png', rgb[..., ::-1])
            write_image(output / 'labels' / f'{one.name}.png', labels)
            painted = encoded('.png', space.palette[labels][..., ::-1])
            masks.writestr(f'SegmentationClass/{one.name}.png', painted)
            tasks[one.name] = _task(one, labels, space, pipeline.engine.model)
        masks.writestr('ImageSets/Segmentation/default.txt', '\n'.join(names) + '\n')
        masks.writestr('labelmap.txt', _label_map(space))
    write_text(output / 'label_studio.json', json.dumps([tasks[name] for name in names]))
    write_text(output / 'label_studio.xml', _interface(space))
    write_text(output / 'cvat_labels.json', json.dumps(_cvat_labels(space), indent=1) + '\n')
    write_text(output / 'manifest.csv', _manifest(sources, chosen))


def check_output(output: Path) -> None:
    """Refuse a folder that holds something."""
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise UserError(f'--output {output} exists already; remove it or choose another folder')


def _found(
    sources: Sequence[Source], chosen: Sequence[Chosen]
) -> Iterator[tuple[Chosen, SourceFrame]]:
    """Yield the chosen frames with what reads them, in the order of the sources."""
    wanted = {(one.frame.source, one.frame.index): one for one in chosen}
    for number, source in enumerate(sources):
        for index, frame in enumerate(source.frames()):
            if (number, index) in wanted:
                yield wanted[number, index], frame


def _manifest(sources: Sequence[Source], chosen: Sequence[Chosen]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator='\n')
    table.writerow(['image', 'input', 'frame', 'value', *SIGNALS])
    for one in chosen:
        signals = ['' if np.isnan(x) else f'{x:.4f}' for x in one.signals]
        path = str(sources[one.frame.source].path)
        table.writerow([f'{one.name}.png', path, one.frame.index, f'{one.value:.4f}', *signals])
    return text.getvalue()


def _label_map(space: LabelSpace) -> str:
    """Write CVAT's labelmap.txt, as its export has it."""
    lines = ['# label:color_rgb:parts:actions', 'background:0,0,0::']
    for name, color in zip(space.classes, space.colors, strict=True):
        lines.append(f'{name}:{",".join(map(str, color))}::')
    return '\n'.join(lines) + '\n'


def _hex(color: Sequence[int]) -> str:
    return '#' + ''.join(f'{value:02x}' for value in color)


def _cvat_labels(space: LabelSpace) -> list[dict[str, Any]]:
    """List the labels for the tab Raw of CVAT's constructor."""
    return [
        {'name': name, 'color': _hex(color), 'type': 'mask', 'attributes': []}
        for name, color in zip(space.classes, space.colors, strict=True)
    ]


def _interface(space: LabelSpace) -> str:
    lines = ['<View>', '  <Image name="image" value="$image" zoom="true"/>',
             '  <BrushLabels name="label" toName="image">']  # fmt: skip
    for name, color in zip(space.classes, space.colors, strict=True):
        lines.append(f'    <Label value={quoteattr(name)} background="{_hex(color)}"/>')
    return '\n'.join([*lines, '  </BrushLabels>', '</View>', ''])


def _task(
    one: Chosen, labels: npt.NDArray[np.uint8], space: LabelSpace, model: str
) -> dict[str, Any]:
    """Make a task of Label Studio, whose predictions are one brush mask for each class."""
    height, width = labels.shape
    results = [
        {
            'id': f'{one.name}-{number}', 'type': 'brushlabels', 'from_name': 'label',
            'to_name': 'image', 'original_width': width, 'original_height': height,
            'image_rotation': 0,
            'value': {'format': 'rle', 'rle': brush_runs(labels == number),
                      'brushlabels': [space.classes[number]]},
        }
        for number in np.unique(labels[labels < len(space)]).tolist()
    ]  # fmt: skip
    return {
        'data': {'image': SERVED + quote(f'images/{one.name}.png')},
        'predictions': [{'model_version': model, 'score': one.value, 'result': results}],
    }


def brush_runs(mask: npt.NDArray[np.bool_]) -> list[int]:
    """
    Encode a mask (H, W) as Label Studio's brush: bytes of @thi.ng/rle-pack of RGBA, 0 or 255.

    A head: bits 32 for the count of values, 5 for their bits less 1, four times 4 for the sizes of
    run lengths less 1. Then for each run: a 1, two bits for the size, the length less 1, a value.
    """
    flat = mask.ravel()
    starts = np.union1d(np.arange(0, len(flat), LONGEST_RUN), np.flatnonzero(np.diff(flat)) + 1)
    lengths = 4 * np.diff(np.append(starts, len(flat)))
    runs = (0b111 << 24) | ((lengths - 1) << 8) | np.where(flat[starts], 255, 0)
    head = 4 * len(flat)
    for value, bits in ((7, 5), *((size - 1, 4) for size in RUN_BITS)):
        head = head << bits | value
    bits_of_runs = (runs[:, None] >> np.arange(26, -1, -1)) & 1
    bits_of_head = [head >> place & 1 for place in range(52, -1, -1)]
    packed = np.packbits(np.concatenate([bits_of_head, bits_of_runs.ravel()]).astype(np.uint8))
    found: list[int] = packed.tolist()
    return found
