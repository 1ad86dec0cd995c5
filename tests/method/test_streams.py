import pytest
from hypothesis import given
from hypothesis import strategies as st

from incmask.base.choosing import resolve_settings
from incmask.base.config import Settings
from incmask.base.errors import IncmaskError
from incmask.method.streams import MIXED, Streams, streams_of

TWO = Settings(streams="two")


@pytest.mark.parametrize(
    ("share", "batch_size", "num_labelled"),
    # Without a share half; of any share at least one, and one pseudo-labelled image.
    [(0.0, 16, 8), (0.5, 16, 8), (0.25, 16, 4), (0.5, 2, 1), (0.01, 16, 1), (0.99, 16, 15), (0.7, 3, 2)],
)
def test_a_batch_has_its_share_of_labelled_images(share, batch_size, num_labelled):
    settings = TWO.model_copy(update={"labelled_share": share, "batch_size": batch_size})
    assert streams_of(settings, num_steps=10, has_pseudo=True).num_labelled == num_labelled


def test_without_pseudo_labelled_images_or_two_streams_all_is_one_mixture():
    assert streams_of(TWO, num_steps=10, has_pseudo=False) == MIXED
    assert streams_of(Settings(), num_steps=10, has_pseudo=True) == MIXED


@given(
    weight=st.floats(0, 10),
    fraction=st.floats(0, 1),
    num_steps=st.integers(1, 500),
    share=st.floats(0, 1, exclude_max=True),
)
def test_the_weight_rises_in_equal_parts_and_then_stays(weight, fraction, num_steps, share):
    settings = TWO.model_copy(update={"pseudo_weight": weight, "ramp_fraction": fraction, "labelled_share": share})
    streams = streams_of(settings, num_steps=num_steps, has_pseudo=True)
    weights = [streams.weight_at(step) for step in range(num_steps)]
    num_rising = sum(each < weight for each in weights)
    assert num_rising <= fraction * num_steps
    assert all(
        each == pytest.approx(weight * (step + 1) / streams.ramp_steps)
        for step, each in enumerate(weights[:num_rising])
    )
    assert all(each == weight for each in weights[num_rising:])
    assert streams.num_labelled in range(1, settings.batch_size)


def test_a_weight_of_nothing_rises_to_nothing():
    assert [Streams(4, 0.0, 3).weight_at(step) for step in (0, 5)] == [0, 0]


def test_strong_changes_and_labelled_images_alone_have_their_steps():
    values = {"strong": 0.5, "cutmix": 0.25, "strong_from": 0.3, "finetune_fraction": 0.25}
    for way in ("mixed", "two"):
        settings = Settings(streams=way, **values)
        streams = streams_of(settings, num_steps=10, has_pseudo=True)
        assert [streams.shares_at(step) for step in (0, 2, 3, 9)] == [(0, 0), (0, 0), (0.5, 0.25), (0.5, 0.25)]
        # A quarter of 10 steps are 2 whole ones.
        assert [streams.is_alone(step) for step in (0, 7, 8, 9)] == [False, False, True, True]
        assert streams_of(settings, num_steps=10, has_pseudo=False) == MIXED
    # Of few steps, some are left for what is pseudo-labelled.
    few = streams_of(Settings(finetune_fraction=0.99), num_steps=3, has_pseudo=True)
    assert [few.is_alone(step) for step in range(3)] == [False, True, True]


@pytest.mark.parametrize(
    ("share", "num_steps", "expected"),
    [
        # 8 steps: none in 4, then a quarter more in each.
        (0.8, 10, [0, 0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1]),
        # 5 steps: none in 2, then a third more in each.
        (0.45, 11, [0, 0, 1 / 3, 2 / 3, 1, 1, 1, 1, 1, 1, 1]),
        (1, 4, [0, 0, 0.5, 1]),
        # Of one step there is no half.
        (0.01, 3, [1, 1, 1]),
        (0, 3, [1, 1, 1]),
    ],
)
def test_augmented_images_come_in_gradually(share, num_steps, expected):
    streams = streams_of(Settings(curriculum=share), num_steps=num_steps, has_pseudo=True)
    assert [streams.augmented_at(step) for step in range(num_steps)] == pytest.approx(expected)
    # Base models know no curriculum.
    assert streams_of(Settings(curriculum=share), num_steps=num_steps, has_pseudo=False) == MIXED


def test_a_batch_of_one_has_no_room_for_two_streams():
    with pytest.raises(IncmaskError, match="no room for two streams; use a batch_size of 2 or more"):
        resolve_settings(overrides={"streams": "two", "batch_size": 1})
