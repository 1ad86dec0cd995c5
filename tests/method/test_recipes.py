"""Every recipe against the paper's table of approaches, written out by hand."""

import dataclasses

import pytest

from incmask.method.recipe import BestCandidate, Blocking, EvalNets, Online, Recipe, Vote
from incmask.method.recipes import RECIPES

AGREEMENT = Vote(teachers="several", views="one", soft=False)
BLOCKED = Blocking(image=True, label=True, in_loss=True)
LIKE_IM_PLUS = {
    "teachers": "ldt",
    "labeller": AGREEMENT,
    "blocking": BLOCKED,
    "augment": "growing",
    "width": "growing",
}
ONLINE = {"teachers": "ldt", "objective": "online"}
LEFT_OUT = Blocking(image=True, label=True, in_loss=False)
LIKE_AIM_PLUS = LIKE_IM_PLUS | {"teachers": "aldt", "labelled": "augmented", "keep_plain": True}

# What differs from labelled images alone: plain, no teachers, nothing blocked or augmented, fixed width, one copy.
TABLE = {
    "ldt": {},
    "strong-ldt": {"labelled": "strong"},
    "aldt": {"labelled": "augmented"},
    "fdt": {"labelled": "full"},
    "me": {"teachers": "ldt", "labeller": Vote(teachers="several", views="one", soft=True)},
    "ie": {"teachers": "ldt", "labeller": Vote(teachers="best", views="several", soft=True)},
    "cl": {"teachers": "ldt", "objective": "consistency"},
    "ns": {
        "teachers": "ldt",
        "labeller": Vote(teachers="best", views="one", soft=False),
        "augment": "growing",
        "width": "growing",
    },
    "evalnet": {
        "teachers": "ldt",
        "labeller": BestCandidate(least_steps=1 / 3),
        "evalnets": EvalNets(examples_from=("ldt", "aldt"), blocked=False),
    },
    "im": {"teachers": "ldt", "labeller": AGREEMENT, "blocking": BLOCKED},
    "im+": LIKE_IM_PLUS,
    "im++": LIKE_IM_PLUS | {"copies": "by_quality", "evalnets": EvalNets(examples_from=("ldt",), blocked=True)},
    "aim+": LIKE_AIM_PLUS,
    "aim++": LIKE_AIM_PLUS | {"copies": "by_quality", "evalnets": EvalNets(examples_from=("aldt",), blocked=True)},
    "gt-im++": LIKE_IM_PLUS | {"copies": "by_true_quality"},
    # Not the paper's.
    "im-online": ONLINE | {"online": Online("team", confidence=0, cutmix=0.5), "blocking": LEFT_OUT},
    "mt": ONLINE | {"online": Online("own", confidence=0, cutmix=0.5)},
    "cps": ONLINE | {"online": Online("other", confidence=0, cutmix=0.5)},
    "fixmatch": ONLINE | {"online": Online("own", confidence=0.95, cutmix=0.5)},
    "fixmatch+im": ONLINE | {"online": Online("own", confidence=0.95, cutmix=0.5), "blocking": LEFT_OUT},
}
NOTHING = {
    "labelled": "plain",
    "teachers": None,
    "objective": "labels",
    "labeller": None,
    "online": Online(),
    "blocking": None,
    "augment": "none",
    "keep_plain": False,
    "width": "fixed",
    "copies": "one",
    "evalnets": None,
}


def test_the_approaches_are_these():
    assert list(RECIPES) == list(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_recipes_are_the_paper_s(name):
    values = {field.name: getattr(RECIPES[name], field.name) for field in dataclasses.fields(Recipe)}
    assert values.pop("title")
    assert values == NOTHING | TABLE[name]


def test_titles_tell_the_approaches_apart():
    assert len({recipe.title for recipe in RECIPES.values()}) == len(RECIPES)


def test_true_masks_of_unlabelled_images_are_needed_by_two():
    assert {name for name, recipe in RECIPES.items() if recipe.needs_truth} == {"fdt", "gt-im++"}


@pytest.mark.parametrize(
    ("names", "bases"),
    [
        (("ldt", "strong-ldt", "aldt", "fdt"), ()),
        (("me", "ie", "cl", "ns", "im", "im+", "im++", "gt-im++", "im-online", "mt", "cps", "fixmatch+im"), ("ldt",)),
        (("evalnet",), ("ldt", "aldt")),
        (("aim+", "aim++"), ("aldt",)),
    ],
)
def test_base_recipes_teachers_first(names, bases):
    assert {RECIPES[name].bases for name in names} == {bases}
    # They are base recipes themselves.
    assert all(RECIPES[base].bases == () for base in bases)
