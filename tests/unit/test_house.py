"""What the house promises of its code: types where they can be, arguments where they are many."""

import ast
import re
from collections.abc import Iterator

from tests.unit.test_names import MODULES, ROOT

MOST_ANY = 1.5
"""Per 100 lines of the wiring; Faust's own types are many of them."""
MANY = 3
"""Parameters from which on a docstring says what they are."""
_OTHERS = frozenset({"convert", "settings_customise_sources", "loads_key", "loads_value"})
"""Methods whose parameters click, pydantic and Faust have chosen."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def lines_of(package: str) -> list[str]:
    """Return the lines of code of a package."""
    return [
        line
        for path in MODULES
        if path.parts[0] == package
        for line in (ROOT / path).read_text(encoding="utf-8").splitlines()
    ]


def public(tree: ast.AST) -> Iterator[Function]:
    """Give the public functions of a module and of its public classes."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public(node)
        elif isinstance(node, Function) and not node.name.startswith("_"):
            yield node


def parameters(function: Function) -> list[str]:
    """Return the names of those that a caller gives."""
    wanted = function.args
    named = [*wanted.posonlyargs, *wanted.args, *wanted.kwonlyargs]
    return [each.arg for each in named if each.arg not in ("self", "cls") and not each.arg.startswith("_")]


def is_told_elsewhere(function: Function) -> bool:
    """Tell whether what is passed is told by the options of a command, or by the table of routes."""
    decorators = " ".join(map(ast.unparse, function.decorator_list))
    return ".command(" in decorators or "request" in parameters(function) or function.name in _OTHERS


def test_the_wiring_has_types() -> None:
    lines = lines_of("agents")
    found = sum(len(re.findall(r"\bAny\b", line)) for line in lines)
    assert 100 * found / len(lines) <= MOST_ANY, f"{found} times Any in {len(lines)} lines"
    assert [line for line in lines if re.search(r"\bapp: Any\b", line)] == []


def test_where_parameters_are_many_the_docstring_says_what_they_are() -> None:
    silent = []
    for path in MODULES:
        for function in public(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            told = re.search(r"Args:|[Aa]rguments.*as `", ast.get_docstring(function) or "")
            if len(parameters(function)) >= MANY and not told and not is_told_elsewhere(function):
                silent.append(f"{path}:{function.lineno} {function.name}")
    assert silent == []


def test_the_files_that_answer_a_newcomer_are_there_and_no_more_than_three() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    answers = re.findall(r"^\| ([^|]+\?) \| (.+) \|$", text, re.MULTILINE)
    files = {question: re.findall(r"`([^`]+)`", row) for question, row in answers}
    assert len(files) >= 3
    assert {question: row for question, row in files.items() if len(row) > 3} == {}
    named = re.findall(r"`((?:streams|bridges|agents|tests|docs)/[\w./-]+)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_a_recipe_has_at_most_ten_lines() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    recipes = dict(re.findall(r"^## (Add [^\n]+)\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    assert len(recipes) >= 6
    lines = {head: sum(1 for line in body.splitlines() if line) for head, body in recipes.items()}
    assert {head: number for head, number in lines.items() if number > 10} == {}
