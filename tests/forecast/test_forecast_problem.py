"""Training problem, baselines and forms on the generated series."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from zoo.families.forecast import MODELS, data, problem, teaching
from zoo.families.forecast.baselines import baselines
from zoo.families.forecast.batches import Batches
from zoo.families.forecast.forms import SERIES, rows, unit
from zoo.families.forecast.judge import JUDGE
from zoo.recipes import Recipe, RecipeError
from zoo.spec import config_of

RECIPE = Recipe(
    name="quantile_mlp-waves",
    model="quantile_mlp",
    dataset="waves",
    batch_size=128,
    select="crps",
    data={"lookback": 48, "horizon": 12, "stride": 4},
    config={"hidden": 16},
    distill={"method": "vanilla", "gaps": 0.2},
)


@pytest.fixture(scope="module")
def series():
    return data.read(RECIPE)


def built(series, name="quantile_mlp", **config):
    spec = next(spec for spec in MODELS if spec.name == name)
    torch.manual_seed(0)
    recipe = replace(RECIPE, model=name, config=config)
    return spec.build(config_of(spec, recipe, series.sizes))


def test_it_begins_at_the_ridge_and_learns(series):
    model = built(series, hidden=16, dropout=0.0)
    objective = problem.objective(model, series, RECIPE, None)
    begun = problem.evaluate(model, series)
    ridge = baselines(series)["ridge"]
    assert begun["val_mse"] <= ridge["val_mse"] * (1 + 1e-5)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    before = objective.score()
    for _ in range(2):
        for batch in objective.batches():
            optimiser.zero_grad()
            objective.loss(batch).backward()
            optimiser.step()
    assert objective.score() > before + 0.02


def test_judge_measures_what_training_does(series):
    """Of answers in the series' own unit."""
    model = built(series, hidden=16).eval()
    found = problem.evaluate(model, series)
    tested, ids = JUDGE.tested(series)
    assert tested.n_rows == len(ids) == len(series.parts["test"])
    with torch.no_grad():
        quantiles, median, mean, _ = model(torch.from_numpy(rows(tested, None, ids)["history"]))
    outputs = {"quantiles": quantiles.numpy(), "median": median.numpy(), "mean": mean.numpy()}
    quantities = JUDGE.quantities(outputs, JUDGE.targets(tested, ids))
    for name, metric in JUDGE.metrics.items():
        assert metric.value(quantities) == pytest.approx(found[f"test_{name}"], rel=1e-5)
    assert JUDGE.block(tested) == 12
    train, ids = JUDGE.training(series)
    known = series.parts["train"].history(ids)
    np.testing.assert_array_equal(rows(train, None, ids)["history"], known)


def test_baselines_against_plain_formulae(series):
    windows = problem.windows_of(series, "test")
    ids = np.arange(len(windows))
    history, future = windows.history(ids), windows.future(ids)
    period = series.table.period
    filled = np.where(np.isnan(history), np.nanmean(history, axis=-1, keepdims=True), history)
    found = baselines(series)
    assert set(found) == {"last_value", "seasonal_naive", "ridge"}
    naive, last = filled[..., -period:][..., :12], filled[..., -1:]
    for name, point in (("seasonal_naive", naive), ("last_value", last)):
        expected = np.nanmean((point - future) ** 2)
        assert found[name]["test_mse"] == pytest.approx(expected, rel=1e-4)
    assert found["ridge"]["test_mse"] < found["seasonal_naive"]["test_mse"]
    assert 0.7 < found["ridge"]["test_coverage80"] < 0.9


def test_calibration_on_validation(series):
    model = built(series)
    problem.objective(model, series, RECIPE, None)
    problem.finish(model, series, RECIPE)
    calibrated = problem.evaluate(model, series)
    model.calibration.fill_(1)
    assert calibrated["val_crps"] < problem.evaluate(model, series)["val_crps"]
    assert 0.72 < calibrated["val_coverage80"] < 0.88


def test_the_mean_takes_no_more_correction_than_validation_supports(series):
    model = built(series)
    problem.objective(model, series, RECIPE, None)
    before = problem.evaluate(model, series)["val_mse"]
    torch.nn.init.normal_(model.core.correct.weight, std=0.3)
    assert problem.evaluate(model, series)["val_mse"] > before * 1.01
    problem.finish(model, series, RECIPE)
    assert 0 <= model.core.trust < 0.5
    assert problem.evaluate(model, series)["val_mse"] <= before * (1 + 1e-6)


def test_finishing_twice_is_finishing_once(series):
    model = built(series)
    problem.objective(model, series, RECIPE, None)
    torch.nn.init.normal_(model.core.correct.weight, std=0.3)
    problem.finish(model, series, RECIPE)
    once = {name: buffer.clone() for name, buffer in model.named_buffers()}
    problem.finish(model, series, RECIPE)
    assert model.core.trust < 1
    assert all(torch.equal(buffer, once[name]) for name, buffer in model.named_buffers())


def test_a_teacher_moves_the_loss(series):
    model = built(series, dropout=0.0)
    taught = replace(RECIPE, distill={"method": "paths", "lam": 1.0, "gaps": 0.0})
    prompts = teaching.prompts(problem.windows_of(series, "train"))
    paths = torch.full((*prompts.shape[:2], 4, 12), 7.0)
    objective = problem.objective(model, series, taught, paths)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(10):
        for batch in objective.batches():
            optimiser.zero_grad()
            objective.loss(batch).backward()
            optimiser.step()
    model.eval()
    with torch.no_grad():
        _, _, mean, _ = model(torch.from_numpy(prompts[:50]))
    assert mean.nanmedian() > 4


def test_outputs_are_paths_of_the_prompts(series):
    model = built(series, "patchtst", dim=8, hidden=8, layers=1)
    prompts = teaching.prompts(problem.windows_of(series, "train"))
    paths = problem.outputs(model, series)
    assert paths.shape == (*prompts.shape[:2], 9, 12)
    assert (paths.diff(dim=2).nan_to_num(1) > 0).all()
    whole, gappy = np.isnan(prompts[0::2]).mean(), np.isnan(prompts[1::2]).mean()
    assert whole < 0.05 and 0.2 < gappy < 0.35


@pytest.mark.parametrize("together", [False, True])
def test_batches(series, together):
    train = problem.windows_of(series, "train")
    batches = Batches(train, 30, 0.5, seed=1, together=together, device=torch.device("cpu"))
    first = [batch for batch, taught in batches if taught is None]
    channels = train.channels if together else 1
    assert len(first) == len(batches) and first[0][0].shape == (30 // channels, channels, 48)
    again = [b for b, _ in Batches(train, 30, 0.5, 1, together, torch.device("cpu"))]
    assert torch.equal(first[3][0].nan_to_num(9), again[3][0].nan_to_num(9))
    missing = torch.cat([torch.isnan(history).float() for history, _ in first]).mean()
    assert 0.1 < missing < 0.2


def test_selection_by_something_else(series):
    with pytest.raises(RecipeError, match="selects by 'auc': .* mse or crps"):
        problem.objective(built(series), series, replace(RECIPE, select="auc"), None)


def test_signature_takes_real_rows(series):
    config = built(series).config
    arrays = rows(series, config, np.arange(5))
    assert SERIES["series"].signature(config).check(arrays) == 5


def test_unit_is_the_deviation_or_what_float32_resolves():
    history = np.stack([np.tile([1.0, 3.0], 24), np.full(48, 1e6), np.full(48, np.nan)])[None]
    found = unit({"history": history.astype(np.float32)})[0]
    assert found[0] == pytest.approx(1.0) and found[1] > 1000 and np.isnan(found[2])
