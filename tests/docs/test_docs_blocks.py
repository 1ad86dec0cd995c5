"""Every code block of README.md and docs/ is run as it stands, page by page."""

import contextlib
import io
import json
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import incmask
from docs_blocks import PAGES, ROOT, RUN, SHOWN, Block, Line, check_command, check_config, read_blocks, read_lines
from docs_folder import tiny_and_here
from incmask.api import exchanging
from incmask.base.choosing import read_config
from incmask.data.synthetic import make_fields
from incmask.exchange.models import model
from incmask.prediction.model_folder import model_folder

NOT_RUN = {
    ("python3", "-m", "venv"): "installs",
    ("pip", "install"): "installs",
    ("pytest",): "these tests",
    ("demo",): "trains for minutes; test_demo.py has it",
    ("compare",): "trains many models; tests/comparison has it",
    ("rank", "--simulate"): "trains many models; tests/ranking has it",
    ("prepare", "isic2018"): "needs a download; tests/prepare has it",
    ("prepare", "cityscapes"): "needs a download; tests/prepare has it",
    ("run", "--net"): "needs packages of others; tests/experiment/test_pretrained.py has it",
    ("correct",): "goes on until a person ends it; tests/exchange/test_correcting.py has it",
    ("predict", "--watch"): "goes on until Ctrl-C; test_inference.py has it",
}
"""Lines that have all these words are not run; those of ``incmask`` are read as the command would read them."""


@pytest.fixture(scope="module")
def finished(finished_run):
    """Give a folder with data, a finished run and what else the pages speak of."""
    return finished_run("of the pages")


def names():
    """What Python blocks find: images and masks, others without masks, and the labels of two models."""
    fields = make_fields(12, seed=9, size=(48, 48), task="binary")
    images = list(fields.images[..., 0])
    members = np.stack([fields.labels[0], fields.labels[1]])
    return {
        "image": images[0],
        "images": images[:8],
        "masks": list(fields.labels[:8]),
        "others": images[8:],
        "member_labels": members,
    }


@pytest.fixture(scope="session")
def exports():
    """Models that were exported, with what was said of each, by target and weights."""
    return {}


def export_once(patch, exports, kept):
    """Export a model only if no page did before: it takes longer than all else of a page."""
    really = model.export_model

    def export(run, out, *, target, progress):
        folder = model_folder(run)
        key = (target, *(path.read_bytes() for path in sorted(folder.iterdir())))
        if key not in exports:
            done = really(run, out, target=target, progress=progress)
            there = kept.mktemp("export")
            exports[key] = done, [shutil.copy(path, there) for path in (done.path, done.card, done.parity_file)]
        done, files = exports[key]
        again = model.ExportedModel(out, out.with_suffix(".parity.json"), out.with_suffix(".card.md"), done.parity)
        out.parent.mkdir(parents=True, exist_ok=True)
        for file, path in zip(files, (again.path, again.card, again.parity_file), strict=True):
            shutil.copy(file, path)
        return again

    patch.setattr(exchanging, "export_model", export)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_are_understood(page):
    """All lines of ``incmask``, also those that are not run."""
    problems = [
        f"{page.name}:{line.number}: {line}: {problem}"
        for block in read_blocks(page)
        if block.language == "sh"
        for line in read_lines(block)
        for words in line.programs
        if Path(words[0]).name == "incmask" and (problem := check_command(words[1:]))
    ]
    assert not problems, "\n".join(problems)


@pytest.mark.slow
@pytest.mark.usefixtures("traced_once", "undrawn")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_blocks_run(page, finished, exports, tmp_path, tmp_path_factory, monkeypatch, call):
    monkeypatch.syspath_prepend(ROOT)
    tiny_and_here(monkeypatch)
    export_once(monkeypatch, exports, tmp_path_factory)
    recipes, namespace, problems = dict(incmask.RECIPES), names(), []
    try:
        for index, block in enumerate(read_blocks(page)):
            if index == 0 or block.fresh:
                shutil.copytree(finished, tmp_path / f"{index}")
                monkeypatch.chdir(tmp_path / f"{index}")
            problems += [f"{page.name}:{problem}" for problem in run_block(block, namespace, call, monkeypatch)]
    finally:
        # A page may add an approach.
        incmask.RECIPES.clear()
        incmask.RECIPES.update(recipes)
    assert not problems, "\n".join(problems)


def run_block(block: Block, namespace, call, monkeypatch):
    """Run a block, all of it even where something fails, and give what is wrong."""
    try:
        if block.language == "sh":
            for line in read_lines(block):
                for problem in run_line(line, call, monkeypatch):
                    yield f"{line.number}: {line}: {problem}"
        elif block.language == "python":
            exec(compile(block.text, "<block>", "exec"), namespace)
        elif block.language == "toml":
            folder = Path("of a block")
            folder.mkdir(exist_ok=True)
            (folder / "incmask.toml").write_text(block.text, encoding="utf-8")
            check_config(read_config(folder))
        elif block.language not in SHOWN:
            yield f"{block.line}: a block of {block.language!r}; known are {', '.join(filter(None, RUN + SHOWN))}"
    except Exception as error:
        yield f"{block.line}: {type(error).__name__}: {error}"


def run_line(line: Line, call, monkeypatch):
    """Run a line, program by program, and give what is wrong."""
    told = ""
    for words in line.programs:
        program, arguments = Path(words[0]).name, words[1:]
        if not_run(words):
            pass
        elif program == "incmask":
            if arguments[0] == "import":
                correct(Path(arguments[2]))
            with monkeypatch.context() as patch:
                patch.setattr(sys, "stdin", io.StringIO(told))
                code, told, error = call(*arguments)
            if code:
                yield f"exit code {code}: {told[-300:]}{error[-600:]}"
        elif program == "find":
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            told = done.stdout
            if done.returncode or not told:
                yield f"found nothing {done.stderr}"
        elif words[:2] == ("python", "-m") and words[2].startswith("benchmarks."):
            yield from check_benchmark(words[2], arguments[2:], monkeypatch)
        else:
            yield f"{program} is not known here; tag the block text or console"


def correct(folder):
    """Do what a person does in labelme: draw a shape, and delete what is unsure."""
    for path in folder.rglob("*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        name = (folder / "labels.txt").read_text(encoding="utf-8").split()[0]
        drawn = {"label": name, "points": [[1, 1], [6, 6]], "shape_type": "rectangle"}
        content["shapes"] = [each for each in content["shapes"] if each["label"] != "unsure"] + [drawn]
        path.write_text(json.dumps(content), encoding="utf-8")


def check_benchmark(module, arguments, monkeypatch):
    """Build the parser of a benchmark, which says what it takes, and run nothing."""
    monkeypatch.setattr(sys, "argv", [module, "--help"])
    written = io.StringIO()
    with contextlib.redirect_stdout(written), pytest.raises(SystemExit) as end:
        runpy.run_module(module, run_name="__main__")
    if end.value.code:
        yield f"--help ends with {end.value.code}"
    for name in arguments:
        if name.startswith("--") and name not in re.findall(r"--[\w-]+", written.getvalue()):
            yield f"no option {name}"


def not_run(words):
    """The entries of ``NOT_RUN`` that a program's words fit."""
    have = {Path(words[0]).name, *words[1:]}
    return [entry for entry in NOT_RUN if have.issuperset(entry)]


def test_every_exception_occurs():
    lines = [
        line for page in PAGES for block in read_blocks(page) if block.language == "sh" for line in read_lines(block)
    ]
    used = {entry for line in lines for words in line.programs for entry in not_run(words)}
    assert used == set(NOT_RUN)


def test_a_pipe_is_run(finished, tmp_path, monkeypatch, call):
    shutil.copytree(finished, tmp_path / "page")
    monkeypatch.chdir(tmp_path / "page")
    block = Block(
        "sh", "find newimages -name '*.png' | incmask predict myrun - -o out  # three\nfind nowhere | cat\n", 5
    )
    found = list(run_block(block, {}, call, monkeypatch))
    assert [problem.partition(":")[0] for problem in found] == ["6", "6"]
    assert sorted(path.name for path in Path("out/masks").iterdir()) == [f"new_{index}.png" for index in range(3)]


def test_benchmarks_are_read_by_their_parsers(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    assert not list(check_benchmark("benchmarks.crash", ["--count", "20"], monkeypatch))
    assert list(check_benchmark("benchmarks.crash", ["--time"], monkeypatch)) == ["no option --time"]


def test_what_fails_in_a_block_is_told(call, monkeypatch):
    wrong = [Block("python", "1 / 0", 3), Block("sh", "incmask check nowhere\nls", 5), Block("perl", "", 9)]
    found = [problem for block in wrong for problem in run_block(block, {}, call, monkeypatch)]
    starts = [
        "3: ZeroDivisionError",
        "5: incmask check nowhere: exit code 1",
        "6: ls: ls is not",
        "9: a block of 'perl'",
    ]
    assert len(found) == len(starts)
    for problem, start in zip(found, starts, strict=True):
        assert problem.startswith(start)
