"""Approaches of one's own as values: a composition of known parts and another labeller, of twenty lines at most."""

import inspect
import tomllib
from dataclasses import dataclass, replace

import numpy as np
import pytest

import incmask
from incmask.base.errors import IncmaskError
from incmask.experiment.choices import check_recipe, resolve
from incmask.experiment.executor import Executor
from incmask.experiment.named import Choices
from incmask.experiment.pseudo_labels import read_pseudo_labels
from incmask.method.labelling import Labelled
from incmask.method.labels import labels_of
from incmask.method.recipe import Blocking, Labeller, Recipe, Vote
from incmask.method.recipes import RECIPES
from nightly import AT_NIGHT, NIGHTLY
from runs import HERE, SETTINGS, make_data, results, run_tiny

pytestmark = pytest.mark.usefixtures("undrawn")

CALM = replace(
    RECIPES["im+"],
    title="views of the best model, blocked in the image alone, beside the plain pair",
    labeller=Vote(teachers="best", views="several"),
    blocking=Blocking(label=False),
    keep_plain=True,
)


@dataclass(frozen=True)
class Confident(Labeller):
    """The likeliest classes by the mean of the members; what none of them is sure of is disputed."""

    least: float = 0.6

    def num_voters(self, settings):
        return settings.num_members

    def label(self, unlabelled):
        labels = labels_of(unlabelled.task)
        mean = np.mean([*unlabelled.predict(unlabelled.images)], axis=0)
        sure = labels.of_classes(np.maximum(mean, 1 - mean), axis=1).min(1) >= self.least
        return Labelled(labels.decode(mean), ~sure)


CONFIDENT = Recipe("sure pixels", teachers="ldt", labeller=Confident(), blocking=Blocking())

OWN = {"composed": CALM, "labelled": CONFIDENT}


def test_they_take_few_lines():
    lines = inspect.getsource(inspect.getmodule(Confident)).split("\n\n\n")
    (calm,) = (part[part.index("CALM = ") :] for part in lines if "\nCALM = " in part)
    assert len(calm.strip().splitlines()) <= 20
    assert len(inspect.getsource(Confident).splitlines()) + 1 <= 20


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with data of a task and a run of a recipe on it; each made once."""
    made = {}

    def finish(name, task):
        if (name, task) not in made:
            folder = tmp_path_factory.mktemp(name)
            make_data(folder / "data", task, truth=False)
            choices = {"recipe": OWN[name], "settings": SETTINGS, "executor": HERE}
            incmask.run(folder / "data", out=folder / "run", **choices)
            made[name, task] = folder
        return made[name, task]

    return finish


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("name", "task"),
    [("labelled", "binary"), ("composed", "multilabel"), pytest.param("labelled", "multiclass", marks=NIGHTLY)],
)
def test_they_run_from_labels_to_the_report(name, task, finished, call):
    run = finished(name, task) / "run"
    known = read_pseudo_labels(run / "gen-1" / "pseudo" / "index.csv")
    assert known.quality is None
    assert len(known.admitted) == 5
    assert 0 <= known.inconsistent_fraction.min() <= known.inconsistent_fraction.max() <= 1
    for file in ("model/model.json", "report.html", "ranking.csv", "scores.csv"):
        assert (run / file).exists()
    assert call("report", run)[0] == 0
    assert call("rank", run, "--crops", "16")[0] == 0


def test_what_the_labeller_says_is_what_is_learnt(finished):
    """By hand, from the members' files."""
    from incmask.nets.forward import predict_probabilities
    from incmask.nets.spec import load_model

    run = finished("labelled", "binary") / "run"
    images = np.load(run / "stacks" / "unlabelled" / "images.npy")
    members = [load_model(run / "base" / "students" / number / "model.safetensors") for number in ("1", "2")]
    mean = predict_probabilities(members, images, task="binary", precision="float32").mean(0)[:, 0]
    np.testing.assert_array_equal(np.load(run / "gen-1" / "pseudo" / "label.npy"), mean > 0.5)
    np.testing.assert_array_equal(np.load(run / "gen-1" / "pseudo" / "inconsistent.npy"), (mean < 0.6) & (mean > 0.4))


def test_the_run_says_what_it_is_so_that_the_same_goes_on_and_another_is_refused(finished):
    folder = finished("labelled", "binary")
    chosen = tomllib.loads((folder / "run" / "run.toml").read_text())
    assert (chosen["recipe"], chosen["own_recipe"]) == ("own", repr(CONFIDENT))
    before = dict(results(folder / "run"))
    again, _ = run_tiny(folder / "data", folder / "run", CONFIDENT)
    assert again.recipe == "own"
    assert dict(results(folder / "run")) == before
    for other in (replace(CONFIDENT, labeller=Confident(0.7)), CALM):
        with pytest.raises(IncmaskError, match="own_recipe was"):
            run_tiny(folder / "data", folder / "run", other)
    with pytest.raises(IncmaskError, match="recipe was 'own' when the run began and is 'im' now"):
        run_tiny(folder / "data", folder / "run", "im")


def test_a_known_recipe_as_a_value_is_the_one_of_its_name(tmp_path):
    data = make_data(tmp_path / "data", "binary", truth=False)
    by_value, by_name = (resolve(data, Choices(recipe=each)) for each in (replace(RECIPES["im"]), "im"))
    assert by_value == by_name
    assert "own_recipe" not in by_value.describe_run()
    with pytest.raises(IncmaskError, match="recipe: unknown name 'own'"):
        resolve(data, Choices(recipe="own"))


@AT_NIGHT
@pytest.mark.slow
def test_a_worker_comes_to_the_same(finished, tmp_path):
    folder = finished("labelled", "binary")
    run_tiny(
        folder / "data",
        tmp_path / "workers",
        CONFIDENT,
        num_workers=1,
        executor=Executor(seconds_per_step=HERE.seconds_per_step),
    )
    for path in sorted((tmp_path / "workers" / "gen-1").rglob("*.npy")):
        assert path.read_bytes() == (folder / "run" / path.relative_to(tmp_path / "workers")).read_bytes()


@pytest.mark.slow
def test_they_are_compared_with_the_others(finished, tmp_path):
    found = incmask.compare(
        finished("labelled", "binary") / "data",
        out=tmp_path / "out",
        recipes=["me", CONFIDENT, CALM],
        num_repeats=1,
        settings=SETTINGS,
        executor=HERE,
    )
    assert {row.recipe for row in found.totals} == {"ldt", "me", "own", "own-2"}
    assert (tmp_path / "out" / "runs" / "own" / "repeat-1" / "own-2" / "run.toml").exists()


def test_a_labeller_of_a_script_is_refused_since_workers_cannot_import_it(tmp_path):
    chosen = resolve(make_data(tmp_path / "data", "binary"), Choices(recipe="im", settings=SETTINGS))
    script = type("Mine", (Confident,), {"__module__": "__main__"})
    with pytest.raises(IncmaskError, match="Mine is defined in the script itself"):
        check_recipe(chosen.settings, chosen.dataset, replace(CONFIDENT, labeller=script()), name="own")
    few = replace(chosen, settings=chosen.settings.model_copy(update={"num_members": 3}))
    with pytest.raises(IncmaskError, match="3 voting members, but only 2 models"):
        check_recipe(few.settings, chosen.dataset, CONFIDENT, name="own")
