"""What waits for a worker: the sites of a cell, in chains, and what happened to them so far."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from wscale.model.sites import number_of_segments
from wscale.parallel.parcel import pack
from wscale.search.worker import Cell

__all__ = ["BATCH_s", "Chain", "Groups", "Job"]

Groups = Sequence[tuple[int, ...]]

# What is sent at a time takes a worker about so long, s, and is not more than so many sites
BATCH_s, LARGEST_BATCH = 0.1, 64


@dataclass
class Chain:
    """Sites to search in order, each with the outcomes of those before it."""

    indices: deque[int]
    done: list[Any]
    alone: bool = False  # its next site goes to a process of its own

    def before(self, index: int) -> list[Any]:
        """Return the outcomes of the sites before one, in order; those after may be there too."""
        parts = (part for part in self.done if part.index < index)
        return sorted(parts, key=lambda part: int(part.index))


@dataclass
class Job:
    """The sites of one cell that are still to be searched.

    Parameters
    ----------
    number : int
        Of the cell in the search.
    cell : Cell
        The cell.
    chains : sequence of tuple of int
        Its sites by index, in the order in which they are searched one after another.
    done : dict
        Outcomes that there are already, by index.
    trials_per_site : int
        About how many.
    """

    number: int
    cell: Cell
    chains: Groups
    done: dict[int, Any]
    trials_per_site: int
    seconds: float = 0.0
    finished: int = 0
    was_ready: bool = False  # some worker could make it ready
    not_ready: int = 0  # how often in a row none could
    refused: Counter[str] = field(default_factory=Counter)  # by worker
    preparations_lost: int = 0
    most: int = LARGEST_BATCH
    deaths: Counter[int] = field(default_factory=Counter)
    losses: Counter[int] = field(default_factory=Counter)
    waiting: deque[Chain] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.packed = pack(self.cell)
        self.key = hashlib.sha256(self.packed).hexdigest()
        secs = self.cell.model.rule["secs"]
        segments = sum(number_of_segments(self.cell.model, sec) for sec in secs)
        self._cost_of_site = segments * self.trials_per_site
        self._left = 0
        for chain in sorted(self.chains, key=len, reverse=True):  # the longest is not left for last
            done = [self.done[index] for index in chain if index in self.done]
            if len(done) < len(chain):
                rest = deque(index for index in chain if index not in self.done)
                self.waiting.append(Chain(rest, done))
                self._left += len(rest)

    @property
    def cost(self) -> int:
        """Trials times segments that wait for a worker."""
        return self._cost_of_site * self._left

    def take(self, batch_s: float = BATCH_s) -> list[tuple[Chain, list[int]]]:
        """Take as many sites as a worker needs some time for; a chain is with one at a time."""
        size = self.most
        if size > 1:
            mean_s = self.seconds / self.finished if self.finished else batch_s
            size = int(min(max(batch_s / max(mean_s, 1e-6), 1), size))
        if self.waiting[0].alone:
            size = 1
        batch: list[tuple[Chain, list[int]]] = []
        while size > 0 and self.waiting and (not batch or not self.waiting[0].alone):
            chain = self.waiting.popleft()
            self._left -= len(chain.indices)
            taken = [chain.indices.popleft() for _ in range(min(size, len(chain.indices)))]
            batch.append((chain, taken))
            size -= len(taken)
        return batch

    def put_back(self, batch: Sequence[tuple[Chain, list[int]]]) -> None:
        """Let sites that were taken wait again, before all others."""
        for chain, taken in reversed(batch):
            chain.indices.extendleft(reversed(taken))
            self._left += len(chain.indices)
            if chain.indices:
                self.waiting.appendleft(chain)

    def give_up(self) -> list[int]:
        """Take all that wait, for good."""
        indices = [index for chain in self.waiting for index in chain.indices]
        self.waiting.clear()
        self._left = 0
        return indices
