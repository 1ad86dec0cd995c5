"""Whole runs with networks on an encoder: what they leave, and that all that follows takes them."""

import json
import shutil
import tomllib

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import incmask
from incmask.base.caller import on_command_line
from incmask.base.choosing import resolve_settings
from incmask.base.config import WIDTH_SETTINGS, Settings
from incmask.base.errors import IncmaskError
from incmask.base.progress import Silent
from incmask.exchange.models.model import export_model
from incmask.experiment.choices import resolve
from incmask.experiment.named import Choices
from incmask.experiment.paths import ENCODER
from incmask.experiment.record.run import read_run
from incmask.experiment.run import run
from incmask.insight.card import model_card
from incmask.insight.ranking.simulate import choices_of_run as choices_of
from incmask.nets.encoders.named import read_encoder, weights_of
from incmask.nets.spec import EncoderSpec, load_tensors, read_spec, save_model
from incmask.prediction.ensemble import Ensemble
from nightly import AT_NIGHT, NIGHTLY
from runs import HERE, SETTINGS, Listener, make_data, results, run_tiny

DEFAULTS = {name: Settings.model_fields[name].default for name in WIDTH_SETTINGS}


def run_on_encoder(data, out, recipe="im+", **settings):
    return run_tiny(data, out, recipe, **({"net": "tiny"} | DEFAULTS | settings))


@pytest.mark.slow
def test_a_run_leaves_what_is_needed_to_go_on_and_to_name_the_weights(plugged, tmp_path):
    data = make_data(tmp_path / "data", "binary")
    _, told = run_on_encoder(data, tmp_path / "run", num_generations=2)
    assert told.says("networks of 32×32×1 and tiny")
    assert told.says("networks tiny; the encoder's weights: a package of tests (licence: CC0-1.0)")
    assert told.says("networks of tiny are as wide as they are: of what grows by generation, augmentation does")
    assert told.says("the encoder knows images in colour: grey ones stand for all three")
    kept, about = load_tensors(tmp_path / "run" / ENCODER)
    assert about == {"net": "tiny", "origin": "a package of tests", "licence": "CC0-1.0"}
    expected = load_file(plugged)
    assert all(torch.equal(value, expected[name]) for name, value in kept.items())
    chosen = tomllib.loads((tmp_path / "run" / "run.toml").read_text())
    assert chosen["settings"]["net"] == "tiny"
    assert not {"encoder_weights", "width", "width_step"} & {*chosen["settings"]}
    assert chosen["encoder"]["licence"] == "CC0-1.0"
    assert len(chosen["encoder"]["sha256"]) == 64
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert environment["packages"]["tiny-encoder"] == "1.5"
    # Students of both generations began with their teachers' weights or the file's, and none grew.
    record = read_run(tmp_path / "run")
    assert [stage.width for stage in record.stages] == [None] * 3
    specs = {read_spec(student.model) for stage in record.stages for student in stage.students}
    assert specs == {EncoderSpec("tiny", 1, 1, batch_norm_momentum=0.9, origin="a package of tests", licence="CC0-1.0")}
    assert record.encoder == ("a package of tests", "CC0-1.0")
    # What is tried with the same choices begins with the same weights, and still says whose they are.
    again = choices_of(tmp_path / "run", data, recipe=None, settings={})
    assert again.pretrained.source == (tmp_path / "run" / ENCODER)
    assert (again.pretrained.origin, again.pretrained.licence) == record.encoder
    card = model_card(tmp_path / "run")
    assert "networks of tiny, seed" in card
    assert "The encoder (`tiny`) began with weights of others: a package of tests. Their licence: CC0-1.0." in card
    # The card of models without their run says so, too.
    shutil.copytree(tmp_path / "run" / "model", tmp_path / "alone")
    assert "Their licence: CC0-1.0." in model_card(tmp_path / "alone")


@AT_NIGHT
def test_a_run_that_was_killed_ends_with_the_same_bytes(plugged, tmp_path):
    data = make_data(tmp_path / "data", "multiclass")
    run_on_encoder(data, tmp_path / "whole", "im", start="teacher")
    choices = Choices("im", settings=SETTINGS | {"net": "tiny", "start": "teacher"} | DEFAULTS)
    for kill_at in (12, 24):
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path / "killed", choices=choices, executor=HERE, progress=Listener(kill_at=kill_at))
    run_on_encoder(data, tmp_path / "killed", "im", start="teacher")
    assert dict(results(tmp_path / "killed")) == dict(results(tmp_path / "whole"))


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["im-online", *(pytest.param(name, marks=NIGHTLY) for name in ("cl", "im++"))])
def test_recipes_are_what_they_are(plugged, tmp_path, recipe):
    """Teams that train side by side, a loss of two views, and networks that rate."""
    data = make_data(tmp_path / "data", "binary")
    outcome, _ = run_on_encoder(data, tmp_path / "run", recipe)
    assert len(outcome.stages) == 2
    assert all(isinstance(read_spec(each.model), EncoderSpec) for stage in outcome.stages for each in stage.students)


@pytest.mark.slow
def test_what_follows_a_run_takes_its_networks(plugged, tmp_path):
    data = make_data(tmp_path / "data", "multilabel", truth=False)
    run_on_encoder(data, tmp_path / "run", "ldt")
    image = np.random.default_rng(0).integers(0, 256, (45, 70), np.uint8)
    (found,) = Ensemble.load(tmp_path / "run").predict(image)
    assert found.label.shape == (45, 70, 2)
    assert len(incmask.rank(tmp_path / "run", executor=HERE).rows) == 5


@AT_NIGHT
@pytest.mark.slow
@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(("target", "name", "fit"), [("torch", "m.pt2", "tile"), ("onnx", "m.onnx", "resize")])
def test_networks_are_exported(plugged, tmp_path, target, name, fit):
    """At any size where tiles are cut; what is written says the same as the networks, or nothing is."""
    data = make_data(tmp_path / "data", "multilabel", truth=False)
    run_on_encoder(data, tmp_path / "run", "ldt", fit=fit)
    assert export_model(tmp_path / "run", tmp_path / name, target=target, progress=Silent()).path.exists()


@pytest.mark.slow
def test_a_file_of_weights_is_taken_from_beside_the_data_or_from_where_one_is(plugged, tmp_path, monkeypatch):
    data = make_data(tmp_path / "data", "binary")
    tensors = {name: value + 1 for name, value in load_file(plugged).items()}
    torch.save({"state_dict": {f"encoder.{name}": value for name, value in tensors.items()}}, data / "mine.pth")
    _, told = run_on_encoder(data, tmp_path / "run", "ldt", encoder_weights="mine.pth", encoder_rate=0.0)
    assert told.says("the encoder's weights: the file mine.pth (licence: not stated; see where the file comes from)")
    kept, _ = load_tensors(tmp_path / "run" / ENCODER)
    assert all(torch.equal(value, tensors[name]) for name, value in kept.items())
    # Frozen: in each model as in the file.
    model, _ = load_tensors(tmp_path / "run" / "base" / "students" / "1" / "model.safetensors")
    assert all(torch.equal(model[f"encoder.{name}"], value) for name, value in tensors.items())
    # Other weights under the same name are another run.
    torch.save(load_file(plugged), data / "mine.pth")
    with pytest.raises(IncmaskError, match=r"encoder\.sha256 was .* when the run began and is .* now"):
        run_on_encoder(data, tmp_path / "run", "ldt", encoder_weights="mine.pth", encoder_rate=0.0)


@pytest.mark.slow
def test_weights_drawn_anew_are_asked_for(plugged, tmp_path, untrained):
    data = make_data(tmp_path / "data", "binary")
    run_on_encoder(data, tmp_path / "run", "ldt", encoder_weights="none")
    assert not (tmp_path / "run" / ENCODER).exists()
    assert "Their licence" not in model_card(tmp_path / "run")


@pytest.mark.slow
def test_runs_with_the_default_networks_say_nothing_of_encoders(finished_run):
    text = (finished_run("binary") / "run.toml").read_text()
    assert "encoder" not in text
    assert "net = " not in text


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"width": 0.25}, "setting width: is of unet; tiny is as wide as it is; leave it out"),
        ({"width_step": 0.5}, "setting width_step: is of unet; tiny is as wide as it is; leave it out"),
        ({"size": [48, 64]}, "setting size: must be multiples of 32 for tiny, got 48 64; use 64 64"),
        ({"net": "unet", "encoder_rate": 0.5}, "setting encoder_rate: is of a pretrained encoder, which unet has not"),
        ({"encoder_rate": 1.5}, "encoder_rate = 1.5: input should be less than or equal to 1"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, told):
    with pytest.raises(IncmaskError) as caught:
        resolve_settings(overrides={"net": "tiny"} | settings)
    assert told in str(caught.value)


def test_images_of_other_channels_are_refused_before_anything_is_read(plugged, tmp_path):
    images = [np.zeros((32, 32, 2), np.uint8)] * 6
    masks = [np.eye(32, dtype=np.uint8)] * 6
    with pytest.raises(IncmaskError, match="takes images of 1 or 3 channels, these have 2; leave it out"):
        incmask.run(incmask.ArrayData(images, masks), net="tiny", settings={"epochs": 1}, executor=HERE)


def test_the_size_that_follows_from_the_images_fits_the_encoder(plugged, tmp_path):
    data = make_data(tmp_path / "data", "binary")
    chosen = resolve(data, Choices(settings={"net": "tiny"}))
    assert all(side % 32 == 0 for side in chosen.size)


def test_the_weights_of_a_trained_model_are_taken_with_what_it_says_of_them(plugged, tmp_path):
    spec = EncoderSpec("tiny", 1, 1, origin="someone", licence="CC-BY-4.0")
    network = spec.build(seed=3)
    save_model(tmp_path / "model.safetensors", network.state_dict(), spec)
    found = weights_of("tiny", str(tmp_path / "model.safetensors"))
    assert (found.origin, found.licence) == ("someone", "CC-BY-4.0")
    tensors = read_encoder("tiny", found.path)
    assert all(torch.equal(value, tensors[name]) for name, value in network.encoder.state_dict().items())


@pytest.mark.slow
@pytest.mark.parametrize("where", ["option", "file"])
def test_the_command_line_names_the_network(plugged, tmp_path, call, untrained, where):
    data = make_data(tmp_path / "data", "binary", truth=False)
    shared = {name: value for name, value in SETTINGS.items() if name not in WIDTH_SETTINGS}
    words = [word for name, value in shared.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    net = ["--net", "tiny", "--encoder-weights", str(plugged)]
    if where == "file":
        (data / "incmask.toml").write_text(f'[settings]\nnet = "tiny"\nencoder_weights = "{plugged}"\n')
        net = []
    code, out, err = call("run", data, "-o", tmp_path / "run", "--recipe", "ldt", "--no-report", "--json", *net, *words)
    assert (code, json.loads(out)["recipe"]) == (0, "ldt"), err
    assert (tmp_path / "run" / ENCODER).exists()


def test_an_unknown_network_is_told_by_check_too(tmp_path, call):
    data = make_data(tmp_path / "data", "binary")
    (data / "incmask.toml").write_text('[settings]\nnet = "efficientnet-lite"\n')
    code, out, err = call("check", data)
    assert code == 1
    assert "did you mean 'efficientnet-lite0'?" in out + err


def test_a_comparison_has_one_network_for_all(plugged, tmp_path):
    data = make_data(tmp_path / "data", "binary")
    with pytest.raises(IncmaskError, match="is the same for the whole comparison"):
        incmask.compare(data, out=tmp_path / "c", recipes="ldt", grid={"net": ["unet", "tiny"]}, executor=HERE)


@pytest.mark.slow
def test_a_comparison_keeps_the_encoder_once_where_runs_share_base_models(plugged, tmp_path):
    data = make_data(tmp_path / "data", "binary")
    settings = {name: value for name, value in SETTINGS.items() if name not in WIDTH_SETTINGS}
    incmask.compare(data, out=tmp_path / "c", recipes="me", num_repeats=1, net="tiny", settings=settings, executor=HERE)
    kept = sorted((tmp_path / "c").rglob(ENCODER))
    assert len(kept) == 2
    assert len({path.stat().st_ino for path in kept}) == 1


def test_the_messages_of_python_name_its_arguments(tmp_path):
    data = make_data(tmp_path / "data", "binary")
    with pytest.raises(IncmaskError, match="net: unknown name 'none of them'"):
        incmask.run(data, out=tmp_path / "run", net="none of them", executor=HERE)
    with on_command_line(), pytest.raises(IncmaskError, match="--net: unknown name 'none of them'"):
        incmask.run(data, out=tmp_path / "run", net="none of them", executor=HERE)
