"""Every number has bounds: values beyond are refused with them, and the reason."""

from typing import Any, get_args

import pytest

from incmask.base.bounds import WHY
from incmask.base.choosing import resolve_settings
from incmask.base.config import Settings
from incmask.base.errors import IncmaskError
from incmask.base.presets import EFFORTS, PRESETS

NUMBERS = {
    name: field
    for name, field in Settings.model_fields.items()
    if {int, float} & {field.annotation, *get_args(field.annotation)}
}


def bounds_of(name: str) -> dict[str, Any]:
    held = NUMBERS[name].metadata
    return {side: getattr(each, side) for each in held for side in ("ge", "gt", "le", "lt") if hasattr(each, side)}


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_has_both_bounds_and_a_reason_unless_it_is_a_share(name):
    bounds = bounds_of(name)
    assert {side[0] for side in bounds} == {"g", "l"}
    is_share = set(bounds.values()) <= {0, 1} and name not in WHY
    assert is_share or WHY[name]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [10**23, -(10**23), 1e99, -1e99, 1e-320])
def test_numbers_that_nothing_can_be_done_with_are_refused(name, value):
    kind = float if float in {NUMBERS[name].annotation, *get_args(NUMBERS[name].annotation)} else int
    if kind is int and abs(value) < 1:
        pytest.skip("no whole number")
    with pytest.raises(IncmaskError) as error:
        resolve_settings(from_file={name: kind(value)})
    (line,) = map(str, error.value.problems)
    assert f"correct {name}" in line
    if name in WHY and abs(value) > 1:
        assert WHY[name] in line


@pytest.mark.parametrize("name", WHY)
def test_the_bounds_themselves_are_taken(name):
    bounds = bounds_of(name)
    kind = int if NUMBERS[name].annotation is int else float
    assert set(bounds) == {"ge", "le"}
    for value in bounds.values():
        fitting: dict[str, Any] = {"num_judges": 0, "streams": "mixed", name: kind(value)}
        if name == "num_judges":
            fitting["num_evalnets"] = 1000
        if name in ("erode_px", "dilate_px", "detail_px") and value:
            assert value % 2 == 1
        if name == "position_target":
            fitting["loss"] = "mse"
        assert getattr(resolve_settings(overrides=fitting), name) == value


def test_presets_and_efforts_lie_within():
    for preset in PRESETS:
        for effort in EFFORTS:
            assert resolve_settings(preset=preset, effort=effort)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"size": [16384 + 16, 64]}, "16400 pixels a side need more memory than any machine has; use 16384 at most"),
        ({"evalnet_width": 0.001}, "layers of width 0.001 have no channel left; use 0.0625 or more, or 0"),
    ],
)
def test_sizes_and_widths_that_no_network_can_have(values, told):
    with pytest.raises(IncmaskError, match=told):
        resolve_settings(overrides=values)
