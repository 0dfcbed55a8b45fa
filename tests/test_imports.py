"""The rooms of the package: who may import whom, and who may know the backend."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "gan_utils"
LEVELS = {
    "checks": 0,
    "images": 0,
    "losses": 0,
    "latents": 0,
    "autodiff": 0,
    "data": 1,
    "networks": 1,
    "penalties": 1,
    "distances": 1,
    "metrics": 1,
    "plotting": 1,
    "doctor": 1,
    "features": 2,
    "training": 2,
    "monitors": 2,
    "results": 2,
    "lesson": 2,
    "__main__": 2,
}
BACKENDS = {"tensorflow", "jax", "torch"}


def imported(module):
    """Names of the modules that a module of the package imports, at the top and inside functions."""
    names = set()
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_every_module_has_its_level():
    assert {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"} == set(LEVELS)
    assert len(LEVELS) <= 18


@pytest.mark.parametrize("module", LEVELS)
def test_a_module_imports_lower_levels_only(module):
    inner = {name.split(".")[1] for name in imported(module) if name.startswith("gan_utils.")}
    level = LEVELS[module]
    for name in inner - {"checks"}:  # the one module of level 0 that the others of level 0 may import
        assert LEVELS[name] < level or (level == 2 and LEVELS[name] == 2 and name != "lesson"), f"{module} imports {name}"
    assert module != "checks" or not inner
    if level < 2:
        assert not inner & {"plotting", "training"}


@pytest.mark.parametrize("module", sorted(set(LEVELS) - {"autodiff"}))
def test_only_autodiff_knows_the_backend(module):
    assert not {name.split(".")[0] for name in imported(module)} & BACKENDS


@pytest.mark.parametrize("module", LEVELS)
def test_public_names_are_documented_and_nothing_asserts(module):
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    assert ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{module}.{node.name} has no docstring"
    assert not any(isinstance(node, ast.Assert) for node in ast.walk(tree))


def test_the_package_stays_small():
    lines = 0
    for path in PACKAGE.glob("*.py"):
        tree = ast.parse(path.read_text())
        documented = set()
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
                documented |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
        text = path.read_text().splitlines()
        lines += sum(
            1 for i, line in enumerate(text, 1) if line.strip() and not line.strip().startswith("#") and i not in documented
        )
    assert lines <= 2000
