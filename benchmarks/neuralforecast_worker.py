"""Trains and asks N-HiTS of neuralforecast; run by ``benchmarks.neuralforecast``.

    python -P neuralforecast_worker.py FOLDER      FOLDER holds setup.json and data.npz

Runs in an environment of its own and imports nothing of this project. Prints one JSON object per
line: first what the training was, then, when ``forecasts.npy`` is written, how many windows it
holds; then for every window whose place among the asked ones is read from standard input, how
long its forecast is.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from neuralforecast import NeuralForecast  # type: ignore[import-not-found]
from neuralforecast.losses.pytorch import MSE  # type: ignore[import-not-found]
from neuralforecast.models import NHITS  # type: ignore[import-not-found]
from pytorch_lightning.callbacks import Callback  # type: ignore[import-not-found]

BATCH = 128  # windows per call, where time does not matter
QUIET = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}


class Best(Callback):
    """Keeps the weights that were best on validation; the library leaves those of the last step."""

    def __init__(self) -> None:
        self.loss, self.step = float("inf"), 0
        self.weights: dict[str, torch.Tensor] = {}

    def on_validation_end(self, trainer: Any, module: torch.nn.Module) -> None:
        """Compare with the best so far."""
        loss = float(trainer.callback_metrics["ptl/val_loss"])
        if not trainer.sanity_checking and loss < self.loss:
            self.loss, self.step = loss, trainer.global_step
            self.weights = {name: w.clone() for name, w in module.state_dict().items()}


class Tables:
    """Rows of the series as the library takes them, a row per time and channel."""

    def __init__(self, values: np.ndarray, starts: np.ndarray, lookback: int) -> None:
        self.values, self.starts, self.lookback = values, starts, lookback
        self.times = pd.date_range("2000-01-01", periods=len(values), freq="h")

    def until(self, end: int) -> pd.DataFrame:
        """The first rows."""
        return self._table(np.zeros(1, np.int64), end)

    def histories(self, windows: np.ndarray) -> pd.DataFrame:
        """What is known before the futures of some windows."""
        return self._table(self.starts[windows], self.lookback)

    def _table(self, starts: np.ndarray, length: int) -> pd.DataFrame:
        """Every channel of every stretch of rows is a series, in that order."""
        rows = starts[:, None] + np.arange(length)
        n = self.values.shape[1]
        return pd.DataFrame(
            {
                "unique_id": np.arange(len(starts) * n).repeat(length),
                "ds": self.times[rows.repeat(n, axis=0).ravel()],
                "y": self.values[rows].transpose(0, 2, 1).ravel(),
            }
        )


def main() -> None:
    """Train, forecast everything, then what is asked."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever the library prints is no answer
    folder = Path(sys.argv[1])
    setup = json.loads((folder / "setup.json").read_text())
    torch.set_num_threads(setup["threads"])
    with np.load(folder / "data.npz") as archive:
        tables = Tables(archive["values"], archive["starts"], setup["lookback"])
        asked = archive["asked"]
    library, training = fit(setup, tables)
    print(json.dumps(training), file=answers, flush=True)
    found = forecast_all(library, tables)
    np.save(folder / "forecasts.npy", found)
    print(json.dumps(len(found)), file=answers, flush=True)
    histories = [tables.histories(asked[k : k + 1]) for k in range(len(asked))]
    for line in sys.stdin:
        answer = library.predict(df=histories[int(line)])
        print(json.dumps(len(answer)), file=answers, flush=True)


def fit(setup: dict[str, Any], tables: Tables) -> tuple[NeuralForecast, dict[str, Any]]:
    """N-HiTS with the weights that were best on validation, and what its training was."""
    model = NHITS(
        h=setup["horizon"],
        input_size=setup["lookback"],
        loss=MSE(),
        callbacks=[Best()],
        **setup["model"],
        **QUIET,
    )
    library = NeuralForecast(models=[model], freq="h")
    train_end, val_end = setup["borders"]
    began = time.perf_counter()
    library.fit(tables.until(val_end), val_size=val_end - train_end)
    seconds = time.perf_counter() - began
    fitted = library.models[0]  # a copy, and so are its callbacks
    best = next(one for one in fitted.trainer_kwargs["callbacks"] if isinstance(one, Best))
    fitted.load_state_dict(best.weights)
    return library, {
        "train_seconds": round(seconds, 1),
        "best_step": best.step,
        "val_mse": best.loss,
        "parameters": sum(parameter.numel() for parameter in fitted.parameters()),
    }


def forecast_all(library: NeuralForecast, tables: Tables) -> np.ndarray:
    """Forecasts of all windows. Shapes: → (windows, channels, horizon)."""
    channels, parts = tables.values.shape[1], []
    order = np.arange(len(tables.starts))
    for windows in (order[start : start + BATCH] for start in range(0, len(order), BATCH)):
        found = library.predict(df=tables.histories(windows))["NHITS"].to_numpy()
        parts.append(found.reshape(len(windows), channels, -1))
    return np.concatenate(parts)


if __name__ == "__main__":
    main()
