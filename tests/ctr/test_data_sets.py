"""The known click logs: what is in them, and what the cache depends on."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from zoo.families.ctr import data as data_module
from zoo.families.ctr import datasets, movielens, toy, widelog
from zoo.families.ctr.data import describe, read
from zoo.families.ctr.datasets import ENCODERS, LOGS, MAKERS, find_known
from zoo.families.ctr.schema import parse
from zoo.recipes import Recipe
from zoo.sources import DataError

FOLDER = Path(datasets.__file__).parent


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LEANZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ctr"


def imported(module: str) -> set[str]:
    """Modules of the family that a module imports, at any depth."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((FOLDER / f"{module}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("zoo.families.ctr"):
            last = str(node.module).removeprefix("zoo.families.ctr").removeprefix(".")
            found |= {last} if last else {alias.name for alias in node.names}
    return found.union(*map(imported, found)) if found else found


def test_a_change_of_code_is_a_change_of_the_cache_s_names() -> None:
    ours = imported("encode") | {"encode", "../../values"}
    assert ours == set(ENCODERS) | {"waiting"}
    makers = imported("datasets") | set().union(*map(imported, MAKERS))
    assert makers == set(MAKERS)


@pytest.mark.parametrize("name", LOGS)
def test_every_known_log_has_a_schema_with_both_roles(name: str) -> None:
    schema = parse(LOGS[name].schema, name)
    assert {field.role for field in schema.fields} == {"request", "item"}


def auc(y: np.ndarray, score: np.ndarray) -> float:
    """Probability that a click has a higher score than another row."""
    clicked, others = score[y == 1], score[y == 0]
    return float((clicked[:, None] > others).mean() + 0.5 * (clicked[:, None] == others).mean())


def rates(ids: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Smoothed click rate by id."""
    return (np.bincount(ids, y) + 1) / (np.bincount(ids) + 2)


def test_clicks_hides_a_signal_in_a_pair_of_fields() -> None:
    data = read(Recipe("r", "m", "clicks"))
    train, test = data.parts["train"], data.parts["test"]
    country, category = (data.layout.slots.index(name) for name in ("country", "category"))

    def pair(ids: np.ndarray) -> np.ndarray:
        return ids[:, country] * data.layout.sizes[category] + ids[:, category]

    crossed = auc(test.y, rates(pair(train.ids), train.y)[pair(test.ids)])
    alone = [
        auc(test.y, rates(train.ids[:, k], train.y)[test.ids[:, k]]) for k in (country, category)
    ]
    assert crossed > 0.65
    assert crossed > max(alone) + 0.05


def test_generated_logs_are_the_same_every_time(tmp_path: Path) -> None:
    for make in (toy.make_clicks, widelog.make_wide_log):
        for name in ("a", "b"):
            make((), tmp_path / name, 500)
        assert pq.read_table(tmp_path / "a").equals(pq.read_table(tmp_path / "b"))


def test_a_made_log_is_found_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = find_known("clicks", 0).paths[0]
    monkeypatch.setattr(toy, "pq", None)  # nothing can be written
    assert find_known("clicks", 0).paths == (path,)
    assert path.is_relative_to(cache)


def test_frappe_says_how_to_supply_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LEANZOO_DATA", str(tmp_path))
    with pytest.raises(DataError, match="put the file") as refused:
        find_known("frappe", 0)
    assert str(tmp_path / "ctr" / "frappe_x1r" / "train.csv.gz") in str(refused.value)


@pytest.mark.data
def test_frappe() -> None:
    facts = describe("frappe")
    assert [facts[part] for part in ("train", "val", "test")] == [202_027, 57_722, 28_860]
    assert facts["clicks"] == pytest.approx(1 / 3, abs=0.001)
    data = data_module.read(Recipe("r", "m", "frappe"))
    published = [956, 4084, 9, 9, 4, 5, 4, 11, 82, 235]
    assert [field.size for field in data.layout.fields] == published
    assert data.layout.of("item").slots == ("item",)
    assert "no commercial use" in data.licence


def check_ml100k() -> None:
    facts = describe("ml100k")
    assert [facts[part] for part in ("train", "val", "test")] == [80_000, 10_000, 10_000]
    assert facts["clicks"] == 0.5537
    data = data_module.read(Recipe("r", "m", "ml100k"))
    assert set(data.layout.of("item").slots) == {"item", "release_year", "genres"}
    assert data.layout.slots.count("genres") == 6
    assert set(data.vocabulary.values["gender"].to_pylist()) == {"M", "F"}
    assert len(data.vocabulary.values["genres"]) == 19
    first = data.raw(np.arange(1))["values"][0]
    values = list(zip(data.layout.slots, first, strict=True))
    row = {name: [value for key, value in values if key == name] for name in FILM}
    assert row == {
        "user": ["90"],
        "zip": ["78155"],
        "liked": ["306", "286", "242", "303", "313", "311", "340", "272", "", ""],
        "item": ["900"],
        "genres": ["Drama", "", "", "", "", ""],
    }


FILM = ("user", "zip", "liked", "item", "genres")


def test_a_rating_knows_its_user_s_earlier_ones_and_no_others(tmp_path: Path) -> None:
    """Those of the same second, of later seconds and of other users are not among them."""
    files = {
        "inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        "1\ta\t5\t10\n1\tb\t2\t10\n2\tc\t4\t11\n1\tc\t4\t12\n1\td\t1\t13\n1\te\t5\t14\n",
        "user": "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
        "1\t24\tM\tnone\t1\n2\t25\tF\tnone\t2\n",
        "item": "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        + "".join(f"{film}\tT\t1990\tDrama\n" for film in "abcde"),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    movielens.make_ml100k([tmp_path / name for name in files], tmp_path / "log.parquet", 0)
    log = pq.read_table(tmp_path / "log.parquet").to_pydict()
    rows = zip(log["item"], log["liked"], log["passed"], strict=True)
    assert list(rows) == [
        ("a", [], []),
        ("b", [], []),
        ("c", [], []),
        ("c", ["a"], ["b"]),
        ("d", ["c", "a"], ["b"]),
        ("e", ["c", "a"], ["d", "b"]),
    ]


@pytest.mark.data
def test_ml100k() -> None:
    check_ml100k()


@pytest.mark.network
def test_ml100k_from_the_package_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEANZOO_DATA", raising=False)
    check_ml100k()
