# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The methods of the node that its parts call; rclpy's own nodes have those of the first two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from rclpy.clock import Clock
from rclpy.context import Context
from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo


class ParameterNode(Protocol):
    """A node that has parameters."""

    _parameter_overrides: dict[str, Parameter]
    """Start values, also of what is not declared."""

    def declare_parameter(
        self, name: str, value: Any, *options: Any, **more: Any
    ) -> Parameter: ...

    def undeclare_parameter(self, name: str) -> None: ...

    def has_parameter(self, name: str) -> bool: ...

    def get_parameter(self, name: str) -> Parameter: ...

    def get_parameter_or(self, name: str) -> Parameter: ...

    def list_parameters(self, prefixes: list[str], depth: int) -> Any: ...


class TopicNode(Protocol):
    """A node that publishes and subscribes."""

    @property
    def publishers(self) -> Iterable[Publisher]: ...

    @property
    def subscriptions(self) -> Iterable[Subscription]: ...

    def create_publisher(self, kind: type, topic: str, **options: Any) -> Publisher: ...

    def create_lifecycle_publisher(self, kind: type, topic: str, **options: Any) -> Publisher: ...

    def create_subscription(self, kind: type, topic: str, **options: Any) -> Subscription: ...

    def destroy_lifecycle_publisher(self, publisher: Publisher) -> None: ...

    def destroy_subscription(self, subscription: Subscription) -> bool: ...

    def resolve_topic_name(self, topic: str) -> str: ...

    def get_publishers_info_by_topic(self, topic: str) -> Sequence[TopicEndpointInfo]: ...

    def get_subscriptions_info_by_topic(self, topic: str) -> Sequence[TopicEndpointInfo]: ...

    def get_logger(self) -> RcutilsLogger: ...


class CameraNode(TopicNode, Protocol):
    """The node that a camera belongs to."""

    context: Context

    def get_clock(self) -> Clock: ...

    def has_diagnostics_subscriber(self) -> bool:
        """Tell whether anybody reads /diagnostics."""
