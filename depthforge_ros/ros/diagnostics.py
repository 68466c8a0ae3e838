# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Figures -> diagnostic_msgs. The keys are those that `--json` has in the commands."""

from __future__ import annotations

from collections.abc import Mapping
import time
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.ros.statistics import Snapshot
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue


def one_line(error: Exception) -> str:
    """Say what went wrong; errors that are not the user's carry their type."""
    text = str(error) if isinstance(error, UserError) else f'{type(error).__name__}: {error}'
    return ' '.join(text.split())


def camera_status(
    snapshot: Snapshot,
    *,
    name: str,
    topic: str,
    active_for_s: float | None,
    busy_s: float,
    stall_after_s: float,
    identity: Mapping[str, str],
) -> Any:
    """
    Judge one camera and list its figures.

    `active_for_s` is None in a node that is not active; `busy_s` is how long the frame in work
    has taken so far; `identity` holds model, engine and fingerprint.
    """
    level, message = _judge(
        snapshot, topic=topic, active_for_s=active_for_s, busy_s=busy_s, after_s=stall_after_s
    )
    values = {'topic': topic, **identity, **_figures(snapshot)}
    return DiagnosticStatus(
        level=level,
        name=name,
        message=message,
        hardware_id=identity['fingerprint'],
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )


def _judge(
    snapshot: Snapshot, *, topic: str, active_for_s: float | None, busy_s: float, after_s: float
) -> tuple[bytes, str]:
    if active_for_s is None:
        return DiagnosticStatus.OK, 'not active'
    if busy_s > after_s:
        return DiagnosticStatus.ERROR, f'stalled: one frame has been in work for {busy_s:.1f} s'
    silent_s = active_for_s
    if snapshot.last_received_s is not None:
        silent_s = min(silent_s, time.monotonic() - snapshot.last_received_s)
    if silent_s > after_s:
        return DiagnosticStatus.WARN, f'no image on {topic} for {silent_s:.1f} s'
    bad = {reason for reason in snapshot.dropped if reason not in ('replaced', 'deactivated')}
    if bad:
        return DiagnosticStatus.WARN, f'frames were dropped: {", ".join(sorted(bad))}'
    return DiagnosticStatus.OK, f'{snapshot.output_rate_hz:.1f} frames per second'


def _figures(snapshot: Snapshot) -> dict[str, str]:
    figures = {
        'received': str(snapshot.received),
        'published': str(snapshot.published),
        'dropped': str(sum(snapshot.dropped.values())),
        'in_flight': str(snapshot.in_flight),
    }
    for reason, count in sorted(snapshot.dropped.items()):
        figures[f'dropped.{reason}'] = str(count)
    figures['input_rate_hz'] = f'{snapshot.input_rate_hz:.2f}'
    figures['output_rate_hz'] = f'{snapshot.output_rate_hz:.2f}'
    for stage, (p50_ms, p99_ms) in snapshot.percentiles_ms.items():
        figures[f'{stage}_ms_p50'] = f'{p50_ms:.2f}'
        figures[f'{stage}_ms_p99'] = f'{p99_ms:.2f}'
    figures['last_error'] = snapshot.last_error
    return figures
