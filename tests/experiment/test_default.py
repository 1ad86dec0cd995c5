"""A run as it is where nobody says how: the default preset, for each task."""

import pytest

from incmask.base.choosing import resolve_settings
from incmask.base.presets import PRESETS
from incmask.experiment.named import Choices
from incmask.experiment.run import run
from incmask.method.recipes import DEFAULT_RECIPE, RECIPES
from runs import HERE, SETTINGS, make_data

FEW = {name: value for name, value in SETTINGS.items() if name not in PRESETS["default"]}
# Networks that have learnt nothing collapse at once.
FEW |= {"batch_size": 4, "on_collapse": "ignore"}


@pytest.mark.parametrize("task", ["binary", "multilabel", "multiclass"])
def test_it_trains_compares_and_hands_over(task, tmp_path):
    data = make_data(tmp_path / "data", task)
    outcome = run(data, tmp_path / "run", choices=Choices(settings=FEW), executor=HERE)
    assert outcome.recipe == DEFAULT_RECIPE
    assert [stage.name for stage in outcome.all_stages] == ["base", "control", "gen-1"]
    # Students began with their teachers' weights.
    steps = FEW["epochs"] * FEW["steps_per_epoch"]
    assert {student.num_inherited for student in outcome.stages[1].students} == {steps}
    assert len(list((tmp_path / "run" / "inconsistent").rglob("*.png"))) == 5


def test_the_paper_preset_trains_as_the_paper_does():
    """Nothing of what the default adds to recipes reaches it."""
    neutral = {
        "streams": "mixed",
        "start": "fresh",
        "blocking": "recipe",
        "strong": 0,
        "cutmix": 0,
        "augment": "recipe",
        "on_collapse": "ignore",
    }
    paper = resolve_settings(preset="paper")
    assert {name: getattr(paper, name) for name in PRESETS["default"]} == neutral
    assert RECIPES[DEFAULT_RECIPE].width == "fixed", "wider networks cannot begin with their teachers' weights"
