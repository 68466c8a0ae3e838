# Copyright 2026 The depthforge_ros authors.
# SPDX-License-Identifier: Apache-2.0
"""A phase of a training."""

from __future__ import annotations

from dataclasses import dataclass

from depthforge_ros.errors import UserError
from depthforge_trainer.schedule import SCHEDULES

TRAINED = ('head', 'all', 'encoder', 'auxiliary', 'network')


@dataclass(frozen=True)
class Phase:
    """A stretch of training with one learning-rate cycle."""

    train: str
    """`head`: decoder and queries on the depth stream's features, where the visual encoder has the
    depth encoder's weights; `all`: tokens too, through the encoder; `encoder`: the visual
    encoder's own weights as well; `auxiliary`: tokens and visual encoder by the auxiliary loss
    alone, which costs a third; `network`: every weight, the depth encoder and head too."""
    iterations: int
    """Each takes one batch and changes the weights once."""
    batch: int = 2
    """Views per iteration and process."""
    schedule: str = 'cosine'
    """`cosine`, `poly` or `one_cycle`, see `depthforge_trainer.schedule`."""
    learning_rate: float = 1e-4
    """Peak of the cycle, for the head and the tokens."""
    token_learning_rate: float = 0.0
    """Peak for the tokens and their projections; 0 = as the head."""
    encoder_learning_rate: float = 0.0
    """Peak for the visual encoder's weights, where they are trained."""
    seconds: float = 0.0
    """Of training after which the phase ends, if its iterations are not done before; the rate
    follows whichever is nearer its end. 0: no limit."""

    def __post_init__(self) -> None:
        if self.train not in TRAINED:
            raise UserError(f'phase trains {self.train!r}; choose one of {", ".join(TRAINED)}')
        if self.schedule not in SCHEDULES:
            raise UserError(
                f'schedule {self.schedule!r} is not known; choose one of {", ".join(SCHEDULES)}'
            )
        if self.train in ('encoder', 'auxiliary') and not self.encoder_learning_rate:
            raise UserError(
                f'a phase that trains {self.train} needs encoder_learning_rate; give one, '
                'or train all'
            )

    def done(self, step: int, seconds: float) -> float:
        """Return the share of the phase, in [0, 1], that so many iterations and seconds are."""
        of_iterations = step / self.iterations
        return min(1.0, max(of_iterations, seconds / self.seconds if self.seconds else 0.0))
