# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""Faults that the graph of nodes and topics shows, each in one line for the operator."""

from __future__ import annotations

import importlib

from depthforge_ros.ros.node_protocol import TopicNode
from rclpy.node import Node


def missing_publisher(node: TopicNode, topic: str, kind: type) -> str:
    """
    Say why no message of a type can come on a topic; empty where there is a publisher.

    `topic` is the name before remapping; the call remaps it.
    """
    sent = {one.topic_type for one in node.get_publishers_info_by_topic(topic)}
    if not sent:
        return 'it has no publisher'
    wanted = type_name(kind)
    return '' if wanted in sent else f'{wanted} is wanted, it carries {", ".join(sorted(sent))}'


def duplicate_node(node: Node) -> str:
    """Say that another node has the name of this one; empty where none has."""
    names = node.get_node_names_and_namespaces()
    if names.count((node.get_name(), node.get_namespace())) < 2:
        return ''
    return (
        f'another node is {node.get_fully_qualified_name()} too, with the same topics and '
        'services; stop it, or give it another name or namespace'
    )


def type_name(kind: type) -> str:
    """Return the name of a message class as the graph writes it."""
    return f'{kind.__module__.partition(".")[0]}/msg/{kind.__name__}'


def message_class(name: str) -> type | None:
    """Find the class of `package/msg/Type`; None where that package is not installed."""
    package, _, kind = name.partition('/msg/')
    try:
        return getattr(importlib.import_module(f'{package}.msg'), kind, None)
    except ImportError:
        return None
