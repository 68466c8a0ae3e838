# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The one entry point `depthforge`: finds the subcommand's module and runs it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack, suppress
import importlib
import os
import signal
import sys
import threading
from types import FrameType, ModuleType
from typing import NoReturn

from depthforge_ros.allocator import keep_freed_memory
from depthforge_ros.cli.common import catch, print_odd_names, use_white_level
from depthforge_ros.errors import UserError

COMMANDS = {
    'models': 'depthforge_ros.cli.models',
    'fetch': 'depthforge_ros.cli.fetch',
    'convert': 'depthforge_ros.cli.convert',
    'node': 'depthforge_ros.cli.node',
    'replay': 'depthforge_ros.cli.replay',
    'record': 'depthforge_ros.cli.record',
    'predict': 'depthforge_ros.cli.predict',
    'evaluate': 'depthforge_ros.cli.evaluate',
    'suites': 'depthforge_ros.cli.suites',
    'compare': 'depthforge_ros.cli.compare',
    'fleet': 'depthforge_ros.cli.fleet',
    'compile': 'depthforge_ros.cli.compile',
    'export': 'depthforge_ros.cli.export',
    'view': 'depthforge_ros.cli.view',
    'mine': 'depthforge_ros.cli.mine',
    'make-bag': 'depthforge_ros.cli.make_bag',
    'demo': 'depthforge_ros.cli.demo',
}
"""
Module of each command. Each has `HELP`, `add_arguments(parser)` and `run(args) -> exit code`, and
imports what is heavy inside `run`, so that `--help` is quick and needs neither torch nor ROS.
"""

ROS_MODULES = ('rclpy', 'rcl_interfaces')
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_NO_READER = 141
"""As of a program that SIGPIPE ends: `depthforge models | head -1`."""


class _Parser(argparse.ArgumentParser):
    """Says a wrong option in one line, as every other wrong input."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f'{message}; see `{self.prog} --help`')


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one command; the exit code is 0, 2 for wrong input, 3 for a part, 130 when interrupted.

    SIGTERM is SystemExit(143) and SIGHUP 129, so that temporary files go; the node and `record`
    handle them anew. SIGINT interrupts also what a script has started in the background, where
    shells ignore it; SIGHUP stays ignored under `nohup`.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    is_main = threading.current_thread() is threading.main_thread()
    with _handled(arguments) if is_main else ExitStack():
        try:
            return _run_and_flush(arguments)
        except UserError as error:
            print(f'depthforge: error: {error}', file=sys.stderr)
            return EXIT_USER_ERROR
        except BrokenPipeError:
            _close_stdout()
            return EXIT_NO_READER
        except OSError as error:
            if error.errno is None:
                raise
            _close_stdout()
            where = f' ({error.filename})' if error.filename else ''
            print(
                f'depthforge: error: {error.strerror}{where}; make room, or write elsewhere',
                file=sys.stderr,
            )
            return EXIT_USER_ERROR
        except KeyboardInterrupt:
            return EXIT_INTERRUPTED


def _run_and_flush(arguments: list[str]) -> int:
    """Run the command and flush stdout: a closed pipe or a full disk is an error here."""
    print_odd_names()
    os.environ.setdefault('OPENCV_LOG_LEVEL', 'ERROR')
    try:
        return _run(arguments)
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()


def _close_stdout() -> None:
    """Drop what is still to be written, so that Python does not fail at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _handled(arguments: list[str]) -> ExitStack:
    """Handle signals as the command needs; closing puts back what did."""
    if arguments[:1] == ['node']:
        from depthforge_ros.ros.executable import catch_signals

        return catch_signals().undo
    undo = catch(_end)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        undo.callback(signal.signal, signal.SIGINT, before)
    return undo


def _end(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    raise SystemExit(128 + number)


def _run(arguments: list[str]) -> int:
    name = arguments[0] if arguments else '--help'
    if name in ('-h', '--help'):
        print(_overview())
        return 0
    if name == '--version':
        from importlib import metadata

        print(f'depthforge {metadata.version("depthforge_ros")}')
        return 0
    if name not in COMMANDS:
        raise UserError(f'command {name!r} is not known; choose one of {", ".join(COMMANDS)}')
    module = importlib.import_module(COMMANDS[name])
    parser = _parser(name, module)
    args = parser.parse_args(arguments[1:])
    keep_freed_memory()
    if hasattr(args, 'white_level'):
        use_white_level(args.white_level)
    try:
        return int(module.run(args))
    except ModuleNotFoundError as error:
        root = (error.name or '').partition('.')[0]
        if root not in ROS_MODULES and not root.endswith('_msgs'):
            raise
        raise UserError(
            f'{name} needs ROS 2, and {root} is not installed here; source a ROS 2 workspace, or '
            "pip install 'depthforge_ros[ros]'"
        ) from error


def _parser(name: str, module: ModuleType) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f'depthforge {name}',
        description=module.HELP,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    module.add_arguments(parser)
    return parser


def _overview() -> str:
    lines = ['usage: depthforge COMMAND ... | --version', '', 'commands:']
    for name, path in COMMANDS.items():
        lines.append(f'  {name:<10} {importlib.import_module(path).HELP}')
    lines += ['', 'depthforge COMMAND --help says the options, their units and defaults.']
    return '\n'.join(lines)


if __name__ == '__main__':
    sys.exit(main())
