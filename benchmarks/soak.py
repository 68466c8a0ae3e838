# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The node under faults, over DDS: every message must be accounted for, and the next one answered.

A process of its own runs the node on an engine without a network, which also breaks on purpose. It
gets blocks of seeded messages, a third of them malformed or faulted, first raw, then compressed.
Each block ends with a good frame, whose answer must come. A signal ends the node.
Run from the repository root: ROS_DOMAIN_ID=101 python benchmarks/soak.py
The domain must be its own: each message of another publisher there is one too many.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import json
from pathlib import Path
import random
import signal
import subprocess
import sys
import time
from typing import Any

from depthforge_ros import engine as engines
from depthforge_ros.ros import executable
from depthforge_ros.ros.tools.session import own_node
from diagnostic_msgs.msg import DiagnosticArray
from faults import BreakingEngine, HANG_S, kinds_of_block, make
from rclpy.executors import SingleThreadedExecutor
from report import write_report
from sensor_msgs.msg import CompressedImage, Image

RESULTS = Path('benchmarks/results/soak.json')
MASK = '/depthforge/segmentation/mask'
DEPTH = 2000
"""Queue of both ends: what is sent must be received, or nothing could be accounted for."""
WARM_SHARE = 0.3
"""Of the blocks; memory is compared with what it was after them."""
BURST = 1000
PATIENCE_S = 60.0
EXIT_WITHIN_S = 2.0
RECOVERY_WITHIN_S = 1.0
"""From a good frame to its answer, after a burst too; it is the first frame after the faults."""
MAX_GROWTH = 0.01
"""Share of the memory after the warm-up."""
LATE_MASKS_S = 5.0
REASONS: Mapping[str, tuple[str, ...]] = {
    'empty_image': ('zero_size', 'no_data'),
    'bad_length': ('wrong_step', 'wrong_length', 'no_data'),
    'unknown_encoding': ('unknown_encoding',),
    'too_large': ('huge_size', 'bomb_png', 'bomb_jpeg', 'damaged_jpeg'),
    'bad_compressed': (
        *('truncated_jpeg', 'random_bytes', 'bomb_png', 'bomb_jpeg', 'damaged_jpeg', 'scan_bomb'),
    ),
    'not_finite': ('engine_nan',),
    'out_of_memory': ('engine_memory',),
    'internal_error': ('engine_raises',),
}
"""Which messages may be dropped for which reason; any may be replaced by a newer one."""


def main() -> int:
    """Run the parts that were asked for; 1 if anything was not as promised."""
    if sys.argv[1:2] == ['--node']:
        engines.ENGINES = {'null': BreakingEngine.load}
        executable.main(sys.argv[2:])
    args = _arguments()
    parts = [
        soak(transport, args, random.Random(args.seed)) for transport in ('raw', 'compressed')
    ]
    report = write_report(args.json, {'seed': args.seed, 'parts': parts})
    print(json.dumps(report, indent=1))
    return int(any(part['broken_promises'] for part in parts))


def soak(transport: str, args: argparse.Namespace, source: random.Random) -> dict[str, Any]:
    """Send half of the messages to one node and say what became of them."""
    sent: Counter[str] = Counter()
    kind = Image if transport == 'raw' else CompressedImage
    with _node(transport) as process, Peer(kind) as peer:
        peer.wait_until(peer.is_connected, 'the node to appear')
        begun_s = due_s = time.monotonic()
        blocks = max(2, args.messages // 2 // args.block)
        warm_kib, bursts, recoveries_s = 0, 0, []
        for number in range(blocks):
            hangs = args.hangs and number % max(1, blocks // args.hangs) == 0
            for name in kinds_of_block(transport, args.block - 1, source, hangs=bool(hangs)):
                peer.send(make(name, transport, peer.next_stamp(), source))
                sent[name] += 1
                if source.random() >= args.burst_share:
                    due_s = max(due_s + 1.0 / args.rate_hz, time.monotonic())
                    time.sleep(max(0.0, due_s - time.monotonic()))
            if args.bursts and number % max(1, blocks // args.bursts) == 0:
                names = list(kinds_of_block(transport, BURST, source, hangs=False))
                for message in [
                    make(name, transport, peer.next_stamp(), source) for name in names
                ]:
                    peer.send(message)
                sent.update(names)
                bursts += 1
            if hangs:
                peer.settled(sent.total())
            recoveries_s.append(peer.recovery_s(transport, source))
            sent['good'] += 1
            if number == int(blocks * WARM_SHARE):
                warm_kib = _resident_kib(process.pid)
        elapsed_s = time.monotonic() - begun_s
        figures = peer.settled(sent.total())
        masks = peer.masks_of(int(figures['published']))
        growth = _resident_kib(process.pid) / warm_kib - 1.0
        number = source.choice((signal.SIGINT, signal.SIGTERM))
        exit_code, exit_s = _end(process, number)
    part: dict[str, Any] = {
        'transport': transport,
        'sent': sent.total(),
        'duration_s': round(elapsed_s, 1),
        'faulted': sent.total() - sent['good'],
        **{key: int(figures[key]) for key in ('received', 'published', 'dropped')},
        'masks': masks,
        'dropped_by_reason': _reasons(figures),
        'bursts': bursts,
        'sent_by_kind': dict(sorted(sent.items())),
        'recovery_ms_max': round(max(recoveries_s) * 1e3, 1),
        'memory_growth': round(growth, 4),
        'signal': signal.Signals(number).name,
        'exit_code': exit_code,
        'exit_s': round(exit_s, 2),
    }
    part['broken_promises'] = list(broken_promises(part, slack=args.slack))
    return part


def broken_promises(part: Mapping[str, Any], *, slack: float) -> Iterator[str]:
    """Say what is not as the node promises; the limits on time are taken times `slack`."""
    if not part['sent'] == part['received'] == part['published'] + part['dropped']:
        yield 'sent = received = published + dropped does not hold'
    if part['masks'] != part['published']:
        yield f'{part["published"]} frames count as published, {part["masks"]} masks came'
    if part['recovery_ms_max'] > slack * RECOVERY_WITHIN_S * 1e3:
        yield f'a good frame was answered {part["recovery_ms_max"]} ms after the faults'
    if part['memory_growth'] > MAX_GROWTH:
        yield f'memory grew by {part["memory_growth"]:.1%}'
    for reason, count in part['dropped_by_reason'].items():
        kinds = REASONS.get(reason, part['sent_by_kind'])
        if reason not in (*REASONS, 'replaced'):
            yield f'dropped as {reason}, which no message asks for'
        if count > sum(part['sent_by_kind'].get(kind, 0) for kind in kinds):
            yield f'more frames were dropped as {reason} than were sent so'
    if part['exit_code'] or part['exit_s'] > slack * EXIT_WITHIN_S:
        yield f'{part["signal"]} led to exit code {part["exit_code"]} after {part["exit_s"]} s'


class Peer:
    """The camera, and the one who looks at masks and diagnostics."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self._stamp = 0
        self._newest_answer = -1
        self._masks = 0
        self.figures: dict[str, str] = {}

    def __enter__(self) -> Peer:
        self._context = own_node('soak')
        node = self._context.__enter__()
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)
        self._publisher = node.create_publisher(self._kind, '/image', DEPTH)
        node.create_subscription(Image, MASK, self._answered, DEPTH)
        node.create_subscription(DiagnosticArray, '/diagnostics', self._diagnosed, 10)
        self._node = node
        return self

    def __exit__(self, *exception: Any) -> None:
        self._executor.shutdown()
        self._context.__exit__(*exception)

    def is_connected(self) -> bool:
        """Tell whether the node was found in both directions."""
        return bool(
            self._publisher.get_subscription_count()
            and self._node.count_publishers(MASK)
            and 'received' in self.figures
        )

    def next_stamp(self) -> int:
        """Return whole seconds that no message had before."""
        self._stamp += 1
        return self._stamp

    def send(self, message: Any) -> None:
        """Publish, and take in what came meanwhile."""
        self._publisher.publish(message)
        self._executor.spin_once(timeout_sec=0.0)

    def recovery_s(self, transport: str, source: random.Random) -> float:
        """Send one good frame and wait for its answer."""
        stamp, begun_s = self.next_stamp(), time.monotonic()
        self.send(make('good', transport, stamp, source))
        self.wait_until(lambda: self._newest_answer == stamp, f'the answer to frame {stamp}')
        return time.monotonic() - begun_s

    def settled(self, sent: int) -> dict[str, str]:
        """Wait for figures that have all messages and nothing in flight."""
        self.wait_until(
            lambda: self.figures['received'] == str(sent) and self.figures['in_flight'] == '0',
            f'{sent} messages to be accounted for',
        )
        return self.figures

    def masks_of(self, published: int) -> int:
        """Wait a while for as many masks as are published; returns how many came."""
        until_s = time.monotonic() + LATE_MASKS_S
        while self._masks != published and time.monotonic() < until_s:
            self._executor.spin_once(timeout_sec=0.05)
        return self._masks

    def wait_until(self, done: Any, what: str) -> None:
        """Handle messages until the condition holds; gives up with the last figures."""
        until_s = time.monotonic() + PATIENCE_S
        while not done():
            if time.monotonic() > until_s:
                raise TimeoutError(f'waited for {what} in vain; the node says {self.figures}')
            self._executor.spin_once(timeout_sec=0.05)

    def _answered(self, mask: Any) -> None:
        self._newest_answer = mask.header.stamp.sec
        self._masks += 1

    def _diagnosed(self, report: Any) -> None:
        self.figures = {pair.key: pair.value for pair in report.status[0].values}


@contextmanager
def _node(transport: str) -> Iterator[subprocess.Popen[bytes]]:
    values = {
        'engine': 'null',
        'image_transport': transport,
        'qos_overrides./image.subscription.reliability': 'reliable',
        'qos_overrides./image.subscription.depth': DEPTH,
        f'qos_overrides.{MASK}.publisher.depth': DEPTH,
        'diagnostics_period_s': 0.2,
    }
    given = [word for name, value in values.items() for word in ('-p', f'{name}:={value}')]
    process = subprocess.Popen(
        [sys.executable, __file__, '--node', '--ros-args', '--log-level', 'error', *given]
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _end(process: subprocess.Popen[bytes], number: int) -> tuple[int, float]:
    begun_s = time.monotonic()
    process.send_signal(number)
    return process.wait(PATIENCE_S), time.monotonic() - begun_s


def _resident_kib(pid: int) -> int:
    status = Path(f'/proc/{pid}/status').read_text()
    return int(status.partition('VmRSS:')[2].split()[0])


def _reasons(figures: Mapping[str, str]) -> dict[str, int]:
    prefix = 'dropped.'
    return {
        key.removeprefix(prefix): int(value)
        for key, value in figures.items()
        if key.startswith(prefix)
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('--messages', type=int, default=100_000, help='in all')
    parser.add_argument('--block', type=int, default=100, help='messages to each good answer')
    parser.add_argument('--rate-hz', type=float, default=200.0, help='of the messages')
    parser.add_argument(
        '--burst-share', type=float, default=0.3, help='of the messages that follow at once'
    )
    parser.add_argument('--hangs', type=int, default=2, help=f'of the engine, {HANG_S:.0f} s each')
    parser.add_argument(
        '--bursts', type=int, default=2, help=f'of {BURST} messages more, as fast as they go'
    )
    parser.add_argument(
        '--slack', type=float, default=1.0, help='factor of the limits on time, on a busy machine'
    )
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--json', type=Path, default=RESULTS, help='where the figures go')
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(main())
