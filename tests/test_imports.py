"""The rooms of the package: who may import whom, and who may know the backend."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "gan_utils"
LEVELS = {
    "checks": 0,
    "autodiff": 0,
    "images": 0,
    "data": 1,
    "networks": 1,
    "losses": 1,
    "metrics": 1,
    "plotting": 1,
    "doctor": 2,
    "features": 2,
    "training": 2,
    "monitors": 2,
    "results": 2,
    "lesson": 2,
}
BACKENDS = {"tensorflow", "jax", "torch"}


def imported(module):
    """Names of the modules that a module imports, at the top and inside functions."""
    names = set()
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_every_module_has_its_level():
    assert {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"} == set(LEVELS)
    assert len(LEVELS) <= 14


@pytest.mark.parametrize("module", LEVELS)
def test_a_module_imports_lower_levels_only(module):
    inner = {name.split(".")[1] for name in imported(module) if name.startswith("gan_utils.")}
    level = LEVELS[module]
    for name in inner - {"checks"}:  # the one module that the others of its level may import
        beside = level == LEVELS[name] == 2 and name != "lesson"
        assert LEVELS[name] < level or beside, f"{module} imports {name}"
    assert module != "checks" or not inner


@pytest.mark.parametrize("module", LEVELS)
def test_a_call_shows_the_module_it_comes_from(module):
    inner = {name for name in imported(module) if name.startswith("gan_utils")}
    assert all(name.count(".") == 1 for name in inner), inner


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


def parsed():
    return {path: ast.parse(path.read_text()) for path in sorted(PACKAGE.glob("*.py"))}


def code_lines(path, tree):
    """Numbers of the lines that hold code: no docstring, no comment, not blank."""
    documented = set()
    for node in ast.walk(tree):
        kinds = (ast.Module, ast.FunctionDef, ast.ClassDef)
        if isinstance(node, kinds) and ast.get_docstring(node):
            documented |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = enumerate(path.read_text().splitlines(), 1)
    code = {i for i, line in lines if line.strip() and not line.strip().startswith("#")}
    return code - documented


LIMIT = 1300


def test_the_package_stays_small():
    assert sum(len(code_lines(*pair)) for pair in parsed().items()) <= LIMIT


def test_functions_fit_a_screen_and_take_few_arguments():
    for path, tree in parsed().items():
        code = code_lines(path, tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                length = len(code & set(range(node.lineno, node.end_lineno + 1)))
                assert length <= 30, f"{path.stem}.{node.name} has {length} lines"
                named = [arg.arg for arg in node.args.posonlyargs + node.args.args]
                assert len([name for name in named if name not in ("self", "cls")]) <= 6, node.name
