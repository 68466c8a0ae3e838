# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A run's figures and pictures for TensorBoard, in the folder `tensorboard` beside the CSV log."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from depthforge_ros.errors import UserError
import numpy as np
import numpy.typing as npt


class Board:
    """Writes events by the number of iterations done in all phases."""

    def __init__(self, folder: Path, done: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UserError(
                f'tensorboard is asked for and cannot be imported ({error}); install '
                'depthforge_trainer[tensorboard], or leave the key out'
            ) from error
        # Of a run that goes on, what was written after `done` is hidden.
        self.writer = SummaryWriter(str(folder / 'tensorboard'), purge_step=done + 1)

    def step(self, done: int, loss: float, learning_rate: float) -> None:
        """Write what an iteration gave."""
        self.writer.add_scalar('loss', loss, done)
        self.writer.add_scalar('learning_rate', learning_rate, done)

    def miou(self, done: int, miou: float) -> None:
        """Write a validation's mIoU in percent."""
        self.writer.add_scalar('validation_miou', miou, done)

    def pictures(self, done: int, pictures: Sequence[npt.NDArray[np.uint8]]) -> None:
        """Write RGB pictures (H, W, 3)."""
        for index, picture in enumerate(pictures):
            self.writer.add_image(f'prediction/{index}', picture, done, dataformats='HWC')
        self.writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self.writer.close()
