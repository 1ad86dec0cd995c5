from collections import defaultdict
from dataclasses import replace

import pytest

from incmask.base.errors import IncmaskError
from incmask.experiment.choices import resolve
from incmask.experiment.named import Choices
from incmask.insight.comparison.plan import plan, recipes_of
from incmask.insight.report.comparison_page.rows import EQUAL, OWN
from incmask.method.recipes import RECIPES
from runs import PARTS, SETTINGS, make_data


@pytest.fixture(scope="module")
def chosen(tmp_path_factory):
    return resolved(make_data(tmp_path_factory.mktemp("plan") / "data", "binary"))


@pytest.fixture(scope="module")
def without_truth(tmp_path_factory):
    return resolved(make_data(tmp_path_factory.mktemp("plan") / "data", "binary", truth=False))


def resolved(data, **settings):
    return resolve(data, Choices(recipe="ldt", settings=SETTINGS | settings))


def cells_of(chosen, names=("all",), *, num_repeats=1, grid=None, equal_steps=None):
    recipes = recipes_of(names, chosen)
    return plan(chosen, recipes, num_repeats=num_repeats, grid=grid or {}, equal_steps=equal_steps)


def settings_by_recipe(cells):
    found = defaultdict(list)
    for cell in cells:
        found[cell.variant.recipe].append(cell.variant.setting)
    return found


def test_all_approaches_are_all_recipes_where_there_are_true_masks(chosen, without_truth):
    assert list(recipes_of(("all",), chosen).items()) == list(RECIPES.items())
    assert set(RECIPES) - set(recipes_of(("all",), without_truth)) == {"fdt", "gt-im++"}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("im",), ("ldt", "im")),
        (("im", "me", "ldt"), ("ldt", "me", "im")),
        (("evalnet",), ("ldt", "aldt", "evalnet")),
        (("aim++",), ("ldt", "aldt", "aim++")),
        (("fdt",), ("ldt", "fdt")),
    ],
)
def test_the_baseline_and_base_recipes_come_by_themselves(chosen, names, expected):
    assert tuple(recipes_of(names, chosen)) == expected


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("im", "imm"), "recipes: unknown name 'imm'; did you mean 'im'?"),
        (("evalnets",), "recipes: unknown name 'evalnets'; did you mean 'evalnet'?"),
        (("",), "recipes: unknown name ''; choose one of ldt, strong-ldt"),
        ((), "recipes: names no approach; choose from ldt, strong-ldt"),
    ],
)
def test_wrong_names_are_told(chosen, names, told):
    with pytest.raises(IncmaskError) as error:
        recipes_of(names, chosen)
    assert str(error.value).startswith(told)


@pytest.mark.parametrize("name", ["fdt", "gt-im++"])
def test_naming_a_recipe_that_needs_the_truth_is_an_error_without_it(without_truth, name):
    with pytest.raises(IncmaskError) as error:
        recipes_of(("im", name), without_truth)
    (problem,) = error.value.problems
    assert problem.what == f"recipe {name} needs the true masks of all unlabelled images"
    assert "put them into unlabelled/masks" in problem.remedy


def test_too_few_models_to_vote_are_told(chosen):
    few = replace(chosen, settings=chosen.settings.model_copy(update={"num_members": 3}))
    assert tuple(recipes_of(("ldt", "cl", "ns"), few)) == ("ldt", "cl", "ns")  # where nobody votes
    with pytest.raises(IncmaskError, match="3 voting members, but only 2 models"):
        recipes_of(("im",), few)


ONLINE = {"im-online", "mt", "cps", "fixmatch", "fixmatch+im"}
WITH_PSEUDO_LABELS = set(RECIPES) - {"ldt", "strong-ldt", "aldt", "fdt", "cl"}
WITH_GENERATIONS = WITH_PSEUDO_LABELS - ONLINE
BLOCKED = {"im", "im+", "im++", "aim+", "aim++", "gt-im++"}
BLOCKED_ONLINE = {"im-online", "fixmatch+im"}

SETTINGS_OF = {
    # What each setting makes a difference to, from the paper's description of the approaches (section 2.4).
    "num_members": BLOCKED | {"me", "evalnet"} | BLOCKED_ONLINE | {"cps"},
    "num_kept": BLOCKED | {"me"},
    "num_views": {"ie"},
    "erode_px": BLOCKED | BLOCKED_ONLINE,
    "dilate_px": BLOCKED | BLOCKED_ONLINE,
    "blocking": BLOCKED | BLOCKED_ONLINE,
    "detail_px": BLOCKED | {"me", "ie", "ns"},
    "max_blocked_share": BLOCKED,
    "admit": BLOCKED,
    "width_step": {"ns", "im+", "im++", "aim+", "aim++", "gt-im++"},
    "consistency_strength": {"cl"},
    "num_evalnets": {"evalnet", "im++", "aim++"},
    "num_judges": {"evalnet", "im++", "aim++"},
    "evalnet_width": {"evalnet", "im++", "aim++"},
    "evalnet_head": {"evalnet", "im++", "aim++"},
    "detection_loss": {"evalnet", "im++", "aim++"},
    "redraw_positions": WITH_GENERATIONS,
    "position_target": set(RECIPES),
    "epsilon": set(RECIPES),
    "quality_threshold": {"evalnet"},
    "quality_band": {"im++", "aim++", "gt-im++"},
    "num_generations": WITH_GENERATIONS,
    "num_students": set(RECIPES) - {"ldt", "strong-ldt", "aldt", "fdt"},
    "streams": WITH_GENERATIONS,
    "labelled_share": WITH_PSEUDO_LABELS,
    "start": WITH_PSEUDO_LABELS,
    **dict.fromkeys(("strong", "strong_from", "finetune_fraction", "curriculum"), WITH_GENERATIONS),
    "pseudo_weight": WITH_PSEUDO_LABELS,
    "ramp_fraction": WITH_PSEUDO_LABELS,
    "cutmix": WITH_GENERATIONS,
    "epochs": set(RECIPES),
    "learning_rate": set(RECIPES),
    "num_base": set(RECIPES),
}


@pytest.mark.parametrize("setting", SETTINGS_OF)
def test_a_setting_is_swept_over_where_it_matters(setting):
    assert {name for name, recipe in RECIPES.items() if recipe.depends_on(setting)} == SETTINGS_OF[setting]


def test_a_grid_has_all_combinations_of_what_matters(chosen):
    cells = cells_of(chosen, ("im", "me", "cl"), grid={"erode_px": [0, 3], "num_members": [2], "epochs": [1, 2]})
    found = settings_by_recipe(cells)
    assert found["ldt"] == ["epochs=1", "epochs=2"]
    assert found["cl"] == ["epochs=1", "epochs=2"]
    assert found["me"] == ["num_members=2 epochs=1", "num_members=2 epochs=2"]
    assert found["im"] == [
        f"erode_px={erode_px} num_members=2 epochs={epochs}" for erode_px in (0, 3) for epochs in (1, 2)
    ]
    for cell in cells:
        for text in cell.variant.setting.split():
            name, value = text.split("=")
            assert str(getattr(cell.chosen.settings, name)) == value
        if "erode_px" not in cell.variant.setting:
            assert cell.chosen.settings.erode_px == chosen.settings.erode_px


@pytest.mark.parametrize(
    "grid", [{}, {"erode_px": [0, 3]}, {"learning_rate": [0.001, 0.003], "num_students": [2, 3], "dilate_px": [5]}]
)
@pytest.mark.parametrize("equal_steps", [None, 7])
def test_runs_come_after_those_whose_models_they_take(chosen, grid, equal_steps):
    cells = cells_of(chosen, num_repeats=2, grid=grid, equal_steps=equal_steps)
    assert len({cell.folder for cell in cells}) == len(cells)
    assert len({cell.variant for cell in cells}) == len(cells)
    before = {}
    for cell in cells:
        assert set(cell.bases) == set(RECIPES[cell.variant.recipe].bases)
        for recipe, folder in cell.bases.items():
            base = before[folder]
            assert (base.variant.recipe, base.variant.repeat) == (recipe, cell.variant.repeat)
            assert base.variant.budget == cell.variant.budget
            # All but what makes no difference to a base model is the same.
            ours, theirs = cell.chosen.settings.model_dump(), base.chosen.settings.model_dump()
            different = {name for name in ours if ours[name] != theirs[name]}
            assert different <= {"erode_px", "dilate_px", "num_students"}
        before[cell.folder] = cell


def test_a_repeat_has_the_same_seed_for_all_and_another_than_the_next(chosen):
    cells = cells_of(replace(chosen, settings=chosen.settings.model_copy(update={"seed": 5})), num_repeats=3)
    seeds = defaultdict(set)
    for cell in cells:
        seeds[cell.variant.repeat].add(cell.chosen.settings.seed)
    assert seeds == {1: {5}, 2: {6}, 3: {7}}


def test_equal_steps_leave_out_what_takes_as_many_anyway(chosen):
    cells = cells_of(chosen, equal_steps=7)
    by_budget = defaultdict(set)
    for cell in cells:
        by_budget[cell.variant.budget].add(cell.variant.recipe)
        expected = 7 if cell.variant.budget == EQUAL else SETTINGS["steps_per_epoch"]
        assert cell.chosen.settings.steps_per_epoch == expected
    assert by_budget == {OWN: set(RECIPES), EQUAL: set(RECIPES) - {"fdt", "strong-ldt"}}


@pytest.mark.parametrize("setting", ["seed", "device", "num_workers", "size", "fit"])
def test_what_all_share_cannot_be_swept(chosen, setting):
    with pytest.raises(IncmaskError, match=rf"settings\[.{setting}.\]: is the same for the whole comparison"):
        cells_of(chosen, grid={setting: [1, 2]})


@pytest.mark.parametrize("setting", ["steps_per_epoch", "batch_size"])
def test_what_decides_equal_steps_cannot_be_swept_beside_them(chosen, setting):
    grid = {setting: [2, 4]}
    assert len(cells_of(chosen, ("ldt",), grid=grid)) == 2
    with pytest.raises(IncmaskError, match=rf"settings\[.{setting}.\]: decides what equal steps are"):
        cells_of(chosen, ("ldt",), grid=grid, equal_steps=7)


def test_students_cannot_be_swept_where_they_decide_the_folds(chosen, tmp_path):
    grid = {"num_students": [2, 3]}
    assert len(cells_of(chosen, ("im",), grid=grid)) == 3
    few = resolved(make_data(tmp_path / "few", "binary", PARTS | {"labelled": 3, "val": 0}), num_base=3)
    with pytest.raises(IncmaskError, match=r"num_students.\]: decides the folds of so few images without val/"):
        cells_of(few, ("im",), grid=grid)
    # Of eight a fifth is set aside, however many students there are.
    many = resolved(make_data(tmp_path / "many", "binary", {"labelled": 30, "unlabelled": 1}))
    assert len(cells_of(many, ("im",), grid=grid)) == 3


def test_names_that_are_too_long_for_a_folder_are_refused(chosen):
    grid = {name: [0.5] for name in ("learning_rate", "weight_decay", "warmup_fraction", "average_decay")}
    assert cells_of(chosen, ("ldt",), grid=grid)[0].folder.name == (
        "ldt learning_rate=0.5 weight_decay=0.5 warmup_fraction=0.5 average_decay=0.5"
    )
    grid |= {"batch_norm_momentum": [0.5], "width": [0.5], "width_step": [0.5]}
    with pytest.raises(IncmaskError, match=r"sweeps too many settings at once \(learning_rate=0\.5 .*sweep fewer"):
        cells_of(chosen, ("im+",), grid=grid)


@pytest.mark.parametrize(
    ("grid", "told"),
    [
        ({"erode_px": [0, 4]}, "setting erode_px: must be odd or 0, got 4"),
        ({"epocs": [1, 2]}, "settings: unknown name 'epocs'; did you mean epochs"),
        ({"epochs": [1, 0]}, "settings: epochs = 0: "),
        ({"num_members": [2, 3]}, "setting num_members: 3 voting members, but only 2 models"),
    ],
)
def test_a_value_outside_its_range_is_told_before_anything_is_trained(chosen, grid, told):
    with pytest.raises(IncmaskError) as error:
        cells_of(chosen, ("im",), grid=grid)
    assert str(error.value).startswith(told)


def test_no_setting_can_lead_out_of_the_folder(chosen):
    for value in ("../../x", "a/b"):
        with pytest.raises(IncmaskError, match="admit"):
            cells_of(chosen, ("im",), grid={"admit": ["all", value]})
