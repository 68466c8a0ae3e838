# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Where a checkpoint's weights come from: its own step, and the steps before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from depthforge_ros.model.checkpoint import describe_checkpoint, FORMAT
from depthforge_ros.model.parts import read_metadata

Provenance = Mapping[str, Any]
LICENCES = '; '


def steps_before(*files: str) -> list[Provenance]:
    """Read the provenance of those files that are checkpoints of ours, each with its `file`."""
    return [
        {'file': '/'.join(Path(file).parts[-2:]), **describe_checkpoint(Path(file)).provenance}
        for file in files
        if file and read_metadata(Path(file)).get('format') == FORMAT
    ]


def joined(own: Provenance, before: Sequence[Provenance]) -> Provenance:
    """Add the steps before to a step, as `started_from`, and their licences to its own."""
    if not before:
        return own
    texts = [step.get('data_licence', '') for step in (own, *before)]
    licences = [licence for text in texts for licence in text.split(LICENCES) if licence]
    return {
        **own,
        'data_licence': LICENCES.join(dict.fromkeys(licences)),
        'started_from': list(before),
    }
