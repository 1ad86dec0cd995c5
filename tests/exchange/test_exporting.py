import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from export_models import make_model
from incmask.api import exchanging
from incmask.base.errors import IncmaskError
from incmask.commands.exchanging import export
from incmask.exchange.corrections import export as labels_export
from incmask.exchange.names import MODEL_TARGETS, TARGETS


def call(*arguments):
    app = typer.Typer(rich_markup_mode=None)
    app.command()(export)
    return CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=True)


@pytest.mark.slow
@pytest.mark.usefixtures("traced_once")
def test_a_model_is_exported_and_told(tmp_path):
    # That of test_model_export.py, which is traced already.
    model = make_model(tmp_path, "binary", channels=3, num_members=1)
    out = tmp_path / "out" / "model.pt2"
    done = call(model, "--to", "torch", "-o", out, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["target"] == "torch"
    assert Path(told["out"]) == out
    assert all(Path(told[name]).exists() for name in ("out", "card", "parity"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--to", "tensorflow"), "unknown name 'tensorflow'; choose one of onnx, torch, bioimageio, coco"),
        (("--to", "onx"), "did you mean 'onnx'"),
        (("--to", "onnx", "--top", 3), "is for labels, and onnx exports the model"),
        (("--to", "onnx", "--split"), "--split: is for labels, and onnx exports the model"),
        (("--to", "onnx", "--exact"), "--exact: is for labels, and onnx exports the model"),
        (("--to", "coco", "--exact", "--least-px", 9), "use one of the two"),
    ],
)
def test_mistakes_are_told(tmp_path, arguments, message):
    done = call(tmp_path, *arguments, "-o", tmp_path / "m.onnx")
    assert isinstance(done.exception, IncmaskError)
    assert message in str(done.exception)


@pytest.mark.parametrize("target", TARGETS)
def test_labels_are_written_by_their_own_function(tmp_path, monkeypatch, target):
    calls = []

    def export_labels(run, out, *, target, top, least_px, split, progress):
        calls.append((run, out, target, top, split, least_px))
        return labels_export.Exported(out, target, ("b", "a"), "ranking.csv", ("a note",))

    monkeypatch.setattr(exchanging, "export_labels", export_labels)
    arguments = (tmp_path / "run", "--to", target, "-o", tmp_path / "out", "--top", 20)
    done = call(*arguments, "-q")
    assert done.exit_code == 0, done.output
    assert calls == [(tmp_path / "run", tmp_path / "out", target, 20, False, None)]
    assert done.stdout == f"2 images in {tmp_path / 'out'}, in the order of ranking.csv\na note\n"
    assert json.loads(call(*arguments, "--json").stdout) == {
        "target": target,
        "out": str(tmp_path / "out"),
        "images": ["b", "a"],
        "ranked_by": "ranking.csv",
        "merged": None,
        "notes": ["a note"],
    }
    assert call(*arguments, "--exact").exit_code == 0
    assert call(*arguments, "--least-px", 9, "--split").exit_code == 0
    assert [each[-2:] for each in calls[2:]] == [(False, 1), (True, 9)]


def test_targets_of_models_and_labels_have_names_of_their_own():
    assert not set(MODEL_TARGETS) & set(TARGETS)
