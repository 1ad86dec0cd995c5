import tomllib

import pytest

from incmask.base.choosing import ConfigFile, read_config, resolve_settings
from incmask.base.config import Settings
from incmask.base.errors import IncmaskError
from incmask.base.presets import EFFORTS, PRESETS
from incmask.base.validation import choose, validated
from incmask.commands.assignments import parse_assignments


def problems_of(error):
    lines = [str(problem) for problem in error.value.problems]
    assert all("\n" not in line for line in lines)
    return lines


def only_line(error):
    (line,) = problems_of(error)
    return line


def test_no_file_is_an_empty_file(tmp_path):
    assert read_config(tmp_path) == ConfigFile()


def test_a_file_in_place_of_the_folder_is_left_to_the_scan(tmp_path):
    (tmp_path / "image.png").write_bytes(b"")
    assert read_config(tmp_path / "image.png") == ConfigFile()


def test_reads_every_part_of_the_file(tmp_path):
    (tmp_path / "incmask.toml").write_text(
        'recipe = "im"\npreset = "paper"\neffort = "quick"\nprofile = "hela"\n'
        '[settings]\nepochs = 3\n[data]\ntask = "binary"\n'
    )
    read = read_config(tmp_path)
    assert (read.recipe, read.preset, read.effort, read.profile) == ("im", "paper", "quick", "hela")
    assert (read.settings, read.data) == ({"epochs": 3}, {"task": "binary"})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"epochs = ", "is no readable TOML file"),
        (b"recipe = 'im'\nrecipe = 'me'", "is no readable TOML file"),
        (b"recipe = '\xff'", "is no readable TOML file"),
        (b"recip = 'im'", "unknown name 'recip'; did you mean recipe?"),
        (b"recipe = 3", "recipe = 3: input should be a valid string"),
        (b"settings = 3", "settings = 3"),
    ],
)
def test_mistakes_of_the_file_name_it(tmp_path, content, told):
    (tmp_path / "incmask.toml").write_bytes(content)
    with pytest.raises(IncmaskError) as error:
        read_config(tmp_path)
    assert only_line(error).startswith(str(tmp_path / "incmask.toml"))
    assert told in only_line(error)


def test_all_unknown_names_are_told_at_once_with_near_ones():
    with pytest.raises(IncmaskError) as error:
        resolve_settings(overrides={"epocs": 3, "dilate": 5, "zzz": 1})
    first, second, third = problems_of(error)
    assert first == "settings: unknown name 'epocs'; did you mean epochs?"
    assert "did you mean dilate_px" in second
    assert third.startswith("settings: unknown name 'zzz'; known: seed, device")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("epochs", "5"),
        ("epochs", True),
        ("epochs", 5.0),
        ("num_members", 1),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("inf")),
        ("learning_rate", float("nan")),
        ("warmup_fraction", 1.0),
        ("batch_norm_momentum", 1.0),
        ("average_decay", -0.1),
        ("width", 0.05),
        ("seed", -1),
        ("device", "gpu"),
        ("redraw", 1),
        ("size", [64]),
        ("size", [64.0, 64]),
        ("size", "64"),
        ("empty_iou", 2),
    ],
)
def test_wrong_values_are_named(name, value):
    with pytest.raises(IncmaskError) as error:
        resolve_settings(from_file={name: value})
    (line,) = problems_of(error)
    assert line.startswith(f"incmask.toml: {name}")
    assert f"correct {name}" in line


@pytest.mark.parametrize("name", ["erode_px", "dilate_px", "detail_px"])
def test_kernels_have_odd_sides(name):
    with pytest.raises(IncmaskError) as error:
        resolve_settings(overrides={name: 4})
    assert only_line(error) == f"setting {name}: must be odd or 0, got 4; use 3 or 5"
    for side in (0, 1, 5):
        assert getattr(resolve_settings(overrides={name: side}), name) == side


def test_sizes_are_multiples_of_16():
    assert resolve_settings(overrides={"size": [64, 96]}).size == (64, 96)
    with pytest.raises(IncmaskError) as error:
        resolve_settings(overrides={"size": [100, 8], "erode_px": 2})
    kernel, size = problems_of(error)
    assert "erode_px" in kernel
    assert size == "setting size: must be multiples of 16, got 100 8; use 96 16"


def test_later_layers_win():
    """Defaults < effort < preset < file < --set, each layer seen through the ones above it."""
    assert resolve_settings(effort="quick").epochs == EFFORTS["quick"]["epochs"] != Settings().epochs
    assert resolve_settings(effort="quick").steps_per_epoch == 30
    assert resolve_settings(effort="quick", preset="paper").steps_per_epoch == 0
    assert resolve_settings(effort="quick", preset="paper").epochs == 10
    in_file = {"steps_per_epoch": 7, "epochs": 8}
    assert resolve_settings(effort="quick", preset="paper", from_file=in_file).steps_per_epoch == 7
    settings = resolve_settings(effort="quick", preset="paper", from_file=in_file, overrides={"epochs": 9})
    assert (settings.steps_per_epoch, settings.epochs, settings.batch_size) == (7, 9, 32)
    assert settings.width == Settings().width


def test_the_paper_preset_takes_the_papers_effort_where_none_is_named():
    assert resolve_settings(preset="paper").num_base == 10
    assert resolve_settings(preset="paper").epochs == EFFORTS["paper"]["epochs"]
    assert resolve_settings().epochs == EFFORTS["normal"]["epochs"]


def test_all_presets_and_efforts_are_valid():
    for preset in PRESETS:
        for effort in EFFORTS:
            resolve_settings(preset=preset, effort=effort)


@pytest.mark.parametrize(("option", "name"), [("preset", "papr"), ("effort", "PAPER")])
def test_unknown_presets_and_efforts(option, name):
    with pytest.raises(IncmaskError) as error:
        resolve_settings(**{option: name})
    assert only_line(error) == f"{option}: unknown name {name!r}; did you mean 'paper'?"


def test_choose_lists_the_known_names_where_none_is_near():
    with pytest.raises(IncmaskError, match="choose one of one, two"):
        choose({"one": 1, "two": 2}, "xyz", option="--number")
    assert choose({"one": 1}, "one", option="--number") == 1


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Settings().epochs = 3


def test_a_problem_of_the_whole_names_no_field():
    from incmask.data.dataset import DataOptions

    with pytest.raises(IncmaskError) as error:
        validated(DataOptions, {"classes": [{"name": "a"}, {"name": "a"}]}, where="here")
    assert only_line(error) == "here: two classes have the same name; correct it"


def test_assignments_are_toml_and_bare_words_are_text():
    read = parse_assignments(
        [
            "epochs=5",
            " learning_rate = 1e-3",
            "redraw=false",
            "schedule=constant",
            'loss="mse"',
            "size=[64, 96]",
            "a=b=c",
        ]
    )
    assert read == {
        "epochs": 5,
        "learning_rate": 0.001,
        "redraw": False,
        "schedule": "constant",
        "loss": "mse",
        "size": [64, 96],
        "a": "b=c",
    }


def test_the_last_assignment_of_a_name_wins():
    assert parse_assignments(["epochs=5", "epochs=6"]) == {"epochs": 6}


def test_an_assignment_needs_an_equals_sign():
    with pytest.raises(IncmaskError) as error:
        parse_assignments(["epochs"])
    assert only_line(error) == "--set epochs: expected name=value; for example --set epochs=20"


def test_a_text_that_is_no_toml_reaches_the_setting_as_text():
    with pytest.raises(IncmaskError) as error:
        resolve_settings(overrides=parse_assignments(["epochs=5x"]))
    assert "epochs = '5x'" in only_line(error)


def test_settings_survive_toml():
    import tomli_w

    settings = resolve_settings(overrides={"size": (64, 32), "quality_band": (0.25, 0.75)})
    assert (
        resolve_settings(from_file=tomllib.loads(tomli_w.dumps(settings.model_dump(mode="json", exclude_none=True))))
        == settings
    )
