# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
TensorRT's network definitions, run by PyTorch on the CPU.

A check of what Torch-TensorRT makes of the network, where no GPU can run it. Each layer is
computed in single precision as TensorRT's documentation says, and rounded to its output's. What
TensorRT makes of that is not seen: kernels of several layers, sums in half precision.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

ROUNDED = {'HALF': torch.float16, 'BF16': torch.bfloat16, 'FP8': torch.float8_e4m3fn}
KEPT = {
    'FLOAT': torch.float32,
    'INT32': torch.int32,
    'INT64': torch.int64,
    'BOOL': torch.bool,
    'UINT8': torch.uint8,
}
FP8_LIMIT = 448.0
"""Largest number of E4M3; TensorRT saturates there, PyTorch gives NaN."""

CLASSES = {
    'ELEMENTWISE': 'IElementWiseLayer',
    'MATRIX_MULTIPLY': 'IMatrixMultiplyLayer',
    'SOFTMAX': 'ISoftMaxLayer',
}
"""Of layers whose class is not named as their type is."""


def run_network(
    network: Any, library: Any, recorded: Mapping[str, Tensor], image: Tensor
) -> list[Tensor]:
    """
    Answer the one input of an `INetworkDefinition` of `library`, which is TensorRT's module.

    `recorded` are weights by name, for those in bfloat16: the bindings do not give them back.
    Raises NotImplementedError for a layer, or a form of one, that no network of ours has had.
    """
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    outputs = [network.get_output(index).name for index in range(network.num_outputs)]
    makers = {one.name: at for at, layer in enumerate(layers) for one in _outputs(layer)}
    before = {
        at: {makers[one.name] for one in _inputs(layer) if one.name in makers}
        for at, layer in enumerate(layers)
    }
    users = Counter(outputs)
    users.update(one.name for layer in layers for one in _inputs(layer))
    values = {network.get_input(0).name: image}
    for at in TopologicalSorter(before).static_order():
        layer = layers[at]
        given = [layer.get_input(index) for index in range(layer.num_inputs)]
        known = [None if one is None else values[one.name] for one in given]
        answer = _run(layer, library, recorded, known)
        values.update({one.name: _rounded(answer, one) for one in _outputs(layer)})
        for one in _inputs(layer):
            users[one.name] -= 1
            if not users[one.name]:
                del values[one.name]
    return [values[name] for name in outputs]


def _run(
    layer: Any, library: Any, recorded: Mapping[str, Tensor], given: Sequence[Tensor | None]
) -> Tensor:
    kind = _name(layer.type)
    if kind not in LAYERS:
        raise NotImplementedError(f'layer {layer.name} of type {kind}')
    plain = f'I{"".join(word.capitalize() for word in kind.split("_"))}Layer'
    # The network gives every layer as its base class.
    layer.__class__ = getattr(library, CLASSES.get(kind, plain))
    if kind == 'CONSTANT':
        given = [_weights(layer, 'constant', layer.weights, recorded)]
    if kind == 'CONVOLUTION' and len(given) == 1:
        kernel = _weights(layer, 'kernel', layer.kernel, recorded)
        bias = _weights(layer, 'bias', layer.bias, recorded) if layer.bias.size else None
        given = [*given, kernel, bias]
    return LAYERS[kind](layer, *given)


def _weights(layer: Any, role: str, stored: Any, recorded: Mapping[str, Tensor]) -> Tensor:
    name = f'{layer.name} {role.upper()}'
    weights = recorded[name] if _name(stored.dtype) == 'BF16' else torch.tensor(stored)
    return weights.float() if weights.is_floating_point() else weights


def _inputs(layer: Any) -> Iterator[Any]:
    for index in range(layer.num_inputs):
        if (one := layer.get_input(index)) is not None:
            yield one


def _outputs(layer: Any) -> Iterator[Any]:
    for index in range(layer.num_outputs):
        if (one := layer.get_output(index)) is not None:
            yield one


def _name(member: Any) -> str:
    return str(member).rpartition('.')[2]


def _rounded(value: Tensor, output: Any) -> Tensor:
    kind = _name(output.dtype)
    if kind not in ROUNDED:
        return value.to(KEPT[kind])
    if kind == 'FP8':
        value = value.clamp(-FP8_LIMIT, FP8_LIMIT)
    return value.to(ROUNDED[kind]).float()


def _sizes(layer: Any, name: str, given: Tensor | None) -> list[int] | None:
    """Read dimensions from an input, or else from the layer; None where both have none."""
    if given is not None:
        return [int(one) for one in given]
    try:
        return list(getattr(layer, name))
    except ValueError:  # in the bindings, the length of what was never set is -1
        return None


def _axes(bits: int) -> list[int]:
    return [axis for axis in range(bits.bit_length()) if bits >> axis & 1]


def _require(is_known: bool, layer: Any) -> None:
    if not is_known:
        raise _unknown(layer)


def _unknown(layer: Any) -> NotImplementedError:
    return NotImplementedError(f'layer {layer.name} in this form')


def _shuffle(layer: Any, x: Tensor, shape: Tensor | None = None) -> Tensor:
    x = x.permute(list(layer.first_transpose)[: x.dim()])
    sizes = _sizes(layer, 'reshape_dims', shape)
    if sizes is not None:
        if layer.zero_is_placeholder:
            sizes = [size or x.shape[axis] for axis, size in enumerate(sizes)]
        x = x.reshape(sizes)
    return x.permute(list(layer.second_transpose)[: x.dim()])


def _slice(layer: Any, x: Tensor, *given: Tensor | None) -> Tensor:
    _require(len(given) <= 3 and _name(layer.mode) in ('STRICT_BOUNDS', 'CLAMP'), layer)
    named = zip(('start', 'shape', 'stride'), (*given, None, None, None), strict=False)
    parts = zip(*(_sizes(layer, name, one) or [] for name, one in named), strict=True)
    for axis, (start, size, stride) in enumerate(parts):
        indices = start + stride * torch.arange(size)
        if _name(layer.mode) == 'CLAMP':
            indices = indices.clamp(0, x.shape[axis] - 1)
        x = x.index_select(axis, indices)
    return x


def _divide(a: Tensor, b: Tensor) -> Tensor:
    return torch.div(a, b, rounding_mode=None if a.is_floating_point() else 'trunc')


ELEMENTWISE: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    'SUM': torch.add,
    'SUB': torch.sub,
    'PROD': torch.mul,
    'DIV': _divide,
    'FLOOR_DIV': torch.floor_divide,
    'POW': torch.pow,
    'MAX': torch.maximum,
    'MIN': torch.minimum,
    'AND': torch.logical_and,
    'OR': torch.logical_or,
    'EQUAL': torch.eq,
    'GREATER': torch.gt,
    'LESS': torch.lt,
}
UNARY: Mapping[str, Callable[[Tensor], Tensor]] = {
    'ABS': torch.abs,
    'EXP': torch.exp,
    'LOG': torch.log,
    'NEG': torch.neg,
    'NOT': torch.logical_not,
    'RECIP': torch.reciprocal,
    'SQRT': torch.sqrt,
}
ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    'GELU_ERF': functional.gelu,
    'RELU': functional.relu,
    'SIGMOID': torch.sigmoid,
}
REDUCTIONS: Mapping[str, Callable[..., Tensor]] = {
    'AVG': torch.mean,
    'MAX': torch.amax,
    'MIN': torch.amin,
    'SUM': torch.sum,
}


def _by(table: Mapping[str, Callable[..., Tensor]], key: Any, layer: Any) -> Callable[..., Tensor]:
    _require(_name(key) in table, layer)
    return table[_name(key)]


def _activation(layer: Any, x: Tensor) -> Tensor:
    return _by(ACTIVATIONS, layer.type, layer)(x)


def _multiply(layer: Any, a: Tensor, b: Tensor) -> Tensor:
    for operation in (layer.op0, layer.op1):
        _require(_name(operation) in ('NONE', 'TRANSPOSE'), layer)
    a = a.mT if _name(layer.op0) == 'TRANSPOSE' else a
    return a @ (b.mT if _name(layer.op1) == 'TRANSPOSE' else b)


def _convolution(layer: Any, x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    _require(list(layer.pre_padding) == list(layer.post_padding), layer)
    sides = layer.num_output_maps, x.shape[1] // layer.num_groups, *layer.kernel_size_nd
    return functional.conv2d(
        x,
        kernel.reshape(sides),
        bias,
        tuple(layer.stride_nd),
        tuple(layer.pre_padding),
        tuple(layer.dilation_nd),
        layer.num_groups,
    )


def _normalization(layer: Any, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    axes, groups, shape = _axes(layer.axes), layer.num_groups, x.shape
    if groups > 1:
        _require(scale.numel() == groups, layer)
        axes, x = [2], x.reshape(shape[0], groups, -1)
        scale, bias = scale.reshape(1, groups, 1), bias.reshape(1, groups, 1)
    spread = x.var(axes, correction=0, keepdim=True) + layer.epsilon
    x = (x - x.mean(axes, keepdim=True)) * spread.rsqrt()
    return torch.addcmul(bias, x, scale).reshape(shape)


def _resize(layer: Any, x: Tensor, shape: Tensor | None = None) -> Tensor:
    sizes, place = _sizes(layer, 'shape', shape), _name(layer.coordinate_transformation)
    if sizes is None or tuple(sizes[:2]) != x.shape[:2]:
        raise _unknown(layer)
    if _name(layer.resize_mode) == 'NEAREST':
        _require(place == 'ASYMMETRIC' and _name(layer.nearest_rounding) == 'FLOOR', layer)
        return functional.interpolate(x, sizes[2:], mode='nearest')
    _require(_name(layer.resize_mode) == 'LINEAR' and place != 'ASYMMETRIC', layer)
    return functional.interpolate(
        x, sizes[2:], mode='bilinear', align_corners=place == 'ALIGN_CORNERS'
    )


def _attention(
    layer: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Attend as its documentation says: without a scale, where the mask is true."""
    attention = layer.attention
    is_plain = not attention.causal and _name(attention.norm_op) == 'SOFTMAX'
    _require(is_plain and (mask is None or mask.dtype == torch.bool), layer)
    scores = query @ key.mT
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(-1) @ value


def _gather(layer: Any, x: Tensor, indices: Tensor) -> Tensor:
    if _name(layer.mode) == 'ELEMENT':
        return x.gather(layer.axis, indices.long())
    _require(_name(layer.mode) == 'DEFAULT' and layer.num_elementwise_dims == 0, layer)
    gathered = x.index_select(layer.axis, indices.flatten().long())
    return gathered.reshape(*x.shape[: layer.axis], *indices.shape, *x.shape[layer.axis + 1 :])


def _grid_sample(layer: Any, x: Tensor, grid: Tensor) -> Tensor:
    _require(_name(layer.interpolation_mode) == 'LINEAR', layer)
    padding = {'FILL': 'zeros', 'CLAMP': 'border'}[_name(layer.sample_mode)]
    return functional.grid_sample(
        x, grid, 'bilinear', padding_mode=padding, align_corners=layer.align_corners
    )


def _fill(layer: Any, shape: Tensor, begin: Tensor, steps: Tensor) -> Tensor:
    _require(_name(layer.operation) == 'LINSPACE', layer)
    filled = begin
    for size, step in zip(shape.tolist(), steps.flatten(), strict=True):
        filled = filled[..., None] + step * torch.arange(size)
    return filled


def _unsqueeze(layer: Any, x: Tensor, axes: Tensor) -> Tensor:
    del layer
    for axis in sorted(axes.flatten().tolist()):
        x = x.unsqueeze(axis)
    return x


def _quantize(layer: Any, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    _require(zero is None and scale.numel() == 1, layer)
    return x / scale


def _dequantize(layer: Any, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    _require(zero is None and scale.numel() == 1, layer)
    return x * scale


LAYERS: Mapping[str, Callable[..., Tensor]] = {
    'ACTIVATION': _activation,
    'ATTENTION_INPUT': _attention,
    'ATTENTION_OUTPUT': lambda layer, x: x,
    'CAST': lambda layer, x: x,
    'CONCATENATION': lambda layer, *xs: torch.cat(xs, layer.axis),
    'CONSTANT': lambda layer, weights: weights.reshape(tuple(layer.shape)),
    'CONVOLUTION': _convolution,
    'DEQUANTIZE': _dequantize,
    'ELEMENTWISE': lambda layer, a, b: _by(ELEMENTWISE, layer.op, layer)(a, b),
    'FILL': _fill,
    'GATHER': _gather,
    'GRID_SAMPLE': _grid_sample,
    'MATRIX_MULTIPLY': _multiply,
    'NORMALIZATION': _normalization,
    'QUANTIZE': _quantize,
    'REDUCE': lambda layer, x: _by(REDUCTIONS, layer.op, layer)(
        x, dim=_axes(layer.axes), keepdim=layer.keep_dims
    ),
    'RESIZE': _resize,
    'SELECT': lambda layer, where, a, b: torch.where(where, a, b),
    'SHAPE': lambda layer, x: torch.tensor(x.shape),
    'SHUFFLE': _shuffle,
    'SLICE': _slice,
    'SOFTMAX': lambda layer, x: x.softmax(_axes(layer.axes)[0]),
    'UNARY': lambda layer, x: _by(UNARY, layer.op, layer)(x),
    'UNSQUEEZE': _unsqueeze,
}
