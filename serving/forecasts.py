"""Histories of any length become windows that a model takes; horizons of any length, passes.

A model forecasts H steps from a window of L values, see its signature: input ``history``
(channels, L), output ``quantiles`` (channels, H, levels). What callers have is fitted to that:

a history      is cut to its last L values, or filled up on its left with NaN, which means missing
a horizon      up to H is a part of what one pass answers
beyond H       the median of each pass is the end of the next one's history. The errors of passes
               count as independent: of each level, a pass's distance from its median and the last
               one's at its last step are the legs of a right triangle, whose hypotenuse is the
               distance that is answered. So quantiles never cross, and never draw together again
               behind the last step of a pass.
"""

from __future__ import annotations

import operator
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import SupportsIndex

import numpy as np

from serving.dialogue import hold, hold_later
from serving.windows import History, window_of
from zoo.contract import Signature, SignatureError, TensorSpec

HISTORY, QUANTILES = "history", "quantiles"
MAX_PASSES = 1000  # of one forecast: whoever asks for more has mistaken a unit

Arrays = Mapping[str, np.ndarray]
Ask = Callable[[Arrays], Arrays]
AskLater = Callable[[Arrays], Awaitable[Arrays]]


@dataclass(frozen=True, eq=False)
class Forecast:
    """What is to come, in the unit of the history.

    Shapes: with an axis of batch in front of all where the history had one.

    Attributes:
        quantiles: (channels, horizon, levels) float32, ascending; NaN where ``status`` is 1.
        median, mean: (channels, horizon) float32.
        levels: of the quantiles, such as 0.1 … 0.9.
        status: (channels,) int64: 0, or 1 where no value is known and nothing can be said.
        passes: of the model; above 1 the horizon was beyond the model's.
        note: what to know of this forecast, in one sentence; empty where nothing is.
    """

    quantiles: np.ndarray
    median: np.ndarray
    mean: np.ndarray
    levels: tuple[float, ...]
    status: np.ndarray
    passes: int
    note: str

    @property
    def rolled(self) -> bool:
        """Whether the model was asked again with its own median."""
        return self.passes > 1


def forecast(signature: Signature, history: History, horizon: int | None, ask: Ask) -> Forecast:
    """Ask a model, as often as the horizon needs.

    Args:
        signature, history, horizon: see ``passes``.
        ask: inputs → outputs, by name.

    Raises:
        SignatureError: see ``passes``.
    """
    return hold(passes(signature, history, horizon), ask)


async def forecast_later(
    signature: Signature, history: History, horizon: int | None, ask: AskLater
) -> Forecast:
    """``forecast`` where asking is awaited."""
    return await hold_later(passes(signature, history, horizon), ask)


def passes(
    signature: Signature, history: History, horizon: int | None
) -> Generator[Arrays, Arrays, Forecast]:
    """Yields the inputs of each pass and is sent its outputs; what it returns is the forecast.

    Args:
        signature: of the model.
        history: (channels, time), (batch, channels, time), or a list of series (time,) of any
            lengths, one per channel, all ending at the same time; NaN is missing.
        horizon: steps to forecast; None for as many as the model does in one pass.

    Raises:
        SignatureError: a model that does not forecast, or a history or horizon that is none.
    """
    taken, given = _tensors(signature)
    lookback, levels = int(taken.shape[-1]), tuple(map(float, given.columns))
    ahead = None if horizon is None else _checked(horizon, int(given.shape[-2]))
    window, batched = window_of(history, lookback)
    _check_channels(taken.shape[0], window.shape[1])
    answer = yield {HISTORY: window}
    reach = answer["median"].shape[-1]  # of a newer version than the signature's perhaps another
    ahead = reach if ahead is None else ahead
    parts, count = [answer], -(-ahead // reach)
    for _ in range(1, count):
        window = np.concatenate([window, answer["median"]], axis=2)[..., -lookback:]
        answer = _wider(answer, (yield {HISTORY: window}), levels)
        parts.append(answer)
    whole = {name: _joined(parts, name, ahead, batched) for name in (QUANTILES, "median", "mean")}
    status = parts[0]["status"] if batched else parts[0]["status"][0]
    note = _note(ahead, reach, count)
    return Forecast(**whole, levels=levels, status=status, passes=count, note=note)


def _tensors(signature: Signature) -> tuple[TensorSpec, TensorSpec]:
    """The input and the output that make a model one that forecasts."""
    taken = [spec for spec in signature.inputs if spec.name == HISTORY]
    given = [spec for spec in signature.outputs if spec.name == QUANTILES]
    if not (taken and given):
        raise SignatureError(
            f"it does not forecast: expected an input '{HISTORY}' and an output '{QUANTILES}'; "
            "use infer"
        )
    return taken[0], given[0]


def _checked(horizon: SupportsIndex, reach: int) -> int:
    try:
        steps = operator.index(horizon)
    except TypeError:
        steps = 0
    if not 1 <= steps <= MAX_PASSES * reach:
        raise SignatureError(
            f"horizon is {horizon!r}: expected a whole number of steps, 1 to {MAX_PASSES * reach:,}"
        )
    return steps


def _check_channels(taken: int | str, given: int) -> None:
    """Refuse other channels than those of a model that takes certain ones."""
    if not isinstance(taken, str) and taken != given:
        raise SignatureError(
            f"history has {given} channels: expected the {taken} that the model was trained on, "
            "in their order"
        )


def _wider(
    before: Mapping[str, np.ndarray], answer: Mapping[str, np.ndarray], levels: Sequence[float]
) -> dict[str, np.ndarray]:
    """A pass's answer with the distances from the median at the end of the one before added."""
    median, last = answer["median"][..., None], before["median"][..., -1:, None]
    reached = before[QUANTILES][..., -1:, :] - last
    distance = np.hypot(answer[QUANTILES] - median, reached)
    sides = np.sign(np.asarray(levels, np.float32) - np.float32(0.5))
    return {**answer, QUANTILES: median + sides * distance}


def _joined(
    parts: Sequence[Mapping[str, np.ndarray]], name: str, ahead: int, batched: bool
) -> np.ndarray:
    """The first so many steps of all passes."""
    arrays = [part[name] for part in parts]
    array = arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=2)
    array = array[:, :, :ahead]
    return array if batched else array[0]


def _note(ahead: int, reach: int, passes: int) -> str:
    if passes == 1:
        return ""
    return (
        f"{ahead} steps are beyond the model's {reach}: asked {passes} times, each time with its "
        "own median as history, and the spreads added in quadrature."
    )
