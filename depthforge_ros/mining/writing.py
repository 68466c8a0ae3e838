# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Mined frames as annotation tools take them.

    images/NAME.png, labels/NAME.png    frames, and masks of train ids: a data set for training,
                                        and FiftyOne's ImageSegmentationDirectory
    manifest.csv                        the frames in the order of their worth, with all signals
    cvat_labels.json, cvat_masks.zip    CVAT's labels, and annotations in Segmentation mask 1.1
    label_studio.xml, label_studio.json Label Studio's interface, and tasks with predictions
"""

from __future__ import annotations

from collections.abc import Sequence
import csv
from dataclasses import dataclass
import io
import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr
import zipfile

from depthforge_ros.bags.image_files import encoded, write_image
from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.sources import Source
from depthforge_ros.files import write_text, written
from depthforge_ros.labels import LabelSpace
from depthforge_ros.mining.selection import Seen, SIGNALS
from depthforge_ros.pipeline import Pipeline
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

RUN_BITS = (3, 4, 8, 16)
"""Of Label Studio's run lengths; only the last is used here."""
LONGEST_RUN = 2**16
SERVED = '/data/local-files/?d='
"""Where Label Studio serves files below LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT."""


@dataclass(frozen=True)
class Chosen:
    """A frame to write."""

    frame: Seen
    rank: int
    value: float
    signals: npt.NDArray[np.float64]
    """In the order of `SIGNALS`."""

    @property
    def name(self) -> str:
        """Return the stem of its files, which begins with its rank and so is its own."""
        return f'{self.rank:04d}_{self.frame.name}'


def write_mined(
    output: Path, pipeline: Pipeline, sources: Sequence[Source], chosen: Sequence[Chosen]
) -> None:
    """Run the model over the chosen frames once more, and write them all."""
    space = pipeline.engine.label_space
    wanted = {(one.frame.source, one.frame.index): one for one in chosen}
    tasks: dict[str, dict[str, Any]] = {}
    with (
        written(output / 'cvat_masks.zip') as part,
        zipfile.ZipFile(part, 'w') as masks,
        tqdm(desc='write', unit='frame', total=len(chosen)) as bar,
    ):
        for number, source in enumerate(sources):
            for index, frame in enumerate(source.frames()):
                if (one := wanted.get((number, index))) is None:
                    continue
                rgb = frame.read()
                labels = pipeline(rgb)[0].labels
                write_image(output / 'images' / f'{one.name}.png', rgb[..., ::-1])
                write_image(output / 'labels' / f'{one.name}.png', labels)
                painted = encoded('.png', space.palette[labels][..., ::-1])
                masks.writestr(f'SegmentationClass/{one.name}.png', painted)
                tasks[one.name] = _task(one, labels, space, pipeline.engine.model)
                bar.update()
        names = [one.name for one in chosen]
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
        'data': {'image': f'{SERVED}images/{one.name}.png'},
        'predictions': [{'model_version': model, 'score': one.value, 'result': results}],
    }


def brush_runs(mask: npt.NDArray[np.bool_]) -> list[int]:
    """
    Encode a mask (H, W) as Label Studio's brush: bytes of @thi.ng/rle-pack of RGBA, 0 or 255.

    A head: bits 32 for the count of values, 5 for their bits less 1, four times 4 for the sizes of
    run lengths less 1. Then for each run: a 1, two bits for the size, the length less 1, a value.
    """
    flat = np.repeat(mask.ravel(), 4)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1])
    cuts = np.arange(0, len(flat), LONGEST_RUN)
    starts = np.union1d(starts, cuts)
    lengths = np.diff(np.append(starts, len(flat)))
    runs = (0b111 << 24) | ((lengths - 1) << 8) | np.where(flat[starts], 255, 0)
    head = len(flat)
    for value, bits in ((7, 5), *((size - 1, 4) for size in RUN_BITS)):
        head = head << bits | value
    bits_of_runs = (runs[:, None] >> np.arange(26, -1, -1)) & 1
    bits_of_head = [head >> place & 1 for place in range(52, -1, -1)]
    packed = np.packbits(np.concatenate([bits_of_head, bits_of_runs.ravel()]).astype(np.uint8))
    found: list[int] = packed.tolist()
    return found
