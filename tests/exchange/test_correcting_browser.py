"""The page to correct in, in a real browser: painted with the mouse and by keys, saved, and imported.

With ``INCMASK_PICTURES`` naming a folder, pictures of the page are taken.
"""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from test_correcting import served
from test_correction_loop import labels_of

from browser import chromium, find_chromium
from exchange import expected, make_loop, write_ranking
from incmask.exchange.correcting.desk import open_desk
from incmask.exchange.corrections.take_back import import_labels
from incmask.experiment.record.images import PredictedMask

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed: apt-get install chromium"),
]

ORDER = ["x.2", "slide/x.1", "x.0"]
LOADED = "document.body.ariaBusy === 'false' && now.mask !== null"


@pytest.fixture(scope="module")
def browser():
    with chromium() as page:
        yield page


@pytest.fixture
def page(browser):
    browser.show(width=1280)
    browser.problems.clear()
    yield browser
    assert browser.problems == []


def opened(page, server):
    page.open(server.address)
    page.wait(LOADED)
    page.wait("document.getElementById('canvas').dataset.view")
    return page


def status(page):
    return page.run("document.getElementById('status').textContent")


def where(page, x, y):
    """Give the place in the window of the middle of a pixel of the image."""
    page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    box = page.run("(({left, top}) => [left, top])(document.getElementById('canvas').getBoundingClientRect())")
    scale, left, top = map(float, page.run("document.getElementById('canvas').dataset.view").split())
    return box[0] + 1 + left + (x + 0.5) * scale, box[1] + 1 + top + (y + 0.5) * scale


def choose(page, *, size):
    page.run(f"document.getElementById('size').value = {size}")
    page.run("document.getElementById('size').dispatchEvent(new Event('input'))")


def dab(shape, x, y, diameter):
    """Tell which pixels a brush covers: those whose middle is no farther than its radius from that of the pixel."""
    rows, columns = np.indices(shape)
    return 4 * ((columns - x) ** 2 + (rows - y) ** 2) <= diameter**2


def bar(shape, *, left, right, y, diameter):
    """Tell which pixels a brush covers that goes along a row."""
    return np.logical_or.reduce([dab(shape, x, y, diameter) for x in range(left, right + 1)])


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_what_is_painted_with_the_mouse_is_what_is_imported(page, task, tmp_path):
    data, run, pseudo = make_loop(tmp_path, task)
    write_ranking(run, ORDER)
    desk = open_desk(run)
    first, agreed, last = (pseudo[name] for name in ORDER)
    label, unsure = first.label.copy(), first.inconsistent.copy()
    layers = label if task == "multilabel" else label[..., None]
    classes = 1 if task == "binary" else 2
    with served(desk) as server:
        opened(page, server)
        assert page.run("document.getElementById('count').textContent") == "1 of 3, 0 saved"
        # A stroke of the last class, which the key of its number chooses.
        page.press(f"{classes}")
        choose(page, size=5)
        page.drag(where(page, 4, 8), where(page, 9, 8), where(page, 15, 8))
        there = bar(unsure.shape, left=4, right=15, y=8, diameter=5)
        layers[there, -1] = 2 if task == "multiclass" else 1
        unsure[there] = False
        # One that is taken back, and one of the eraser.
        page.drag(where(page, 2, 20), where(page, 20, 20))
        page.press("z", control=True)
        page.press("e")
        choose(page, size=2)
        page.drag(where(page, 10, 9))
        there = dab(unsure.shape, 10, 9, 2)
        layers[there, -1] = 0
        unsure[there] = False
        page.press("u")
        choose(page, size=1)
        page.drag(where(page, 20, 3), where(page, 23, 3))
        unsure[3, 20:24] = True
        page.press("a")
        page.wait("document.getElementById('status').classList.contains('warning')")
        assert "not the models' any more" in status(page)
        page.press("n")
        page.wait("document.getElementById('status').textContent.startsWith('Not saved')")
        page.press("s")
        page.wait(f"{LOADED} && now.index === 1")
        page.press("a")
        page.wait(f"{LOADED} && now.index === 2")
        page.press("Enter")
        page.wait("document.getElementById('status').textContent.startsWith('Saved. All images')")
        assert page.run("document.getElementById('count').textContent") == "3 of 3, 3 saved"
        page.run("document.getElementById('finish').click()")
        page.wait("document.querySelector('pre') !== null")
        assert page.run("document.querySelector('h1').textContent") == "Finished: 3 images saved"
        assert page.run("document.querySelector('pre').textContent") == desk.corrected().next_step
    done = import_labels(run, desk.corrected().out, target="png", unchanged="confirm")
    assert {*done.round.names} == {*ORDER}
    after = labels_of(data)
    label[unsure] = 255
    np.testing.assert_array_equal(after["round-2/x.2"], label)
    np.testing.assert_array_equal(after["round-2/slide/x.1"], expected(agreed))
    np.testing.assert_array_equal(after["round-2/x.0"], expected(last))


def test_keys_wheel_and_buttons(page, tmp_path):
    _data, run, pseudo = make_loop(tmp_path, "multilabel")
    write_ranking(run, ORDER)
    desk = open_desk(run)
    size = desk.images[0].size
    desk.save(0, PredictedMask(np.zeros((*size, 2), np.uint8), np.zeros(size, bool)))
    with served(desk) as server:
        opened(page, server)
        # What is saved is passed over, and marked.
        assert page.run("now.index") == 1
        marks = page.run("[...document.getElementById('images').options].map((each) => each.text.trim())")
        assert marks == ["✓ 1. x.2", "2. slide/x.1", "3. x.0"]
        page.press("p")
        page.wait(f"{LOADED} && now.index === 0")
        assert "what was saved" in status(page)
        assert not page.run("now.mask.bytes.some((each) => each)")
        page.press("m")
        models = desk.planes.pack(desk.models_mask(0))
        assert bytes(page.run("[...now.mask.bytes]")) == models
        # The hatch goes, and comes back.
        page.run("document.getElementById('settle-all').click()")
        num = pseudo["x.2"].inconsistent.size
        assert bytes(page.run("[...now.mask.bytes]")) == models[: 2 * num] + bytes(num)
        page.press("z", control=True)
        page.press("z", control=True)
        assert page.run("document.getElementById('undo').disabled")
        page.press("y", control=True)
        assert bytes(page.run("[...now.mask.bytes]")) == models
        page.press("z", control=True)
        size = page.run("diameter()")
        page.press("]")
        assert page.run("diameter()") > size
        page.turn(*where(page, 5, 5), 100)
        page.wait(f"diameter() === {size}")
        # The brush by keyboard: a step to the right of the middle, and one pixel.
        choose(page, size=1)
        page.press("b")
        page.run("document.getElementById('canvas').focus()")
        page.press("ArrowRight")
        page.press(" ")
        height, width = pseudo["x.2"].inconsistent.shape
        assert page.run("now.mask.bytes.indexOf(1)") == height // 2 * width + width // 2 + 1
        page.press("h")
        assert page.run("document.getElementById('bare').ariaPressed") == "true"
        scale = page.run("view.scale")
        page.press("+")
        assert page.run("view.scale") > scale
        page.press("z", control=True)
        assert page.run("now.mask.isChanged") is False


def test_a_server_that_has_ended_and_damage_are_told(page, tmp_path):
    _data, run, _pseudo = make_loop(tmp_path)
    write_ranking(run, ORDER)
    desk = open_desk(run)
    with served(desk) as server:
        opened(page, server)
        desk.images[1].path.unlink()
        page.press("n")
        page.wait("document.getElementById('status').classList.contains('warning')")
        assert "x.1.png" in status(page)
    server.server_close()
    page.press("p")
    page.wait("document.getElementById('status').textContent.startsWith('The server does not answer')")
    assert all(re.search("Failed to load|ERR_CONNECTION|422", each) for each in page.problems)
    page.problems.clear()


def test_it_fits_the_window_and_everything_has_a_name(page, tmp_path):
    _data, run, _pseudo = make_loop(tmp_path, "multiclass")
    write_ranking(run, ORDER)
    with served(open_desk(run)) as server:
        opened(page, server)
        unnamed = page.run(
            "[...document.querySelectorAll('button, select, input, canvas, fieldset, section')].filter((each) =>"
            " !(each.ariaLabel || each.labels?.length || each.textContent.trim())).map((each) => each.outerHTML)"
        )
        assert unnamed == []
        for width, dark in ((1280, False), (1280, True), (390, False), (390, True)):
            page.show(width=width, dark=dark)
            assert page.run("document.documentElement.scrollWidth") <= width
            left, right = page.run("(({left, right}) => [left, right])(at('canvas').getBoundingClientRect())")
            assert 0 <= left < right <= width
            if "INCMASK_PICTURES" in os.environ:
                path = Path(os.environ["INCMASK_PICTURES"]) / f"correct-{width}{'-dark' * dark}.png"
                path.write_bytes(page.picture(whole=width < 600))
