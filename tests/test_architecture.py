"""The frame: which packages there are, what may import what, and the house style's limits."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import TypeGuard

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("zoo", "export", "serving", "benchmarks")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MAX_LINES = 250

# Files above the limit, each with its reason.
LONG: dict[str, str] = {}
# Files that import pickle, each with its reason.
PICKLE = {"zoo/families/graph_mlp/formats.py": "Planetoid's files, by an unpickler of six names"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("package", PACKAGES)
def test_package_is_this_repository(package: str) -> None:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin) == ROOT / package / "__init__.py"


def test_import_contracts() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("modules", "absent"),
    [
        ("serving.client, serving.local", ("torch", "scipy", "zoo.spec", "export")),
        ("zoo.contract", ("torch", "scipy", "typer")),
        ("zoo, export, serving, benchmarks", ("torch", "numpy", "typer")),
    ],
)
def test_imports_are_light(modules: str, absent: tuple[str, ...]) -> None:
    code = f"import sys, {modules}; print(*[m for m in {absent!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_file_is_of_a_readable_size(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert (lines > MAX_LINES) == (name_of(path) in LONG), f"{lines} lines"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_nothing_is_unpickled(path: Path) -> None:
    imports_pickle = False
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            imports_pickle |= bool(names & {"pickle", "cPickle", "dill", "joblib", "cloudpickle"})
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in {"torch.load", "eval", "exec"}, node.lineno
            for keyword in node.keywords:
                if keyword.arg == "allow_pickle":
                    assert ast.unparse(keyword.value) == "False", node.lineno
    assert imports_pickle == (name_of(path) in PICKLE)


def docstrings_of(path: Path) -> dict[ast.AST, str | None]:
    """Docstrings of a module, and of its public classes and functions."""
    tree = ast.parse(path.read_text())
    nodes = [tree, *tree.body]
    for kind in filter(is_public, tree.body):
        nodes += getattr(kind, "body", []) if isinstance(kind, ast.ClassDef) else []
    return {node: ast.get_docstring(node) for node in nodes if is_public(node)}


def is_public(node: ast.AST) -> TypeGuard[ast.Module | ast.ClassDef | ast.FunctionDef]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return not node.name.startswith("_")
    return isinstance(node, ast.Module)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_everything_public_says_what_it_is(path: Path) -> None:
    for node, text in docstrings_of(path).items():
        assert text, f"{getattr(node, 'name', 'the module')} has no docstring"


def test_every_module_says_its_shapes() -> None:
    from torch import nn

    for path in SOURCES:
        if path.is_relative_to(ROOT / "zoo"):
            importlib.import_module(name_of(path)[:-3].replace("/", ".").removesuffix(".__init__"))
    found, ours = [nn.Module], set()
    while found:
        for kind in found.pop().__subclasses__():
            found.append(kind)
            if kind.__module__.startswith("zoo."):
                ours.add(kind)
    assert len(ours) >= 8
    silent = [kind.__name__ for kind in ours if "Shapes:" not in (kind.__doc__ or "")]
    assert silent == []
