# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The trainer's command in place of `depthforge`."""

from __future__ import annotations

from functools import partial

from depthforge_trainer.cli import main
import pytest
from support.refusals import error_line, ErrorOf


@pytest.fixture
def error_of(capsys: pytest.CaptureFixture[str]) -> ErrorOf:
    """Run `depthforge-train` on input that it refuses; returns its error, which is one line."""
    return partial(error_line, capsys, main)
