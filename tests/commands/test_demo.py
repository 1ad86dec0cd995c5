"""The demo, at a size that takes seconds."""

import pytest

from incmask.base.progress import Silent
from incmask.commands import demo
from runs import HERE

pytestmark = pytest.mark.usefixtures("undrawn")


class _Listener(Silent):
    def __init__(self) -> None:
        self.expected = 0.0
        self.done = 0.0
        self.lines: list[str] = []

    def expect(self, amount: float) -> None:
        self.expected = amount

    def advance(self, amount: float) -> None:
        self.done += amount

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"epochs": 1, "steps_per_epoch": 2, "batch_size": 2, "width": 0.125, "num_generations": 1}
    monkeypatch.setattr(demo, "SETTINGS", demo.SETTINGS | settings | {"num_workers": 1})
    numbers = {"EPOCHS": 1, "NUM_GENERATIONS": 1}
    for name, value in (
        {"NUM_LABELLED": 2, "NUM_UNLABELLED": 4, "NUM_VAL": 2, "NUM_TEST": 2, "SIZE": (32, 32)} | numbers
    ).items():
        monkeypatch.setattr(demo, name, value)


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_demo_compares_five_approaches(tmp_path):
    listener = _Listener()
    result = demo.run_demo(tmp_path / "demo", executor=HERE, progress=listener)

    assert tuple(result.outcomes) == ("im", "me", "ldt", "fdt")
    assert listener.done == pytest.approx(listener.expected), "the bar must end at its end"
    table = demo.to_table(result)
    lines = {line.split()[0]: line for line in table.splitlines()}
    told = result.lines()
    assert list(told) == ["ldt", "strong-ldt", "me", "im", "fdt"]
    for name, (outcome, stage) in told.items():
        score = next(
            row.score for row in outcome.scores if (row.stage, row.model, row.split) == (stage.name, "ensemble", "test")
        )
        assert f"{score:.3f}" in lines[name]
    # An approach is judged by its own models, not by its teachers.
    assert [stage.name for _, stage in told.values()] == ["base", "control", "gen-1", "gen-1", "base"]
    assert len(list((tmp_path / "demo" / "im" / "masks").rglob("*.png"))) == 4
    # ME and IM start from the very same models.
    base = [tmp_path / "demo" / name / "base/students/1/model.safetensors" for name in ("me", "im")]
    assert len({path.read_bytes() for path in base}) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_every_line_tells_of_as_many_steps(tmp_path):
    """Without teachers in one training, with them in those of their weights, too."""
    result = demo.run_demo(tmp_path / "demo", executor=HERE, progress=_Listener())
    steps = {
        name: {student.num_steps + student.num_inherited for student in stage.students}
        for name, (_, stage) in result.lines().items()
    }
    assert steps == {name: {4} for name in ("ldt", "strong-ldt", "me", "im", "fdt")}
