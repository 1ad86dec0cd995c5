from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from incmask.experiment.pseudo_labels import read_pseudo_labels
from incmask.experiment.record.run import read_run
from incmask.insight.report.run_page.training import (
    GenerationFacts,
    class_fractions,
    collapse_warnings,
    generation_facts,
)

SHAPE = (3, 4, 5)


def slow_fractions(label, masked, *, task, num_classes):
    """Walk over all pixels."""
    pixels, totals = [0] * num_classes, [0] * num_classes
    for place in np.ndindex(masked.shape):
        if masked[place]:
            continue
        for index in range(num_classes):
            value = label[place][index] if task == "multilabel" else label[place]
            if value == 255:
                continue
            totals[index] += 1
            pixels[index] += bool(value == (index if task == "multiclass" else 1))
    return tuple(part / total if total else 0.0 for part, total in zip(pixels, totals, strict=True))


@pytest.mark.parametrize(("task", "num_classes"), [("binary", 1), ("multiclass", 3), ("multilabel", 2)])
@given(data=st.data())
def test_class_fractions_are_those_of_a_slow_count(tmp_path_factory, task, num_classes, data):
    folder = tmp_path_factory.mktemp("labels")
    values = st.sampled_from([0, 1, 2, 255] if task == "multiclass" else [0, 1, 255])
    label = data.draw(arrays(np.uint8, SHAPE + ((num_classes,) if task == "multilabel" else ()), elements=values))
    masked = data.draw(arrays(np.bool_, SHAPE))
    np.save(folder / "label.npy", label)
    np.save(folder / "masked.npy", masked)
    found = class_fractions(folder / "label.npy", masks=folder / "masked.npy", task=task, num_classes=num_classes)
    assert found == pytest.approx(slow_fractions(label, masked, task=task, num_classes=num_classes))
    whole = class_fractions(folder / "label.npy", masks=None, task=task, num_classes=num_classes)
    nothing = np.zeros_like(masked)
    assert whole == pytest.approx(slow_fractions(label, nothing, task=task, num_classes=num_classes))


def facts(generation, shares, *, disputed=0.1, used=5):
    return GenerationFacts(
        generation, num_images=5, num_used=used, inconsistent_fraction=disputed, class_fractions=shares
    )


def warned(*generations, labelled=(0.3, 0.1), names=("cell", "nucleus")):
    return collapse_warnings(generations, class_names=names, labelled_fractions=labelled)


def test_healthy_pseudo_labels_raise_no_warning():
    assert warned(facts(1, (0.25, 0.05)), facts(2, (0.4, 0.006))) == []


def test_a_class_that_vanishes_is_named_with_its_first_generation():
    (told,) = warned(facts(1, (0.3, 0.1)), facts(2, (0.3, 0.004)), facts(3, (0.3, 0.0)))
    assert told.startswith(
        "“nucleus” has all but vanished from the pseudo-labels of generation 2: 0.40 % of the undisputed pixels, "
    )
    assert "10.0 % in your labels" in told


def test_a_class_that_was_never_labelled_cannot_vanish():
    assert warned(facts(1, (0.3, 0.0)), labelled=(0.3, 0.0)) == []


def test_a_class_that_takes_everything_is_named():
    (told,) = warned(facts(1, (0.97,)), labelled=(0.3,), names=("cell",))
    assert told.startswith("“cell” fills 97.0 % of the undisputed pixels of generation 1 and 30.0 % of your labels")
    assert warned(facts(1, (0.97,)), labelled=(0.9,), names=("ground",)) == []


def test_unused_and_mostly_disputed_pseudo_labels_are_told():
    (told,) = warned(facts(1, (0.3, 0.1), used=0))
    assert told.startswith("None of the 5 pseudo-labels of generation 1 was certain enough")
    (told,) = warned(facts(2, (0.3, 0.1), disputed=0.6))
    assert told.startswith("The teachers of generation 2 disagree on 60.0 % of all pixels")


def test_shares_are_of_all_pixels_as_the_terminal_tells_them(finished_run):
    record = read_run(finished_run("growing"))
    for found in generation_facts(record):
        index = read_pseudo_labels(record.root / f"gen-{found.generation}" / "pseudo" / "index.csv")
        assert found.is_blocked
        assert found.shares == pytest.approx((index.foreground_share,), abs=1e-5)
        assert found.inconsistent_fraction == index.disputed_share
        assert found.num_used + (index.left_out != b"").sum() == found.num_images
    assert facts(1, (0.5,), disputed=0.2).shares == pytest.approx((0.4,))
    assert replace(facts(1, (0.5,), disputed=0.2), is_blocked=False).shares == (0.5,)
