"""Comparisons of approaches on volumes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import incmask
from incmask.base.tables import read_rows
from incmask.experiment.choices import resolve
from incmask.experiment.named import Choices
from incmask.experiment.scores import from_csv
from incmask.insight.comparison.compare import Comparison
from incmask.insight.comparison.plan import recipes_of
from incmask.method.recipes import RECIPES
from runs import HERE
from volume_scenes import TINY, scene, write_nifti, write_volumes


@dataclass(frozen=True)
class Made:
    data: Path
    out: Path
    found: Comparison


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("volumes")
    data = write_volumes(root / "data")
    for number, seed in enumerate((3, 4, 5)):
        _, label, affine = scene(seed)
        write_nifti(data / "unlabelled" / "masks" / f"unlabelled_{number}.nii.gz", label, affine)
    recipes, settings = ("fdt", "me", "im", "im++"), TINY | {"num_evalnets": 1}
    found = incmask.compare(data, out=root / "out", recipes=recipes, num_repeats=2, settings=settings, executor=HERE)
    return Made(data, root / "out", found)


def test_scores_of_volumes_and_of_their_surfaces_are_those_of_the_runs(made):
    assert [row.recipe for row in made.found.totals] == ["ldt", "fdt", "me", "im", "im++"] * 2
    assert [row.evalnet_flops > 0 for row in made.found.totals] == [False, False, False, False, True] * 2
    rows = read_rows(made.out / "results.csv", dict[str, str])
    run = made.out / "runs" / "own" / "repeat-2" / "im"
    of_run = {(row.stage, row.model, row.split): row for row in from_csv((run / "scores.csv").read_text())}
    own = [row for row in rows if (row["recipe"], row["repeat"]) == ("im", "2")]
    # The base models stand in ldt's rows.
    assert len(own) == 2 * (2 + 1)
    for row in own:
        expected = of_run[f"gen-{row['generation']}", row["student"], row["split"]]
        assert float(row["score"]) == expected.score
        for name in ("hd95/class_1", "surface_distance/class_1"):
            assert float(row[name] or "nan") == pytest.approx(expected.details.get(name, float("nan")), nan_ok=True)
    assert any(row["hd95/class_1"] for row in rows)


def test_pseudo_labels_are_compared_patch_by_patch_and_what_lies_beyond_a_volume_is_nothing(made):
    truth, stacks = np.load(made.out / "stacks" / "unlabelled" / "labels.npy"), made.out / "runs" / "own" / "repeat-1"
    assert (truth == 255).any()
    labels = np.load(stacks / "me" / "gen-1" / "pseudo" / "label.npy")
    wrong = [(label != true)[true != 255].mean() for label, true in zip(labels, truth, strict=True)]
    rows = [row for row in made.found.pseudo if (row.recipe, row.repeat) == ("me", 1)]
    assert [row.error_fraction for row in rows] == pytest.approx(wrong)
    assert {row.name for row in rows} == {f"unlabelled_{number}" for number in range(3)}


def test_the_page_shows_figures_and_slices(made):
    page = (made.out / "compare.html").read_text()
    # Of the better one of two.
    (truth,) = {path.stem for path in (made.out / "sheets").iterdir()} - {"masks-against-votes-im-me"}
    assert truth in {"truth-against-pseudo-im", "truth-against-pseudo-im-plus-plus"}
    assert truth in page
    assert (made.out / "significance.csv").read_text().count("\n") > 6


def test_volumes_have_all_approaches(made):
    chosen = resolve(made.data, Choices(recipe="ldt", settings=TINY))
    assert [*recipes_of(("all",), chosen)] == [*RECIPES]
