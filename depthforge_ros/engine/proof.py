# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""
The self-check of what was compiled: frames, batches of them, and what eager answers to each frame.

A compiler can be right for one frame and wrong for several, or give the answer of one slot of the
batch in another (NVIDIA/TensorRT 4853). So each slot gets another frame, in both orders, and eager
answers every frame alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from depthforge_ros.engine.agreement import Agreement, compare, Limits
from depthforge_ros.engine.artefact import Request
from depthforge_ros.engine.base import joined, NetworkOutput
from depthforge_ros.engine.torch_engine import Loaded, Run, to_output
from depthforge_ros.errors import UserError
from depthforge_ros.frame import rgb_from_file
from depthforge_ros.preprocess import Preprocess
from depthforge_ros.resources import share_directory
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

DRIVE = Path('drive/images')


def preprocess_for(loaded: Loaded, request: Request) -> Preprocess:
    """Fit frames into the request's size; UserError if that is not of whole patches."""
    return Preprocess(
        patch=loaded.preprocess.patch,
        short_side=min(request.height, request.width),
        fixed_size=(request.height, request.width),
    )


def drive_images(loaded: Loaded, request: Request, step: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Give every step-th frame of the bundled drive at the request's size, uint8 (h, w, 3)."""
    preprocess = preprocess_for(loaded, request)
    for path in sorted((share_directory() / DRIVE).glob('*.jpg'))[::step]:
        yield preprocess(rgb_from_file(path))[0]


def proving_frames(loaded: Loaded, request: Request) -> npt.NDArray[np.uint8]:
    """Return a different real frame for each slot of the largest batch, uint8 (B, h, w, 3)."""
    count = len(list((share_directory() / DRIVE).glob('*.jpg')))
    step = max(1, count // request.max_batch)
    frames = list(drive_images(loaded, request, step))
    # A batch of more frames than the drive has sees them mirrored too.
    frames += [frame[:, ::-1] for frame in frames]
    return np.stack([frames[slot % len(frames)] for slot in range(request.max_batch)])


def proving_batches(request: Request) -> list[list[int]]:
    """List the frame of each slot: the least, a middle and the largest batch, in both orders."""
    least, most = request.min_batch, request.max_batch
    counts = sorted({least, (least + most) // 2, most})
    batches = []
    for count in counts:
        batches.append(list(range(count)))
        if count > 1:
            batches.append(list(range(count))[::-1])
    return batches


def answered_alone(run: Run, frames: npt.NDArray[np.uint8], loaded: Loaded) -> NetworkOutput:
    """Run each of (B, h, w, 3) frames as a batch of its own."""
    alone = (answered(run, frames[slot : slot + 1], loaded) for slot in range(len(frames)))
    return joined([to_output(answer, loaded.label_space) for answer in alone])


@torch.inference_mode()
def answered(run: Run, frames: npt.NDArray[np.uint8], loaded: Loaded) -> tuple[Tensor, ...]:
    """Run uint8 (B, h, w, 3) RGB; the fields of `Answer`, on the device of `loaded`."""
    return tuple(run(torch.from_numpy(frames).to(loaded.device)))


def prove(
    run: Run, loaded: Loaded, request: Request, reference: NetworkOutput, limits: Limits
) -> Agreement:
    """Run every proving batch; returns the worst agreement of a slot with its reference."""
    frames = proving_frames(loaded, request)
    return Agreement.worst(
        compare(
            to_output(answered(run, frames[slots], loaded), loaded.label_space),
            in_slots(reference, slots),
            limits,
        )
        for slots in proving_batches(request)
    )


def require_distinct(reference: NetworkOutput, limits: Limits) -> None:
    """Raise UserError if the answer to one frame would pass for that to the next."""
    for slot in range(len(reference.labels) - 1):
        one, other = in_slots(reference, [slot]), in_slots(reference, [slot + 1])
        if compare(one, other, limits).is_near:
            raise UserError(
                'the compiled engine is not stored: answers in the wrong slots of a batch would '
                'pass its self-check too, which thus proves nothing; train the model further'
            )


def in_slots(output: NetworkOutput, slots: Sequence[int]) -> NetworkOutput:
    """Take the answers to some frames, in an order."""
    return NetworkOutput(
        labels=output.labels[slots],
        confidence=output.confidence[slots],
        entropy=output.entropy[slots],
        inverse_depth=output.inverse_depth[slots],
        features=None if output.features is None else output.features[slots],
    )


def write_reference(path: Path, reference: NetworkOutput) -> None:
    """Store an answer for later proofs, its shares in half precision."""
    np.savez_compressed(
        path,
        labels=reference.labels,
        confidence=reference.confidence.astype(np.float16),
        entropy=reference.entropy.astype(np.float16),
        inverse_depth=reference.inverse_depth.astype(np.float32),
    )


def read_reference(path: Path, request: Request) -> NetworkOutput:
    """Read what `write_reference` wrote; UserError unless it is of the request's batch."""
    with np.load(path, allow_pickle=False) as file:
        kept = NetworkOutput(
            labels=file['labels'],
            confidence=file['confidence'].astype(np.float32),
            entropy=file['entropy'].astype(np.float32),
            inverse_depth=file['inverse_depth'],
        )
    wanted = request.max_batch, request.height, request.width
    if kept.labels.shape != wanted:
        raise UserError(
            f'{path.name} proves an engine for {_frames(kept.labels.shape)}, and this one is for '
            f'{_frames(wanted)}; compile it again (`depthforge compile`)'
        )
    return kept


def _frames(shape: Sequence[int]) -> str:
    return ' x '.join(map(str, shape)) + ' pixels'
