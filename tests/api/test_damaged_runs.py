"""Every file of a run, damaged in every way, under every command: the same result, or an error that says what to do."""

import shutil
from itertools import count
from pathlib import Path

import pytest

import incmask
from damages import DAMAGES, content_of, failing_disk, files_of, whole_disk, wrong_ends
from finished_runs import leave_undrawn, leave_untrained
from incmask.base.manifest import END, MANIFEST
from incmask.insight.comparison import present
from nightly import AT_NIGHT, NIGHTLY
from runs import HERE, SETTINGS, Listener, make_data

EVERY_DAMAGE = tuple(DAMAGES)
MANIFESTS = (MANIFEST, END)


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    leave_untrained(monkeypatch)
    leave_undrawn(monkeypatch)


def do_run(root, progress=False):
    incmask.run(root / "data", out=root / "run", recipe="im++", settings=SETTINGS, executor=HERE, progress=progress)
    return content_of(root / "run")


def do_report(root):
    page = incmask.report(root / "run", executor=HERE)
    with whole_disk():
        return page.read_bytes()


def do_rank(root):
    return incmask.rank(root / "run", executor=HERE).rows


def do_export(root):
    incmask.export(root / "run", root / "labels", format="png")
    return content_of(root / "labels")


def do_predict(root):
    images = root / "data" / "test" / "images"
    done = incmask.predict(root / "run", images, root / "masks", device="cpu", executor=HERE)
    if done.problems:
        raise incmask.IncmaskError(done.problems)
    return {name: content for name, content in content_of(root / "masks").items() if name != "predicted.jsonl"}


def do_load(root):
    result = incmask.load(root / "run", device="cpu")
    return repr(result), result.history, result.stages, result.verdict, result._repr_html_()


def do_compare(root):
    compared = incmask.compare(
        root / "data",
        out=root / "compared",
        recipes="im",
        num_repeats=1,
        settings=SETTINGS,
        executor=HERE,
    )
    assert (compared.root / present.PAGE).exists()
    return content_of(compared.root)


READERS = {"report": do_report, "rank": do_rank, "export": do_export, "predict": do_predict, "load": do_load}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run with all that follows it, and its data; and what each command makes of it."""
    root = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        leave_untrained(patch)
        leave_undrawn(patch)
        make_data(root / "data", "binary", truth=False)
        do_run(root)
    return root


@pytest.fixture
def copied(whole, tmp_path):
    """Give a copy that may be damaged, as often as it is asked for."""

    def copy() -> Path:
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        return shutil.copytree(whole, tmp_path / "copy")

    return copy


ONCE_AND_AT_NIGHT = ["flipped", *(pytest.param(name, marks=NIGHTLY) for name in DAMAGES if name != "flipped")]
OFTEN_AND_AT_NIGHT = [
    "flipped",
    pytest.param("deleted", marks=pytest.mark.slow),
    *(pytest.param(name, marks=NIGHTLY) for name in DAMAGES if name not in ("flipped", "deleted")),
]


@pytest.mark.slow
@pytest.mark.parametrize("damage", OFTEN_AND_AT_NIGHT)
def test_a_run_makes_every_damaged_file_anew_and_says_so(copied, damage):
    """All at once; none of them is read before it is made anew."""
    root = copied()
    expected, said = do_run(root), Listener()
    # What the whole run took is not known any more.
    names = [name for name in files_of(root / "run") if name not in (*MANIFESTS, "usage.json")]
    for name in names:
        DAMAGES[damage](root / "run" / name)
    found = do_run(root, said)
    # It tells how long each training took, which is found anew, too.
    assert len(found.pop("report.html")) == pytest.approx(len(expected.pop("report.html")), abs=100)
    assert found == expected
    # What is written at each start is not missed.
    unsaid = [name for name in names if not said.says(f"{name} ")]
    assert unsaid == [
        "environment.json",
        *(name for name in names if name.startswith("model/") and name != "model/README.md"),
    ]
    assert incmask.verify(root / "run").is_whole


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("flipped", marks=pytest.mark.slow),
        *(pytest.param(each, marks=NIGHTLY) for each in DAMAGES if each != "flipped"),
    ],
)
def test_a_comparison_makes_every_damaged_file_anew(tmp_path, damage):
    make_data(tmp_path / "data", "binary", truth=False)
    expected = do_compare(tmp_path)
    for name in files_of(tmp_path / "compared"):
        if Path(name).name not in MANIFESTS:
            DAMAGES[damage](tmp_path / "compared" / name)
    assert do_compare(tmp_path) == expected
    found = incmask.verify(tmp_path / "compared")
    assert (found.problems, found.unknown) == ((), ())


def ends(copied, command, cases):
    """Try a command on a run with one damaged file after the other; tell what went wrong."""
    do = READERS[command]
    expected, found = do(copied()), []
    for name, damage in cases:
        root = copied()
        DAMAGES[damage](root / "run" / name)
        found += wrong_ends(lambda root=root: do(root), expected, f"{command}, {name} {damage}")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(READERS)), ids=READERS)
def test_readers_of_some_damaged_files_say_so_or_do_as_before(copied, whole, number):
    names = files_of(whole / "run")[number :: 3 * len(READERS)]
    cases = [(name, EVERY_DAMAGE[(place + number) % len(DAMAGES)]) for place, name in enumerate(names)]
    assert ends(copied, list(READERS)[number], cases) == []


def test_a_report_of_a_damaged_file_that_it_only_links_says_so(copied):
    """Its link was left out without a word."""
    assert ends(copied, "report", [("disagreement/unlabelled 0.png", "flipped")]) == []


@AT_NIGHT
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("command", READERS)
def test_readers_of_any_damaged_file_say_so_or_do_as_before(copied, whole, command, damage):
    assert ends(copied, command, [(name, damage) for name in files_of(whole / "run")]) == []


def failures(copied, command, places, ending):
    """Try a command on a disk that fails at one place after the other; tell what went wrong, and how many there are."""
    do = READERS[command]
    expected, found, num = do(copied()), [], 0
    for place in places:
        root = copied()
        with failing_disk(place, ending) as numbers:
            found += wrong_ends(lambda root=root: do(root), expected, f"{command}, at {place}")
        if (num := next(numbers)) <= place:
            break
    return found, num


@pytest.mark.parametrize("name", ["images.npy", "index.csv"])
def test_a_report_of_a_disk_that_fails_once_says_so(copied, name):
    """A gallery was left out without a word; the first to open a file looks whether it is damaged."""
    found, num = failures(copied, "report", (0, 1), f"stacks/unlabelled/{name}")
    assert (found, num) == ([], 2)


@AT_NIGHT
@pytest.mark.parametrize("command", READERS)
def test_readers_of_a_disk_that_fails_once_say_so_or_do_as_before(copied, command):
    found, num = failures(copied, command, count(), "")
    assert (found, num > 20) == ([], True)


def cut_at_a_line(path):
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-3]))


@pytest.mark.slow
@pytest.mark.parametrize("name", MANIFESTS)
@pytest.mark.parametrize("damage", [*DAMAGES.values(), cut_at_a_line])
def test_a_run_whose_manifest_is_damaged_loses_nothing(copied, damage, name):
    root = copied()
    expected = do_run(root)
    damage(root / "run" / name)
    assert list(wrong_ends(lambda: do_run(root), expected, name)) == []
    lost = {*expected} - {*content_of(root / "run")}
    assert lost == set()
