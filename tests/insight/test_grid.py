import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.base.choosing import resolve_again, resolve_settings
from incmask.base.config import Settings
from incmask.base.errors import IncmaskError
from incmask.commands.assignments import parse_grid

NAMES = st.sampled_from(["epochs", "num_members", "learning_rate", "schedule", "anything"])
VALUES = st.one_of(
    st.integers(-99, 99),
    st.sampled_from([0.5, 1e-3, 2.5]),
    st.sampled_from(["constant", "warmup_cosine", "all"]),
)


@given(st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=4, unique=True)))
def test_what_was_written_is_read(values):
    assignments = [f"{name}={','.join(map(str, several))}" for name, several in values.items()]
    grid = parse_grid(assignments)
    assert grid.single == {name: several[0] for name, several in values.items() if len(several) == 1}
    assert grid.several == {name: several for name, several in values.items() if len(several) > 1}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("size=[96,96]", [96, 96]),
        ("quality_band=[0.5, 0.7]", [0.5, 0.7]),
        ('schedule="constant"', "constant"),
        ("redraw=false", False),
        ("learning_rate=1e-3", 1e-3),
        ("admit=", ""),
    ],
)
def test_one_value(text, value):
    grid = parse_grid([text])
    assert (grid.single, grid.several) == ({text.partition("=")[0]: value}, {})


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("num_members= 2, 3 ,4", [2, 3, 4]),
        ("redraw=true,false", [True, False]),
        ('admit=all,"label_exceeds_mask"', ["all", "label_exceeds_mask"]),
        ("learning_rate=1e-3,0.003", [0.001, 0.003]),
        ("epochs=5,", [5, ""]),
    ],
)
def test_several_values(text, values):
    grid = parse_grid([text])
    assert (grid.single, grid.several) == ({}, {text.partition("=")[0]: values})


@pytest.mark.parametrize("text", ["epochs=2,3,2", "learning_rate=1,1.0", "admit=all,all", "epochs=,"])
def test_a_value_that_stands_there_twice(text):
    with pytest.raises(IncmaskError, match="a value stands there twice; name each value once"):
        parse_grid([text])


def test_no_value():
    with pytest.raises(IncmaskError, match=r"--set epochs: expected name=value"):
        parse_grid(["epochs"])


def test_the_last_entry_counts():
    assert parse_grid(["epochs=1,2", "epochs=3"]).several == {}
    assert parse_grid(["epochs=1,2", "epochs=3"]).single == {"epochs": 3}
    assert parse_grid(["epochs=3", "epochs=1,2"]).single == {}
    assert parse_grid(["epochs=3", "epochs=1,2", "epochs=4,5"]).several == {"epochs": [4, 5]}


@given(st.fixed_dictionaries({}, optional={"epochs": st.integers(1, 99), "erode_px": st.sampled_from([0, 3, 5])}))
def test_changes_change_nothing_else(changes):
    settings = resolve_settings(preset="paper", overrides={"size": [32, 48], "quality_band": [0.5, 0.75]})
    changed = resolve_again(settings, changes, where="--set")
    assert changed.model_dump() == settings.model_dump() | changes
    assert isinstance(changed, Settings)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"epocs": 3}, "here: unknown name 'epocs'; did you mean epochs"),
        ({"epochs": "many"}, "here: epochs = 'many': "),
        ({"dilate_px": 2}, "setting dilate_px: must be odd or 0, got 2"),
        ({"position_target": 3, "loss": "cross_entropy"}, "setting position_target: 3 with the loss cross_entropy"),
        ({"num_judges": 9}, "setting num_judges: 9 of 5 networks that rate"),
        ({"quality_band": [0.8, 0.2]}, "setting quality_band: expected 0 <= low <= high <= 1"),
    ],
)
def test_wrong_changes(changes, told):
    with pytest.raises(IncmaskError) as error:
        resolve_again(resolve_settings(preset="paper"), changes, where="here")
    assert str(error.value).startswith(told)
