# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""What a run writes down: `log.csv`, a row per iteration, `validation.csv`, and TensorBoard's."""

from __future__ import annotations

from collections.abc import Sequence
import csv
from pathlib import Path
from typing import TextIO

from depthforge_trainer.board import Board
from depthforge_trainer.config import FitConfig
from depthforge_trainer.state import Place
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

COLUMNS = {
    'log.csv': ('phase', 'iteration', 'loss', 'learning_rate', 'seconds'),
    'validation.csv': ('phase', 'iteration', 'miou'),
}


class Log:
    """Keeps of the files what was written before a place, and goes on; a context manager."""

    def __init__(self, config: FitConfig, place: Place, *, write: bool) -> None:
        folder = Path(config.output)
        self._phases = config.phases
        self._files: dict[str, TextIO] = {}
        """None in a process that does not write."""
        self._board: Board | None = None
        if write:
            self._files = {name: _open(folder / name, COLUMNS[name], place) for name in COLUMNS}
            if config.tensorboard:
                self._board = Board(folder, self._done(place))

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()
        if self._board is not None:
            self._board.close()

    @property
    def wants_pictures(self) -> bool:
        """Tell whether predictions are shown anywhere."""
        return self._board is not None

    def step(self, place: Place, loss: float, learning_rate: float) -> None:
        """Write what an iteration gave."""
        row = (f'{loss:.4f}', f'{learning_rate:.2e}', f'{place.seconds:.1f}')
        self._write('log.csv', place, *row)
        if self._board is not None:
            self._board.step(self._done(place), loss, learning_rate)

    def validation(self, place: Place, miou: float) -> None:
        """Write a validation's mIoU in percent."""
        tqdm.write(f'phase {place.phase}, iteration {place.step}: validation mIoU {miou:.1f}')
        self._write('validation.csv', place, f'{miou:.2f}')
        if self._board is not None:
            self._board.miou(self._done(place), miou)

    def pictures(self, place: Place, pictures: Sequence[npt.NDArray[np.uint8]]) -> None:
        """Show RGB pictures (H, W, 3)."""
        if self._board is not None:
            self._board.pictures(self._done(place), pictures)

    def _done(self, place: Place) -> int:
        """Count the iterations of all phases so far."""
        return place.step + sum(phase.iterations for phase in self._phases[: place.phase])

    def _write(self, name: str, place: Place, *cells: str) -> None:
        if name in self._files:
            csv.writer(self._files[name]).writerow((place.phase, place.step, *cells))
            self._files[name].flush()


def _open(path: Path, columns: tuple[str, ...], place: Place) -> TextIO:
    """Start a file, or keep of it what was written before `place`."""
    rows = list(csv.reader(path.open(newline=''))) if path.is_file() else []
    done = [row for row in rows[1:] if (int(row[0]), int(row[1])) <= (place.phase, place.step)]
    file = path.open('w', newline='')
    csv.writer(file).writerows((columns, *done))
    file.flush()
    return file
