"""Models of volumes for other programs."""

import io
import json
import zipfile
from itertools import pairwise

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from export_models import CLASSES
from incmask.data.volumes.grid import Grid, VolumeFormat, format_of
from incmask.exchange.models import parity
from incmask.exchange.models.bioimageio import package
from incmask.exchange.models.model import export_model
from incmask.exchange.models.pipeline import OUTPUTS, VolumePipeline, describe, mirrored, pipeline_of
from incmask.method.labels import labels_of
from incmask.method.sheets import folded, unfolded
from incmask.nets.spec import VolumeSpec, save_model
from incmask.prediction.ensemble import About, Ensemble
from incmask.prediction.model_folder import save_ensemble
from nightly import AT_NIGHT
from runs import Listener
from small import NUM_CLASSES, TASKS

FORMAT: VolumeFormat = format_of([Grid((8, 16, 24), (2.0, 1.0, 1.0))])


def make_model(folder, task):
    """Write an untrained model of volumes whose members disagree here and there."""
    num_classes = NUM_CLASSES[task]
    spec = VolumeSpec(1, labels_of(task).num_outputs(num_classes), 0.125, FORMAT.depth, FORMAT.poolings)
    paths = [folder / f"{seed}.safetensors" for seed in range(2)]
    for seed, path in enumerate(paths):
        network = spec.build(seed=seed).eval()
        sheets = torch.from_numpy(folded(volumes(2, *FORMAT.patch), axis=1)).permute(0, 3, 1, 2).float()
        with torch.no_grad():
            network.head.weight *= 10
            # Otherwise all voxels lie on one side.
            network.head.bias -= network(sheets).mean((0, 2, 3))
        save_model(path, network.state_dict(), spec)
    classes = CLASSES if task == "multiclass" else CLASSES[1 : 1 + num_classes]
    about = About(task, classes, 1, None, FORMAT.sheet, "resize", "float32", volumes=FORMAT)
    save_ensemble(folder / "model", paths, about, scores={"stage": "base", "IoU": 0.5})
    return folder / "model"


def volumes(*shape):
    """Blocks, so that labels are not all noise."""
    generator = np.random.default_rng(sum(shape))
    small = generator.integers(0, 256, [shape[0], *(-(-side // 4) for side in shape[1:]), 1], dtype=np.uint8)
    for axis in (1, 2, 3):
        small = small.repeat(4, axis)
    return small[:, : shape[1], : shape[2], : shape[3]]


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_a_volume_of_the_patch_is_what_predict_makes_of_it(tmp_path, task):
    ensemble = Ensemble.load(make_model(tmp_path, task), device="cpu")
    image = volumes(2, *FORMAT.patch)
    with torch.inference_mode():
        label, share, probability = (each.numpy() for each in pipeline_of(ensemble)(torch.from_numpy(image)))
    grid = Grid(FORMAT.patch, FORMAT.spacing)
    for place, volume in enumerate(image):
        expected = ensemble.predict_sheet(folded(volume), grid)
        assert np.array_equal(label[place], unfolded(expected.label, FORMAT.depth))
        assert share[place] == pytest.approx(unfolded(expected.disagreement, FORMAT.depth), abs=1e-6)
        assert probability[place] == pytest.approx(unfolded(expected.probability, FORMAT.depth, axis=1), abs=1e-5)
    assert len(np.unique(label)) > 1
    assert share.any()


def test_other_sizes_are_mirrored_behind_their_ends(tmp_path):
    ensemble = Ensemble.load(make_model(tmp_path, "binary"), device="cpu")
    pipeline = pipeline_of(ensemble)
    steps = ensemble.networks[0].steps
    assert len({*steps}) > 1, "the axes are alike, and could be mistaken for each other"
    image = volumes(1, 5, 19, 27)
    sides = [max(2, -(-side // step)) * step for side, step in zip(image.shape[1:4], steps, strict=True)]
    behind = [(0, 0), *((0, side - own) for side, own in zip(sides, image.shape[1:4], strict=True)), (0, 0)]
    whole = np.pad(image, behind, mode="symmetric")
    with torch.inference_mode():
        found, expected = (pipeline(torch.from_numpy(each)) for each in (image, whole))
    assert np.allclose(found[2], expected[2][:, :, :5, :19, :27], atol=1e-6)
    assert np.array_equal(found[0], expected[0][:, :5, :19, :27])


def test_an_axis_that_is_never_shrunk_may_have_any_length():
    planes = torch.arange(5.0).reshape(1, 1, 5)
    assert mirrored(planes, 1, axis=2).tolist() == planes.tolist()
    assert mirrored(planes, 4, axis=2).flatten().tolist() == [0, 1, 2, 3, 4, 4, 3, 2]


def test_examples_are_volumes_of_three_sizes(tmp_path):
    found = parity.find_examples(tmp_path, channels=1, size=FORMAT.sheet, depth=FORMAT.depth)
    depth, height, width = FORMAT.patch
    assert [batch.shape for batch in found.batches] == [
        (4, depth, height, width, 1),
        (1, depth - 1, height - 3, width - 5, 1),
        (1, 2 * depth - 3, height - 1, width - 1, 1),
    ]
    # Slices that follow each other are those of the sheet.
    made_up = parity.made_up_images(channels=1, size=FORMAT.sheet)
    for number, (first, second) in enumerate(pairwise(found.batches[0][0])):
        assert np.array_equal(np.concatenate([first, second]), made_up[0, number * height : (number + 2) * height])


def test_metadata_tell_the_spacing_and_the_patch(tmp_path):
    about = Ensemble.load(make_model(tmp_path, "multiclass"), device="cpu").about
    told = describe(about)
    assert json.loads(told["spacing"]) == [2.0, 1.0, 1.0]
    assert json.loads(told["patch"]) == [8, 16, 24]
    assert {"fit", "size"}.isdisjoint(told)


@pytest.mark.slow
@AT_NIGHT
def test_an_onnx_file_takes_any_number_of_volumes_of_any_size_and_is_packed_for_the_zoo(tmp_path):
    model = make_model(tmp_path, "multiclass")
    written = export_model(model, tmp_path / "m.onnx", target="onnx", progress=Listener())
    content = json.loads(written.parity_file.read_text())
    assert content["shapes"][0] == [4, 8, 16, 24, 1]
    session = onnxruntime.InferenceSession(written.path, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    assert entry.shape == ["batch", "depth", "height", "width", 1]
    assert session.get_outputs()[2].shape == ["batch", 3, "depth", "height", "width"]
    ensemble = Ensemble.load(model, device="cpu")
    pipeline = pipeline_of(ensemble)
    assert isinstance(pipeline, VolumePipeline)
    for shape in ((1, 8, 16, 24), (3, 5, 19, 27), (1, 1, 1, 1), (2, 20, 8, 40)):
        image = volumes(*shape)
        found = session.run(list(OUTPUTS), {"image": image})
        with torch.inference_mode():
            expected = [each.numpy() for each in pipeline(torch.from_numpy(image))]
        assert [(each.shape, each.dtype) for each in found] == [(each.shape, each.dtype) for each in expected]
        assert found[2] == pytest.approx(expected[2], abs=1e-5)
        assert np.mean(found[0] != expected[0]) < 0.002

    image = volumes(1, 8, 16, 24)
    outputs = dict(zip(OUTPUTS, session.run(list(OUTPUTS), {"image": image}), strict=True))
    packed = package(
        ensemble.about,
        name="brains",
        weights=written.path.read_bytes(),
        opset=18,
        image=image,
        outputs=outputs,
        card="# Card\n\n## Validation\n",
        parity="{}",
    )
    (tmp_path / "p.zip").write_bytes(packed)
    assert_valid(tmp_path / "p.zip")
    with zipfile.ZipFile(tmp_path / "p.zip") as archive:
        height, width = np.asarray(Image.open(io.BytesIO(archive.read("cover.png")))).shape[:2]
        assert json.loads(archive.read("rdf.yaml"))["inputs"][0]["axes"][1]["id"] == "z"
    assert width == 2 * height


def assert_valid(path):
    """Ask the validator of the model zoo, which warns of other things than what it validates."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from bioimageio.spec import ValidationContext, load_description_and_validate_format_only

        with ValidationContext(perform_io_checks=True):
            summary = load_description_and_validate_format_only(path)
    assert summary.status == "valid-format", summary.format()
