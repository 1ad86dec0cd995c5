import io
import json
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

from export_models import CLASSES, make_model, share_traces
from incmask.base.errors import IncmaskError
from incmask.exchange.models import model as model_module
from incmask.exchange.models import parity
from incmask.exchange.models.bioimageio import package
from incmask.exchange.models.model import export_model
from incmask.exchange.models.pipeline import OUTPUTS, pipeline_of
from incmask.exchange.names import MODEL_TARGETS
from incmask.prediction.ensemble import Ensemble
from runs import Listener
from small import blocks

EXAMPLE = Path(__file__).parents[2] / "examples" / "predict_with_onnxruntime.py"
SHAPES = ((1, 32, 48, 1), (3, 37, 20, 1), (1, 1, 1, 1), (2, 100, 16, 1), (1, 64, 96, 1))


def export(folder, target, task, **options):
    """A model in a run folder with a stack of images, its export and the listener."""
    model = make_model(folder, task, **options)
    stack = folder / "stacks" / "val" / "images.npy"
    stack.parent.mkdir(parents=True)
    images = blocks(5, side=48, channels=options.get("channels", 1))[:, :32]
    np.save(stack, images)
    suffix = {"onnx": ".onnx", "torch": ".pt2", "bioimageio": ".zip"}[target]
    listener = Listener()
    return model, export_model(model, folder / "out" / f"my model{suffix}", target=target, progress=listener), listener


@pytest.fixture(scope="module")
def onnx_of(tmp_path_factory, traces):
    """Both fits as ONNX files."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        share_traces(patch, traces)
        for task, fit in (("multilabel", "tile"), ("multiclass", "resize")):
            found[task] = export(tmp_path_factory.mktemp(task), "onnx", task, fit=fit)
    return found


def reference(model, image):
    with torch.inference_mode():
        pipeline = pipeline_of(Ensemble.load(model, device="cpu"))
        return [each.numpy() for each in pipeline(torch.from_numpy(image))]


def assert_same(found, expected):
    assert [(each.shape, each.dtype) for each in found] == [(each.shape, each.dtype) for each in expected]
    label, share, probability = found
    assert probability == pytest.approx(expected[2], abs=1e-5)
    assert np.mean(label != expected[0]) < 0.002
    assert np.mean(np.abs(share - expected[1]) > 1e-5) < 0.002


def random_images(shape):
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["multilabel", "multiclass"])
def test_an_onnx_file_takes_any_number_of_images_of_any_size(onnx_of, task):
    model, written, _ = onnx_of[task]
    session = onnxruntime.InferenceSession(written.path, providers=["CPUExecutionProvider"])
    for shape in SHAPES:
        image = random_images(shape)
        assert_same(session.run(list(OUTPUTS), {"image": image}), reference(model, image))


@pytest.mark.slow
def test_an_onnx_file_tells_what_it_takes(onnx_of):
    _, written, _ = onnx_of["multilabel"]
    onnx.checker.check_model(onnx.load(written.path), full_check=True)
    session = onnxruntime.InferenceSession(written.path, providers=["CPUExecutionProvider"])
    (entry,), outputs = session.get_inputs(), session.get_outputs()
    assert (entry.name, entry.type, entry.shape) == ("image", "tensor(uint8)", ["batch", "height", "width", 1])
    assert [(each.name, each.shape) for each in outputs] == [
        ("label", ["batch", "height", "width", 2]),
        ("disagreement", ["batch", "height", "width"]),
        ("probability", ["batch", 2, "height", "width"]),
    ]
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["classes"]) == [each.name for each in CLASSES[1:]]
    assert about["fit"] == "tile"


@pytest.mark.slow
def test_no_file_tells_where_it_was_made(onnx_of):
    content = onnx_of["multiclass"][1].path.read_bytes()
    assert b"site-packages" not in content
    assert str(Path(model_module.__file__).parents[2]).encode() not in content


@pytest.mark.slow
def test_parity_and_card_lie_beside_the_model(onnx_of):
    _, written, listener = onnx_of["multiclass"]
    assert sorted(path.name for path in written.path.parent.iterdir()) == [
        "my model.card.md",
        "my model.onnx",
        "my model.parity.json",
    ]
    content = json.loads(written.parity_file.read_text(encoding="utf-8"))
    assert content["images"] == "run"
    assert content["max_probability_difference"] <= content["limits"]["max_probability_difference"] == 1e-4
    assert content["differing_label_fraction"] <= content["limits"]["differing_label_fraction"]
    assert content["shapes"][0] == [4, 32, 48, 1]
    assert len({tuple(shape[1:3]) for shape in content["shapes"]}) == 3
    assert content["versions"]["onnxruntime"] == onnxruntime.__version__
    assert written.card.read_text(encoding="utf-8").startswith("# Model card: ")
    assert not listener.says("holds an image")


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_the_example_predicts_an_image(onnx_of, tmp_path, channels):
    model, written, _ = onnx_of["multiclass"]
    image = random_images((1, 37, 20, 1))
    Image.fromarray(image[0, ..., 0].repeat(channels).reshape(37, 20, channels).squeeze()).save(tmp_path / "in.png")
    arguments = [tmp_path / name for name in ("in.png", "mask.png", "disagreement.png")]
    subprocess.run([sys.executable, EXAMPLE, written.path, *arguments], check=True, timeout=60)
    label, share, _ = reference(model, image)
    assert np.mean(np.asarray(Image.open(arguments[1])) != label[0] * 127) < 0.01
    assert np.mean(np.asarray(Image.open(arguments[2])) != np.uint8(255 * share[0])) < 0.01


@pytest.mark.slow
@pytest.mark.usefixtures("traced_once")
def test_a_program_of_torch_takes_any_number_of_images_of_any_size(tmp_path):
    model, written, _ = export(tmp_path, "torch", "multilabel", fit="tile")
    files = {"incmask.json": ""}
    program = torch.export.load(written.path, extra_files=files).module()
    assert json.loads(files["incmask.json"])["task"] == "multilabel"
    for shape in (*SHAPES, (1, 16, 16, 1), (2, 17, 32, 1)):
        image = random_images(shape)
        assert_same([each.numpy() for each in program(torch.from_numpy(image))], reference(model, image))
    with zipfile.ZipFile(written.path) as archive:
        contents = [archive.read(name) for name in archive.namelist()]
    assert str(Path(model_module.__file__).parents[2]).encode() not in b"".join(contents)
    # Pickles would lie in archives of their own.
    assert not any(each.startswith(b"PK\x03\x04") for each in contents)


@pytest.fixture(scope="module")
def validate():
    """The validator of the model zoo, which warns of other things than what it validates."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from bioimageio.spec import ValidationContext, load_description_and_validate_format_only

        def run(path):
            with warnings.catch_warnings(), ValidationContext(perform_io_checks=True):
                warnings.simplefilter("ignore")
                summary = load_description_and_validate_format_only(path)
            assert summary.status == "valid-format", summary.format()

        yield run


@pytest.mark.slow
@pytest.mark.usefixtures("traced_once")
def test_a_package_passes_the_validator_of_the_model_zoo(tmp_path, validate):
    _, written, listener = export(tmp_path, "bioimageio", "binary", channels=3, num_members=1)
    assert listener.says("publish it only if you may")
    validate(written.path)
    with zipfile.ZipFile(written.path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    inputs = np.load(io.BytesIO(files["image.npy"]))
    session = onnxruntime.InferenceSession(files["model.onnx"], providers=["CPUExecutionProvider"])
    # A single member never disagrees with itself.
    for name, found in zip(("label", "probability"), session.run(None, {"image": inputs}), strict=True):
        assert found == pytest.approx(np.load(io.BytesIO(files[f"{name}.npy"])), abs=1e-6)
    height, width = np.asarray(Image.open(io.BytesIO(files["cover.png"]))).shape[:2]
    assert width == 2 * height
    assert len(files["cover.png"]) < 500_000
    assert files["README.md"].decode() == written.card.read_text(encoding="utf-8")
    assert files["parity.json"].decode() == written.parity_file.read_text(encoding="utf-8")
    assert b"No licence" in files["LICENCE.txt"]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["multilabel", "multiclass"])
def test_packages_of_several_classes_pass_it_too(onnx_of, tmp_path, validate, task):
    model, written, _ = onnx_of[task]
    image = random_images((1, 32, 48, 1))
    content = package(
        Ensemble.load(model, device="cpu").about,
        name="../ä | name of more letters than the zoo takes for any of its models",
        weights=written.path.read_bytes(),
        opset=18,
        image=image,
        outputs=dict(zip(OUTPUTS, reference(model, image), strict=True)),
        card="# Card\n\n## Validation\n",
        parity="{}",
    )
    path = tmp_path / "package.zip"
    path.write_bytes(content)
    validate(path)


def test_a_package_needs_an_image_with_something_to_see(tmp_path, monkeypatch):
    model = make_model(tmp_path, "binary")
    ensemble = Ensemble.load(model, device="cpu")
    examples = parity.find_examples(model, channels=1, size=(16, 16))
    source = model_module._Source(ensemble, pipeline_of(ensemble), examples, "", Path("m.zip"))

    def seen(mean):
        """Finds a class, and doubts, only where an image is brighter."""

        def run(images):
            found = (images.mean((1, 2)) > mean).astype(np.uint8)
            return found, found.astype(np.float32), images[..., 0]

        return run

    brightness = [float(image.mean()) for batch in examples.batches for image in batch]
    assert model_module._example(source, seen(max(brightness) - 0.01)).image.mean() == max(brightness)
    assert model_module._example(source, seen(0)).image.mean() == brightness[0]
    with pytest.raises(IncmaskError, match="finds no class in any of 10 images"):
        model_module._example(source, seen(255))


def test_made_up_images_are_used_where_the_run_is_gone(tmp_path):
    folder = make_model(tmp_path, "binary", size=(16, 16))
    examples = parity.find_examples(folder, channels=1, size=(16, 16))
    assert examples.source == "synthetic"
    assert [batch.shape for batch in examples.batches] == [(4, 16, 16, 1), (1, 9, 11, 1), (1, 29, 31, 1)]
    assert all(batch.std() > 10 for batch in examples.batches)
    stack = tmp_path / "stacks" / "test" / "images.npy"
    stack.parent.mkdir(parents=True)
    for broken in (b"no array", b""):
        stack.write_bytes(broken)
        assert parity.find_examples(folder, channels=1, size=(16, 16)).source == "synthetic"
    np.save(stack, blocks(2, channels=3))
    assert parity.find_examples(folder, channels=1, size=(16, 16)).source == "synthetic"
    np.save(stack, blocks(2))
    found = parity.find_examples(folder, channels=1, size=(16, 16))
    assert found.source == "run"
    assert np.array_equal(found.batches[0], blocks(2))


@pytest.mark.slow
@pytest.mark.usefixtures("traced_once")
def test_nothing_is_written_where_the_model_says_something_else(tmp_path, monkeypatch):
    model = make_model(tmp_path, "binary", channels=3, num_members=1)

    def other(images):
        label, share, probability = reference(model, images)
        return 1 - label, share, probability

    monkeypatch.setattr(model_module.programs, "loaded_program", lambda content: other)
    out = tmp_path / "out" / "m.pt2"
    with pytest.raises(IncmaskError, match=r"something else than PyTorch.*100.00% of the labels"):
        export_model(model, out, target="torch", progress=Listener())
    assert not out.parent.exists()


@pytest.mark.parametrize("spoil", ["nan", "shape"])
def test_parity_sees_what_is_no_number_and_other_shapes(tmp_path, spoil):
    model = make_model(tmp_path, "binary", num_members=1)
    ensemble = Ensemble.load(model, device="cpu")

    def run(images):
        label, share, probability = reference(model, images)
        return (label, share, probability * np.nan) if spoil == "nan" else (label[:, 1:], share, probability)

    examples = parity.find_examples(model, channels=1, size=(16, 16))
    with pytest.raises(IncmaskError, match=r"m\.onnx: (says something else|gives outputs of other shapes)"):
        parity.check_parity(Path("m.onnx"), run, pipeline=pipeline_of(ensemble), ensemble=ensemble, examples=examples)


@pytest.mark.parametrize(
    ("target", "name", "message"),
    [
        ("onnx", "m.pt2", "a file for onnx ends in .onnx; use .*m.onnx"),
        ("bioimageio", "m", "ends in .zip"),
        ("tensorflow", "m.onnx", "unknown name 'tensorflow'; choose one of onnx, torch, bioimageio"),
    ],
)
def test_mistakes_are_told_before_anything_is_read(tmp_path, target, name, message):
    with pytest.raises(IncmaskError, match=message):
        export_model(tmp_path / "not there", tmp_path / name, target=target, progress=Listener())


def test_a_folder_without_a_model_is_told(tmp_path):
    with pytest.raises(IncmaskError, match="holds no model"):
        export_model(tmp_path, tmp_path / "m.pt2", target="torch", progress=Listener())


def test_a_package_that_lacks_is_named_with_its_remedy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(IncmaskError, match=r"onnxruntime is not installed; pip install 'incmask\[export\]'"):
        export_model(tmp_path, tmp_path / "m.onnx", target="onnx", progress=Listener())


def test_every_target_has_a_writer():
    assert tuple(model_module._KINDS) == MODEL_TARGETS
