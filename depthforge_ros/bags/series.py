# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The messages of one topic by header stamp."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any, TypeVar

from depthforge_ros.bags.bag import Bag, RawMessage
from depthforge_ros.errors import UserError
from depthforge_ros.files import UNREADABLE
from depthforge_ros.frame import stamp_ns
import numpy as np
import numpy.typing as npt

Plane = TypeVar('Plane', npt.NDArray[np.uint8], npt.NDArray[np.float32])
LOOK_AHEAD = 2
STAMP_AHEAD = 'stamp_ahead'
"""Reason of a drop: the stamp is later than those of the images that follow."""


@dataclass(frozen=True)
class Stamped:
    """A message with its time."""

    received_ns: int
    stamp_ns: int
    """Of its header; when it was recorded, where nobody stamps the topic or it is broken."""
    message: Any
    """Or the UserError of one that cannot be decoded."""
    is_unstamped: bool = False
    """Whether nobody stamps the topic."""


class Series:
    """
    The messages of one topic by header stamp; of a repeated stamp the first.

    The topic is read once: stamps must rise in the bag, and must be looked up in rising order.
    Messages that cannot be read are left out, and told of in `lost`; those stamped ahead are left
    out.
    """

    def __init__(self, bag: Bag, topic: str | None, lost: list[str]) -> None:
        self._topic, self._lost = topic, lost
        self._items = self._whole(stamped(bag, topic) if topic else iter(()))
        self._next = next(self._items, None)
        self.first_stamp_ns = self._next.stamp_ns if self._next else None

    def at(self, wanted_ns: int) -> tuple[int, Any] | None:
        """Return (received_ns, message) of a stamp, or None."""
        while self._next is not None and self._next.stamp_ns < wanted_ns:
            self._next = next(self._items, None)
        if self._next is None or self._next.stamp_ns != wanted_ns:
            return None
        return self._next.received_ns, self._next.message

    def pixels_at(self, wanted_ns: int, read: Callable[[Any], Plane]) -> Plane | None:
        """Return what `read` makes of the image of a stamp, (H, W); None of a broken or no one."""
        found = self.at(wanted_ns)
        try:
            return read(found[1]) if found else None
        except UserError as error:
            line = f'{self._topic} at {wanted_ns} ns: {error}'
            if error.reason != UNREADABLE:
                raise UserError(line, reason=error.reason) from error
            self._lost.append(line)
            return None

    def pixels_beside(
        self, mask: npt.NDArray[np.uint8], wanted_ns: int, read: Callable[[Any], Plane]
    ) -> Plane | None:
        """Return `pixels_at` if they are as many as the mask's, else None."""
        found = self.pixels_at(wanted_ns, read)
        if found is None or found.shape == mask.shape:
            return found
        height, width = found.shape
        self._lost.append(
            f'{self._topic} at {wanted_ns} ns has {width} x {height} pixels, its mask '
            f'{mask.shape[1]} x {mask.shape[0]}; record both of one node'
        )
        return None

    def _whole(self, items: Iterator[Stamped]) -> Iterator[Stamped]:
        for one in items:
            if not isinstance(one.message, UserError):
                yield one
            elif one.message.reason != STAMP_AHEAD:
                self._lost.append(str(one.message))


def stamped(bag: Bag, topic: str) -> Iterator[Stamped]:
    """
    Yield the messages of a topic; those that cannot be decoded as their errors.

    If the first two stamps of a topic are 0, its driver does not stamp, and the times of recording
    are used. A stamp ahead of those that follow is an error too: looking it up in another topic
    would skip all messages of that one.
    """
    return _without_future_stamps(_with_stamps(bag, topic), topic)


def _with_stamps(bag: Bag, topic: str) -> Iterator[Stamped]:
    items = (_stamped(bag, one) for one in bag.raw_messages(topic))
    first = list(islice(items, 2))
    is_unstamped = len(first) == 2 and not any(one.stamp_ns for one in first)
    for one in chain(first, items):
        yield replace(one, stamp_ns=one.received_ns, is_unstamped=True) if is_unstamped else one


def _without_future_stamps(items: Iterator[Stamped], topic: str) -> Iterator[Stamped]:
    """Replace a message by an error if the next two have lower stamps: its own is ahead."""
    before_ns = 0
    waiting: deque[Stamped] = deque(islice(items, LOOK_AHEAD))
    while waiting:
        one = waiting.popleft()
        waiting.extend(islice(items, 1))
        is_last_but_one = len(waiting) < LOOK_AHEAD
        if (
            waiting
            and not isinstance(one.message, UserError)
            and all(_is_below(later, one.stamp_ns) for later in waiting)
            and not (is_last_but_one and waiting[0].stamp_ns < before_ns)
        ):
            error = UserError(f'{topic}: {one.stamp_ns} ns is ahead', reason=STAMP_AHEAD)
            yield replace(one, message=error)
            continue
        if not isinstance(one.message, UserError):
            before_ns = one.stamp_ns
        yield one


def _is_below(later: Stamped, stamp_ns: int) -> bool:
    return not isinstance(later.message, UserError) and later.stamp_ns < stamp_ns


def decoded(bag: Bag, topic: str) -> Iterator[tuple[int, Any]]:
    """Yield (received_ns, message) of a topic, without the messages that cannot be decoded."""
    for recorded in bag.raw_messages(topic):
        with suppress(UserError):
            yield recorded.received_ns, bag.decode(recorded)


def _stamped(bag: Bag, recorded: RawMessage) -> Stamped:
    try:
        message = bag.decode(recorded)
    except UserError as error:
        return Stamped(recorded.received_ns, recorded.received_ns, error)
    return Stamped(recorded.received_ns, stamp_ns(message.header), message)
