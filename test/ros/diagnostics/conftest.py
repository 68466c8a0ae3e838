# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Time that a test sets."""

from __future__ import annotations

import time

import pytest
from support.statistics import Time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(time, 'monotonic', clock)
    return clock
