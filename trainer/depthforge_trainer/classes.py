# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Labels of coarser classes as targets of a network with finer ones."""

from __future__ import annotations

from collections.abc import Iterable

from depthforge_ros.datasets.base import Labels
from depthforge_ros.errors import UserError
from depthforge_ros.labels import COARSER, Group, groups, LabelSpace, UNLABELLED
import numpy as np

UNKNOWN = np.full(256, UNLABELLED, np.uint8)
"""Train ids of images without labels: none."""


class Targets:
    """
    What a pixel's label can say: a class of the network, or that it is one of several.

    Target ids below the number of classes are train ids of the network; those from there on are
    groups of them, whose probability is the sum of their members'.
    """

    def __init__(self, space: LabelSpace, labelled: Iterable[LabelSpace]) -> None:
        """Take the network's classes, and the label spaces that the data have."""
        self.space = space
        self.members: list[Group] = [(index,) for index in range(len(space))]
        self._tables: dict[str, Labels] = {}
        for other in labelled:
            self._tables[other.name] = self._table(other)

    def __len__(self) -> int:
        """Count the target ids."""
        return len(self.members)

    def of(self, labels: Labels, space: LabelSpace) -> Labels:
        """Turn train ids (H, W) of a label space into target ids."""
        return np.asarray(self._tables.get(space.name, UNKNOWN)[labels], np.uint8)

    def _table(self, other: LabelSpace) -> Labels:
        if (other.name, self.space.name) in COARSER:
            return COARSER[other.name, self.space.name]
        table = np.full(256, UNLABELLED, np.uint8)
        for train_id, group in enumerate(groups(self.space, other)):
            if not group:
                continue
            if group not in self.members:
                self.members.append(group)
            table[train_id] = self.members.index(group)
        if (table == UNLABELLED).all() or len(self.members) >= UNLABELLED:
            raise UserError(
                f'the classes of {other.name} stand for {len(self.members)} groups of classes of '
                f'{self.space.name}; 1 to {UNLABELLED - 1} are needed: choose another label_space'
            )
        return table
