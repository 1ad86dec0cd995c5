"""Pseudo-labels of a generation with scripted ratings: what is accepted, kept, replaced and copied."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import incmask.experiment.labelling
from incmask.base.pool import HerePool
from incmask.base.progress import Silent
from incmask.base.store import Store
from incmask.experiment.generation import pseudo_label
from incmask.experiment.pseudo_labels import read_pseudo_labels
from incmask.experiment.setup import RunContext
from incmask.experiment.student import Student
from incmask.method.profiles import PROFILES
from incmask.method.recipes import RECIPES
from small import some_setup

SIDE = 32


class Stub(nn.Module):
    """In place of the network of a file."""

    def __init__(self, path):
        super().__init__()
        self.name = Path(path).parent.name
        self.anything = nn.Parameter(torch.zeros(1))


class Teachers:
    """Masks of binary teachers: how many rows from the top each marks, by teacher and image.

    Attributes:
        asked: names of those whose masks were asked for.
    """

    def __init__(self, rows):
        self.rows = rows
        self.asked = []

    def say(self, networks, images, *, task, precision):
        assert task == "binary"
        self.asked += [network.name for network in networks]
        probability = np.full((len(networks), len(images), 1, SIDE, SIDE), 0.2, np.float32)
        for member, network in zip(probability, networks, strict=True):
            for mask, num_rows in zip(member, self.rows[network.name], strict=True):
                mask[0, :num_rows] = 0.8
        return probability


class Ratings:
    """Ratings of masks: by image and rows that are marked; remembers what was blocked."""

    def __init__(self, table):
        self.table = table
        self.blocked = []

    def rate(self, judges, images, labels, inconsistent, *, task, num_classes, settings):
        self.blocked.append(None if inconsistent is None else inconsistent.copy())
        marked = [int(each[:, 0].sum()) for each in labels]
        return np.array([[self.table[row].get(num, 0.0)] for row, num in enumerate(marked)], np.float32)


@pytest.fixture
def play(tmp_path, monkeypatch):
    """Label generation after generation of one run."""
    monkeypatch.setattr(incmask.experiment.labelling, "load_model", Stub)

    def start(recipe, *, ratings=None, threshold=0.0, profile=PROFILES["generic"], **settings):
        this = replace(some_setup(tmp_path, recipe=recipe, **({"admit": "all"} | settings)), profile=profile)
        if ratings:
            monkeypatch.setattr(incmask.experiment.labelling, "judge", ratings.rate)
        store = Store(tmp_path / "run", run={}, data={})
        judges = (Path("judges/1/model"),) if ratings else ()
        run = RunContext(this, store, HerePool(1), Silent(), judges, threshold)

        def play_one(generation, rows):
            teachers = Teachers(rows)
            monkeypatch.setattr(incmask.experiment.labelling, "predict_probabilities", teachers.say)
            # Best first.
            part = pseudo_label(run, [student(name) for name in rows], generation)
            folder = run.folder(generation) / "pseudo"
            return Played(part, folder, teachers)

        return play_one

    return start


def student(name):
    return Student(Path("students") / name, int(name), 0, 1, 0.5, 0.5, 1, 1)


class Played:
    """What came of a generation."""

    def __init__(self, part, folder, teachers):
        self.part, self.teachers = part, teachers
        self.known = read_pseudo_labels(folder / "index.csv")
        self.label = np.load(folder / "label.npy")
        self.inconsistent = np.load(folder / "inconsistent.npy")

    @property
    def rows(self):
        """How many rows are marked in each label."""
        marked = self.label[:, :, 0].sum(1).tolist()
        for each, num in zip(self.label, marked, strict=True):
            expected = np.zeros((SIDE, SIDE))
            expected[:num] = 1
            assert np.array_equal(each, expected)
        return marked


# Of each of the five images, by the number of rows that a mask marks.
RATINGS = [
    {1: 0.5, 2: 0.75, 3: 0.625},
    {1: 0.875, 2: 0.25, 3: 0.75},
    {1: 0.125, 2: 0.25, 3: 0.375, 4: 0.875},
    {1: 0.5, 2: 0.5, 3: 0.25, 4: 0.5},
    {},
]


def test_the_best_candidates_that_reach_the_threshold_are_accepted(play):
    generation = play("evalnet", ratings=Ratings(RATINGS), threshold=0.5)
    played = generation(1, {"1": [1] * 5, "2": [2] * 5, "3": [3] * 5})
    assert played.rows == [2, 1, 3, 1, 1]
    assert played.known.quality.tolist() == [0.75, 0.875, 0.375, 0.5, 0.0]
    # A rating equal to the threshold reaches it.
    assert played.known.admitted.tolist() == [True, True, False, True, False]
    assert played.known.copies.tolist() == [1] * 5
    assert played.known.foreground_fraction == pytest.approx(np.array([2, 1, 3, 1, 1]) / SIDE, abs=1e-6)
    assert not played.inconsistent.any()
    assert (list(played.part.rows), list(played.part.copies)) == ([0, 1, 3], [1, 1, 1])
    # Every teacher proposes, not the voting members alone.
    assert played.teachers.asked == ["1", "2", "3"]


def test_accepted_masks_carry_over_and_better_ones_replace_them(play):
    generation = play("evalnet", ratings=Ratings(RATINGS), threshold=0.5)
    generation(1, {"1": [1] * 5, "2": [2] * 5, "3": [3] * 5})
    # Image 0: worse ones. 1: a worse and an unrated one. 2: at last a good one. 3: one as good.
    later = generation(2, {"1": [3, 2, 4, 4, 1], "2": [1, 7, 1, 3, 1]})
    assert later.rows == [2, 1, 4, 1, 1]
    assert later.known.quality.tolist() == [0.75, 0.875, 0.875, 0.5, 0.0]
    assert later.known.admitted.tolist() == [True, True, True, True, False]
    # One that was not accepted is not kept: what it was rated hinders no later one.
    third = generation(3, {"1": [1, 1, 1, 1, 2]})
    assert third.rows == [2, 1, 4, 1, 2]
    assert third.known.admitted.tolist() == [True, True, True, True, False]


def test_a_mask_that_was_rejected_does_not_carry_over(play):
    generation = play("evalnet", ratings=Ratings(RATINGS), threshold=0.5)
    generation(1, {"1": [3] * 5})
    again = generation(2, {"1": [1, 1, 1, 1, 1]})
    # Image 2: 0.375 was too little, so that the new one stands in its place, though rated less.
    assert (again.rows[2], again.known.quality[2], again.known.admitted[2]) == (1, 0.125, False)


def test_with_a_threshold_of_0_a_mask_rated_0_is_one_that_a_teacher_made(play):
    played = play("evalnet", ratings=Ratings([{}] * 5), threshold=0.0)(1, {"1": [4] * 5, "2": [5] * 5})
    assert played.known.admitted.all()
    assert played.rows == [4] * 5


def test_what_was_labelled_is_not_labelled_again(play):
    generation = play("evalnet", ratings=Ratings(RATINGS), threshold=0.5)
    first = generation(1, {"1": [1] * 5})
    again = generation(1, {"1": [2] * 5})
    assert again.teachers.asked == []
    assert np.array_equal(again.label, first.label)


AGREED = {"1": [1, 2, 3, 4, 5], "2": [1, 2, 3, 4, 5], "3": [9] * 5}
"""The third is none of the two members that vote."""

BY_QUALITY = [{1: 0.0}, {2: 0.3}, {3: 0.5}, {4: 0.7}, {5: 0.95}]


@pytest.mark.parametrize(("recipe", "later"), [("im+", [0, 2, 3, 4, 5]), ("im", [0, 0, 3, 4, 5])])
def test_labels_lack_fewer_details_once_networks_are_wider(play, recipe, later):
    """Of 5 pixels' side half of the square lies in the image at its rim, 3 rows; of 3, at width .1875 for .125, 2."""
    generation = play(recipe, detail_px=5)
    first, second = (generation(number, AGREED) for number in (1, 2))
    assert (first.rows, second.rows) == ([0, 0, 3, 4, 5], later)
    # What the members agree on was foreground enough.
    assert first.known.admitted.all()


@pytest.mark.parametrize("recipe", ["im++", "aim++"])
def test_copies_follow_the_band_of_the_settings(play, recipe):
    """0.25..0.75 in fifths: one copy below 0.35, then one more at 0.35, 0.45, 0.55, 0.65."""
    generation = play(recipe, ratings=Ratings(BY_QUALITY), quality_band=(0.25, 0.75))
    played = generation(1, AGREED)
    assert played.known.quality == pytest.approx([0, 0.3, 0.5, 0.7, 0.95], abs=1e-6)
    assert played.known.copies.tolist() == [1, 1, 3, 5, 5]
    assert (list(played.part.rows), list(played.part.copies)) == ([0, 1, 2, 3, 4], [1, 1, 3, 5, 5])
    assert played.rows == [1, 2, 3, 4, 5]


def test_without_a_band_it_is_between_the_quintiles_of_the_ratings(play):
    ratings = Ratings([{1: 0.1}, {2: 0.2}, {3: 0.5}, {4: 0.8}, {5: 0.9}])
    played = play("im++", ratings=ratings)(1, AGREED)
    # From 0.1 + 0.8 · 0.1 = 0.18 to 0.82; a fifth of it is 0.128.
    assert played.known.copies.tolist() == [1, 1, 3, 5, 5]


def test_the_profile_s_band_comes_before_the_quintiles(play):
    banded = replace(PROFILES["generic"], quality_band=(0.9, 1.0))
    played = play("im++", ratings=Ratings(BY_QUALITY), profile=banded)(1, AGREED)
    assert played.known.copies.tolist() == [1, 1, 1, 1, 3]


def test_ratings_that_are_all_the_same_weigh_nothing(play):
    played = play("im++", ratings=Ratings([{n: 0.5} for n in range(1, 6)]))(1, AGREED)
    assert played.known.copies.tolist() == [1] * 5


def test_evalnets_rate_what_is_blocked(play):
    ratings = Ratings([{n: 0.5 + n / 16} for n in range(1, 6)])
    played = play("im++", ratings=ratings)(1, {"1": [1, 2, 3, 4, 5], "2": [4, 2, 5, 4, 9]})
    (blocked,) = ratings.blocked
    assert np.array_equal(blocked, played.inconsistent)
    assert played.inconsistent[:, :, 0].sum(1).tolist() == [3, 0, 2, 0, 4]
    # A disputed pixel is background.
    assert played.rows == [1, 2, 3, 4, 5]


def test_copies_by_the_true_quality(play, tmp_path):
    """The truth marks the upper half; the members agree on so many rows of it, and dispute none."""
    generation = play("gt-im++", quality_band=(0.25, 0.75))
    truth = np.zeros((5, SIDE, SIDE), np.uint8)
    truth[:, :16] = 1
    np.save(tmp_path / "stacks" / "unlabelled" / "labels.npy", truth)
    played = generation(1, {"1": [4, 6, 8, 32, 16], "2": [4, 6, 8, 32, 16]})
    # IoU 4/16, 6/16, 8/16, 16/32 and 1, in steps of a tenth from 0.25.
    assert played.known.quality.tolist() == [0.25, 0.375, 0.5, 0.5, 1.0]
    assert played.known.copies.tolist() == [1, 2, 3, 3, 5]
    # What is disputed predicts nothing: of 12 and 16 rows 12 are agreed.
    later = generation(2, {"1": [12] * 5, "2": [16] * 5})
    assert later.known.quality.tolist() == [0.75] * 5


@pytest.mark.parametrize(
    ("recipe", "voters", "rows"),
    [
        # Binary labels need all votes; of the four best that are kept, the first two vote.
        ("im", ["1", "2"], [1, 1]),
        ("me", ["1", "2"], [1, 1]),
        ("ns", ["1"], [3, 1]),
    ],
)
def test_who_votes(play, recipe, voters, rows):
    said = {"1": [3, 1, 1, 1, 1], "2": [1, 3, 1, 1, 1], "3": [0] * 5}
    played = play(recipe)(1, said)
    assert played.teachers.asked == voters
    assert played.rows[:2] == rows
    assert played.known.quality is None
    disputed = recipe != "ns"
    assert played.inconsistent.any() == disputed
    assert played.inconsistent[:2, :, 0].sum(1).tolist() == ([2, 2] if disputed else [0, 0])


@pytest.mark.parametrize("recipe", ["me", "ns"])
def test_where_nothing_is_blocked_every_pair_is_used(play, recipe):
    """Admission counts blocked pixels, and the mask is neither thinned nor widened."""
    generation = play(recipe, admit="label_exceeds_mask", dilate_px=5)
    played = generation(1, {"1": [0, 1, 2, 3, 4], "2": [31, 30, 2, 3, 4]})
    assert played.known.admitted.tolist() == [True] * 5
    assert played.inconsistent[:, :, 0].sum(1).tolist() == ([31, 29, 0, 0, 0] if recipe == "me" else [0] * 5)


def test_where_disputed_pixels_are_blocked_they_must_be_few(play):
    generation = play("im", admit="label_exceeds_mask", dilate_px=3)
    played = generation(1, {"1": [0, 8, 16, 3, 8], "2": [9, 9, 20, 3, 16]})
    # The disputed stripe is widened by a row on each side, also into the agreed rows.
    assert played.inconsistent[:, :, 0].sum(1).tolist() == [10, 3, 6, 0, 10]
    assert played.known.admitted.tolist() == [False, True, True, True, False]
    assert list(played.part.rows) == [1, 2, 3]


@pytest.mark.parametrize("rule", ["label_exceeds_mask", "confident_empty_too"])
@pytest.mark.parametrize(("erode_px", "dilate_px"), [(0, 0), (3, 0), (0, 5), (3, 5), (5, 3)])
def test_admission_compares_what_the_members_said_before_erosion_and_dilation(play, rule, erode_px, dilate_px):
    """Agreed and disputed rows: 8 of 2, which a dilation makes 6 of 6; 1 of 2, of which an erosion leaves fewer; 2 of
    2; none of none; none of 1."""
    generation = play("im", admit=rule, erode_px=erode_px, dilate_px=dilate_px)
    played = generation(1, {"1": [8, 1, 2, 0, 0], "2": [10, 3, 4, 0, 1]})
    assert played.known.admitted.tolist() == [True, False, False, rule == "confident_empty_too", False]
    assert list(played.part.rows) == np.flatnonzero(played.known.admitted).tolist()
    empty = "" if rule == "confident_empty_too" else "empty"
    assert played.known.left_out.tolist() == [*map(str.encode, ["", "disputed", "disputed", empty, "disputed"])]
    # What is told of a pair is of the label and the mask that students are given.
    assert played.known.inconsistent_fraction.tolist() == pytest.approx(played.inconsistent.mean((1, 2)).tolist())


def test_the_kept_ones_limit_who_votes(play):
    played = play("im", num_kept=2, num_members=2)(1, {"1": [1] * 5, "2": [1] * 5, "3": [2] * 5})
    assert played.teachers.asked == ["1", "2"]


def test_views_of_the_best_vote_in_an_input_ensemble(play):
    """Three views of each image; a mask of all rows is the same however it is turned."""
    played = play("ie", num_views=3)(1, {"1": [SIDE] * 5, "2": [0] * 5})
    assert played.teachers.asked == ["1"] * 3
    assert played.rows == [SIDE] * 5
    assert RECIPES["ie"].labeller.soft
