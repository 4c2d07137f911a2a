"""ReplayBuffer: one ring of episodes per seat. It stores only the steps that were played."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from omg_lib.episodes import EpisodeBatch, truncate, upload
from omg_lib.seeds import Stream, numpy_generator
from omg_lib.trace import stage
from omg_lib.words import _

Episode = dict[str, np.ndarray]
"""A stored episode of n steps: field -> [n+1, ...]. Its length replaces `filled`, its ring replaces `seat`."""

NOT_STORED = ("filled", "seat")
UPLOADED = 256
"""At most this many episodes go to a GPU at once."""


class Ring:
    """The last `capacity` episodes of one seat."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.inserted = capacity, 0
        self.episodes: list[Episode] = []

    def insert(self, episode: Episode) -> None:
        if len(self.episodes) < self.capacity:
            self.episodes.append(episode)
        else:
            self.episodes[self.inserted % self.capacity] = episode
        self.inserted += 1

    def oldest(self, i: int) -> Episode:
        """Return the i-th oldest stored episode."""
        return self.episodes[(self.inserted - len(self.episodes) + i) % self.capacity]


class ReplayBuffer:
    """Up to `buffer_size` episodes; memory grows as they are stored.

    With seats (n_seats = A) there is one ring per seat, so a sample can always hold G episodes of every seat.
    Without seats (n_seats = 1) there is one ring. The k-th sample depends only on (seed, k) and the stored episodes.

    If `device` is a GPU, every episode also has a padded place there, and samples are gathered there. Only the episodes
    that are new since the last sample are uploaded, in one copy, with the numbers of their places.
    """

    def __init__(self, buffer_size: int, n_seats: int = 1, seed: int = 0, device: torch.device | None = None) -> None:
        if buffer_size < n_seats:
            raise ValueError(
                _("buffer_size={buffer_size}: allowed is at least one episode for each of {n_seats} seats").format(
                    buffer_size=buffer_size, n_seats=n_seats
                )
            )
        self.n_seats, self.seed, self.samples = n_seats, seed, 0
        self.rings = [Ring(buffer_size // n_seats) for _ in range(n_seats)]
        self.layout: dict[str, tuple[tuple[int, ...], np.dtype]] = {}
        self.drawn: list[np.ndarray] = []  # where the latest sample's episodes lie in their rings: [n_seats][G]
        self._memory: EpisodeBatch | None = None
        self._written: list[int] = []
        self.device = device
        self._there: dict[str, Tensor] = {}  # on the device: field -> [places, L+1, ...]
        self._new: dict[int, None] = {}  # places whose episode is not there yet, oldest first

    @property
    def episodes_in_buffer(self) -> int:
        return sum(len(ring.episodes) for ring in self.rings)

    @property
    def nbytes(self) -> int:
        """Bytes of the stored episodes."""
        return sum(x.nbytes for ring in self.rings for episode in ring.episodes for x in episode.values())

    @stage("buffer.insert_episode_batch")
    def insert_episode_batch(self, batch: EpisodeBatch) -> EpisodeBatch:
        """Store the filled rows of every episode of a batch [E, L+1, ...] and return the batch unchanged."""
        if not self.layout:
            self.layout = {key: (tuple(x.shape[1:]), x.numpy().dtype) for key, x in batch.items()}
        lengths = batch["filled"].sum(dim=1).flatten().tolist()
        seats = batch["seat"][:, 0, 0].tolist() if "seat" in batch.keys() else [0] * len(lengths)
        arrays = {key: x.numpy() for key, x in batch.items() if key not in NOT_STORED}
        arrays["actions"] = arrays["actions"].astype(np.min_scalar_type(batch["avail_actions"].shape[-1]))
        if not 0 <= min(seats) <= max(seats) < self.n_seats:
            raise ValueError(
                _("seats go from {low} to {high}: allowed is 0 to {last}").format(
                    low=min(seats), high=max(seats), last=self.n_seats - 1
                )
            )
        for e, (length, seat) in enumerate(zip(lengths, seats, strict=True)):
            self._place(seat, self.rings[seat].inserted)
            self.rings[seat].insert({key: x[e, :length].copy() for key, x in arrays.items()})
        return batch

    def _place(self, seat: int, number: int) -> None:
        """Note that the place of this episode (the `number`-th of its ring) must be uploaded."""
        if self.device is not None:
            capacity = self.rings[seat].capacity
            self._new[seat * capacity + number % capacity] = None

    def oldest(self, n: int) -> list[Episode]:
        """Return the n oldest stored episodes, one seat after another."""
        return [self.rings[k % self.n_seats].oldest(k // self.n_seats) for k in range(n)]

    @property
    def inserted(self) -> list[int]:
        """Number of episodes ever inserted, per ring."""
        return [ring.inserted for ring in self.rings]

    def segment(self, since: list[int]) -> dict[str, np.ndarray]:
        """Return the stored episodes inserted after `inserted` was `since`, end to end; {} if there are none.

        Field -> [sum of lengths, ...]; and `lengths`, `seats`, `numbers` (count within the seat), one per episode.
        """
        rows = [
            (seat, number, ring.episodes[number % ring.capacity])
            for seat, ring in enumerate(self.rings)
            for number in range(max(since[seat], ring.inserted - ring.capacity), ring.inserted)
        ]
        if not rows:
            return {}
        seats, numbers, episodes = zip(*rows, strict=True)
        arrays = {key: np.concatenate([episode[key] for episode in episodes]) for key in episodes[0]}
        lengths = [len(episode["reward"]) for episode in episodes]
        return arrays | {"lengths": np.array(lengths), "seats": np.array(seats), "numbers": np.array(numbers)}

    def clear(self) -> None:
        """Remove every episode."""
        self.rings = [Ring(ring.capacity) for ring in self.rings]
        self._new = {}

    def state_dict(self) -> dict[str, Any]:
        """Return what the next sample depends on, apart from the episodes themselves."""
        return {"inserted": self.inserted}

    def load_state_dict(self, state: dict[str, Any], layout: dict[str, tuple[tuple[int, ...], np.dtype]]) -> None:
        """Continue from what `state_dict` returned, after the episodes are restored; batches have this `layout`."""
        for ring, came in zip(self.rings, state["inserted"], strict=True):
            ring.inserted = came
        if any(state["inserted"]):
            self.layout = layout

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Restore the episodes of a segment to their places."""
        lengths, seats, numbers = (arrays.pop(key) for key in ("lengths", "seats", "numbers"))
        ends = lengths.cumsum()
        for seat, number, start, end in zip(seats, numbers.tolist(), ends - lengths, ends, strict=True):
            ring, episode = self.rings[seat], {key: x[start:end].copy() for key, x in arrays.items()}
            ring.episodes += [episode] * (number % ring.capacity + 1 - len(ring.episodes))
            ring.episodes[number % ring.capacity] = episode
            ring.inserted = number + 1
            self._place(int(seat), number)

    def can_sample(self, n: int) -> bool:
        """True if every seat has at least n / A episodes (without seats: n episodes)."""
        return all(len(ring.episodes) * self.n_seats >= n for ring in self.rings)

    @stage("buffer.sample")
    def sample(self, n: int, reuse: bool = False) -> EpisodeBatch:
        """Draw n episodes, n / A of each seat without replacement, as a batch [n, L+1, ...]; row g*A + a has seat a.

        The batch owns its memory. With `reuse`, the next such sample overwrites it, so the training loop allocates only
        once. ValueError if n is not a multiple of A or exceeds what is stored.
        """
        if n < 1 or n % self.n_seats:
            raise ValueError(
                _("sample({n}): allowed is a positive multiple of n_agents={n_seats}").format(n=n, n_seats=self.n_seats)
            )
        if not self.can_sample(n):
            held = min(len(ring.episodes) for ring in self.rings)
            raise ValueError(
                _("sample({n}): needs {needed} episodes of every seat, the scarcest has {held}").format(
                    n=n, needed=n // self.n_seats, held=held
                )
            )
        generator = numpy_generator(self.seed, Stream.SAMPLE, self.samples)
        self.samples += 1
        drawn = [generator.choice(len(ring.episodes), n // self.n_seats, replace=False) for ring in self.rings]
        self.drawn = drawn
        chosen = [(a, int(rows[g])) for g in range(n // self.n_seats) for a, rows in enumerate(drawn)]
        if self.device is not None:
            return self._pick([a * self.rings[a].capacity + row for a, row in chosen])
        episodes = [self.rings[a].episodes[row] for a, row in chosen]
        if not reuse:
            return self._fill(self._blank(n), [0] * n, episodes)
        if self._memory is None or len(self._memory) != n:
            self._memory, self._written = self._blank(n), [0] * n
        batch = self._fill(self._memory, self._written, episodes)
        self._written = [len(episode["reward"]) for episode in episodes]
        return batch

    def _pick(self, places: list[int]) -> EpisodeBatch:
        """Upload the new episodes, then return the episodes in these places, on the device."""
        new = list(self._new)
        numbers = EpisodeBatch({"place": torch.tensor(new + places)}, batch_size=[len(new) + len(places)])
        index = upload(numbers, self.device)["place"]
        for first in range(0, len(new), UPLOADED):
            self._send(new[first : first + UPLOADED], index[first : min(first + UPLOADED, len(new))])
        self._new = {}
        fields = {key: x.index_select(0, index[len(new) :]) for key, x in self._there.items()}
        shape = len(places), self.layout["filled"][0][0]
        if "seat" in self.layout:
            seats = torch.arange(len(places), device=self.device) % self.n_seats
            fields["seat"] = seats.reshape(-1, 1, 1).expand(*shape, 1)
        return EpisodeBatch(fields, batch_size=shape)

    def _send(self, places: list[int], index: Tensor) -> None:
        """Copy the episodes of these places to the device; `index` is `places` on the device."""
        capacity = self.rings[0].capacity
        episodes = [self.rings[place // capacity].episodes[place % capacity] for place in places]
        batch = truncate(self._fill(self._blank(len(places)), [0] * len(places), episodes))
        for key, x in upload(batch.exclude("seat"), self.device).items():
            if key not in self._there:
                shape = (capacity * self.n_seats, *self.layout[key][0])
                self._there[key] = torch.zeros(shape, dtype=x.dtype, device=self.device)
            there = self._there[key].index_fill_(0, index, 0)
            there[:, : x.shape[1]].index_copy_(0, index, x)  # type: ignore[arg-type]

    def _blank(self, n: int) -> EpisodeBatch:
        fields: dict[str, Tensor] = {
            key: torch.from_numpy(np.zeros((n, *shape), dtype)) for key, (shape, dtype) in self.layout.items()
        }
        if "seat" in fields:
            fields["seat"][:] = (torch.arange(n) % self.n_seats).reshape(n, 1, 1)
        return EpisodeBatch(fields, batch_size=[n, self.layout["filled"][0][0]])

    def _fill(self, batch: EpisodeBatch, written: list[int], episodes: list[Episode]) -> EpisodeBatch:
        """Copy episodes into the rows of a batch and clear the `written` rows that a longer episode left there."""
        lengths = [len(episode["reward"]) for episode in episodes]
        shorter = [(e, now, then) for e, (now, then) in enumerate(zip(lengths, written, strict=True)) if now < then]
        for key, x in batch.items():
            if key == "seat":
                continue
            rows = x.numpy()
            for e, now, then in shorter:
                rows[e, now:then] = 0
            if key == "filled":
                for e, now in enumerate(lengths):
                    rows[e, :now] = True
            else:
                for row, now, episode in zip(rows, lengths, episodes, strict=True):
                    row[:now] = episode[key]
        return batch
