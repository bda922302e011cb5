"""GPD: noise schedule, network, training problem, paths and the graphs made of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from zoo.families.forecast import data, gpd_forms, gpd_problem, problem
from zoo.families.forecast.diffusion import (
    CLIP,
    clean,
    cosine_schedule,
    noised,
    on_prompt_scale,
    target,
)
from zoo.families.forecast.gpd import GPD, GPDConfig, embed
from zoo.families.forecast.paths import continued, forecast_paths, mirrored, quantiles_of
from zoo.recipes import Recipe, RecipeError

RECIPE = Recipe(
    name="gpd-waves",
    model="gpd",
    dataset="waves",
    batch_size=64,
    select="loss",
    data={"lookback": 48, "horizon": 12},
)
SMALL = {"hidden": 32, "layers": 3, "sample_steps": 4, "paths": 8}


@pytest.fixture(scope="module")
def series():
    return data.read(RECIPE)


def built(series, **config):
    torch.manual_seed(0)
    return GPD(GPDConfig(**series.sizes, **{**SMALL, **config})).eval()


def test_schedule():
    levels = cosine_schedule(1000)
    assert len(levels) == 1000 and levels[0] > 0.9999 and levels[-1] < 1e-5
    assert (np.diff(levels) < 0).all()


@pytest.mark.parametrize("kind", ["v", "eps"])
def test_a_right_prediction_gives_the_window_back(kind):
    x0, noise = (torch.randn(5, 9, generator=torch.Generator().manual_seed(n)) for n in (0, 1))
    for level in (0.99, 0.5, 0.01):
        a = torch.full((5, 1), level)
        predicted = target(kind, x0, noise, a)
        found = clean(kind, predicted, noised(x0, noise, a), level)
        torch.testing.assert_close(found, x0, atol=1e-4, rtol=1e-4)


def test_prompt_scale_reads_the_prompt_alone():
    windows = torch.tensor([[1.0, 3.0, 1.0, 3.0, 900.0, 2.0], [5.0, 5.0, 5.0, torch.nan, 5.0, 6.0]])
    scaled = on_prompt_scale(windows, 4)
    assert scaled[0].tolist() == [-1, 1, -1, 1, CLIP, 0]
    assert (
        scaled[1, :3].tolist() == [0, 0, 0] and torch.isnan(scaled[1, 3]) and scaled[1, 5] == CLIP
    )


def test_steps_look_different():
    found = embed(torch.arange(0, 1000, 50))
    assert found.shape == (20, 64)
    assert torch.cdist(found, found).fill_diagonal_(9).min() > 0.5


def test_training_lowers_the_loss(series):
    model = built(series)
    objective = gpd_problem.objective(model, series, RECIPE, None)
    before = objective.score()
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    for batch in objective.batches():
        optimiser.zero_grad()
        objective.loss(batch).backward()
        optimiser.step()
    assert objective.score() > before + 0.1
    assert objective.score() == objective.score()


def test_several_tables_are_drawn_alike():
    both = data.read(replace(RECIPE, dataset="waves+waves"))
    tables = [problem.standardised(table) for table in both.tables]
    tables[1].values[:] = 7.0
    windows = [table.windows("train", 48, 12) for table in tables]
    draws = gpd_problem.Draws(windows, built(both), 8, seed=0)
    flat = [bool((batch.nan_to_num(0) == 0).all()) for batch in draws]
    assert 30 < sum(flat) < 70


def test_windows_are_drawn_at_the_stride():
    few = data.read(replace(RECIPE, data={**RECIPE.data, "stride": 300}))
    objective = gpd_problem.objective(built(few), few, RECIPE, None)
    series = len(few.parts["train"]) * len(few.table.channels)
    drawn = next(iter(objective.batches())).nan_to_num(9)
    assert len(drawn.unique(dim=0)) <= series < len(drawn)


def test_every_table_is_validated(series, monkeypatch):
    both = data.read(replace(RECIPE, dataset="waves+waves"))
    flat = problem.standardised(both.tables[0])
    flat.values[:] = 7.0
    seen = []

    def loss(model, windows, random):
        seen.append(windows)
        return torch.zeros(())

    monkeypatch.setattr(gpd_problem, "_loss", loss)
    gpd_problem.objective(built(both), both, RECIPE, None).score()
    assert (seen[0] == 0).all(dim=1).float().mean() == 0.5


def test_selection_by_something_else(series):
    with pytest.raises(RecipeError, match="gpd is selected by 'loss'"):
        gpd_problem.objective(built(series), series, replace(RECIPE, select="mse"), None)


@pytest.mark.parametrize("time", [5, 48, 300])
@pytest.mark.parametrize("horizon", [3, 12, 70])
def test_any_history_and_horizon(series, time, horizon):
    history = np.random.default_rng(0).normal(50, 5, (2, time)).astype(np.float32)
    said = []
    paths = forecast_paths(built(series), history, horizon, 5, 0, lambda *at: said.append(at))
    assert paths.shape == (2, 5, horizon) and np.isfinite(paths).all()
    assert said[-1][0] == said[-1][1]
    again = forecast_paths(built(series), history, horizon, 5, seed=0)
    other = forecast_paths(built(series), history, horizon, 5, seed=1)
    assert np.array_equal(paths, again) and not np.array_equal(paths, other)


def test_unit_and_missing_values(series):
    history = np.random.default_rng(0).normal(0, 1, (3, 48)).astype(np.float32)
    history[1, 5:30], history[2] = np.nan, np.nan
    paths = forecast_paths(built(series), history, 12, 4, seed=0)
    assert np.isfinite(paths[:2]).all() and np.isnan(paths[2]).all()
    scaled = forecast_paths(built(series), history * 40 + 1000, 12, 4, seed=0)
    np.testing.assert_allclose(scaled[:2], paths[:2] * 40 + 1000, atol=0.05)


def test_mirrored_noise():
    draw = mirrored(5, 3, torch.Generator().manual_seed(0), torch.device("cpu"))
    noise, other = draw(), draw()
    assert noise.shape == (5, 3)
    assert torch.equal(noise[0], -noise[1]) and not torch.equal(noise[0], other[0])


def test_calibration_widens(series):
    model = built(series)
    paths = torch.randn(4, 200, 12, generator=torch.Generator().manual_seed(0))
    plain = quantiles_of(model, paths)
    model.calibration.fill_(2.0)
    wide = quantiles_of(model, paths)
    middle = plain[..., 4:5]
    torch.testing.assert_close(wide - middle, 2 * (plain - middle))


def test_finish_evaluate_outputs(series, monkeypatch):
    model = built(series)
    gpd_problem.objective(model, series, RECIPE, None)
    monkeypatch.setattr(gpd_problem, "SCORED", {"val": 40, "test": 40})
    gpd_problem.finish(model, series, RECIPE)
    assert not (model.calibration == 1).all() and (model.calibration >= 0).all()
    found = gpd_problem.evaluate(model, series)
    assert 0.6 < found["val_coverage80"] < 0.95
    paths = gpd_problem.outputs(model, series)
    assert paths.shape == (1024, 4, gpd_problem.TAUGHT, 12)
    assert gpd_problem.baselines(series)["ridge"]["test_mse"] < found["test_mse"]


def test_graph_of_paths_is_the_sampler(series):
    model = built(series)
    arrays = gpd_forms.paths_rows(series, model.config, np.arange(6))
    signature = gpd_forms.paths_signature(model.config)
    assert signature.check(arrays) == 6 and "sampler A" in signature.outputs[0].doc
    history, noise = (torch.from_numpy(arrays[name]) for name in ("history", "noise"))
    used = iter(noise.unbind(1))
    with torch.no_grad():
        expected = continued(model, history, 12, lambda: next(used), "replace")
        assert torch.equal(gpd_forms.Paths(model)(history, noise), expected)
    assert next(used, None) is None  # all of the noise was used


def test_denoiser_rows(series):
    model = built(series)
    arrays = gpd_forms.denoiser_rows(series, model.config, np.arange(6))
    assert gpd_forms.denoiser_signature(model.config).check(arrays) == 6
    denoiser = gpd_forms.Denoiser(model)
    x, t = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["t"])
    with torch.no_grad():
        assert torch.equal(denoiser(x, t), model(x, t))
        assert torch.equal(denoiser(x, t * 0 - 1), denoiser(x, t * 0 + 999))


@pytest.mark.parametrize(
    "wrong",
    [
        {"sampler": "magic"},
        {"prediction": "x"},
        {"layers": 1},
        {"sample_steps": 2000},
        {"eta": 2.0},
    ],
)
def test_wrong_settings(wrong):
    with pytest.raises(ValueError, match="expected"):
        GPDConfig(48, 12, **wrong)
