"""A name stands for one thing, and a folder can be taken in at a glance."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("streams", "bridges", "agents")
MODULES = sorted(
    path.relative_to(ROOT)
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if "__pycache__" not in path.parts
)
# A command's module and its function carry the word that the operator types.
COMMANDS = Path("agents/cli/commands")
MOST_MODULES = 20

SHARED: dict[str, dict[str, str]] = {
    "module": {
        "app": "each of the two applications is found as `<folder>.app:app`, which is Faust's convention",
    },
    "function": {
        "create_app": "the factory beside each of the two `app`",
    },
    "class": {},
}
"""Names that stand for two things on purpose, and the reason."""


def public(kind: type[ast.AST] | tuple[type[ast.AST], ...]) -> Iterator[tuple[str, Path]]:
    """Give the public top-level definitions of a kind, with their files."""
    for path in MODULES:
        if COMMANDS in path.parents:
            continue
        for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
            if isinstance(node, kind) and not (name := str(getattr(node, "name", "_"))).startswith("_"):
                yield name, path


def modules() -> Iterator[tuple[str, Path]]:
    """Give the names of modules; a room's own `__init__` is not one."""
    return ((path.stem, path) for path in MODULES if path.stem != "__init__" and COMMANDS not in path.parents)


NAMES = {
    "module": list(modules()),
    "class": list(public(ast.ClassDef)),
    "function": list(public((ast.FunctionDef, ast.AsyncFunctionDef))),
}


@pytest.mark.parametrize("what", NAMES)
def test_a_name_stands_for_one_thing(what: str) -> None:
    found = defaultdict(list)
    for name, path in NAMES[what]:
        found[name].append(str(path))
    twice = {name: files for name, files in found.items() if len(files) > 1}
    assert not twice.keys() - SHARED[what].keys(), f"rename one of each: {twice}"


def test_no_folder_has_more_modules_than_can_be_taken_in() -> None:
    held: dict[Path, int] = defaultdict(int)
    for path in MODULES:
        held[path.parent] += path.name != "__init__.py"
    assert {str(folder): number for folder, number in held.items() if number > MOST_MODULES} == {}
