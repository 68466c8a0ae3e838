# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node `depthforge`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
import sys
import threading
import time
from typing import Any

from depthforge_ros.domain import DomainStatistics
from depthforge_ros.engine import load_engine
from depthforge_ros.errors import one_line, UserError
from depthforge_ros.pipeline import Pipeline, release_memory
from depthforge_ros.ros.camera import Camera, Frame
from depthforge_ros.ros.diagnostics.reporter import Reporter
from depthforge_ros.ros.diagnostics.status import camera_status, CameraState, idle_status
from depthforge_ros.ros.parameters import declared, definitions
from depthforge_ros.ros.rig import describe_hanging_batch, Rig
from depthforge_ros.ros.services import guard
from depthforge_ros.ros.topics.graph import duplicate_node
from depthforge_ros.ros.topics.qos import create_publisher, Endpoint
from depthforge_ros.ros.transitions import Transitions
from depthforge_ros.ros.worker import Worker
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

WARM_UP_SIZE = (480, 640, 3)
DIAGNOSTICS_DEPTH = 10


class DepthforgeNode(LifecycleNode):
    """Answers camera images with masks and depth; docs/parameters.md has topics and parameters."""

    def __init__(self, **options: Any) -> None:
        super().__init__('depthforge', **options)
        declared.declare(self)
        self._config = declared.read(self)
        declared.declare_per_camera(self, self._config.cameras)
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._apply_parameters)
        self._rig: Rig | None = None
        self._rig_lock = threading.Lock()
        """Held while the rig is reported on, and while it is freed."""
        self._hanging_worker: Worker[Camera, Frame] | None = None
        """Of a rig that was freed while a frame hung in it."""
        self._identity: dict[str, str] = {}
        self._engine_refusal = ''
        self._active_since_s: float | None = None
        self._transitions = Transitions(self._report_transition_failure)
        self._is_starting = False
        """Whether the process ends, with the reason, where a transition fails."""
        self._is_finalized = False
        self._last_error = ''
        """Since configure began."""
        self._diagnostics_endpoint: Endpoint | None = None
        """Of /diagnostics, once a reader came whose quality of service does not fit."""
        guard(self, report=self._report_error)
        self._diagnostics = create_publisher(
            self,
            DiagnosticArray,
            '/diagnostics',
            on_mismatch=self._on_diagnostics_mismatch,
            depth=DIAGNOSTICS_DEPTH,
            is_managed=False,
        )
        self._reporter = Reporter(
            self._publish_diagnostics, lambda: self._config.diagnostics_period_s
        )

    def start(self) -> None:
        """Configure and activate, if `autostart` says so; raises UserError on failure."""
        if not self._config.autostart:
            return
        self._is_starting = True
        for trigger in (self.trigger_configure, self.trigger_activate):
            if trigger() != TransitionCallbackReturn.SUCCESS:
                raise UserError(self._last_error)
        self._is_starting = False

    def close(self) -> None:
        """Stop and free everything, in any state; a frame that hangs is not waited for."""
        self._stop(is_closing=True)
        self._reporter.stop()
        self._free()
        self.destroy_node()
        self._state_machine = None  # or else rclpy's keeps the node in the graph

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load and warm the engine, and create the publishers."""
        del state
        return self._transitions.attempt('configure', self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Enable the publishers and subscribe."""
        super().on_activate(state)
        outcome = self._transitions.attempt('activate', self._activate)
        if outcome != TransitionCallbackReturn.SUCCESS:
            super().on_deactivate(state)
        return outcome

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, let the frame in work be answered, and disable the publishers."""
        outcome = self._transitions.attempt('deactivate', self._stop)
        super().on_deactivate(state)
        return outcome

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the engine and the publishers."""
        del state
        return self._transitions.attempt('cleanup', self._free)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free from any state."""
        del state
        outcome = self._transitions.attempt('shutdown', self._stop_and_free)
        self._is_finalized = outcome == TransitionCallbackReturn.SUCCESS
        return outcome

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Go back to unconfigured, from where the node can be configured anew."""
        del state
        reason = self._transitions.failure
        outcome = self._transitions.attempt('error processing', self._stop_and_free)
        self._transitions.failure = self._transitions.failure or reason
        self._is_finalized = outcome != TransitionCallbackReturn.SUCCESS
        return outcome

    def _configure(self) -> None:
        self._last_error = ''
        config = declared.read(self)
        engine = load_engine(
            config.model,
            engine=config.engine,
            device=config.device,
            short_side=config.short_side or None,
            threads=config.threads or None,
            depth_every=config.depth_every,
            cameras=len(config.cameras),
        )
        pipeline = Pipeline(engine)
        pipeline(np.zeros(WARM_UP_SIZE, np.uint8))
        domain = DomainStatistics.fitting(engine)
        rig = Rig(self, declared.for_cameras(self, config), pipeline, domain)
        self._identity = {
            'model': engine.model,
            'engine': engine.name,
            'engine_reason': engine.reason,
            'fingerprint': engine.fingerprint,
        }
        self._engine_refusal = engine.refused
        self._rig = rig
        text = f'model {engine.model} is ready on engine {engine.name} ({engine.reason})'
        if engine.refused:
            self.get_logger().warning(text)
        else:
            self.get_logger().info(text)
        if domain is None and engine.name != 'null':
            self.get_logger().info(
                f'no statistics of the training images fit {engine.model}: domain shift is not '
                'reported'
            )

    def has_diagnostics_subscriber(self) -> bool:
        """Tell whether anybody reads /diagnostics."""
        return bool(self._diagnostics.get_subscription_count())

    def _activate(self) -> None:
        if self._rig is None:
            raise UserError('the node is not configured; configure it first')
        self._rig.start()
        self._active_since_s = time.monotonic()
        topics = ', '.join(camera.topic for camera in self._rig.cameras)
        self.get_logger().info(f'waiting for images on {topics}')
        # Only now all are declared, those of the subscriptions' quality of service too.
        if names := declared.unused_overrides(self):
            self.get_logger().warning(
                f'start values without effect: {", ".join(sorted(names))}; the node has no such '
                f'parameters, `ros2 param list {self.get_fully_qualified_name()}` names its own'
            )

    def _stop(self, *, is_closing: bool = False) -> None:
        self._active_since_s = None
        if self._rig is not None and (left := self._rig.stop(is_closing=is_closing)):
            self._report_error(left)

    def _stop_and_free(self) -> None:
        self._stop()
        self._free()

    def _free(self) -> None:
        if self._rig is not None:
            self._destroy_rig(self._rig)
            release_memory()

    def _destroy_rig(self, rig: Rig) -> None:
        self._rig = None  # first, for a signal may interrupt the rest
        with self._rig_lock:
            rig.destroy()
        if rig.hanging_batch:
            self._hanging_worker = rig.worker

    def _publish_diagnostics(self) -> None:
        """Publish the status of every camera, from the reporter's thread, in any state."""
        try:
            if not self.has_diagnostics_subscriber():
                return
            with self._rig_lock:
                message = DiagnosticArray(status=self._statuses())
            message.header.stamp = self.get_clock().now().to_msg()
            self._diagnostics.publish(message)
        except Exception as error:
            if self.context.ok():  # or else the process ends
                self.get_logger().error(f'no diagnostics: {one_line(error)}')

    def _statuses(self) -> list[DiagnosticStatus]:
        """Judge each camera, or say why the node is not configured."""
        rig, duplicate = self._rig, duplicate_node(self)
        if rig is None or self._is_finalized:
            return [self._idle_status(name, duplicate) for name in self._config.cameras]
        return [self._camera_status(rig, camera, duplicate) for camera in rig.cameras]

    def _idle_status(self, camera: str, duplicate: str) -> DiagnosticStatus:
        return idle_status(
            self._hanging_batch() or self._transitions.failure,
            name=self._status_name(camera),
            transition=self._transitions.running,
            duplicate_node=duplicate,
            is_finalized=self._is_finalized,
            last_error=self._last_error,
        )

    def _camera_status(self, rig: Rig, camera: Camera, duplicate: str) -> DiagnosticStatus:
        since_s = self._active_since_s
        state = self._camera_state(rig, camera, duplicate)
        if since_s is None or self._active_since_s != since_s:  # a transition came between
            state = replace(state, active_for_s=None)
        return camera_status(
            camera.statistics.snapshot(),
            state,
            camera.config,
            name=self._status_name(camera.name),
            topic=camera.topic,
            identity=self._identity,
        )

    def _camera_state(self, rig: Rig, camera: Camera, duplicate: str) -> CameraState:
        since_s, clock = self._active_since_s, self.get_clock()
        return CameraState(
            active_for_s=None if since_s is None else time.monotonic() - since_s,
            transition=self._transitions.running,
            busy_s=rig.busy_s,
            is_working=rig.is_working,
            domain=camera.monitor.figures(),
            mismatches=[*camera.mismatches, *self._diagnostics_mismatches()],
            missing_publisher=camera.missing_publisher,
            duplicate_publishers=camera.duplicate_publishers,
            duplicate_node=duplicate,
            outputs=camera.output_statuses(),
            max_batch=rig.max_batch,
            engine_refusal=self._engine_refusal,
            failure=rig.hanging_batch or self._hanging_batch() or self._transitions.failure,
            is_without_clock=clock.ros_time_is_active and clock.now().nanoseconds == 0,
        )

    def _status_name(self, camera: str) -> str:
        return f'{self.get_fully_qualified_name()}: {camera or "camera"}'

    def _hanging_batch(self) -> str:
        """Say that a frame from before a cleanup still hangs; empty once it has ended."""
        text = describe_hanging_batch(self._hanging_worker)
        if not text:
            self._hanging_worker = None
        return text

    def _on_diagnostics_mismatch(self, end: Endpoint) -> None:
        self._diagnostics_endpoint = end
        if text := end.mismatch():
            self._report_error(text)

    def _diagnostics_mismatches(self) -> list[str]:
        text = '' if self._diagnostics_endpoint is None else self._diagnostics_endpoint.mismatch()
        return [text] if text else []

    def _report_transition_failure(self, error: str) -> None:
        """Report why a transition failed; at start, the process ends with it."""
        if self._is_starting:
            self._last_error = error
        elif self.context.ok():  # or else it was interrupted
            self._report_error(error)

    def _report_error(self, error: str) -> None:
        """Log an error that ends nothing, and publish it on /diagnostics."""
        if self.context.ok():
            self.get_logger().error(error)
        else:  # the logger needs the context
            with suppress(OSError):
                print(error, file=sys.stderr)
        self._last_error = error
        for camera in () if self._rig is None else self._rig.cameras:
            camera.statistics.record_error(error)

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> SetParametersResult:
        """Set all or none; what the tools of ROS ask for comes through here."""
        # rclpy checks types and names first, and its words name neither value nor parameter.
        if refusal := declared.refusal(self, parameter_list):
            return SetParametersResult(successful=False, reason=refusal)
        return super().set_parameters_atomically(parameter_list)

    def _check_parameters(self, changed: list[Parameter]) -> SetParametersResult:
        """Refuse values that are not allowed, and changes that would not take effect."""
        reason = declared.change_refusal(self, changed, is_configured=self._rig is not None)
        return SetParametersResult(successful=not reason, reason=reason)

    def _apply_parameters(self, changed: list[Parameter]) -> None:
        """Take over all changes at once; the frame in work keeps what it began with."""
        names = {one.name for one in changed}
        if not any(map(definitions.is_node_parameter, names)):
            return
        self._config = declared.read(self)
        if 'diagnostics_period_s' in names:
            self._reporter.restart()
        if self._rig is not None:
            self._rig.reconfigure(declared.for_cameras(self, self._config))
        elif 'cameras' in names:
            declared.declare_per_camera(self, self._config.cameras)
