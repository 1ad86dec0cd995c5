import pytest

from incmask.base.choosing import resolve_settings
from incmask.experiment.workload import planned_work
from incmask.method.growth import num_generations_of
from incmask.method.recipes import RECIPES
from incmask.training.capacity import rating_cost, train_cost
from runs import make_data, run_tiny

FIXED = resolve_settings(
    overrides={
        "epochs": 2,
        "steps_per_epoch": 3,
        "batch_size": 2,
        "width": 0.5,
        "width_step": 0.25,
        "num_base": 4,
        "num_students": 3,
        "num_generations": 2,
        "num_evalnets": 3,
    }
)
ONE_PASS = FIXED.model_copy(update={"steps_per_epoch": 0})
HALF, THREE_QUARTERS = (train_cost(width) for width in (0.5, 0.75))
RATING = rating_cost(1.0)


def work(name, settings=ONE_PASS, **kwargs):
    return planned_work(RECIPES[name], settings, num_labelled=6, num_unlabelled=14, **kwargs)


def test_with_a_fixed_number_of_steps_all_models_take_as_many():
    assert work("ldt", FIXED) == work("aldt", FIXED) == work("fdt", FIXED) == pytest.approx(4 * 6 * HALF)
    assert work("me", FIXED) == pytest.approx((4 + 2 * 3) * 6 * HALF)
    assert work("cl", FIXED) == pytest.approx((4 + 3) * 6 * HALF)
    # Of a single step an epoch each part takes one.
    assert work("cl", FIXED.model_copy(update={"steps_per_epoch": 1})) == pytest.approx((4 * 2 + 3 * 4) * HALF)
    assert work("im+", FIXED) == pytest.approx(4 * 6 * HALF + 3 * 6 * (HALF + THREE_QUARTERS))
    assert work("im+", FIXED, taken_over=("ldt",)) == pytest.approx(3 * 6 * (HALF + THREE_QUARTERS))
    # Copies look at half of the images of a step, which costs a third of learning from them; teams of 2 of 3 students
    # are two teams.
    assert work("mt", FIXED) == pytest.approx((4 + 3 * 7 / 6) * 6 * HALF)
    assert work("im-online", FIXED, taken_over=("ldt",)) == pytest.approx(4 * 7 / 6 * 6 * HALF)
    # Both base recipes, 3 EvalNets of twice the width, 2 generations.
    assert work("evalnet", FIXED) == pytest.approx((2 * 4 + 2 * 3) * 6 * HALF + 3 * 6 * RATING)


def test_where_an_epoch_is_one_pass_steps_follow_the_images():
    """Two epochs of batches of 2: as many steps as images."""
    assert work("ldt") == pytest.approx(4 * 6 * HALF)
    assert work("aldt") == pytest.approx(4 * 60 * HALF)
    assert work("fdt") == work("strong-ldt") == pytest.approx(4 * 20 * HALF)
    assert work("me", taken_over=("ldt",)) == pytest.approx(2 * 3 * 20 * HALF)
    # Twice as many epochs, of a pass over the labelled and one over the unlabelled images.
    assert work("cl", taken_over=("ldt",)) == pytest.approx(3 * 2 * 20 * HALF)
    # A pass over the unlabelled images, one in each batch of two.
    assert work("mt", taken_over=("ldt",)) == pytest.approx(3 * 2 * 14 * 7 / 6 * HALF)
    # Ten blocked pairs of each labelled image.
    growing = 3 * (HALF + THREE_QUARTERS)
    assert work("im++", taken_over=("ldt",)) == pytest.approx(3 * 60 * RATING + 20 * growing)
    # The unaugmented pairs beside the augmented, and ten of each labelled image.
    assert work("aim+", taken_over=("aldt",)) == pytest.approx((60 + 28) * growing)
    # Eight masks and the true one of each labelled image.
    assert work("evalnet", taken_over=("ldt", "aldt")) == pytest.approx(3 * 54 * RATING + 2 * 3 * 20 * HALF)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["aldt", "cl", "me", "aim+", "fixmatch+im"])
@pytest.mark.usefixtures("untrained")
def test_the_plan_is_what_is_done(name, tmp_path):
    data = make_data(tmp_path / "data", "multilabel")
    _, said = run_tiny(data, tmp_path / "run", name, steps_per_epoch=0, num_generations=2)
    assert said.done == pytest.approx(said.expected)


def test_only_labellers_have_generations():
    assert [num_generations_of(RECIPES[name], FIXED) for name in ("ldt", "cl", "mt", "ns", "im++")] == [0, 1, 1, 2, 2]
