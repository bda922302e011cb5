"""Every forecaster through the gates of export, weights as they were drawn."""

import pytest
import torch

from export.to_onnx import export_checkpoint
from zoo import checkpoint
from zoo.families.forecast import MODELS, data
from zoo.recipes import Recipe
from zoo.spec import config_of

SMALL = {
    "quantile_mlp": {"hidden": 16, "own": True},  # test_forecast_demo has the other form
    "tsmixer": {"hidden": 8, "blocks": 1},
    "patchtst": {"dim": 8, "hidden": 8, "layers": 1},
    "gpd": {"hidden": 16, "layers": 2, "sample_steps": 2},
}


@pytest.mark.parametrize("spec", MODELS, ids=[spec.name for spec in MODELS])
def test_graphs_pass_the_gates(spec, tmp_path):
    recipe = Recipe(
        name=f"{spec.name}-waves",
        model=spec.name,
        dataset="waves",
        data={"lookback": 48, "horizon": 24},
        config=SMALL.get(spec.name, {}),
    )
    series = data.read(recipe)
    torch.manual_seed(0)
    model = spec.build(config_of(spec, recipe, series.sizes)).eval()
    skips = [tensor for name, tensor in model.named_buffers() if "skip" in name]
    for weights in (*model.parameters(), *skips):  # none at zero, or what it multiplies is nothing
        torch.nn.init.normal_(weights, std=0.1)
    checkpoint.save(tmp_path / "run", model, model.config, recipe, {}, series.attachments, {})
    exported = export_checkpoint(tmp_path / "run", None, tmp_path / "out", series).artifacts
    assert len(exported) == len(spec.exports)
