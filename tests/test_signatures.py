"""Signatures say what goes in and out."""

import ast
from pathlib import Path

import stylecli

MOST = 10


def annotations(function: ast.FunctionDef) -> list[ast.expr]:
    given = function.args
    several = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return [each for each in (*(one.annotation for one in several if one), function.returns) if each]


def test_any_is_rare():
    found = []
    for path in Path(stylecli.__file__).parent.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                texts = [ast.unparse(each) for each in annotations(function)]
                found += [f"{path.name}: {function.name}" for text in texts if "Any" in text.replace("AnyStyle", "")]
    assert 0 < len(found) <= MOST, found
