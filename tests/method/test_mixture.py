from dataclasses import replace

import numpy as np
import pytest

from incmask.method.augment import Strength
from incmask.method.mixture import PLAIN, TrainingPart, TrainingStacks, mix
from incmask.method.profiles import PROFILES, Profile
from incmask.method.recipes import RECIPES
from small import some_settings

LABELLED = TrainingPart(TrainingStacks("images", "labels"), (3, 5, 9))
HIDDEN = TrainingPart(TrainingStacks("more images", "their labels"), range(4))
PSEUDO = TrainingPart(TrainingStacks("more images", "pseudo-labels", "masks"), [1, 2])
PROFILE = PROFILES["isic2018"]


def mixed(
    name,
    *,
    generation,
    pseudo=PSEUDO,
    augment="recipe",
    seed=1,
    labelled=(LABELLED,),
    profile=PROFILE,
    share=0.0,
    redraw=True,
    **values,
):
    return mix(
        RECIPES[name],
        labelled=labelled,
        pseudo=pseudo,
        generation=generation,
        profile=profile,
        settings=some_settings(augment=augment, seed=seed, labelled_share=share, redraw=redraw, **values),
        task="binary",
    )


def content(training_set):
    """Source, index and strength of each row."""
    return in_order(
        (
            training_set.sources[row["source"]],
            int(row["index"]),
            None if row["strength"] == PLAIN else training_set.strengths[row["strength"]],
        )
        for row in training_set.rows
    )


def in_order(rows):
    return sorted(rows, key=repr)


def plain(part):
    return [(part.source, index, None) for index in part.rows]


def augmented(part, strength):
    return [(part.source, index, strength) for index in part.rows]


def test_ldt_is_the_labelled_images_as_they_are():
    training_set = mixed("ldt", generation=0, pseudo=None)
    assert content(training_set) == plain(LABELLED)
    assert training_set.blocking is None


def test_aldt_is_each_labelled_image_once_plain_and_nine_times_at_the_strongest():
    rows = content(mixed("aldt", generation=0, pseudo=None))
    assert len(rows) == 30
    assert [row for row in rows if row[2] is None] == plain(LABELLED)
    copies = [row for row in rows if row[2] is not None]
    assert copies == in_order(augmented(LABELLED, PROFILE.strengths[4]) * 9)


def test_fdt_takes_the_true_masks_of_the_unlabelled_images():
    training_set = mixed("fdt", generation=0, pseudo=None, labelled=(LABELLED, HIDDEN))
    assert content(training_set) == in_order([*plain(LABELLED), *plain(HIDDEN)])


@pytest.mark.parametrize("generation", [1, 3])
@pytest.mark.parametrize("name", ["me", "im"])
def test_me_and_im_augment_nothing(name, generation):
    training_set = mixed(name, generation=generation)
    assert content(training_set) == in_order([*plain(LABELLED), *plain(PSEUDO)])


def test_only_inconsistency_masks_block():
    assert mixed("me", generation=1).blocking is None
    for name in ("im", "im+"):
        blocking = mixed(name, generation=1).blocking
        assert (blocking.image, blocking.label, blocking.in_loss) == (True, True, True)


@pytest.mark.parametrize(("generation", "strength"), [(1, 0), (2, 1), (5, 4), (7, 4)])
def test_im_plus_augments_pseudo_pairs_by_the_generation_and_labelled_ones_never(generation, strength):
    rows = content(mixed("im+", generation=generation))
    assert rows == in_order([*plain(LABELLED), *augmented(PSEUDO, PROFILE.strengths[strength])])


@pytest.mark.parametrize("name", ["ldt", "me", "im"])
def test_augment_everything_gives_every_row_the_weakest(name):
    pseudo = PSEUDO if RECIPES[name].teachers else None
    rows = content(mixed(name, generation=3 if pseudo else 0, pseudo=pseudo, augment="everything"))
    assert len(rows) == (5 if pseudo else 3)
    assert {row[2] for row in rows} == {PROFILE.strengths[0]}


def test_augment_everything_leaves_the_stronger_ones_as_they_are():
    weakest, strongest = PROFILE.strengths[0], PROFILE.strengths[4]
    rows = content(mixed("aldt", generation=0, pseudo=None, augment="everything"))
    assert sum(row[2] == weakest for row in rows) == 3
    assert sum(row[2] == strongest for row in rows) == 27
    rows = content(mixed("im+", generation=4, augment="everything"))
    expected = [*augmented(LABELLED, weakest), *augmented(PSEUDO, PROFILE.strengths[3])]
    assert rows == in_order(expected)


def test_without_an_admitted_pair_the_labelled_images_train_alone():
    training_set = mixed("im+", generation=1, pseudo=TrainingPart(PSEUDO.source, []))
    assert content(training_set) == plain(LABELLED)


def test_seeds_differ_between_rows_generations_and_runs_and_are_else_the_same():
    seeds = mixed("aldt", generation=0, pseudo=None).rows["seed"]
    assert len(set(seeds.tolist())) == 30
    assert np.array_equal(seeds, mixed("aldt", generation=0, pseudo=None).rows["seed"])
    others = [mixed("aldt", generation=0, pseudo=None, seed=2), mixed("aldt", generation=1, pseudo=None)]
    for other in others:
        assert not set(seeds.tolist()) & set(other.rows["seed"].tolist())


def seeds_of(training_set, part):
    """Index and seed of each augmented row of a part, as often as it is there."""
    rows = training_set.rows
    rows = rows[(rows["source"] == training_set.sources.index(part.source)) & (rows["strength"] != PLAIN)]
    return sorted(zip(rows["index"].tolist(), rows["seed"].tolist(), strict=True))


def test_augmented_labelled_images_that_are_drawn_once_are_one_set_in_all_generations():
    """ALD of section 2.3.3: 27 copies of three images, for the base models and all students after them."""
    once = {"redraw": False}
    ald = seeds_of(mixed("aldt", generation=0, pseudo=None, **once), LABELLED)
    assert len(set(ald)) == 27
    for name in ("aim+", "aim++"):
        for generation in range(1, 6):
            assert seeds_of(mixed(name, generation=generation, **once), LABELLED) == ald
    # A fold has the copies of its own images, and where they stand there more often, they are the same ones.
    fold = TrainingPart(LABELLED.source, (3, 9))
    assert seeds_of(mixed("aldt", generation=0, pseudo=None, labelled=(fold,), **once), fold) == [
        each for each in ald if each[0] != 5
    ]
    pairs = TrainingPart(PSEUDO.source, range(40))
    assert seeds_of(mixed("aim+", generation=1, pseudo=pairs, share=0.6, **once), LABELLED) == sorted(ald * 4)
    # Another repeat has another set, and so has every generation that draws anew.
    for other in (
        mixed("aldt", generation=0, pseudo=None, seed=2, **once),
        *(mixed("aim+", generation=generation) for generation in range(3)),
    ):
        assert not set(ald) & set(seeds_of(other, LABELLED))


def test_pseudo_labelled_images_are_augmented_anew_in_each_generation():
    seeds = [seeds_of(mixed("aim+", generation=generation, redraw=False), PSEUDO) for generation in range(1, 6)]
    assert len({each for generation in seeds for each in generation}) == 10


def test_a_profile_of_one_strength_serves_all_generations():
    only = Strength(max_noise=3)
    rows = content(mixed("im+", generation=2, profile=Profile((only,), {}, only)))
    assert [row[2] for row in rows if row[2]] == [only, only]


@pytest.mark.parametrize(
    ("share", "times"),
    [(0.0, 1), (0.2, 1), (0.23, 1), (0.24, 2), (0.375, 2), (0.5, 4), (0.9, 30)],
)
def test_labelled_images_stand_there_often_enough_for_their_share(share, times):
    """Three labelled images and ten pairs: 3 of 13 are 23 %."""
    pairs = TrainingPart(PSEUDO.source, range(10))
    rows = content(mixed("im", generation=1, pseudo=pairs, share=share))
    assert rows == in_order(plain(LABELLED) * times + plain(pairs))
    assert content(mixed("ldt", generation=0, pseudo=None, share=share)) == plain(LABELLED)


@pytest.mark.parametrize("name", ["im", "aim+"])
def test_disputed_pixels_are_filled_from_the_images_that_are_asked_for(name):
    pairs = TrainingPart(PSEUDO.source, range(10), certain=(4, 7))

    def fillers(**given):
        training_set = mixed(name, **({"generation": 1, "pseudo": pairs} | given))
        return content(replace(training_set, rows=training_set.fillers))

    assert fillers(blocking="labelled") == plain(LABELLED)
    assert fillers(blocking="certain") == [(PSEUDO.source, 4, None), (PSEUDO.source, 7, None)]
    for blocking in ("recipe", "zero", "zero_ignore", "ignore"):
        assert fillers(blocking=blocking) == []
    # Nothing is filled where there are no pairs, or nothing is blocked.
    assert fillers(blocking="certain", pseudo=TrainingPart(PSEUDO.source, [])) == []
    assert len(mixed("me", generation=1, pseudo=pairs, blocking="labelled").fillers) == 0
