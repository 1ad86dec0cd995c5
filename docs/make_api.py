"""Write ``docs/api.md``: a reference of everything in ``incmask.__all__``, from the signatures and docstrings."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import griffe

import incmask

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "api.md"

_LONGEST_SIGNATURE = 100
_HEAD = """# API reference

Everything that `import incmask` offers, from the docstrings; `python docs/make_api.py` writes this page. Arrays are
NumPy arrays; sizes are height and width in pixels. A user's mistake raises `IncmaskError`, whose lines say how to mend
it. What the words mean stands in the [guide](guide.md), which part of the paper is where in [paper.md](paper.md).
"""


def api_page() -> str:
    """Make the text of the page."""
    package = griffe.load("incmask", search_paths=[ROOT / "src"], docstring_parser="google", allow_inspection=False)
    objects = {name: _target(package[name]) for name in incmask.__all__}
    parts = [_HEAD, *(_part(name, found) for name, found in objects.items()), _others(objects)]
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _target(found: Any) -> Any:
    return found.final_target if found.is_alias else found


def _part(name: str, found: Any) -> str:
    lines = [f"## {name}", "", f"[`{found.canonical_path}`]({_link(found)})", ""]
    if found.is_module:
        public = [_target(found[each]) for each in found.exports]
        return "\n".join([*lines, *_docstring(found), *(line for each in public for line in _class(each, depth=3))])
    if name == "RECIPES":
        rows = [f"| `{key}` | {recipe.title} |" for key, recipe in incmask.RECIPES.items()]
        return "\n".join([*lines, *_docstring(found), "| name | title |", "|---|---|", *rows])
    body = _class(found, depth=2)[2:] if found.is_class else [*_signature(found, found.name), *_docstring(found)]
    return "\n".join([*lines, *body])


def _class(found: Any, *, depth: int) -> list[str]:
    """Heading, signature, docstring, then properties and methods that have a docstring."""
    lines = [f"{'#' * depth} {found.name}", "", *_signature(found, found.name), *_docstring(found)]
    members = [each for name, each in found.members.items() if not name.startswith("_") and each.has_docstring]
    # The docstring of a class tells of its attributes; what has one of its own is a property or a method.
    properties = [each for each in members if each.is_attribute and "property" in each.labels]
    lines += [
        *(["**Properties**", ""] if properties else []),
        *(f"- `{each.name}` (`{each.annotation}`): {_markdown(each.docstring.value)}" for each in properties),
        *([""] if properties else []),
    ]
    for each in members:
        if each.is_function:
            heading = f"{'#' * (depth + 1)} {found.name}.{each.name}"
            lines += [heading, "", *_signature(each, f"{found.name}.{each.name}"), *_docstring(each)]
    return lines


def _signature(found: Any, name: str) -> list[str]:
    """The call as a block; an argument a line where it is long. ``py``: a signature is no code that runs."""
    hidden = {"self", "cls"} if found.is_class or found.parent.is_class else set()
    arguments, only_by_name = [], False
    for each in found.parameters:
        if each.name in hidden:
            continue
        if each.kind is griffe.ParameterKind.keyword_only and not only_by_name:
            arguments.append("*")
            only_by_name = True
        default = "" if each.default is None else f" = {each.default}"
        arguments.append(f"{each.name}: {_type(each.annotation)}{default}")
    returns = "" if found.is_class or str(found.returns) == "None" else f" -> {_type(found.returns)}".replace('"', "")
    text = f"{name}({', '.join(arguments)}){returns}"
    if len(text) > _LONGEST_SIGNATURE:
        text = "\n".join([f"{name}(", *(f"    {each}," for each in arguments), f"){returns}"])
    return ["```py", text, "```", ""]


def _type(annotation: Any) -> str:
    """Write a type without the axes of arrays, which the docstring tells."""
    plain = re.sub(r"Annotated\[([\w.]+), [^]]*\]", r"\1", str(annotation))
    return plain if plain == str(annotation) else " | ".join(dict.fromkeys(plain.split(" | ")))


def _docstring(found: Any) -> Iterator[str]:
    for section in found.docstring.parsed:
        if section.kind is griffe.DocstringSectionKind.text:
            yield from (_markdown(section.value, keep_lines=True), "")
            continue
        if section.kind is griffe.DocstringSectionKind.returns:
            yield from ("**Returns**", "", *(f"- {_markdown(each.description)}" for each in section.value), "")
            continue
        if section.kind is griffe.DocstringSectionKind.examples:
            yield from (
                "**Examples**",
                "",
                *(line for _, text in section.value for line in ("```pycon", text, "```", "")),
            )
            continue
        title = "Arguments" if section.kind is griffe.DocstringSectionKind.parameters else section.kind.value.title()
        yield from (f"**{title}**", "")
        for each in section.value:
            named = getattr(each, "name", None) or each.annotation
            # The signature tells the types of arguments; those of the fields of a record, too.
            yield f"- `{named}`: {_markdown(each.description)}"
        yield ""


def _markdown(text: str, *, keep_lines: bool = False) -> str:
    """Docstring text as Markdown: one kind of backticks, and no character that would be markup by chance."""
    text = text.replace("``", "`")
    pieces = re.split(r"(`[^`]*`)", text if keep_lines else " ".join(text.split()))
    return "".join(piece if piece.startswith("`") else re.sub(r"([*<\[])", r"\\\1", piece) for piece in pieces)


def _link(found: Any) -> str:
    return f"../{found.filepath.relative_to(ROOT).as_posix()}"


def _others(objects: dict[str, Any]) -> str:
    """A line for each type that signatures and attributes name, but that is not public itself."""
    public = {found.canonical_path for found in objects.values()}
    found = {path: each for path, each in sorted(_named(list(objects.values()))) if path not in public}
    lines = [
        "## Other types",
        "",
        "Signatures and attributes name these too; `import incmask` does not offer them.",
        "",
    ]
    for path, each in found.items():
        told = _markdown(each.docstring.value.split("\n\n")[0]) if each.has_docstring else f"`{each.value}`"
        lines.append(f"- [`{path}`]({_link(each)}): {told}")
    return "\n".join(lines)


def _named(objects: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    for found in objects:
        members = [each for name, each in found.members.items() if not name.startswith("_")] if found.is_class else []
        annotations = [getattr(each, "annotation", None) for each in members]
        annotations += [each.annotation for each in getattr(found, "parameters", ())] + [
            getattr(found, "returns", None)
        ]
        for annotation in annotations:
            for part in annotation.iterate(flat=True) if isinstance(annotation, griffe.Expr) else ():
                if isinstance(part, griffe.ExprName) and part.canonical_path.startswith("incmask."):
                    target = _target(found.modules_collection[part.canonical_path])
                    yield target.canonical_path, target


if __name__ == "__main__":
    PAGE.write_text(api_page(), encoding="utf-8")
