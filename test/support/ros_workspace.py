# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A sourced workspace for launch files, with a `ros2` that does what they call of it."""

from __future__ import annotations

from collections.abc import Sequence
import os
from pathlib import Path
import signal
import subprocess
import sys
from typing import Any

from support.paths import ROOT

NODE = 'from depthforge_ros.ros.executable import main\nmain()\n'
SHOW_NODE = """
import json
import sys
import yaml

files = [one for before, one in zip(sys.argv, sys.argv[1:]) if before == '--params-file']
values = {}
for file in files:
    # launch_ros writes tuples.
    for section in yaml.unsafe_load(open(file)).values():
        values |= section['ros__parameters']
print('NODE ' + json.dumps([sys.argv[1:], values]))
"""
"""Stands for the node: prints its arguments, and the parameters of its files together."""
ROS2 = """
from pathlib import Path
import sys

from depthforge_ros.cli.main import main

words = sys.argv[1:]


def value(option):
    return words[words.index(option) + 1]


if words[:2] == ['bag', 'record']:
    topics = words[words.index('--topics') + 1 :]
    sys.exit(main(['record', '--output', value('--output'), *topics]))
if words[:2] == ['bag', 'play']:
    from depthforge_ros.bags.bag import Bag

    with Bag(Path(words[2])) as bag:
        awaited = 2 * bag.camera_topics()  # by node and recorder
    sys.exit(main(['replay', words[2], '--rate', value('--rate'), '--wait-for', *awaited]))
if words[:3] == ['run', 'depthforge_ros', 'depthforge']:
    sys.exit(main(words[3:]))
if words[:2] == ['lifecycle', 'get']:
    from depthforge_ros.ros.tools.session import own_node
    from lifecycle_msgs.srv import GetState
    import rclpy

    with own_node('lifecycle_get') as node:
        client = node.create_client(GetState, words[2] + '/get_state')
        if not client.wait_for_service(2.0):
            sys.exit('Node not found')
        executor = rclpy.executors.SingleThreadedExecutor(context=node.context)
        future = client.call_async(GetState.Request())
        rclpy.spin_until_future_complete(node, future, executor, 5.0)
        print(future.result().current_state.label)
"""
"""Stands for `ros2`, whose `bag` is C++: it waits for subscribers, where that waits a while."""
TIMEOUT_S = 200.0


def workspace(folder: Path, *, node: str = NODE, packages: Sequence[str] = ()) -> dict[str, str]:
    """Return the environment in which this package, and others without content, are installed."""
    index = folder / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True)
    for package in ('depthforge_ros', *packages):
        (index / package).touch()
    write_program(folder / 'lib' / 'depthforge_ros' / 'depthforge_node', node)
    write_program(folder / 'bin' / 'ros2', ROS2)
    first = {
        'AMENT_PREFIX_PATH': str(folder),
        'PATH': str(folder / 'bin'),
        'PYTHONPATH': str(ROOT),
        'ROS_LOG_DIR': str(folder / 'log'),
    }
    return os.environ | {
        key: os.pathsep.join(filter(None, (value, os.environ.get(key))))
        for key, value in first.items()
    }


def write_program(path: Path, source: str) -> None:
    """Write a Python program that can be started by its path."""
    path.parent.mkdir(parents=True)
    path.write_text(f'#!{sys.executable}\n{source}')
    path.chmod(0o755)


def run_replay(actions: Sequence[Any], environment: dict[str, str]) -> None:
    """Run what replay.launch.py made of stand-ins, in the order of its handlers."""
    node, record, wait = (action.named for action in actions[:3])
    exits = (handler.positional[0].named['on_exit'] for handler in actions[3:])
    follow = [then[0].named for then in exits if not callable(then)]
    (play,) = (one for one in follow if 'cmd' in one)
    file, overrides = node['parameters']
    command = [sys.executable, '-m', 'depthforge_ros.ros.executable', '--ros-args']
    command += ['-r', f'__node:={node["name"]}', '--params-file', file]
    for source, target in node['remappings']:
        command += ['-r', f'{source}:={target}']
    for name, value in overrides.items():
        command += ['-p', f'{name}:={str(value).lower() if value is True else value}']
    running = [
        subprocess.Popen(one, env=environment, stdout=subprocess.DEVNULL)
        for one in (command, record['cmd'])
    ]
    try:
        for one in (wait, play):
            subprocess.run(one['cmd'], env=environment, timeout=TIMEOUT_S, check=True)
        for process in running:
            process.send_signal(signal.SIGINT)
            process.wait(TIMEOUT_S)
    finally:
        for process in running:
            process.kill()
