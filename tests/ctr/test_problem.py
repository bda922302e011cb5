"""What is drawn, trained and measured."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from rich.progress import Progress

from zoo.families.ctr import batches as drawing
from zoo.families.ctr import forms, metrics, problem
from zoo.families.ctr.batches import Batches
from zoo.families.ctr.crosses import DCNv2, DCNv2Config, LogReg, LogRegConfig
from zoo.families.ctr.data import read
from zoo.families.ctr.ensemble import CTREnsemble, EnsembleConfig
from zoo.families.ctr.finalmlp import FinalMLP, FinalMLPConfig
from zoo.families.ctr.judge import JUDGE
from zoo.families.ctr.losses import DistillConfig, distilled_loss
from zoo.recipes import Recipe, RecipeError
from zoo.train import fit

RECIPE = Recipe(
    "small",
    "finalmlp",
    "random",
    epochs=8,
    batch_size=64,
    lr=0.02,
    weight_decay=1e-3,
    select="auc",
)
GATED = {"fs_hidden": [8], "fs1_context": ["user"], "fs2_context": ["item"]}


def finalmlp(log: Any) -> FinalMLP:
    torch.manual_seed(0)
    return FinalMLP(FinalMLPConfig(**log.sizes, mlp1=[16], mlp2=[8], heads=2, **GATED))


def counted(n_rows: int) -> SimpleNamespace:
    """Rows that say which they are."""
    rows = np.arange(n_rows)
    return SimpleNamespace(
        ids=np.stack([rows, rows], axis=1).astype(np.int32),
        numeric=np.empty((n_rows, 0), np.float32),
        y=rows.astype(np.float32),
    )


@pytest.mark.parametrize(("n_rows", "size", "lengths"), [(10, 4, [4, 4, 2]), (8, 0, [8])])
def test_an_epoch_is_every_row_once_in_another_order(
    n_rows: int, size: int, lengths: list[int]
) -> None:
    batches = Batches(counted(n_rows), size, 0, "cpu")
    epochs = [[batch.inputs[0][:, 0] for batch in batches] for _ in range(2)]
    for epoch in epochs:
        assert [len(batch) for batch in epoch] == lengths
        assert torch.equal(torch.cat(epoch).sort().values, torch.arange(n_rows))
    assert len(batches) == len(lengths)
    assert not torch.equal(torch.cat(epochs[0]), torch.cat(epochs[1]))


def test_what_belongs_to_a_row_stays_with_it() -> None:
    batches = Batches(counted(50), 8, 0, "cpu")
    batches.taught = torch.arange(50) / 2
    for batch in batches:
        assert batch.taught is not None
        assert torch.equal(batch.inputs[0][:, 1].float(), batch.y)
        assert torch.equal(batch.taught, batch.y / 2)
        assert len(batch.inputs) == 1  # no numeric fields, no numeric input
        assert batch.inputs[0].dtype == torch.int64


def test_equal_seeds_equal_batches() -> None:
    first, again, other = (
        torch.cat([batch.y for batch in Batches(counted(100), 7, seed, "cpu")])
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(("n_rows", "size", "n_batches"), [(9, 4, 2), (5, 4, 1), (6, 4, 2)])
def test_a_single_last_row_is_left_out(n_rows: int, size: int, n_batches: int) -> None:
    batches = Batches(counted(n_rows), size, 0, "cpu")
    assert len(list(batches)) == len(batches) == n_batches


def test_long_logs_are_read_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each batch comes from a few blocks; together they are every row once."""
    for name, value in (("SHUFFLED_WHOLE", 100), ("BLOCK", 32), ("BLOCKS_TOGETHER", 3)):
        monkeypatch.setattr(drawing, name, value)
    batches = Batches(counted(1000), 32, 0, "cpu")
    drawn = [batch.inputs[0][:, 0].numpy() for batch in batches]
    assert len(drawn) == len(batches) == 32
    assert np.array_equal(np.sort(np.concatenate(drawn)), np.arange(1000))
    blocks = [len(np.unique(rows // 32)) for rows in drawn]
    assert max(blocks) <= 6
    assert min(blocks[:-1]) > 1
    assert not any((np.diff(rows) > 0).all() for rows in drawn)


def test_masked_values_are_unknown_and_padding_is_not_masked() -> None:
    part = counted(4000)
    part.ids[:, 0] = 3
    part.ids[::2, 1], part.ids[1::2, 1] = 0, 7
    part.numeric = np.ones((4000, 1), np.float32)
    batches = Batches(part, 0, 0, "cpu")
    batches.mask(0.1, (10, 20))
    ids, numeric = next(iter(batches)).inputs
    unknown = ids == torch.tensor([9, 19])
    assert set(ids[:, 0].tolist()) == {3, 9}
    assert set(ids[:, 1].tolist()) == {0, 7, 19}
    assert (ids[:, 1] == 0).sum() == 2000
    assert unknown[:, 0].float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert numeric.isnan().float().mean().item() == pytest.approx(0.05, abs=0.015)
    assert (unknown[:, 1] | (ids[:, 1] == 0))[numeric[:, 0].isnan()].all()  # whole rows
    assert (part.ids != 9).all()


def test_data_says_how_much_is_masked(log: Any) -> None:
    recipe = replace(RECIPE, data={"oov_rate": 0.5})
    (ids, _) = next(iter(problem.objective(finalmlp(log), log, recipe, None).batches())).inputs
    share = (ids[:, 0] == 11).float().mean().item()
    assert 0.3 < share < 0.8


def test_tables_have_a_penalty_and_nothing_else(log: Any) -> None:
    model = finalmlp(log)
    objective = problem.objective(model, log, RECIPE, None)
    assert objective.penalty is not None
    penalised = {name for name, _ in model.named_parameters() if objective.penalty(name)}
    assert penalised == {
        *("embedding.table", "embedding.numeric"),
        *("gate1.embedding.table", "gate2.embedding.table"),
    }
    assert objective.penalty("embedding.table") == 1e-3


def test_numbers_are_standardised(log: Any) -> None:
    model = finalmlp(log)
    problem.objective(model, log, RECIPE, None)
    assert model.embedding.centre.tolist() == [20.0, 40.0]
    assert model.embedding.spread.tolist() == [10.0, 15.0]


def test_training_finds_the_signal(log: Any) -> None:
    model = finalmlp(log)
    objective = problem.objective(model, log, RECIPE, None)
    went = fit(model, objective, RECIPE, Progress(disable=True))
    found = problem.evaluate(model, log)
    assert found["val_auc"] == pytest.approx(went.score, abs=1e-6)
    assert found["test_auc"] > 0.9
    assert set(found) == {
        f"{part}_{name}"
        for part in ("val", "test")
        for name in ("auc", "logloss", "calibration", "ece")
    }
    data, ids = JUDGE.tested(log)
    quantities = JUDGE.quantities(
        {"logit": problem.answers(model, log).numpy()[ids]}, JUDGE.targets(data, ids)
    )
    for name, metric in JUDGE.metrics.items():
        assert metric.value(quantities) == pytest.approx(found[f"test_{name}"], abs=1e-9)


def test_calibration_is_on_training_rows() -> None:
    known = read(Recipe("finalmlp-clicks", "finalmlp", "clicks"))
    data, ids = JUDGE.training(known)
    rows = np.asarray(known.parts["train"].ids)
    asked = forms.rows(data, None, ids)["ids"]
    np.testing.assert_array_equal(asked[[0, -1]], rows[[0, -1]])
    assert len(asked) == min(1024, len(rows)) and known.n_rows != data.n_rows


def test_selection_by_loss(log: Any) -> None:
    model = finalmlp(log).eval()
    objective = problem.objective(model, log, replace(RECIPE, select="loss"), None)
    logits = problem.logits_of(model, log.parts["val"]).numpy()
    assert objective.score() == -metrics.logloss(logits, log.parts["val"].y)


def test_selection_by_accuracy_is_refused(log: Any) -> None:
    with pytest.raises(RecipeError, match="small selects by 'accuracy': .* 'auc' or 'loss'"):
        problem.objective(finalmlp(log), log, replace(RECIPE, select="accuracy"), None)


def test_students_learn_from_the_teacher(log: Any) -> None:
    """Of a teacher alone, the student's loss is the divergence from its rates."""
    config = {"method": "kd", "alpha": 1.0, "temperature": 2.0}
    recipe = replace(RECIPE, batch_size=0, distill=config)
    torch.manual_seed(0)
    model = LogReg(LogRegConfig(**log.sizes))
    teacher = torch.randn(600)
    objective = problem.objective(model, log, recipe, teacher)
    batch = next(iter(objective.batches()))
    expected = distilled_loss(model(*batch.inputs), batch.y, batch.taught, DistillConfig(**config))
    torch.testing.assert_close(objective.loss(batch), expected)
    assert torch.equal(batch.taught.sort().values, teacher.sort().values)


def test_members_of_an_ensemble_learn_side_by_side(log: Any) -> None:
    """The same gradients as each alone."""
    torch.manual_seed(0)
    members = [{"model": "dcnv2", "config": {"mlp": [8]}}, {"model": "logreg"}]
    ensemble = CTREnsemble(EnsembleConfig(**log.sizes, members=members))
    alone = [DCNv2(DCNv2Config(**log.sizes, mlp=[8])), LogReg(LogRegConfig(**log.sizes))]
    for mine, theirs in zip(ensemble.members, alone, strict=True):
        theirs.load_state_dict(mine.state_dict())
    recipe = replace(RECIPE, batch_size=0)
    for model in (ensemble, *alone):
        objective = problem.objective(model, log, recipe, None)
        objective.loss(next(iter(objective.batches()))).backward()
    for mine, theirs in zip(ensemble.members, alone, strict=True):
        for one, other in zip(mine.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(one.grad, other.grad)


def test_outputs_are_in_the_order_of_the_rows(
    log: Any, live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = live(finalmlp(log))
    whole = problem.outputs(model, log)
    monkeypatch.setattr(problem, "CHUNK", 77)
    assert whole.shape == (600,)
    assert whole.dtype == torch.float32
    torch.testing.assert_close(problem.outputs(model, log), whole)
    part = log.parts["train"]
    inputs = torch.from_numpy(part.ids[5:6]).long(), torch.from_numpy(part.numeric[5:6])
    torch.testing.assert_close(whole[5:6], model(*inputs))
    assert problem.answers(model, log).shape == (600,)
    assert not torch.equal(problem.answers(model, log), whole)


def test_rows_of_unseen_values_are_scored_near_the_base_rate(log: Any) -> None:
    """Masking trains what stands for an unknown value."""
    model = finalmlp(log)
    recipe = replace(RECIPE, data={"oov_rate": 0.05}, epochs=5)
    fit(model, problem.objective(model, log, recipe, None), recipe, Progress(disable=True))
    unseen = torch.tensor([log.layout.sizes]) - 1
    rate = torch.sigmoid(model(unseen, torch.full((1, 2), torch.nan))).item()
    assert rate == pytest.approx(float(log.parts["train"].y.mean()), abs=0.2)
