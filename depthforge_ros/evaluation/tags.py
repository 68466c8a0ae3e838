# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Tags of frames, such as night or rain, from a table of the user's."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from fnmatch import translate
from pathlib import Path
import re

from depthforge_ros.errors import UserError
from depthforge_ros.metrics.slice_table import AT, SHIFT_NAMES, WHOLE
from depthforge_ros.metrics.slices import SLICES

HEAD = ['frames', 'tag']
FORMAT = (
    'give lines FRAMES,TAG below the head `frames,tag`, where FRAMES is a pattern of '
    'BAG/STAMP_NS, or of file names for images, such as drive_bag/* or 0001TP_*'
)
TIME = re.compile(r'\d+-\d+s')
"""Of a slice of time."""


@dataclass
class Tags:
    """Says of each frame which tags it has, and of each tag which patterns met no frame."""

    patterns: list[tuple[str, str]]
    """Globs over names of frames, and their tags."""
    _compiled: list[re.Pattern[str]] = field(init=False, repr=False)
    _matched: set[int] = field(default_factory=set, init=False, repr=False)

    def __post_init__(self) -> None:
        self._compiled = [re.compile(translate(glob)) for glob, _ in self.patterns]

    @classmethod
    def read(cls, path: Path) -> Tags:
        """Read a CSV file with the columns `frames` and `tag`."""
        try:
            with path.open(newline='', encoding='utf-8-sig') as lines:
                head, *rows = [[cell.strip() for cell in row] for row in csv.reader(lines) if row]
        except OSError as error:
            raise UserError(f'{path} cannot be read ({error.strerror}); check the path') from error
        except (ValueError, csv.Error) as error:
            raise UserError(f'{path} is no table of tags; {FORMAT}') from error
        if head != HEAD:
            raise UserError(f'{path} begins with {",".join(head)}; {FORMAT}')
        if not rows:
            raise UserError(f'{path} has no line below its head; {FORMAT}')
        for number, row in enumerate(rows, start=2):
            if len(row) != len(HEAD) or not all(row):
                raise UserError(
                    f'{path}, line {number}: {",".join(row)} is no row of tags; {FORMAT}'
                )
            is_slice = row[1] in (WHOLE, *SLICES, *SHIFT_NAMES) or TIME.fullmatch(row[1])
            if is_slice or AT in row[1] or ':' in row[1]:
                raise UserError(
                    f'{path}, line {number}: {row[1]!r} cannot be a tag: a slice is called so, or '
                    f'it has {AT} or : in it; choose another name'
                )
        return cls([(glob, tag) for glob, tag in rows])

    def of(self, frame: str) -> list[str]:
        """Return the tags of a frame, each once."""
        found = [number for number, one in enumerate(self._compiled) if one.match(frame)]
        self._matched.update(found)
        return sorted({self.patterns[number][1] for number in found})

    @property
    def unmatched(self) -> list[str]:
        """Lines, as `FRAMES,TAG`, that have met no frame yet."""
        return [
            ','.join(line)
            for number, line in enumerate(self.patterns)
            if number not in self._matched
        ]


def tags_without_frames(unmatched: list[str]) -> list[str]:
    """Say in a line that tags belong to no frame; nothing where all do."""
    if not unmatched:
        return []
    return [
        f'lines of tags that match no frame: {len(unmatched)}, the first is {unmatched[0]}; '
        f'{FORMAT}'
    ]
