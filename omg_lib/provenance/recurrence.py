"""Recurrent networks, followed as a whole: before torch splits a GRU or an LSTM into products and chunks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from omg_lib.provenance.joins import Joiner
from omg_lib.provenance.kinds import NOTHING, Kind
from omg_lib.provenance.policy import READ, RECUR
from omg_lib.provenance.rules import Label, Rules
from omg_lib.words import _

CELLS = ("gru_cell", "lstm_cell", "rnn_tanh_cell", "rnn_relu_cell")
SEQUENCES = ("gru", "lstm", "rnn_tanh", "rnn_relu")
PACKED, BRANCHED = "packed_gru", "branched_gru"
"""Those of `omg_lib.gru`."""


class Recurrence(TorchFunctionMode):
    """Runs recurrent calls unchanged, and labels their results step by step."""

    def __init__(self, rules: Rules, outside: Callable, begin: Callable[[], None], write: Callable) -> None:
        super().__init__()
        self.rules, self.outside, self.begin, self.write = rules, outside, begin, write

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name not in (*CELLS, *SEQUENCES, PACKED, BRANCHED):
            return func(*args, **kwargs)
        with self.outside():
            out = func(*args, **kwargs)
            with torch.no_grad(), torch.inference_mode(False):
                self.begin()
                self._label(name, args, kwargs, out)
            return out

    def _label(self, name: str, args: tuple, kwargs: dict, out) -> None:
        write, joiner = self.write, self.rules.joiner
        if name in CELLS:
            x, memory = args[:2]
            label = self._step(self._read(x), self._memory(first(memory)))
            for one in out if isinstance(out, tuple) else (out,):
                write(one, label)
            return
        if name == PACKED:
            x, counts, memory = args[:3]
            write(out, torch.cat(self._packed(self._read(x).expand(len(x), 1), counts, self._memory(memory))[0]))
            return
        if name == BRANCHED:
            memory = self._memory(args[1])
            write(out, self._step(self._read(args[0]), None if memory is None else memory.unsqueeze(1)))
            return
        packed = isinstance(args[1], Tensor) and not isinstance(args[3], bool)
        x, memory = args[0], first(args[2] if packed else args[1])
        bidirectional, batch_first = (args[-1], False) if packed else (args[-2], args[-1])
        label = self._read(x)
        if label is None and self.rules.label(memory) is None:
            return
        if bidirectional:
            for one in out:
                write(one, joiner.lost(_("{name} in both directions").format(name=name)))
            return
        start = self._memory(memory)
        start = None if start is None else start[-1]
        if packed:
            steps, state = self._packed(label.expand(len(x), 1), args[1].tolist(), start)
            write(out[0], torch.cat(steps))
            for one in out[1:]:
                write(one, state.unsqueeze(0))
            return
        axis = 1 if batch_first and x.ndim == 3 else 0
        steps, state = [], start
        for t in range(x.shape[axis]):
            piece = None if label is None else label.select(axis, t if label.shape[axis] > 1 else 0)
            state = self._step(piece, state)
            steps.append(state)
        steps = torch.broadcast_tensors(*steps)
        write(out[0], torch.stack(steps, axis))
        for one in out[1:]:
            write(one, state.unsqueeze(0).expand([1] * (one.ndim - state.ndim) + list(state.shape)))

    def _packed(self, label: Tensor, sizes: list[int], state: Label) -> tuple[list[Tensor], Tensor]:
        """Return the label after each step, and after the last step of each sequence; the longest sequence comes first.
        """
        steps, last = [], []
        for piece, following in zip(label.split(sizes), [*sizes[1:], 0], strict=True):
            state = self._step(piece, None if state is None else state.expand(-1, 1)[: len(piece)])
            steps.append(state)
            last.insert(0, state[following:])
        return steps, torch.cat(last)

    def _step(self, x: Label, memory: Label) -> Label:
        joiner: Joiner = self.rules.joiner
        if x is None or memory is None:
            label = x if memory is None else memory
            return label if label is None else joiner.changed(label, lambda kind: kind._replace(history=True))
        return joiner.join(x, memory, RECUR)

    def _read(self, x: Tensor) -> Label:
        return self.rules.joiner.fold(self.rules.label(x), [x.ndim - 1], READ)

    def _memory(self, memory: Tensor) -> Label:
        """Return the label of a memory. A memory without origin whose rows differ is from before the block."""
        label = self.rules.joiner.fold(self.rules.label(memory), [memory.ndim - 1], READ)
        if label is not None:
            return label
        rows = memory.reshape(-1, memory.shape[-1])
        if bool((rows == rows[:1]).all()):
            return None
        cause = self.rules.joiner.journal.carried(list(memory.shape))
        number = self.rules.joiner.kinds.number(Kind(NOTHING, cause=cause))
        return torch.full([*memory.shape[:-1], 1], number, dtype=torch.int64, device=memory.device)


def first(memory: Tensor | tuple | list) -> Tensor:
    """Return the hidden state; an LSTM has its cell state next to it."""
    return memory if isinstance(memory, Tensor) else memory[0]
