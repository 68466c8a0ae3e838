# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Runs the transitions of the lifecycle, and keeps how the last one failed."""

from __future__ import annotations

from collections.abc import Callable
import time

from depthforge_ros.errors import one_line, UserError
from depthforge_ros.ros.diagnostics.status import RunningTransition
from depthforge_ros.ros.rig import IN_WORK
from rclpy.lifecycle import TransitionCallbackReturn


class Transitions:
    """Runs transitions, one at a time."""

    def __init__(self, report: Callable[[str], None]) -> None:
        """`report` gets one line for each that fails."""
        self._report = report
        self._begun: tuple[str, float] | None = None
        self.failure = ''
        """Why the last one failed, unless that passes by itself."""

    @property
    def running(self) -> RunningTransition | None:
        """Return the transition in work."""
        begun = self._begun
        return None if begun is None else RunningTransition(begun[0], time.monotonic() - begun[1])

    def attempt(self, name: str, action: Callable[[], None]) -> TransitionCallbackReturn:
        """Run a transition: a UserError lets the node go back, another error calls on_error."""
        self.failure = ''
        self._begun = name, time.monotonic()
        try:
            action()
        except Exception as error:  # rclpy would swallow it without a word
            reason = one_line(error)
            self._report(f'{name} failed: {reason}')
            if not isinstance(error, UserError):
                self.failure = reason
                return TransitionCallbackReturn.ERROR
            # The rig reports a frame that is still in work itself, while it is.
            self.failure = '' if error.reason == IN_WORK else reason
            return TransitionCallbackReturn.FAILURE
        finally:
            self._begun = None
        return TransitionCallbackReturn.SUCCESS
