"""Click models: forwards against plain formulas, and what is refused."""

from __future__ import annotations

import itertools
from dataclasses import asdict
from typing import Any

import pytest
import torch
from torch import nn

from zoo.families.ctr import crosses, finalmlp
from zoo.families.ctr.ensemble import KINDS, CTREnsemble, EnsembleConfig
from zoo.families.ctr.gate import Gate
from zoo.recipes import RecipeError


def gate(model: Gate, ids: torch.Tensor, numeric: torch.Tensor) -> torch.Tensor:
    """The equation of §1.2, row by row."""
    first, _, last = model.layers
    c = model.context(ids, numeric)
    hidden = torch.relu(c @ first.weight.T + first.bias)
    return 2 / (1 + torch.exp(-(hidden @ last.weight.T + last.bias)))


def stream(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    for layer in model.layers:
        h = x @ layer.linear.weight.T + layer.linear.bias
        norm = layer.norm
        h = (h - norm.running_mean) / torch.sqrt(norm.running_var + 1e-5)
        x = torch.relu(h * norm.weight + norm.bias)
    return x


@torch.no_grad()
def test_finalmlp_is_its_equations(live: Any, make: Any, inputs: Any) -> None:
    model = live(make("finalmlp"))
    ids, numeric = inputs()
    e = model.embedding(ids, numeric)
    o1 = stream(model.mlp1, e * gate(model.gate1, ids, numeric))
    o2 = stream(model.mlp2, e * gate(model.gate2, ids, numeric))
    expected = []
    for row1, row2 in zip(o1, o2, strict=True):
        z = row1 @ model.fusion.linear1.weight[0] + row2 @ model.fusion.linear2.weight[0]
        z = z + model.fusion.linear1.bias[0] + model.fusion.linear2.bias[0]
        for k, head in enumerate(model.fusion.bilinear):
            z = z + row1[4 * k : 4 * k + 4] @ head @ row2[3 * k : 3 * k + 3]
        expected.append(z)
    torch.testing.assert_close(model(ids, numeric), torch.stack(expected), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_finalmlp_without_gates_and_fusion_is_dualmlp(live: Any, make: Any, inputs: Any) -> None:
    final = live(make("finalmlp", gated=False, fs1_context=[], fs2_context=[]))
    final.fusion.bilinear.zero_()
    dual = make("dualmlp")
    renamed = {
        name.replace("fusion.linear", "output"): tensor
        for name, tensor in final.state_dict().items()
        if name != "fusion.bilinear"
    }
    dual.load_state_dict(renamed)
    torch.testing.assert_close(final(*inputs()), dual.eval()(*inputs()))


@torch.no_grad()
def test_dcnv2_is_its_equations(live: Any, make: Any, inputs: Any) -> None:
    model = live(make("dcnv2"))
    x = x0 = model.embedding(*inputs())
    for cross in model.crosses:
        x = x0 * (x @ cross.weight.T + cross.bias) + x
    both = torch.cat([x, stream(model.mlp, x0)], dim=1)
    expected = (both @ model.output.weight.T + model.output.bias)[:, 0]
    torch.testing.assert_close(model(*inputs()), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_interactions_of_xdeepfm(live: Any, make: Any, inputs: Any) -> None:
    """Layer by layer x_k[h] = Σ_ij W[h, ij] · (x_0[i] ⊙ x_{k-1}[j]) + b, summed over dim."""
    model = live(make("xdeepfm"))
    x0 = h = model.embedding(*inputs()).view(40, 6, 10)
    sums = []
    for maps in model.maps:
        weight = maps.weight.view(len(maps.weight), 6, -1)
        h = torch.einsum("hij,bid,bjd->bhd", weight, x0, h) + maps.bias[:, None]
        sums.append(h.sum(dim=2))
    expected = torch.cat(sums, dim=1)
    found = model._interactions(x0.flatten(1))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_attention_against_torch(make: Any) -> None:
    model = make("autoint").eval()
    layer, x = model.attention[0], torch.randn(5, 6, 10)
    query, key, value, residual = (x @ part.T for part in layer.maps.weight.chunk(4))
    heads = [part.view(5, 6, 2, 3).transpose(1, 2) for part in (query, key, value)]
    attended = nn.functional.scaled_dot_product_attention(*heads, scale=1.0)
    expected = torch.relu(attended.transpose(1, 2).reshape(5, 6, 6) + residual)
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_a_row_of_a_batch_is_the_row_alone(live: Any, make: Any, inputs: Any, name: str) -> None:
    model = live(make(name))
    batch = model(*inputs())
    assert batch.shape == (40,)
    assert batch.std() > 1e-3
    alone = [model(*(x[[row]] for x in inputs())) for row in range(40)]
    torch.testing.assert_close(batch, torch.cat(alone), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_every_parameter_learns(live: Any, make: Any, inputs: Any, name: str) -> None:
    model = live(make(name)).train()
    model(*inputs(300)).square().sum().backward()
    for path, parameter in model.named_parameters():
        assert parameter.grad is not None, path
        assert parameter.grad.abs().max() > 0, path


@torch.no_grad()
def test_ensemble_is_the_mean_of_its_members(log: Any, live: Any, inputs: Any) -> None:
    dcnv2 = {"model": "dcnv2", "config": {"mlp": [8, 8], "crosses": 2}}
    members = [dcnv2, {"model": "logreg"}, dcnv2]
    model = live(CTREnsemble(EnsembleConfig(**log.sizes, members=members)))
    logits = [member(*inputs()) for member in model.members]
    torch.testing.assert_close(model(*inputs()), sum(logits) / 3)
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(logits, 2))
    assert EnsembleConfig(**asdict(model.config)) == model.config


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "members is empty"),
        ([{"model": "dcn"}], "member 1 has unknown model 'dcn': did you mean dcnv2"),
        ([{"config": {}}], "member 1 has unknown model ''"),
        ([{"model": "logreg", "configs": {}}], "unknown key 'configs' in member 1"),
        ([{"model": "logreg", "config": {"dim": 1}}], "unknown key 'dim' in member 1"),
    ],
)
def test_refused_ensembles(log: Any, members: list[dict[str, Any]], message: str) -> None:
    with pytest.raises((ValueError, RecipeError), match=message):
        EnsembleConfig(**log.sizes, members=members)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("finalmlp", {"heads": 3}, "streams end in 8 and 6 units: expected multiples of heads = 3"),
        ("finalmlp", {"gated": False}, "gated is false but gates have contexts"),
        ("finalmlp", {"fs1_context": ["usr"]}, "unknown field 'usr': expected some of"),
        ("finalmlp", {"mlp1": []}, r"mlp1 is \[\]: expected a list of widths >= 1"),
        ("dualmlp", {"dropout2": 1.0}, "dropout2 is 1.0: expected 0 <= dropout2 < 1"),
        ("dcnv2", {"crosses": 0}, r"crosses is \[0\]"),
        ("autoint", {"heads": 4}, "attention_dim is 6: expected a multiple of heads = 4"),
    ],
)
def test_refused(make: Any, name: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        make(name, **changes)


def test_configs_have_docs_for_every_field() -> None:
    for kind in (finalmlp.FinalMLPConfig, finalmlp.DualMLPConfig, crosses.CrossConfig):
        for name in kind.__dataclass_fields__:
            assert f"{name}:" in str(kind.__doc__)
