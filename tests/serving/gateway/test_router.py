"""Which version answers a request, and what is said where none can."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.gateway.catalogue import Catalogue
from serving.gateway.problems import Problem
from serving.gateway.router import Router
from tests.serving.gateway.inside import retrained
from tests.serving.tiny_models import MLP, SPARSE
from zoo.rollout import Rollout, write_rollout

BASE = "mlp-tiny"
KEYS = [f"key-{k}" for k in range(4000)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two versions of a model, and one of its sparse form."""
    MLP.publish(tmp_path, 1)
    retrained(MLP).publish(tmp_path, 2)
    SPARSE.publish(tmp_path, 1)
    return tmp_path


def routed(root: Path, rollout: Rollout | None = None) -> Router:
    """A router over it, all of whose versions answer."""
    if rollout is not None:
        write_rollout(root / BASE, rollout)
    router = Router()
    router.update(Catalogue(root).scan({}))
    for one in router.found.values():
        for served in one.versions.values():
            mark(router, served.name, served.version)
    return router


def mark(router: Router, name: str, version: int, fault: str = "") -> None:
    """Say that a version answers its golden rows, or does not."""
    state = router.state[name, version]
    state.answers, state.fault = not fault, fault


def chosen(router: Router, version: int | None = None) -> set[int]:
    return {router.choose(BASE, key, version).version for key in KEYS[:100]}


def test_the_latest_answers_all(root: Path) -> None:
    router = routed(root)
    assert chosen(router) == {2} and router.stable(BASE) == 2
    assert router.bases == {BASE: {"dense": BASE, "sparse": f"{BASE}-sparse"}}
    assert {(one.name, one.version) for one in router.asked()} == {(BASE, 2), (f"{BASE}-sparse", 1)}
    assert router.faults() == {}


def test_a_version_that_does_not_answer_is_not_the_latest(root: Path) -> None:
    router = routed(root)
    mark(router, BASE, 2, "half loaded")
    assert chosen(router) == {1} and router.faults() == {}
    with pytest.raises(Problem, match="cannot answer at present") as caught:
        router.choose(BASE, "k", 2)
    assert caught.value.status == 503 and caught.value.headers == {"retry-after": "1"}


def test_a_pinned_version_answers_all(root: Path) -> None:
    assert chosen(routed(root, Rollout(1))) == {1}


def test_a_pinned_version_is_not_replaced_by_another(root: Path) -> None:
    router = routed(root, Rollout(1))
    mark(router, BASE, 1, "it answers wrongly")
    with pytest.raises(Problem, match="cannot answer"):
        router.choose(BASE, "k")
    assert router.faults() == {BASE: "it answers wrongly"}
    gone = routed(root, Rollout(7))
    with pytest.raises(Problem, match="cannot answer") as caught:
        gone.choose(BASE, "k")
    assert caught.value.status == 503
    assert gone.faults() == {BASE: "no version of it can answer"}


@pytest.mark.parametrize("fraction", [0.05, 0.5])
def test_a_trial_gets_its_share_by_key(root: Path, fraction: float) -> None:
    router = routed(root, Rollout(1, 2, fraction))
    first = [router.choose(BASE, key).version for key in KEYS]
    assert set(first) == {1, 2}
    assert first.count(2) / len(KEYS) == pytest.approx(fraction, abs=0.02)
    assert [router.choose(BASE, key).version for key in KEYS] == first
    wider = routed(root, Rollout(1, 2, min(1.0, fraction + 0.25)))
    second = [wider.choose(BASE, key).version for key in KEYS]
    assert all(now >= before for before, now in zip(first, second, strict=True))


@pytest.mark.parametrize(("fraction", "versions"), [(0.0, {1}), (1.0, {2})])
def test_no_share_and_all_of_it(root: Path, fraction: float, versions: set[int]) -> None:
    assert chosen(routed(root, Rollout(1, 2, fraction))) == versions


@pytest.mark.parametrize("canary", [2, 9])
def test_a_trial_that_cannot_answer_leaves_its_keys_to_the_stable_version(
    root: Path, canary: int
) -> None:
    router = routed(root, Rollout(1, canary, 1.0))
    if canary == 2:
        mark(router, BASE, 2, "half loaded")
    assert chosen(router) == {1} and router.faults() == {}


def test_a_version_that_is_asked_for_answers(root: Path) -> None:
    router = routed(root, Rollout(1, 2, 0.5))
    assert chosen(router, 1) == {1} and chosen(router, 2) == {2}
    with pytest.raises(
        Problem, match="'mlp-tiny' has no version 3: expected one of 1, 2"
    ) as caught:
        router.choose(BASE, "k", 3)
    assert caught.value.status == 404


def test_a_model_that_is_none(root: Path) -> None:
    router = routed(root)
    with pytest.raises(Problem, match="no model 'mlp-tin': did you mean mlp-tiny") as caught:
        router.forms("mlp-tin", "graph")
    assert caught.value.status == 404
    with pytest.raises(Problem, match="asked at /v1/graph/mlp-tiny, not /v1/ctr") as caught:
        router.forms(BASE, "ctr")
    assert caught.value.status == 404
    assert router.forms(BASE, "graph") == router.bases[BASE]
    with pytest.raises(Problem, match="there is none yet"):
        Router().forms(BASE, "graph")


def test_a_trial_that_has_ended_stays_so_until_another_is_set(root: Path) -> None:
    trial = Rollout(1, 2, 1.0)
    router = routed(root, trial)
    assert router.end_trial(BASE) == [BASE]
    assert chosen(router) == {1} and router.rollout(BASE) == Rollout(1)
    assert router.end_trial(BASE) == []
    router.update(Catalogue(root).scan(router.found))  # a folder that cannot be written
    assert chosen(router) == {1}
    write_rollout(root / BASE, Rollout(1))
    router.update(Catalogue(root).scan(router.found))
    write_rollout(root / BASE, trial)  # the same once more: somebody means it
    router.update(Catalogue(root).scan(router.found))
    assert chosen(router) == {2}


def test_a_trial_beside_the_latest_leaves_what_answered_before(root: Path) -> None:
    router = routed(root, Rollout(None, 2, 1.0))
    assert chosen(router) == {2} and router.stable(BASE) == 1
    router.end_trial(BASE)
    assert chosen(router) == {1}  # not the latest, which is the one that failed


def test_a_new_rollout_forgets_earlier_outcomes(root: Path) -> None:
    router = routed(root)
    router.state[BASE, 2].outcomes.append((False, 1.0))
    router.update(Catalogue(root).scan(router.found))
    assert len(router.state[BASE, 2].outcomes) == 1
    write_rollout(root / BASE, Rollout(1, 2, 0.5))
    router.update(Catalogue(root).scan(router.found))
    assert len(router.state[BASE, 2].outcomes) == 0
    assert router.state[BASE, 2].answers


def test_what_is_gone_is_forgotten(root: Path) -> None:
    router = routed(root)
    found = dict(router.found)
    del found[f"{BASE}-sparse"]
    router.update(found)
    assert router.bases == {BASE: {"dense": BASE}}
    assert set(router.state) == {(BASE, 1), (BASE, 2)}
