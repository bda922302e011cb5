"""What else was measured, a sentence each: of click models, and of forecasters.

results/fuxictr.json           of benchmarks.fuxictr: time per epoch
results/raw_path.json          of benchmarks.raw_path: raw values beside ids
results/large_log.json         of benchmarks.large_log: a log larger than memory
results/neuralforecast.json    of benchmarks.neuralforecast: errors and time per window
results/zero_shot.json         of benchmarks.zero_shot: paths on a data set never seen
results/samplers.json          of benchmarks.samplers: how paths are drawn
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def epoch_sentence(found: Mapping[str, Any]) -> str:
    """Time per epoch beside FuxiCTR's."""
    ours, theirs, ratio = found["ours_s"], found["fuxictr_s"], found["ours_over_fuxictr"]
    return (
        f"Training {found['model']} on {found['dataset']} takes {ours['median']:.1f} s an epoch on "
        f"{found['threads']} thread(s), FuxiCTR {found['versions']['fuxictr']}'s with the same "
        f"configuration, batches from memory and in turns with it {theirs['median']:.1f} s: "
        f"{ratio:.2f} of its time ({found['epochs']} epochs each, {found['machine']['cpu']})."
    )


def raw_sentence(found: Mapping[str, Any]) -> str:
    """Raw values beside ids through Triton."""
    parts = [
        f"{row['form']} of {row['rows']:,}: {row['raw_p50_ms']['value']:.2f} ms against "
        f"{row['ids_p50_ms']['value']:.2f} ms ({row['raw_over_ids']['value']:.2f} times)"
        for row in found["paths"]
    ]
    return (
        f"Raw values against ids, {found['recipe']} through Triton over gRPC, p50 of one client: "
        f"{'; '.join(parts)} ({found['server']}, {found['machine']['cpu']})."
    )


def log_sentence(found: Mapping[str, Any]) -> str:
    """A log larger than memory."""
    encode, epoch = found["encode"], found["epoch"]
    return (
        f"A generated log of {found['rows'] / 1e6:g} million rows and {found['fields']} fields is "
        f"encoded in {encode['seconds'] / 60:.1f} minutes and trained for an epoch in "
        f"{epoch['seconds'] / 60:.1f} ({epoch['rows_per_s']:,} rows/s) on {found['threads']} "
        f"thread(s), with at most {epoch['peak_resident_gib']:.1f} GiB resident "
        f"({found['machine']['cpu']})."
    )


def hits_sentence(found: Mapping[str, Any]) -> str:
    """Errors and time per window beside those of neuralforecast's N-HiTS.

    Only of the MSE, which N-HiTS was trained for: the MAE of its answer would stand beside that of
    a median.
    """
    ours, theirs = found["ours"]["mse"], found["neuralforecast"]["mse"]
    machine = found["machine"]
    return (
        f"N-HiTS of neuralforecast {found['versions']['neuralforecast']}, trained on "
        f"{found['dataset']} for the MSE in {found['training']['train_seconds'] / 60:.1f} minutes "
        f"(one seed, few settings tried) with the split, history and horizon of "
        f"`{found['recipe']}`, has MSE {theirs:.4f} over all {found['test_windows']:,} test "
        f"windows, the published `{found['recipe']}` {ours:.4f}. One window through "
        f"`NeuralForecast.predict` takes {found['neuralforecast_p50_ms']['value']:.0f} ms, through "
        f"`Local.forecast` {found['ours_p50_ms']['value']:.2f} ms, p50 of "
        f"{found['timed_windows']} in turns on {found['threads']} thread(s) ({machine['cpu']}, "
        f"load {machine['load_average']:.1f} on {machine['cores']} cores)."
    )


def unseen_sentence(found: Mapping[str, Any]) -> str:
    """Sample paths on a data set that the model never saw."""
    naive, whole, gappy = (found[name] for name in ("seasonal_naive", "gpd", "gpd_gaps"))
    inside, missing = round(100 * whole["coverage80"]), round(100 * found["missing"])
    return (
        f"GPD trained on {found['trained_on'].replace('+', ' and ')} (hourly means) and asked "
        f"about {found['unseen']}, which it never saw: MSE {whole['mse']:.3f}, CRPS "
        f"{whole['crps']:.3f} from {found['paths']} paths, {inside} % of values between their "
        f"quantiles 0.1 and 0.9; with {missing} % of each history missing {gappy['mse']:.3f} and "
        f"{gappy['crps']:.3f}; seasonal naive {naive['mse']:.3f} and {naive['crps']:.3f} "
        f"({found['windows']} test windows)."
    )


def samplers_sentence(found: Mapping[str, Any]) -> str:
    """The samplers on validation."""
    parts = [
        f"{name} {row['mse']:.3f} and {row['crps']:.3f} ({row['path_ms']:.2f} ms a path)"
        for name, row in found["samplers"].items()
    ]
    return (
        f"Samplers of {found['recipe']} on {found['windows']} validation windows, "
        f"{found['paths']} paths, MSE and CRPS: {'; '.join(parts)}."
    )
