import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.base.config import Settings
from incmask.experiment.advice import LEAST_STEPS, advice
from incmask.experiment.workload import student_steps
from incmask.method.recipes import RECIPES
from small import some_settings

IMAGES = {"num_labelled": 12, "num_unlabelled": 108}
LONG = {"epochs": 10, "steps_per_epoch": 30}


def told(name, **values):
    return [*advice(RECIPES[name], Settings(**values), **IMAGES)]


def test_enough_steps_need_no_advice():
    assert told("im", **LONG) == told("im+", **LONG) == []
    # Only students of pseudo-labels are short of them.
    assert told("ldt", epochs=1) == told("cl", epochs=1, steps_per_epoch=2) == []


@pytest.mark.parametrize(
    ("generations", "epochs", "changes"),
    [
        # 5 times 100 steps are one generation of 500; 6 times 100 two of 300.
        (5, 10, 'settings={"num_generations": 1, "epochs": 50} is long enough and takes about as long in all'),
        (6, 10, 'settings={"num_generations": 2, "epochs": 30} is long enough and takes about as long in all'),
        # All steps together are too few.
        (2, 10, 'settings={"num_generations": 1, "epochs": 30} is long enough'),
        (1, 10, 'settings={"epochs": 30} is long enough'),
    ],
)
def test_few_steps_are_told_and_what_to_do(generations, epochs, changes):
    (sentence,) = told("im", num_generations=generations, epochs=epochs, steps_per_epoch=10)
    assert sentence.startswith("students train for 100 steps")
    assert sentence.endswith(f"teachers; {changes}")


@given(
    generations=st.integers(1, 9),
    epochs=st.integers(1, 40),
    steps=st.integers(0, 40),
    name=st.sampled_from(["im", "aim+"]),
)
def test_who_follows_the_advice_is_given_none(generations, epochs, steps, name):
    settings = Settings(num_generations=generations, epochs=epochs, steps_per_epoch=steps)
    sentences = [*advice(RECIPES[name], settings, **IMAGES)]
    before = student_steps(RECIPES[name], settings, **IMAGES)
    assert bool(sentences) == (before < LEAST_STEPS)
    if sentences:
        changes = {key: int(value) for key, value in re.findall(r'"(\w+)": (\d+)', sentences[0])}
        better = settings.model_copy(update=changes)
        after = student_steps(RECIPES[name], better, **IMAGES)
        assert [*advice(RECIPES[name], better, **IMAGES)] == []
        if "about as long" in sentences[0]:
            assert after * better.num_generations == pytest.approx(before * generations, rel=0.15)


def test_networks_that_cannot_begin_with_their_teachers_are_told():
    """Those of generation 1 are as wide as the base models."""
    (sentence,) = told("im+", start="teacher", num_generations=3, **LONG)
    assert sentence.startswith("networks of generation 2, 3 are wider than their teachers' and begin with new weights")
    for name, values in (
        ("im+", {"start": "fresh"}),
        ("im+", {"start": "teacher", "num_generations": 1}),
        ("im+", {"start": "teacher", "width_step": 0.0}),
        ("im", {"start": "teacher"}),
        ("ldt", {"start": "teacher"}),
    ):
        assert told(name, **({"num_generations": 3} | LONG | values)) == []


def test_a_pass_over_all_images_counts_the_pairs():
    """One epoch of 120 images in batches of 2 is 60 steps."""
    settings = some_settings("paper", epochs=1, num_generations=1)
    (sentence,) = advice(RECIPES["im"], settings, **IMAGES)
    assert sentence.startswith("students train for 60 steps")
