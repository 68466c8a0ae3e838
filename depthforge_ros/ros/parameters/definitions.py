# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""The node's parameters: names, defaults, ranges and descriptions, in one place."""

from __future__ import annotations

from dataclasses import dataclass, Field, fields
import re
from typing import Any

from depthforge_ros.errors import UserError
from depthforge_ros.frame import MAX_PIXELS, WHITE_LEVEL
from depthforge_ros.ros.parameters.described import parameter
from depthforge_ros.ros.parameters.grid import GridParameters
from depthforge_ros.ros.parameters.lidar import LidarParameters
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

TYPE_NAMES = {
    bool: 'true or false',
    int: 'an integer',
    float: 'a number such as 1.0',
    str: 'text',
    tuple: (
        'names of letters, digits and _, a letter first, each once; '
        "or [''] for one camera without a name"
    ),
}
UNCOMPILED = ('eager', 'bf16', 'int8', 'cuda_graph', 'null')
COMPILED = ('openvino', 'inductor', 'tensorrt')
"""Engines that `depthforge compile` makes; PyTorch is not imported here to ask for them."""
CAMERA_NAME = re.compile(r'[A-Za-z][A-Za-z0-9_]*')

PER_CAMERA = (
    'max_rate_hz', 'camera_height_m', 'camera_pitch_deg', 'image_rectified', 'lidar_extrinsic',
)  # fmt: skip
"""Parameters that a named camera may have a value of its own for, as NAME.camera_height_m."""


@dataclass(frozen=True)
class NodeConfig(GridParameters, LidarParameters):
    """
    The configuration of the node; every field is a ROS parameter of the same name.

    All are read at configure; those marked `runtime` also take effect when they are set later.
    """

    cameras: tuple[str, ...] = parameter(
        ('',),
        "Names of the cameras: each reads NAME/image and answers on ~/NAME/...; [''] is one "
        'camera on image and ~/...',
    )
    model: str = parameter(
        'depthforge_tiny', 'Name of a model, see `depthforge models`, or path of a checkpoint.'
    )
    engine: str = parameter(
        'auto',
        'What runs the model: auto, eager, bf16, int8, cuda_graph, null (no model), or openvino, '
        'inductor, tensorrt as `depthforge compile` stored them.',
        choices=('auto', *UNCOMPILED, *COMPILED),
    )
    device: str = parameter(
        'auto', 'Where the model runs.', choices=('auto', 'cpu', 'cuda', 'cuda:N')
    )
    short_side: int = parameter(
        0, "Short side of the network input, pixels; 0 takes the checkpoint's.", within=(0, 8192)
    )
    threads: int = parameter(
        0, 'CPU threads of the engine; 0 leaves the choice to it.', within=(0, 1024)
    )
    depth_every: int = parameter(
        1,
        'Depth is computed, and published, for every so many frames; with one camera, and with '
        'engine eager, bf16 or int8.',
        within=(1, 100),
    )
    image_transport: str = parameter(
        'raw',
        'Type of the topic `image`: raw for sensor_msgs/Image, compressed for '
        'sensor_msgs/CompressedImage (JPEG, PNG).',
        choices=('raw', 'compressed'),
    )
    max_pixels: int = parameter(
        MAX_PIXELS,
        'Images with more pixels are dropped; compressed ones before they are decoded.',
        within=(1, 2**31 - 1),
        runtime=True,
    )
    white_level: int = parameter(
        WHITE_LEVEL,
        'Value of white in images of 16 bits, which becomes 255; 4095 for a camera of 12 bits.',
        within=(1, WHITE_LEVEL),
        runtime=True,
    )
    max_rate_hz: float = parameter(
        0.0,
        'Frames per second that are taken of each camera, Hz; 0 takes all. Of one of several '
        'cameras: NAME.max_rate_hz.',
        within=(0.0, 1000.0),
        runtime=True,
    )
    output_resolution: str = parameter(
        'camera',
        "Size of all that is published: camera, the image's, or network, at which the model saw "
        'it; much cheaper, with camera_info to match on ~/depth/camera_info.',
        choices=('camera', 'network'),
    )
    confidence_floor: float = parameter(
        0.0,
        'Pixels of a lower confidence are unlabelled (255) in the mask, share.',
        within=(0.0, 1.0),
        runtime=True,
    )
    overlay_alpha: float = parameter(
        0.5, 'Weight of the class colours in the overlay.', within=(0.0, 1.0), runtime=True
    )
    camera_height_m: float = parameter(
        0.0,
        'Height of the camera above the road, metres, from which depth gets its scale; 0 is not '
        'known. Of one of several cameras: NAME.camera_height_m.',
        within=(0.0, 100.0),
    )
    camera_pitch_deg: float = parameter(
        0.0,
        'Optical axis below the horizon, degrees. Of one of several cameras: '
        'NAME.camera_pitch_deg.',
        within=(-45.0, 45.0),
    )
    estimate_pitch: bool = parameter(
        False, 'Estimate the pitch from the road; only where much of it is in sight.'
    )
    image_rectified: bool = parameter(
        False,
        "The image is a pinhole's by P of camera_info; false: by K, with its distortion. Of one "
        'of several cameras: NAME.image_rectified.',
    )
    metric_scale: float = parameter(
        0.0,
        'Depth in metres times relative inverse depth, where it is known; 0 takes it from a '
        'metric model or from the road.',
        within=(0.0, 1e6),
    )
    max_range_m: float = parameter(
        80.0, 'Depth beyond it is +Inf and has no point, metres.', within=(1.0, 10_000.0)
    )
    depth_encoding: str = parameter(
        '32FC1',
        'Of ~/depth/image: 32FC1, metres, or 16UC1, millimetres with 0 for all that has none.',
        choices=('32FC1', '16UC1'),
    )
    points_stride: int = parameter(
        2, 'Of ~/points: every so many pixels of every so many rows.', within=(1, 64)
    )
    points_organised: bool = parameter(
        True, 'Points lie in rows and columns as the pixels do; false leaves out empty ones.'
    )
    pixel_aligned: bool = parameter(
        False,
        'Points must belong to the pixels of mask and confidence one by one, as costmap layers '
        'read them: settings under which they do not are refused.',
    )
    diagnostics_period_s: float = parameter(
        1.0, 'Time between two messages on /diagnostics, seconds.', within=(0.05, 60.0)
    )
    stall_after_s: float = parameter(
        1.0,
        'A frame in work for longer is an error, a topic without images a warning, seconds.',
        within=(0.05, 3600.0),
        runtime=True,
    )
    min_rate_hz: float = parameter(
        0.0,
        'Fewer answers per second are a warning, Hz; 0 is no limit. Nine tenths of a lower '
        'max_rate_hz are enough.',
        within=(0.0, 1000.0),
        runtime=True,
    )
    max_latency_ms: float = parameter(
        0.0,
        'A higher median from message to answer, over 5 s, is a warning, milliseconds; 0 is no '
        'limit.',
        within=(0.0, 60_000.0),
        runtime=True,
    )
    max_age_ms: float = parameter(
        0.0,
        'A higher median from stamp to answer, over 5 s, or one as far ahead of the clock, or no '
        'stamps, is a warning, milliseconds; 0 is no limit.',
        within=(0.0, 60_000.0),
        runtime=True,
    )
    max_drop_share: float = parameter(
        1.0,
        'A higher share of recent frames without an answer is a warning; 1 is no limit.',
        within=(0.0, 1.0),
        runtime=True,
    )
    max_domain_shift: float = parameter(
        0.0,
        "A higher distance from the model's own training images is a warning, in their standard "
        "deviations; 0 is no limit. It holds for the checkpoint's own short_side.",
        within=(0.0, 1000.0),
        runtime=True,
    )
    autostart: bool = parameter(
        True, 'Configure and activate at start; false leaves that to a lifecycle manager.'
    )

    def __post_init__(self) -> None:
        for one in fields(self):
            check(one.name, getattr(self, one.name))
        if self.depth_every > 1 and len(self.cameras) > 1:
            raise UserError(
                f'depth_every is {self.depth_every} with {len(self.cameras)} cameras; it is for '
                'one camera, leave it at 1'
            )
        _ = self.grid, self.camera_from_lidar
        if self.pixel_aligned:
            self._require_aligned_points()

    def _require_aligned_points(self) -> None:
        """Refuse what would give points another size or number than the mask."""
        needed = {'points_stride': 1, 'points_organised': True, 'depth_every': 1}
        for name, value in needed.items():
            given = getattr(self, name)
            if given != value:
                raise UserError(
                    f'parameter {name}: {given!r} does not go with pixel_aligned, under which '
                    f'points do not have the size of the mask; set {name} to {value!r}, '
                    'or pixel_aligned to false'
                )


_FIELDS = {one.name: one for one in fields(NodeConfig)}


def is_runtime(name: str) -> bool:
    """Tell whether setting one of our parameters takes effect in a configured node."""
    return bool(_field(name).metadata['runtime'])


def is_node_parameter(name: str) -> bool:
    """Tell the node's own parameters from those of rclpy, such as `use_sim_time`."""
    camera, _, key = name.rpartition('.')
    return key in PER_CAMERA and bool(CAMERA_NAME.fullmatch(camera)) if camera else key in _FIELDS


def check(name: str, value: Any) -> None:
    """Raise UserError unless `value` is allowed for the parameter, not given, or not ours."""
    if is_node_parameter(name) and value is not None and not _is_allowed(_field(name), value):
        raise UserError(_refusal(name, value))


def default(name: str) -> Any:
    """Return the value of a parameter that was not given, as rclpy takes it."""
    value = _field(name).default
    return list(value) if isinstance(value, tuple) else value


def from_ros(value: Any) -> Any:
    """Return a value of rclpy's as NodeConfig has it."""
    return tuple(value) if isinstance(value, list) else value


def descriptor(name: str) -> ParameterDescriptor:
    """Describe a parameter to ROS, with what is allowed."""
    one = _field(name)
    described = ParameterDescriptor(
        description=one.metadata['description'],
        additional_constraints=f'{_allowed(one)}; '
        f'{"changes at once" if one.metadata["runtime"] else "read at configure"}',
        read_only=one.name == 'autostart',
    )
    if one.metadata['within'] is not None:
        low, high = one.metadata['within']
        if isinstance(one.default, float):
            described.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        else:
            described.integer_range = [IntegerRange(from_value=low, to_value=high)]
    return described


def _refusal(name: str, given: Any) -> str:
    """Say in one line which parameter was refused, what was given and what is allowed."""
    return f'parameter {name}: {given!r} was given, allowed is {_allowed(_field(name))}'


def _field(name: str) -> Field[Any]:
    return _FIELDS[name.rpartition('.')[2]]


def _is_allowed(one: Field[Any], value: Any) -> bool:
    value = from_ros(value)
    if type(value) is not type(one.default):
        return False
    if isinstance(value, tuple):
        return value == ('',) or _are_names(value)
    within, choices = one.metadata['within'], one.metadata['choices']
    if within is not None and not within[0] <= value <= within[1]:
        return False
    return not choices or value in choices or re.sub(r':\d+$', ':N', str(value)) in choices


def _are_names(values: tuple[Any, ...]) -> bool:
    names = [one for one in values if isinstance(one, str) and CAMERA_NAME.fullmatch(one)]
    return 0 < len(set(names)) == len(values)


def _allowed(one: Field[Any]) -> str:
    within, choices = one.metadata['within'], one.metadata['choices']
    if choices:
        return f'one of {", ".join(choices)}'
    text = TYPE_NAMES[type(one.default)]
    return text if within is None else f'{text} from {within[0]} to {within[1]}'
