# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The messages of one topic by header stamp."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.evaluation.bag import Bag, stamp_ns


class Series:
    """
    One topic of a bag, looked up by header stamp.

    It is read once, in order: stamps must be asked for in rising order, and must rise in the bag.
    """

    def __init__(self, bag: Bag, topic: str | None) -> None:
        self._items = decoded(bag, topic) if topic else iter(())
        self._next = next(self._items, None)
        self.first_stamp_ns = stamp_ns(self._next[1]) if self._next else None

    def at(self, wanted_ns: int) -> tuple[int, Any] | None:
        """Return (received_ns, message) of a stamp, or None."""
        while self._next is not None and stamp_ns(self._next[1]) < wanted_ns:
            self._next = next(self._items, None)
        if self._next is None or stamp_ns(self._next[1]) != wanted_ns:
            return None
        return self._next


def decoded(bag: Bag, topic: str) -> Iterator[tuple[int, Any]]:
    """Yield (received_ns, message) of a topic, without the messages that cannot be decoded."""
    for recorded in bag.recorded(topic):
        with suppress(UserError):
            yield recorded.received_ns, bag.decode(recorded)
