"""Write ``docs/errors.md``: every message of an error that a user can mend, as the source says it."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE, PAGE = ROOT / "src" / "incmask", ROOT / "docs" / "errors.md"

MAKERS = {"fail": 3, "Problem": 3, "Finding": 0}
"""What makes an error, with the number of its arguments: where, what, remedy."""

OPEN = "…"
"""Stands for what only the moment tells."""

HEAD = """# Every error

A mistake that you can mend ends in one line, `WHERE: WHAT; MEND`, and never in a traceback. These are all such lines,
by the folder of the source that they come from; `…` stands for a name, a number or words that the moment tells, `a / b`
for one of several. Where a choice is named, the command line says `--option` and Python `argument`. In Python the error
is an `incmask.IncmaskError`, whose `problems` have `where`, `what` and `remedy`. `python docs/make_errors.py` makes
this page.
"""


@dataclass(frozen=True)
class Message:
    """An error as the source makes it.

    Attributes:
        path: of the module, from the package.
        line: there.
        where, what, remedy: its three parts, each as the alternatives that the source has.
    """

    path: Path
    line: int
    where: tuple[str, ...]
    what: tuple[str, ...]
    remedy: tuple[str, ...]


def messages(source: Path = SOURCE) -> Iterator[Message]:
    """Give every error that a package makes, in the order of its files."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(source.rglob("*.py"))}
    trees = {path: ast.parse(text) for path, text in texts.items()}
    # Constants have names that no other thing has, and are imported by them.
    everywhere = {
        name: values for tree in trees.values() for name, values in _assigned(tree.body).items() if name.isupper()
    }
    for path, tree in trees.items():
        if not any(f"{name}(" in texts[path] for name in MAKERS):
            continue
        constants = everywhere | _assigned(tree.body) | _returned(tree)
        for scope in _functions(tree):
            calls = [(call.lineno, parts) for call in _calls(scope) if (parts := _arguments(call))]
            names = constants | _assigned(list(ast.walk(scope))) if calls and scope is not tree else constants
            for line, parts in calls:
                yield Message(path.relative_to(source), line, *(_texts(part, names) for part in parts))


def _functions(tree: ast.Module) -> Iterator[ast.AST]:
    yield tree
    yield from (each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef))


def _calls(scope: ast.AST) -> Iterator[ast.Call]:
    """Give the calls of a function, without those of functions inside it."""
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and MAKERS.get(node.func.id):
            yield node
        if not isinstance(node, ast.FunctionDef):
            waiting[:0] = ast.iter_child_nodes(node)


def _arguments(call: ast.Call) -> list[ast.expr]:
    """Give where, what and remedy; nothing for those that are unpacked from elsewhere."""
    named = {each.arg: each.value for each in call.keywords}
    found = [*call.args, *(named[name] for name in ("where", "what", "remedy") if name in named)]
    return [] if any(isinstance(each, ast.Starred) for each in found) else found


def _assigned(body: list[ast.AST] | list[ast.stmt]) -> dict[str, list[ast.expr]]:
    """Give what names may hold, by name."""
    found = defaultdict(list)
    for node in body:
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    found[target.id].append(node.value)
                elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    for each, value in zip(target.elts, node.value.elts, strict=False):
                        if isinstance(each, ast.Name):
                            found[each.id].append(value)
    return dict(found)


def _returned(tree: ast.Module) -> dict[str, list[ast.expr]]:
    """Give what functions of a module return, by name."""
    functions = {each.name: each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}
    found = {
        name: [each.value for each in ast.walk(function) if isinstance(each, ast.Return) and each.value is not None]
        for name, function in functions.items()
    }
    return {name: values for name, values in found.items() if values}


def _texts(node: ast.expr, names: dict[str, list[ast.expr]], depth: int = 0) -> tuple[str, ...]:
    """Give the texts that an expression may come to, ``OPEN`` in place of what is not known."""
    if depth > 6:
        return (OPEN,)
    if isinstance(node, ast.Constant):
        return (OPEN if node.value is None else str(node.value),)
    if isinstance(node, ast.JoinedStr):
        return _joined([_texts(each, names, depth + 1) for each in node.values])
    if isinstance(node, ast.FormattedValue):
        return _texts(node.value, names, depth + 1)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _joined([_texts(each, names, depth + 1) for each in (node.left, node.right)])
    if isinstance(node, ast.IfExp):
        return _several(_texts(each, names, depth + 1) for each in (node.body, node.orelse))
    if isinstance(node, ast.Call):
        return _of_call(node, names, depth)
    if isinstance(node, ast.Name) and node.id in names:
        # What is empty at first is filled in by whoever begins the work.
        return _several(
            _texts(each, {**names, node.id: []}, depth + 1) for each in names[node.id] if not _is_empty(each)
        ) or (OPEN,)
    return (OPEN,)


def _is_empty(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == ""


def _of_call(node: ast.Call, names: dict[str, list[ast.expr]], depth: int) -> tuple[str, ...]:
    """Give the words for options, settings and commands, which both callers have in their way."""
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    words = [_texts(each, names, depth + 1)[0] for each in node.args]
    if name in ("option", "option_of") and words:
        value = "" if len(words) < 2 or words[1] == "True" else f" {words[1]}"
        return (f"`--{words[0]}{value}`",)
    if name in ("setting", "settings", "settings_of"):
        given = [f"{each.arg}={_texts(each.value, names, depth + 1)[0]}" for each in node.keywords if each.arg]
        return (" ".join(f"`--set {each}`" for each in [*words, *given]) or OPEN,)
    if name == "command" and words:
        return (f"`incmask {words[0]}`",)
    if name == "size_option":
        return ("`--size` (of volumes `patch` in incmask.toml)",)
    if name == "another_folder":
        return ("choose another folder with `-o`",)
    if name == "either" and words:
        return (words[0],)
    if name in ("str", "renaming") and node.args:
        return _texts(node.args[0], names, depth + 1)
    if name in names:
        return _several(_texts(each, {**names, name: []}, depth + 1) for each in names[name]) or (OPEN,)
    return (OPEN,)


def _joined(parts: list[tuple[str, ...]]) -> tuple[str, ...]:
    """Put texts behind each other, each alternative of one with the first of all others."""
    if not parts:
        return ("",)
    firsts = [part[0] for part in parts]
    found = ["".join(firsts)]
    for place, part in enumerate(parts):
        found += ["".join([*firsts[:place], other, *firsts[place + 1 :]]) for other in part[1:]]
    return tuple(dict.fromkeys(re.sub(f"(?:{OPEN}[ ]?)+{OPEN}", OPEN, each) for each in found))


def _several(found: Iterator[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(found)))


def page(found: Iterable[Message]) -> str:
    """Write the page of these messages."""
    folders: dict[str, list[Message]] = defaultdict(list)
    for each in found:
        folders[each.path.parts[0]].append(each)
    sections = []
    for folder, those in folders.items():
        rows = dict.fromkeys(f"| {_cell(each.where)} | {_cell(each.what)} | {_cell(each.remedy)} |" for each in those)
        sections.append(f"\n## {folder}\n\n| where | what | mend |\n|---|---|---|\n" + "\n".join(sorted(rows)) + "\n")
    return HEAD + "".join(sections)


def _cell(texts: tuple[str, ...]) -> str:
    return re.sub(r"([|*<>])", r"\\\1", " / ".join(each or "–" for each in texts).replace("\n", " "))


if __name__ == "__main__":
    PAGE.write_text(page(messages()), encoding="utf-8")
