# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
Launch files without ROS's `launch`.

It exists for no plain Python, so stand-ins record what the files ask of it; where it is
installed, `test_launch_for_real.py` runs them.
"""

from __future__ import annotations

import runpy
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

from depthforge_ros.ros import tools
from depthforge_ros.ros.tools import launch_bag
import pytest
from support.paths import ROOT

FILES = ('depthforge.launch.py', 'nav2.launch.py', 'replay.launch.py', 'six_cameras.launch.py')
STAND_INS = {
    'launch': ['LaunchDescription'],
    'launch.actions': [
        *('DeclareLaunchArgument', 'ExecuteProcess', 'OpaqueFunction'),
        *('RegisterEventHandler', 'Shutdown', 'TimerAction'),
    ],
    'launch.event_handlers': ['OnProcessExit'],
    'launch_ros': [],
    'launch_ros.actions': ['Node'],
}


class Action:
    """Stands for any action: keeps what it was built from."""

    def __init__(self, *positional: Any, **named: Any) -> None:
        self.positional = positional
        self.named = named


def load(
    name: str, *, reads_bag: bool = False, packages: tuple[str, ...] = ('rviz2',)
) -> tuple[dict[str, Action], Any]:
    """
    Return the declared arguments, and a function from given values to the actions.

    Any bag will do, unless it `reads_bag`. Of others, these `packages` are installed.
    """
    installed = ModuleType('ament_index_python.packages')
    vars(installed)['get_package_prefix'] = dict.fromkeys(packages, '/opt').__getitem__
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, 'ament_index_python', ModuleType('ament_index_python'))
        patch.setitem(sys.modules, installed.__name__, installed)
        if not reads_bag:
            patch.setattr(launch_bag, 'require_images', lambda *_, **__: None)
        for module_name, classes in STAND_INS.items():
            module = ModuleType(module_name)
            for one in classes:
                setattr(module, one, type(one, (Action,), {}))
            patch.setitem(sys.modules, module_name, module)
        # That of another `launch`.
        sys.modules.pop('depthforge_ros.ros.tools.launching', None)
        vars(tools).pop('launching', None)
        made = runpy.run_path(str(ROOT / 'launch' / name))['generate_launch_description']()
    # What it made of the stand-ins is of no use to others.
    sys.modules.pop('depthforge_ros.ros.tools.launching', None)
    vars(tools).pop('launching', None)
    *arguments, opaque = made.positional[0]
    declared = {argument.positional[0]: argument for argument in arguments}
    defaults = {
        key: argument.named['default_value']
        for key, argument in declared.items()
        if argument.named['default_value'] is not None
    }

    def start(**given: str) -> list[Action]:
        context = SimpleNamespace(launch_configurations=defaults | given)
        return list(opaque.named['function'](context))

    return declared, start
