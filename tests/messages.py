"""What the package's errors can say: read from its source, so that a new one without Spanish is found without being raised."""

from __future__ import annotations

import ast
import itertools
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import labkit
from labkit import errors

PACKAGE = Path(labkit.__file__).parent
KINDS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.LabError)}
PARTS = ("what", "cause", "fix")
MAKERS = (
    "bad",
    "unexpected",
    "timeout_error",
    "too_long",
    "_cannot",
    "_broke_off",
    "_gave_up",
)  # what makes an error of a part of its text
SPOKEN = ("why", "uncut", "breaks_off")
ASIDE = ("zoo/training", "setup/")  # for those who work on labkit itself
Names = dict[str, list[str]]  # what a name may stand for; NAME() for what a function returns
ANY = "\0"  # what changes from one time to the next


def messages() -> dict[str, str]:
    """Each text that an error can hold, `ANY` where a value stands, and one place where it is raised."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
    constants: Names = defaultdict(list)  # under one name there may be several, in several files
    for tree in trees.values():
        for name, text in _constants(tree):
            constants[name].append(text)
    for tree in trees.values():
        for scope in _scopes(tree):
            if texts := _returned(scope, constants):
                constants[f"{scope.name}()"] += texts
    found: dict[str, str] = {}
    for path, tree in trees.items():
        place = path.relative_to(PACKAGE).as_posix()
        if place.startswith(ASIDE):
            continue
        for node, text in _said(tree, constants):
            if text.replace(ANY, "").strip(" :.,()'\n"):
                found.setdefault(text, f"{place}:{node.lineno}")
    return found


def _said(tree: ast.Module, constants: Names) -> Iterator[tuple[ast.expr, str]]:
    """Each expression of a file that goes into an error, with every text that it can be."""
    for scope in ast.walk(tree):
        if isinstance(scope, ast.ClassDef):
            yield from ((node, text) for node in _named(scope) for text in _texts(node, constants))
    for scope in _scopes(tree):
        names = {**constants, **_assigned(scope, constants)}
        yield from ((node, text) for node in _parts(scope) for text in _texts(node, names))


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            for text in _texts(node.value, {}):
                yield node.targets[0].id, text


def _scopes(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _returned(scope: ast.FunctionDef | ast.AsyncFunctionDef, constants: Names) -> list[str]:
    """What a private function that makes texts gives back."""
    if not scope.name.startswith("_") or ast.unparse(scope.returns or ast.Constant("")) not in ("str", "tuple[str, str]"):
        return []
    names = {**constants, **_assigned(scope, constants)}
    return [text for node in ast.walk(scope) if isinstance(node, ast.Return) and node.value for text in _texts(node.value, names)]


def _assigned(scope: ast.AST, constants: Names) -> dict[str, list[str]]:
    """The texts that a function gives its names."""
    known: dict[str, list[str]] = {}
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                both = [(target, node.value)]
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    both = list(zip(target.elts, node.value.elts, strict=True))
                for name, value in both:
                    if isinstance(name, ast.Name) and (texts := _texts(value, {**constants, **known})):
                        known[name.id] = known.get(name.id, []) + texts
    return known


def _named(scope: ast.ClassDef) -> Iterator[ast.expr]:
    """What a class says by attributes: why an engine does not obey, and why it breaks off."""
    for node in scope.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        if any(isinstance(target, ast.Name) and target.id in SPOKEN for target in targets) and node.value:
            yield node.value


def _parts(scope: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(scope):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in KINDS or name in MAKERS:
                yield from (argument.value if isinstance(argument, ast.Starred) else argument for argument in node.args)
            yield from (keyword.value for keyword in node.keywords if keyword.arg in (*PARTS, "who", "start"))
        if isinstance(node, ast.FunctionDef):
            for argument, default in zip(reversed(node.args.args), reversed(node.args.defaults), strict=False):
                if argument.arg in (*PARTS, "who", "start"):
                    yield default
        if isinstance(node, ast.AugAssign | ast.Assign):
            target = node.target if isinstance(node, ast.AugAssign) else node.targets[0]
            if isinstance(target, ast.Attribute) and target.attr in (*PARTS, "_who"):
                yield node.value
            if ast.unparse(target).partition("[")[0] == "ignored":  # why an engine does not obey
                yield node.value.args[-1] if isinstance(node.value, ast.Call) else node.value


def _texts(node: ast.expr, names: Names) -> list[str]:
    """Every text that an expression can be; none where it is no text."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.Name):
        return names.get(node.id, [])
    if isinstance(node, ast.Call):
        return names.get(f"{getattr(node.func, 'attr', getattr(node.func, 'id', ''))}()", [])
    if isinstance(node, ast.Tuple):
        return [text for item in node.elts for text in _texts(item, names)]
    if isinstance(node, ast.IfExp):
        both = [_texts(branch, names) for branch in (node.body, node.orelse)]
        return [text for texts in both for text in texts or [ANY]] if any(both) else []
    if isinstance(node, ast.BoolOp):
        return [text for value in node.values for text in _texts(value, names) or [ANY]]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return ["".join(both) for both in itertools.product(_texts(node.left, names) or [ANY], _texts(node.right, names) or [ANY])]
    if isinstance(node, ast.JoinedStr):
        pieces = [_texts(part, names) or [ANY] for part in node.values]
        return ["".join(chosen) for chosen in itertools.product(*pieces)]
    if isinstance(node, ast.FormattedValue):
        plain = node.conversion == -1 and node.format_spec is None
        return _texts(node.value, names) if plain else []
    return []
