# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Figures -> diagnostic_msgs. The keys are those that `--json` has in the commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
import time

from depthforge_ros.ros.diagnostics.statistics import NO_FAULTS, RATE_LIMITED, Snapshot, WINDOW_S
from depthforge_ros.ros.parameters.definitions import NodeConfig
from depthforge_ros.ros.topics.output_status import OutputStatus
from depthforge_ros.ros.topics.transport import remedy_for_loss
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

RATE_MARGIN = 0.9
"""Share of max_rate_hz that answers must reach at most."""
MAX_LOST_SHARE = 0.2
"""Of the images that a publisher sends; a best-effort subscription may miss some."""
OUTPUT_NAMES = {
    'metric_depth': 'metric depth',
    'grid': 'grid',
    'lidar': 'painted points of the LiDAR',
}
"""What messages call an output, by the key of its figure."""
LONG_TRANSITION_S = 60.0
"""A transition that takes longer is a warning; loading the largest model takes less."""


@dataclass(frozen=True)
class RunningTransition:
    """A transition in work."""

    name: str
    elapsed_s: float
    """Since it began."""


@dataclass(frozen=True)
class CameraState:
    """The state in which a camera's figures are judged."""

    active_for_s: float | None
    """None in a node that is not active."""
    busy_s: float
    """How long the batch in work has taken so far."""
    is_working: bool
    """Whether the worker's thread runs."""
    domain: Mapping[str, float]
    """Figures of the domain monitor; without `domain_shift` where it is not known."""
    mismatches: Sequence[str] = ()
    """Endpoints whose quality of service does not match."""
    missing_publisher: Callable[[], str] = str
    """Returns why no image can come; empty where there is a publisher."""
    duplicate_publishers: Callable[[], Sequence[str]] = tuple
    """Returns a line for each input that several nodes publish."""
    duplicate_node: str = ''
    """A line if another node has the name of this one; else empty."""
    outputs: Mapping[str, OutputStatus] = field(default_factory=dict)
    """Of what needs more than the image, by the keys of OUTPUT_NAMES."""
    max_batch: int | None = None
    """Frames at once since the memory ran out; None while that did not happen."""
    engine_refusal: str = ''
    """Why an engine that is stored for this model does not run."""
    failure: str = ''
    """Why the last transition failed, or the next would."""
    transition: RunningTransition | None = None
    is_without_clock: bool = False
    """Whether the node takes the time from /clock, and none came."""


def camera_status(
    snapshot: Snapshot,
    state: CameraState,
    limits: NodeConfig,
    *,
    name: str,
    topic: str,
    identity: Mapping[str, str],
) -> DiagnosticStatus:
    """Judge one camera and list its figures; `identity` names model and engine."""
    level, message = _judge(snapshot, state, limits, topic=topic)
    figures = {
        'topic': topic,
        **identity,
        **_engine_figures(state),
        **_frame_figures(snapshot),
        **_domain_figures(state),
        **_output_figures(state),
    }
    return _status(level, message, figures, name=name, hardware_id=identity['fingerprint'])


def idle_status(
    failure: str,
    *,
    name: str,
    transition: RunningTransition | None,
    duplicate_node: str,
    is_finalized: bool,
    last_error: str,
) -> DiagnosticStatus:
    """
    Say of a camera why its node is not configured.

    That is a failed transition, or one in work (`transition`), or the node is finalized.
    """
    level, message = _idle(failure, transition, 'not configured', duplicate_node)
    if is_finalized:
        level = DiagnosticStatus.ERROR if failure else DiagnosticStatus.STALE
        reason = f' ({failure})' if failure else ''
        message = f'finalized{reason}; only a restart brings the node back'
    return _status(level, message, {'last_error': last_error}, name=name)


def _status(
    level: bytes, message: str, figures: Mapping[str, str], *, name: str, hardware_id: str = ''
) -> DiagnosticStatus:
    return DiagnosticStatus(
        level=level,
        name=name,
        message=message,
        hardware_id=hardware_id,
        values=[KeyValue(key=key, value=value) for key, value in figures.items()],
    )


def _idle(
    failure: str, transition: RunningTransition | None, state: str, duplicate_node: str
) -> tuple[bytes, str]:
    level, message = DiagnosticStatus.OK, state
    if failure:
        level, message = DiagnosticStatus.ERROR, failure
    elif transition is not None:
        message = f'{transition.name} is under way for {transition.elapsed_s:.1f} s'
        if transition.elapsed_s > LONG_TRANSITION_S:
            level, message = DiagnosticStatus.WARN, f'{message}, more than {LONG_TRANSITION_S:g} s'
    if duplicate_node:
        return max(level, DiagnosticStatus.WARN), f'{message}; {duplicate_node}'
    return level, message


def _judge(
    snapshot: Snapshot, state: CameraState, limits: NodeConfig, *, topic: str
) -> tuple[bytes, str]:
    """Return the level and, in one line, all that is wrong, the worst first."""
    stall = _stall_error(state, limits)
    if state.active_for_s is None:
        level, message = _idle(state.failure, state.transition, 'not active', state.duplicate_node)
        if stall and state.transition:
            return DiagnosticStatus.ERROR, f'{message}; {stall}'
        return level, message
    errors = [*([stall] if stall else []), *_errors(snapshot, state)]
    warnings = list(_warnings(snapshot, state, limits, topic))
    if errors or warnings:
        level = DiagnosticStatus.ERROR if errors else DiagnosticStatus.WARN
        return level, '; '.join(errors + warnings)
    return DiagnosticStatus.OK, f'{snapshot.output_rate_hz:.1f} frames per second'


def _stall_error(state: CameraState, limits: NodeConfig) -> str:
    if state.busy_s <= limits.stall_after_s:
        return ''
    return f'stalled: one frame has been in work for {state.busy_s:.1f} s'


def _errors(snapshot: Snapshot, state: CameraState) -> Iterator[str]:
    if not state.is_working:
        yield 'the worker has ended; deactivate and activate the node'
    faults = _faults(snapshot)
    if faults and not snapshot.recently_published:
        yield f'no frame could be answered: {", ".join(sorted(faults))}'


def _warnings(
    snapshot: Snapshot, state: CameraState, limits: NodeConfig, topic: str
) -> Iterator[str]:
    yield from _input_warnings(snapshot, state, limits, topic)
    yield from _frame_warnings(snapshot, state, limits)
    yield from _engine_warnings(state)
    yield from _model_warnings(state, limits)


def _input_warnings(
    snapshot: Snapshot, state: CameraState, limits: NodeConfig, topic: str
) -> Iterator[str]:
    """Say what keeps images from coming, or from being those of this camera."""
    silent_s = state.active_for_s or 0.0
    if snapshot.last_received_s is not None:
        silent_s = min(silent_s, time.monotonic() - snapshot.last_received_s)
    if silent_s > limits.stall_after_s:
        reason = state.missing_publisher()
        yield f'no image on {topic} for {silent_s:.1f} s{": " if reason else ""}{reason}'
    sent = snapshot.recently_received + snapshot.recently_lost
    if snapshot.recently_lost > MAX_LOST_SHARE * sent:
        yield (
            f'{snapshot.recently_lost} of the last {sent} images on {topic} got lost before the '
            f'node; {remedy_for_loss()}'
        )
    if state.failure:
        yield state.failure
    yield from state.mismatches
    if snapshot.recently_received:
        yield from state.duplicate_publishers()
    if state.duplicate_node:
        yield state.duplicate_node


def _frame_warnings(snapshot: Snapshot, state: CameraState, limits: NodeConfig) -> Iterator[str]:
    """Say which frames get no answer, and whether answers are too few or too late."""
    faults = _faults(snapshot)
    if faults and snapshot.recently_published:
        yield f'frames were dropped: {", ".join(sorted(faults))}'
    if text := _rate_warning(snapshot, limits):
        yield text
    latency_ms = snapshot.percentiles_ms.get('latency', (0.0, 0.0))[0]
    if snapshot.recently_published and 0.0 < limits.max_latency_ms < latency_ms:
        yield f'latency is {latency_ms:.0f} ms, max_latency_ms is {limits.max_latency_ms:g}'
    if snapshot.recently_published and limits.max_age_ms and not state.is_without_clock:
        yield from _age_warning(snapshot, limits.max_age_ms, latency_ms)
    if (share := _drop_share(snapshot)) > limits.max_drop_share:
        yield f'{share:.0%} of the frames dropped, max_drop_share is {limits.max_drop_share:g}'


def _engine_warnings(state: CameraState) -> Iterator[str]:
    if state.max_batch is not None:
        yield f'the engine ran out of memory; it now takes at most {state.max_batch} at once'
    if state.engine_refusal:
        yield f'the stored engine is not used: {state.engine_refusal}'
    if state.is_without_clock:
        yield 'use_sim_time is true and no /clock has come; publish it, or set that to false'


def _model_warnings(state: CameraState, limits: NodeConfig) -> Iterator[str]:
    """Say why outputs are missing that are enabled, and that masks may be wrong."""
    for key, status in state.outputs.items():
        if status.unavailable:
            yield f'no {OUTPUT_NAMES[key]}: {status.unavailable}'
    shift = state.domain.get('domain_shift', 0.0)
    if 0.0 < limits.max_domain_shift < shift:
        yield (
            f'unlike the training images by {shift:.1f}, max_domain_shift is '
            f'{limits.max_domain_shift:g}; masks may be wrong'
        )


def _age_warning(snapshot: Snapshot, limit_ms: float, latency_ms: float) -> Iterator[str]:
    """Warn of frames that are answered late, and of stamps that are wrong or missing."""
    if 'age' not in snapshot.percentiles_ms:
        yield f'frames carry no stamp, max_age_ms is {limit_ms:g}; let the camera driver set it'
        return
    age_ms = snapshot.percentiles_ms['age'][0]
    if abs(age_ms) > limit_ms:
        age = f'{age_ms:.0f} ms old' if age_ms > 0.0 else f'stamped {-age_ms:.0f} ms ahead'
        remedy = 'check the clocks of camera and node'
        if latency_ms > limit_ms >= abs(age_ms - latency_ms):
            remedy = f'they take {latency_ms:.0f} ms in the node, lower short_side'
        yield f'frames are {age} when answered, max_age_ms is {limit_ms:g}; {remedy}'


def _rate_warning(snapshot: Snapshot, limits: NodeConfig) -> str:
    """Warn of a rate below its limit; empty until enough frames could have come."""
    limit_hz, rate_hz = limits.min_rate_hz, snapshot.output_rate_hz
    if not limit_hz:
        return ''
    if limits.max_rate_hz:
        limit_hz = min(limit_hz, RATE_MARGIN * limits.max_rate_hz)
    window_s = max(WINDOW_S, 2.0 / limit_hz)
    least_hz = limit_hz
    if limits.max_rate_hz:
        # It is met on average: among the frames that surely fill the window, one may be lacking.
        frames = max(1, int(window_s * limit_hz) - 2)
        least_hz *= frames / (frames + 1)
    if rate_hz >= least_hz or snapshot.recent_s <= window_s:
        return ''
    limit = f'min_rate_hz is {limits.min_rate_hz:g}'
    if limit_hz < limits.min_rate_hz:
        limit = f'{limit_hz:g} are expected with max_rate_hz {limits.max_rate_hz:g}'
    return f'{rate_hz:.1f} answers per second, {limit}'


def _faults(snapshot: Snapshot) -> dict[str, int]:
    """Count the recent frames that were dropped for a fault, by reason."""
    return {
        reason: count
        for reason, count in snapshot.recently_dropped.items()
        if reason not in NO_FAULTS
    }


def _drop_share(snapshot: Snapshot) -> float:
    """Share of the recent frames without an answer, of those that had a subscriber."""
    recent = snapshot.recently_dropped  # none of NO_SUBSCRIBERS: each begins them anew
    not_asked_for = recent.get(RATE_LIMITED, 0)
    dropped = sum(recent.values()) - not_asked_for
    # Frames in work for long were received before those that are counted here.
    return min(1.0, dropped / max(snapshot.recently_received - not_asked_for, 1))


def _engine_figures(state: CameraState) -> dict[str, str]:
    return {} if state.max_batch is None else {'max_batch': str(state.max_batch)}


def _domain_figures(state: CameraState) -> dict[str, str]:
    return {key: f'{value:.3f}' for key, value in state.domain.items()}


def _output_figures(state: CameraState) -> dict[str, str]:
    figures: dict[str, str] = {}
    for key, status in state.outputs.items():
        figures |= {name: f'{value:.4g}' for name, value in status.figures.items()}
        if status.disabled:
            figures[key] = status.disabled
    return figures


def _frame_figures(snapshot: Snapshot) -> dict[str, str]:
    figures = {
        'received': str(snapshot.received),
        'published': str(snapshot.published),
        'dropped': str(sum(snapshot.dropped.values())),
        'in_flight': str(snapshot.in_flight),
        'lost': str(snapshot.lost),
    }
    for reason, count in sorted(snapshot.dropped.items()):
        figures[f'dropped.{reason}'] = str(count)
    figures['input_rate_hz'] = f'{snapshot.input_rate_hz:.2f}'
    figures['output_rate_hz'] = f'{snapshot.output_rate_hz:.2f}'
    for stage, (p50_ms, p99_ms) in snapshot.percentiles_ms.items():
        figures[f'{stage}_ms_p50'] = f'{p50_ms:.2f}'
        figures[f'{stage}_ms_p99'] = f'{p99_ms:.2f}'
    figures['last_error'] = snapshot.last_error
    if snapshot.last_error_age_s is not None:
        figures['last_error_age_s'] = f'{snapshot.last_error_age_s:.1f}'
    return figures
