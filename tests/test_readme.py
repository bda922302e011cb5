"""README.md: its numbers are the results', its commands exist, and its links lead somewhere."""

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from starlette.routing import Match
from typer.main import get_command

from benchmarks import readme
from serving.gateway.core import Core
from serving.gateway.measures import Measures
from serving.gateway.routes import make_routes
from zoo.cli import (
    ask,
    check,
    convert,
    deploy,
    foresee,
    learn,
    measure,
    publish,
    report,
    rollout,
)
from zoo.cli.app import VERBS, app
from zoo.families.graph_mlp.data import load_graph
from zoo.registry import describe_dataset, describe_series

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/own-data.md",
    "docs/serving.md",
    "docs/benchmarks.md",
    "docs/architecture.md",
    "model_repository/README.md",
    "serving/deploy/README.md",
]
RESULT = {
    "recipes": {
        "mlp-one": {
            "dataset": "one",
            "teacher": "gcn",
            "beyond_paper": False,
            "seeds": [1, 2],
            "roles": {
                role: {"mean": mean, "std": 0.0049}
                for role, mean in [("teacher", 0.8), ("student", 0.825), ("vanilla", 0.6)]
            },
        }
    }
}


def _results(folder: Path, result: object = RESULT) -> Path:
    """A folder of results with one accuracy table."""
    folder.mkdir(exist_ok=True)
    (folder / readme.ACCURACY_FILE).write_text(json.dumps(result))
    return folder


def _code(document: str, language: str) -> list[str]:
    """The code blocks of a document in one language."""
    text = (ROOT / document).read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def _commands(document: str, program: str) -> list[list[str]]:
    """Arguments of every call of ``program`` in a document's shell blocks."""
    shell = "\n".join(_code(document, "bash")).replace("\\\n", " ")
    calls = [shlex.split(c, comments=True) for line in shell.splitlines() for c in line.split("&&")]
    return [call[1:] for call in calls if call and call[0] == program]


def _parse(arguments: list[str]) -> None:
    """Parse a call of leanzoo as the command line does, without running it."""
    commands = get_command(app).commands
    assert arguments[0] in commands, f"leanzoo has no verb {arguments[0]}"
    commands[arguments[0]].make_context(arguments[0], arguments[1:])


def test_tables_are_the_results() -> None:
    assert readme.outdated(readme.README, readme.RESULTS) == ""


def test_changed_number_is_found(tmp_path: Path) -> None:
    results, copy = _results(tmp_path / "results"), tmp_path / "README.md"
    copy.write_text(readme.render(readme.README.read_text(), results))
    assert "results/README.md" in readme.outdated(copy, results)
    (results / readme.DETAILS_FILE).write_text(readme.details(results))
    assert readme.outdated(copy, results) == ""
    copy.write_text(copy.read_text().replace("→ 82.5 ± 0.5 |", "→ 83.5 ± 0.5 |"))
    assert "accuracy" in readme.outdated(copy, results)


def test_text_around_the_tables_stays(tmp_path: Path) -> None:
    text = readme.README.read_text()
    changed = readme.render(text, _results(tmp_path))
    assert readme.render(changed, readme.RESULTS) == text


def test_rows_and_averages(tmp_path: Path) -> None:
    block, full = readme.BLOCKS["accuracy"](_results(tmp_path)), readme.details(tmp_path)
    assert "| one | 60.0 | 80.0 ± 0.5 → 82.5 ± 0.5 |" in block
    assert "| `mlp-one` | one | gcn | 2 | 80.0 ± 0.5 | 82.5 ± 0.5 | 60.0 ± 0.5 | +2.5 |" in full
    assert "1 pairs above (2 seeds each, 2 students): student − teacher **+2.5** points" in block


def test_missing_results_are_not_run(tmp_path: Path) -> None:
    found = readme.blocks(readme.render(readme.README.read_text(), tmp_path))
    assert found == {name: f"\nNot run: {name}.\n\n" for name in readme.BLOCKS}
    assert "Not run." in readme.details(tmp_path)


def test_missing_markers_and_broken_results(tmp_path: Path) -> None:
    with pytest.raises(readme.ReadmeError, match="lacks the lines '<!-- accuracy -->'"):
        readme.render("# no markers", tmp_path)
    (tmp_path / "accuracy.json").write_text("{")
    with pytest.raises(readme.ReadmeError, match=r"accuracy\.json is not JSON"):
        readme.BLOCKS["accuracy"](tmp_path)


def test_check_exits_1_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "README.md"
    shutil.copy(readme.README, copy)
    monkeypatch.setattr(readme, "README", copy)
    monkeypatch.setattr(readme, "RESULTS", _results(tmp_path / "results"))
    monkeypatch.setattr("sys.argv", ["benchmarks.readme", "--check"])
    with pytest.raises(SystemExit, match="1"):
        readme.main()
    assert len(capsys.readouterr().err.splitlines()) == 1
    monkeypatch.setattr("sys.argv", ["benchmarks.readme"])
    readme.main()
    assert "→ 82.5 ± 0.5 |" in copy.read_text()
    assert "Not run." in (tmp_path / "results" / readme.DETAILS_FILE).read_text()


@pytest.mark.parametrize("document", DOCUMENTS[:5])
def test_commands_exist(document: str) -> None:
    calls = _commands(document, "leanzoo")
    assert len(calls) > 2
    for call in calls:
        _parse(call)


def test_every_verb_is_shown_and_documented() -> None:
    modules = (ask, check, convert, deploy, foresee, learn, measure, publish, report, rollout)
    assert {module.__name__ for module in modules} == set(VERBS)
    verbs = set(get_command(app).commands)
    assert verbs == {call[0] for call in _commands("README.md", "leanzoo")}
    for verb in verbs:
        assert f"\n| `{verb}` | " in (ROOT / "README.md").read_text()


def test_keys_of_series_are_documented(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("load\n1\n2\n3\n")
    rows = (ROOT / "README.md").read_text().splitlines()
    (row,) = (row for row in rows if row.startswith("| `data` | "))
    listed, own, _ = re.split(r"With `series`, of the one file:|With `schema`:", row)
    known, more = (set(re.findall(r"`(\w+)`", part)) for part in (listed, own))
    assert set(describe_dataset("waves")) <= known
    assert set(describe_series(tmp_path / "my.csv", {})) - known == more - {"datasets"}


def test_options_of_serve_are_documented() -> None:
    text = (ROOT / "docs/serving.md").read_text()
    options = get_command(app).commands["serve"].params
    for option in (one for one in options if one.param_type_name == "option"):
        assert option.opts[0] in text or option.name in ("repository", "json"), option.opts
        assert option.envvar is None or f"`{option.envvar}`" in text


def test_requests_of_serving_exist() -> None:
    calls = _commands("docs/serving.md", "curl")
    assert len(calls) > 5
    known = make_routes(cast(Core, None), Measures()).routes
    for call in calls:
        path = call[0].removeprefix("$G").partition("?")[0]
        method = "POST" if "-d" in call else "GET"
        scope = {"type": "http", "path": path, "method": method}
        fits = any(one.matches(scope)[0] is Match.FULL for one in known)
        assert fits or path == "/openapi.json", path
        json.loads(call[call.index("-d") + 1] if "-d" in call else "{}")


def test_unknown_option_is_found() -> None:
    with pytest.raises(Exception, match="No such option"):
        _parse(["train", "mlp-citeseer", "--sedes", "5"])


@pytest.mark.parametrize("document", DOCUMENTS[:2])
def test_make_targets_exist(document: str) -> None:
    targets = re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for call in _commands(document, "make"):
        assert call[0] in targets


def test_own_graph_as_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    given = {
        "features": rng.random((1600, 5)),
        "edges": rng.integers(0, 1600, (2, 3000)),
        "classes": np.arange(1600) % 2,
    }
    (example,) = (code for code in _code("docs/own-data.md", "python") if "savez" in code)
    exec(example, given)
    assert load_graph("my.npz").x.shape == (1600, 5)


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 250


@pytest.mark.parametrize("document", [*DOCUMENTS, "CHANGELOG.md", "benchmarks/results/README.md"])
def test_links_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert link.startswith("https://") or (ROOT / document).parent.joinpath(link).exists()
