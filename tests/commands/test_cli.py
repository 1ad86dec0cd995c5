import csv
import json
import os
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np
import pytest

import incmask
from incmask.base.choosing import read_config, resolve_settings
from incmask.base.presets import EFFORTS, PRESETS
from runs import HERE, PARTS, SETTINGS, draw, make_data, save

pytestmark = pytest.mark.usefixtures("undrawn")

SET = [f"--set={name}={json.dumps(value)}" for name, value in SETTINGS.items()]


@pytest.fixture(scope="module")
def finished(finished_run, tmp_path_factory):
    """A folder with ``data`` and the run of it, ``run``; tests leave it as it is."""
    return shutil.copytree(finished_run("multilabel").parent, tmp_path_factory.mktemp("cli") / "finished")


def one_json(text):
    """Read the only line, in which nothing may stand that is not in the standard of JSON."""

    def refuse(constant):
        raise ValueError(constant)

    assert text.count("\n") == 1
    return json.loads(text, parse_constant=refuse)


def python(*words, **options):
    return subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, check=True, **options)


def told_and_loaded(*words):
    """Give what a command prints, and the names of the modules that it loads, which stand behind that."""
    code = (
        "import atexit, sys; atexit.register(lambda: print('LOADED', *sys.modules)); from incmask import __main__ as i"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; i.main()", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "100"},
    )
    told, _, loaded = done.stdout.partition("LOADED")
    return told + done.stderr, {*loaded.split()}


def test_help_comes_at_once_and_loads_nothing_heavy():
    told, loaded = told_and_loaded("--help")
    for command in ("demo", "check", "run", "compare", "predict", "mask", "settings"):
        assert command in told
    assert "incmask.commands.cli" in loaded
    assert {"torch", "cv2", "scipy", "numpy", "PIL", "pydantic", "matplotlib", "jinja2"}.isdisjoint(loaded)


@pytest.mark.parametrize("command", ["status", "verify"])
def test_looking_at_the_files_of_a_run_loads_no_networks(command, tmp_path):
    told, loaded = told_and_loaded(command, str(tmp_path))
    assert "no run folder" in told
    assert "incmask.api.watching" in loaded
    assert {"torch", "matplotlib", "jinja2"}.isdisjoint(loaded)


def test_everything_public_is_there():
    for name in incmask.__all__:
        assert getattr(incmask, name) is not None
    assert dir(incmask) == sorted(incmask.__all__)
    with pytest.raises(AttributeError, match="no attribute 'ruin'"):
        _ = incmask.ruin


@pytest.mark.parametrize("command", ["demo", "check", "run", "compare", "predict", "mask", "settings"])
def test_every_command_explains_itself(call, command):
    code, told, _ = call(command, "--help")
    assert code == 0
    assert "Usage" in told


def test_the_version_is_told(call):
    assert call("--version") == (0, f"incmask {metadata.version('incmask')}\n", "")


@pytest.mark.parametrize("words", [(), ("run",), ("predict",)])
def test_help_has_a_short_name(call, words):
    assert call(*words, "-h") == call(*words, "--help")
    assert call(*words, "-h")[0] == 0


def test_without_a_command_the_help_is_shown(call):
    _, told, err = call()
    assert "Usage" in told + err


@pytest.mark.parametrize(
    "words",
    [
        ["rum"],
        ["run"],
        ["run", "data", "--recip", "im"],
        ["compare", "data", "--repeats", "0"],
        ["run", "data", "--size", "64"],
        ["run", "data", "--size", "a", "b"],
        ["predict", "model", "images"],
        ["predict", "model", "images", "-o", "out", "--device", "gpu"],
        ["check", "data", "other"],
    ],
)
def test_wrong_usage_ends_with_2(call, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert "Error" in err
    assert list(tmp_path.iterdir()) == []


def listing(folder):
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


def test_check_describes_a_good_folder_and_touches_nothing(call, tmp_path):
    data = make_data(tmp_path / "my data", "multilabel")
    before = listing(tmp_path)
    code, told, err = call("check", data)
    assert (code, err) == (0, "")
    assert f"labelled: {PARTS['labelled']} images" in told
    assert "task: multilabel, 2 classes" in told
    assert told.endswith("no problems: ready for `incmask run`\n")
    code, told, err = call("check", data, "--json")
    assert code == 0
    assert one_json(told)["problems"] == []
    assert "task: multilabel, 2 classes" in one_json(told)["description"]
    assert listing(tmp_path) == before


def test_check_takes_groups(call, tmp_path):
    data = make_data(tmp_path / "data", "binary", {"labelled": 4, "test": 2})
    code, told, _ = call("check", data)
    assert code == 0
    assert "groups: each image for itself; --group tells which show the same subject" in told
    code, told, _ = call("check", data, "--group", r"^\w+ ([01]|2|3)")
    assert code == 0
    assert (
        r"note: groups by the pattern ^\w+ ([01]|2|3): labelled 4, test 2, such as 0 of labelled 0 and test 0;" in told
    )
    code, told, _ = call("check", data, "--group", "patient")
    assert code == 1
    assert "problem: group patient: tells no group of 6 images: labelled/labelled 0, labelled/labelled 1, " in told


def test_check_tells_all_problems_at_once(call, tmp_path):
    data = make_data(tmp_path / "data", "binary", truth=False)
    (data / "labelled" / "images" / "labelled 0.png").write_bytes(b"no image")
    (data / "labelled" / "masks" / "labelled 1.png").unlink()
    content = (data / "unlabelled" / "images" / "unlabelled 2.png").read_bytes()
    (data / "unlabelled" / "images" / "unlabelled 2.png").write_bytes(content[: len(content) // 2])
    save(data / "val" / "masks" / "val 0.png", np.zeros((9, 9), np.uint8))
    save(data / "test" / "masks" / "nobody.png", np.zeros((9, 9), np.uint8))
    (data / "incmask.toml").write_text("[settings]\nepocs = 3\n")
    before = listing(tmp_path)
    code, told, err = call("check", data)
    assert (code, err) == (1, "")
    problems = [line for line in told.splitlines() if line.startswith("problem: ")]
    names = ("labelled 0", "labelled 1", "unlabelled 2", "val 0", "nobody", "did you mean epochs?")
    for name in names:
        assert sum(name in line for line in problems) == 1, name
    assert told.endswith(f"{len(names)} problems\n")
    assert len(problems) == len(names)
    code, told, _ = call("check", data, "--json")
    assert code == 1
    assert len(one_json(told)["problems"]) == len(names)
    assert {"where", "what", "remedy"} == set(one_json(told)["problems"][0])
    assert listing(tmp_path) == before


def test_check_tells_a_broken_file_of_options_beside_the_rest(call, tmp_path):
    data = make_data(tmp_path / "data", "binary", {"labelled": 2})
    (data / "labelled" / "images" / "labelled 0.png").write_bytes(b"no image")
    (data / "incmask.toml").write_text("[data\n")
    code, told, _ = call("check", data, "--json")
    assert code == 1
    wheres = [problem["where"] for problem in one_json(told)["problems"]]
    assert [Path(where).name for where in wheres] == ["incmask.toml", "labelled 0.png"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["check", "nowhere"], "nowhere: is not there"),
        (["check", "data/labelled/images/labelled 0.png"], "is a file; a folder is expected"),
        (["run", "nowhere", "-o", "out"], "nowhere: is not there"),
        (["run", "data", "-o", "out", "--recipe", "imm"], "unknown name 'imm'; did you mean 'im'?"),
        (["run", "data", "-o", "out", "--preset", "papier"], "did you mean 'paper'?"),
        (["run", "data", "-o", "out", "--effort", "zzz"], "choose one of quick, normal, paper"),
        (["run", "data", "-o", "out", "--profile", "zzz"], "choose one of generic"),
        (["run", "data", "-o", "out", "--set", "epochs"], "expected name=value"),
        (["run", "data", "-o", "out", "--set", "epocs=3"], "did you mean epochs?"),
        (["run", "data", "-o", "out", "--size", "60", "64"], "must be multiples of 16, got 60 64; use 64 64"),
        (["run", "data", "-o", "out", "--fit", "crop"], "fit = 'crop'"),
        (["run", "data", "-o", "data"], "is no run folder"),
        (["run", "data", "-o", "data/labelled/images/labelled 0.png"], "is no run folder"),
        (["run", "data", "-o", "data/labelled/images/labelled 0.png/out"], "cannot be written"),
        (["compare", "nowhere", "-o", "out"], "nowhere: is not there"),
        (["compare", "data", "-o", "out", "--recipes", "ldt,imm"], "--recipes: unknown name 'imm'; did you mean 'im'?"),
        (["compare", "data", "-o", "out", "--recipes", ","], "--recipes: names no approach"),
        (["compare", "data", "-o", "out", "--recipes", "fdt"], "needs the true masks of all unlabelled images"),
        (["compare", "data", "-o", "out", "--set", "seed=1,2"], "is the same for the whole comparison"),
        (["compare", "data", "-o", "out", "--set", "epochs=2,2"], "a value stands there twice"),
        (["compare", "data", "-o", "data"], "is no run folder"),
        (["predict", "data", "data/unlabelled", "-o", "out"], "holds no model"),
        (["predict", "run", "nowhere", "-o", "out"], "nowhere: is not there"),
        (["predict", "run", "run/model", "-o", "out"], "holds no images"),
        (["settings", "--preset", "papr"], "did you mean 'paper'?"),
    ],
)
def test_mistakes_end_with_1_and_a_line_each(call, finished, monkeypatch, words, told):
    monkeypatch.chdir(finished)
    code, out, err = call(*words)
    assert code == 1
    text = out if words[0] == "check" else err
    assert told in text
    assert "Traceback" not in err
    assert not (finished / "out").exists()
    if words[0] != "check":
        assert out == ""
        assert err.splitlines()[-1].startswith("incmask: ")


@pytest.mark.slow
def test_run_prints_a_table_or_json_and_progress_aside(call, tmp_path):
    data = make_data(tmp_path / "data", "binary")
    words = ["run", data, "--recipe", "fdt", "--no-report", *SET]
    code, out, err = call(*words)
    assert code == 0
    run = tmp_path / "data-run"  # where nothing else is named
    assert out.splitlines()[0].split() == ["stage", "validation", "test"]
    assert str(run / "model") in out
    assert str(run / "masks") in out
    assert "recipe fdt (all images with their true masks), preset default" in err
    code, again, err = call(*words, "--quiet")
    assert (code, again, err) == (0, out, "")
    code, told, err = call(*words, "--json")
    assert (code, err) == (0, "")
    told = one_json(told)
    assert (told["run"], told["recipe"], told["chosen"]) == (str(run), "fdt", "base")
    assert {score["split"] for score in told["scores"]} == {"val", "test"}
    # Another choice in the same folder.
    code, out, err = call(*words, "--set=epochs=3")
    assert (code, out) == (1, "")
    assert "settings.epochs was 2 when the run began and is 3 now" in err


@pytest.fixture
def quick_page(monkeypatch):
    """Spare the page what takes seconds and has tests of its own: counting the networks of the paper."""
    monkeypatch.setattr("incmask.insight.report.comparison_page.page.paper_costs", list)


COMPARED = ["--recipes", "fdt", "--repeats", "1", *SET]


@pytest.mark.slow
@pytest.mark.usefixtures("quick_page")
def test_compare_prints_a_table_or_json_and_leaves_a_page(call, tmp_path, monkeypatch):
    data = make_data(tmp_path / "my data", "binary")
    out = tmp_path / "my data-compare"  # where nothing else is named
    code, told, err = call("compare", data, *COMPARED)
    assert code == 0
    assert [line.split()[0] for line in told.splitlines()[:3]] == ["approach", "ldt", "fdt"]
    assert "run 2 of 2: fdt, repeat 1: all images with their true masks" in err
    for name in ("compare.html", "tables.md", "results.csv", "significance.csv"):
        assert f"  {out / name}" in told.splitlines()
        assert (out / name).stat().st_size > 0
    assert f"incmask compare &#39;{data}&#39; --recipes fdt" in (out / "compare.html").read_text(encoding="utf-8")
    before = (out / "results.csv").read_bytes()
    code, again, err = call("compare", data, *COMPARED, "--quiet")
    assert (code, again, err) == (0, told, "")

    # Without the packages for reports the numbers are there all the same.
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    (out / "tables.md").unlink()
    (out / "compare.html").unlink()
    code, told, err = call("compare", data, *COMPARED)
    assert code == 0
    assert told.splitlines()[-1] == "no page: the report: matplotlib is not installed; pip install 'incmask[report]'"
    assert "compare.html" not in told
    assert "| fdt |" in (out / "tables.md").read_text(encoding="utf-8")

    code, told, err = call("compare", data, *COMPARED, "--json")
    assert (code, err) == (0, "")
    told = one_json(told)
    assert told["out"] == str(out)
    assert told["problems"] == ["no page: the report: matplotlib is not installed; pip install 'incmask[report]'"]
    assert [each["recipe"] for each in told["approaches"]] == ["ldt", "fdt"]
    assert (out / "results.csv").read_bytes() == before

    # Another choice in the same folder.
    code, told, err = call("compare", data, *COMPARED, "--set=epochs=3")
    assert (code, told) == (1, "")
    assert "settings.epochs was 2 when the run began and is 3 now" in err


def test_compare_hands_on_all_options(call, tmp_path, monkeypatch):
    given = {}

    def compare(data, out, **options):
        given.update(options, data=data, out=out)
        raise KeyboardInterrupt

    monkeypatch.setattr("incmask.api.comparing.run_comparison", compare)
    words = ["--recipes", "im, me,", "--repeats", "2", "--equal-steps", "--preset", "paper", "--effort", "quick"]
    words += ["--profile", "hela", "--size", "32", "48", "--fit", "tile", "--set=num_members=2,3", "--set=epochs=5"]
    code, out, err = call("compare", tmp_path / "data", "-o", tmp_path / "out", *words)
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == "incmask: stopped; the same command goes on from here"
    choices = given["choices"]
    assert (given["data"], given["out"]) == (tmp_path / "data", tmp_path / "out")
    assert (given["recipes"], given["num_repeats"], given["equal_steps"]) == (("im", "me"), 2, True)
    assert given["grid"] == {"num_members": [2, 3]}
    assert (choices.preset, choices.effort, choices.profile) == ("paper", "quick", "hela")
    assert choices.settings == {"epochs": 5, "size": (32, 48), "fit": "tile"}
    call("compare", tmp_path / "data")
    assert (given["recipes"], given["num_repeats"], given["equal_steps"]) == (("all",), 3, False)
    assert (given["out"], given["grid"]) == (tmp_path / "data-compare", {})


def test_options_win_over_the_file_and_the_file_over_defaults(call, tmp_path):
    data = make_data(tmp_path / "data", "binary", {"labelled": 2, "val": 1})
    settings = {**SETTINGS, "epochs": 1, "batch_size": 1, "fit": "resize"}
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    (data / "incmask.toml").write_text("\n".join(['recipe = "aldt"', 'profile = "hela"', "[settings]", *lines]))
    words = ("--set=batch_size=2", "--size", "16", "32", "--fit", "tile", "--no-report")
    code, _, _ = call("run", data, "-o", tmp_path / "out", *words)
    assert code == 0
    chosen = tomllib.loads((tmp_path / "out" / "run.toml").read_text())
    assert (chosen["recipe"], chosen["profile"], chosen["size"]) == ("aldt", "hela", [16, 32])
    assert [chosen["settings"][name] for name in ("epochs", "batch_size", "fit")] == [1, 2, "tile"]


@pytest.mark.parametrize("command", ["run", "predict"])
def test_ctrl_c_ends_with_130_and_says_how_to_go_on(call, finished, monkeypatch, command):
    def stop(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("incmask.experiment.run.run", stop)
    monkeypatch.setattr("incmask.api.images.predict_folder", stop)
    words = {"run": [finished / "data"], "predict": [finished / "run", finished / "data", "-o", finished / "out"]}
    code, out, err = call(command, *words[command])
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == "incmask: stopped; the same command goes on from here"


def test_predict_keeps_folders_and_names_and_goes_past_what_cannot_be_read(call, finished, tmp_path):
    images = tmp_path / "new images"
    sizes = {"plain": (32, 32), "sub folder/zwölf µm": (50, 33), "日本/β.v2": (17, 64)}
    for index, (name, size) in enumerate(sizes.items()):
        save(images / f"{name}.png", draw(seed=index, size=size)[0])
    shutil.move(images / "plain.png", images / "plain.PNG")
    (images / "sub folder" / "broken.png").write_bytes(b"no image")
    (images / "notes.txt").write_text("no image, and not meant to be one")
    out = tmp_path / "out"
    code, told, err = call("predict", finished / "run", images, "-o", out)
    assert code == 1
    assert told.startswith("3 images: masks in ")
    assert "skipped: " in err
    assert "broken.png" in err
    assert "Traceback" not in err
    with open(out / "summary.csv", newline="", encoding="utf-8") as handle:
        assert {row["name"] for row in csv.DictReader(handle)} == set(sizes)
    for name, size in sizes.items():
        for folder in ("masks/bright", "masks/dark", "disagreement", "inconsistent"):
            mask = cv2.imdecode(np.fromfile(out / folder / f"{name}.png", np.uint8), cv2.IMREAD_UNCHANGED)
            assert mask.shape == size
    assert len(list(out.rglob("*.png"))) == 12
    (images / "sub folder" / "broken.png").unlink()
    code, told, err = call("predict", finished / "run" / "model", images, "-o", out, "--json")
    assert (code, err) == (0, "")
    assert one_json(told) == {"images": 3, "unchanged": 3, "out": str(out), "problems": [], "notes": []}


def test_predict_takes_a_single_image_and_leaves_its_own_masks_out(call, finished, tmp_path):
    save(tmp_path / "a.png", draw(seed=1, size=(32, 32))[0])
    out = tmp_path / "out"
    assert call("predict", finished / "run", tmp_path / "a.png", "-o", out, "--quiet")[0] == 0
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png")) == [
        "disagreement/a.png",
        "inconsistent/a.png",
        "masks/bright/a.png",
        "masks/dark/a.png",
    ]
    for _ in range(2):  # below the folder of the images, and a second time
        _, told, _ = call("predict", finished / "run", tmp_path, "-o", out, "--json")
        assert one_json(told)["images"] == 1


def test_predict_refuses_two_images_with_one_name(call, finished, tmp_path):
    image = draw(seed=1, size=(32, 32))[0]
    save(tmp_path / "images" / "a.png", image)
    save(tmp_path / "images" / "a.tif", image)
    code, out, err = call("predict", finished / "run", tmp_path / "images", "-o", tmp_path / "out")
    assert (code, out) == (1, "")
    assert "has the same name as" in err
    assert not (tmp_path / "out").exists()


def test_predict_into_a_file(call, finished, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = call("predict", finished / "run", finished / "data" / "test" / "images", "-o", tmp_path / "file")
    assert code == 1
    assert "cannot be written" in err.splitlines()[-1]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("effort", EFFORTS)
def test_the_list_of_settings_can_stand_in_the_file(call, tmp_path, preset, effort):
    code, told, _ = call("settings", "--preset", preset, "--effort", effort)
    assert code == 0
    (tmp_path / "incmask.toml").write_text(told)
    # Over another preset, so that everything must come from the file.
    expected = resolve_settings(preset=preset, effort=effort)
    assert resolve_settings(preset="default", from_file=read_config(tmp_path).settings) == expected


def test_python_gives_the_same_as_the_command(finished):
    choices = {name: value for name, value in SETTINGS.items() if name != "num_workers"}
    choices |= {"num_base": 3, "num_members": 3}
    result = incmask.run(
        finished / "data", out=finished / "run", recipe="ldt", report=False, settings=choices, executor=HERE
    )
    assert result.folder == finished / "run"
    assert result.chosen == "base"
    assert {row.split for row in result.scores} == {"val", "test"}
    image = draw(seed=5, size=(40, 28))[0]
    (grey, also_grey) = result.predict([image, image[..., None]])
    assert grey.label.shape == (40, 28, 2)
    np.testing.assert_array_equal(grey.label, also_grey.label)
    assert result.predict([]) == []


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (np.zeros(4, np.uint8), r"images\[0\]: expected \(H, W\) or \(H, W, C\)"),
        (np.zeros((0, 4), np.uint8), r"images\[0\]: expected"),
        (np.zeros((4, 4), "U1"), r"images\[0\]: expected"),
        (np.full((4, 4), np.nan), r"images\[0\]: has no data at any pixel: NaN"),
        (np.zeros((4, 4, 5), np.uint8), r"images\[0\]: has 5 channels where 1 are expected"),
    ],
)
def test_arrays_that_are_no_images_are_refused(finished, image, told):
    with pytest.raises(incmask.IncmaskError, match=told):
        incmask.load(finished / "run").predict([image])
