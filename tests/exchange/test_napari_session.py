"""The plug-in for napari without napari: what it shows of a run, and that import reads it as it was painted."""

import tomllib

import numpy as np
import pytest
from PIL import Image
from test_correcting import painted
from test_correction_loop import labels_of

from docs_blocks import ROOT
from exchange import expected, make_loop, write_ranking
from incmask.base.errors import IncmaskError
from incmask.exchange.correcting.desk import open_desk
from incmask.exchange.corrections.take_back import import_labels
from napari_incmask.session import Session

ORDER = ["x.2", "slide/x.1", "x.0"]


@pytest.fixture(params=["binary", "multiclass", "multilabel"])
def loop(request, tmp_path):
    """Give the task, the data folder, a run with a ranking, and what it says."""
    data, run, pseudo = make_loop(tmp_path, request.param)
    write_ranking(run, ORDER)
    return request.param, data, run, pseudo


def planes_of(label, unsure):
    """Give planes, by hand."""
    layers = [label] if label.ndim == 2 else [label[..., index] for index in range(label.shape[2])]
    return [*layers, unsure.astype(np.uint8)]


def test_what_is_painted_comes_into_the_data_to_the_pixel(loop):
    task, data, run, pseudo = loop
    session = Session(open_desk(run))
    label, unsure = painted(pseudo["x.2"], task, seed=1)
    session.save(planes_of(label, unsure))
    assert session.forward()
    session.save(session.models_planes())
    done = session.desk.corrected()
    assert done.names == ("x.2", "slide/x.1")
    import_labels(run, done.out, target="png", unchanged="confirm")
    after = labels_of(data)
    label[unsure] = 255
    np.testing.assert_array_equal(after["round-2/x.2"], label)
    np.testing.assert_array_equal(after["round-2/slide/x.1"], expected(pseudo["slide/x.1"]))


def test_layers_are_the_classes_and_what_is_unsure(loop):
    task, _data, run, pseudo = loop
    session = Session(open_desk(run))
    layers = session.label_layers()
    for (values, _, kind), wanted in zip(
        layers, planes_of(pseudo["x.2"].label, pseudo["x.2"].inconsistent), strict=True
    ):
        assert kind == "labels"
        np.testing.assert_array_equal(values, wanted)
    names = {"binary": ["foreground"], "multiclass": ["classes"], "multilabel": ["bright", "dark"]}
    assert [options["name"] for _, options, _ in layers] == [*names[task], "unsure"]
    if task == "multiclass":
        colours = layers[0][1]["colormap"]
        assert colours[0] == colours[None] == (0, 0, 0, 0)
        assert [tuple(255 * part for part in colours[number]) for number in (1, 2)] == [
            (*info.colour, 255) for info in session.desk.scheme.classes[1:]
        ]
        assert layers[0][1]["features"]["class"] == ["", "class_1", "class_2"]


def test_the_image_is_shown_as_it_is(tmp_path):
    data, run, _pseudo = make_loop(tmp_path)
    write_ranking(run, ORDER)
    session = Session(open_desk(run))
    path = data / "unlabelled" / "x.2.png"
    ((pixels, options, kind),) = session.image_layers()
    assert (kind, options) == ("image", {"name": "x.2"})
    np.testing.assert_array_equal(pixels, np.asarray(Image.open(path)))
    colour = np.random.default_rng(0).integers(0, 256, (*pixels.shape, 3), np.uint8)
    Image.fromarray(colour).save(path)
    ((pixels, options, _),) = session.image_layers()
    assert options == {"name": "x.2", "rgb": True}
    np.testing.assert_array_equal(pixels, colour)


def test_more_channels_are_a_layer_each(tmp_path, monkeypatch):
    _data, run, _pseudo = make_loop(tmp_path)
    session = Session(open_desk(run))
    pixels = np.random.default_rng(0).integers(0, 9000, (4, 5, 3)).astype(np.uint16)
    monkeypatch.setattr(session.desk, "pixels", lambda index: pixels)
    layers = session.image_layers()
    assert [options["name"].rpartition(", ")[2] for _, options, _ in layers] == ["channel 1", "channel 2", "channel 3"]
    np.testing.assert_array_equal(np.stack([values for values, _, _ in layers], 2), pixels)


def test_painting_settles_what_is_unsure_there_and_nothing_else(loop):
    _task, _data, run, pseudo = loop
    session = Session(open_desk(run))
    planes = [values for values, _, _ in session.label_layers()]
    unsure = pseudo["x.2"].inconsistent
    where = np.argwhere(unsure)[:2]
    first, second = map(tuple, where)
    planes[0][first] = 1 - planes[0][first].clip(0, 1)
    wanted = unsure.copy()
    wanted[first] = False
    np.testing.assert_array_equal(session.settle(planes), wanted)
    # Who marks it again means it, whatever is painted elsewhere later.
    planes[-1][first] = 1
    planes[0][second] = 1 - planes[0][second].clip(0, 1)
    wanted[first], wanted[second] = True, False
    np.testing.assert_array_equal(session.settle(planes), wanted)
    assert session.is_changed(planes)
    session.save(planes)
    assert not session.is_changed(planes)


def test_the_order_is_that_of_the_ranking_and_goes_on_where_it_ended(tmp_path):
    _data, run, _pseudo = make_loop(tmp_path)
    write_ranking(run, ORDER)
    session = Session(open_desk(run))
    assert session.title == "1 of 3: x.2\nbecause"
    assert session.progress == f"0 of 3 saved in {run}-corrections"
    session.move(7)
    assert session.title == "3 of 3: x.0\nbecause"
    session.save(session.models_planes())
    assert session.title == "3 of 3: x.0, saved\nbecause"
    assert session.forward()
    assert session.index == 0
    session.move(-1)
    assert session.index == 0
    again = Session(open_desk(run))
    assert (again.index, again.desk.is_saved(2)) == (0, True)
    for _ in range(2):
        again.save(again.models_planes())
        is_left = again.forward()
    assert not is_left
    assert again.progress.splitlines()[1].endswith('unchanged="confirm")')


def test_values_of_no_class_are_not_saved(loop):
    task, _data, run, _pseudo = loop
    session = Session(open_desk(run))
    planes = [values for values, _, _ in session.label_layers()]
    planes[0][0, 0] = 7
    with pytest.raises(IncmaskError, match=f"holds 7 where 0 to {2 if task == 'multiclass' else 1} belong; paint with"):
        session.save(planes)
    assert not session.desk.is_saved(0)


def test_larger_images_than_a_page_takes_are_there(tmp_path, monkeypatch):
    _data, run, _pseudo = make_loop(tmp_path)
    monkeypatch.setattr("incmask.api.correcting.MOST_BYTES", 10)
    assert len(Session(open_desk(run)).desk.images) == 3


def test_the_plug_in_is_of_this_version():
    project, plugin = (
        tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        for folder in ("", "plugins/napari-incmask")
    )
    assert plugin["version"] == project["version"]
    assert f"incmask=={project['version']}" in plugin["dependencies"]
    assert project["optional-dependencies"]["napari"] == [f"napari-incmask=={project['version']}"]
