import base64
import re
import sys
from types import ModuleType, SimpleNamespace
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from incmask.base import notebook
from incmask.base.notebook import NotebookProgress, in_notebook, picture_html, table_html
from incmask.base.terminal import Terminal, show_progress


class Cell:
    """Stands in for a notebook: remembers what was displayed and each change of it."""

    def __init__(self):
        self.shown = []

    def display(self, what, *, display_id):
        assert display_id is True
        self.shown.append(what)
        return SimpleNamespace(update=self.shown.append)


@pytest.fixture
def cell(monkeypatch):
    cell, ipython, module = Cell(), ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())
    module.HTML, module.display = str, cell.display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr(notebook, "_LEAST_SECONDS", 0)
    return cell


def bar(text):
    return ElementTree.fromstring(text).find(".//progress")


def test_lines_and_a_bar_are_shown_in_one_place(cell):
    with show_progress() as progress:
        assert isinstance(progress, NotebookProgress)
        progress.say("3 images <b>")
        progress.expect(8)
        progress.doing("training & so on")
        progress.advance(2)
        progress.advance(4)
        at_work = cell.shown[-1]
    assert (bar(at_work).get("value"), bar(at_work).get("max")) == ("6", "8")
    assert "75 % training &amp; so on" in at_work
    assert re.search(r", 0:0\d left", at_work)
    assert cell.shown[-1] == "<div><div>3 images &lt;b&gt;</div></div>"
    for shown in cell.shown:
        ElementTree.fromstring(shown)


def test_before_it_is_known_how_much_there_is_no_bar_is_shown(cell):
    with show_progress():
        assert bar(cell.shown[0]) is None
        assert "reading …" in cell.shown[0]


def test_updates_are_few_and_the_last_one_is_shown(cell, monkeypatch):
    monkeypatch.setattr(notebook, "_LEAST_SECONDS", 60)
    with show_progress() as progress:
        progress.expect(1000)
        for _ in range(1000):
            progress.advance(1)
        progress.say("done")
    assert len(cell.shown) == 3
    assert "done" in cell.shown[-1]


def test_a_failure_leaves_the_lines(cell):
    def work():
        with show_progress() as progress:
            progress.say("one")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert cell.shown[-1] == "<div><div>one</div></div>"


def test_a_terminal_is_no_notebook(monkeypatch):
    assert isinstance(show_progress(), Terminal)
    for shell in (None, SimpleNamespace()):
        monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda shell=shell: shell))
        assert not in_notebook()


@pytest.mark.parametrize(("seconds", "told"), [(0.4, "0:00"), (59.6, "1:00"), (61, "1:01"), (3725, "1:02:05")])
def test_time_left_as_clocks_show_it(seconds, told):
    assert notebook._clock(seconds) == told


def test_tables_are_escaped():
    root = ElementTree.fromstring(table_html(["a<b"], [["<script>"], ["&"]]))
    assert [cell.text for cell in root.iter("td")] == ["<script>", "&"]
    assert [cell.text for cell in root.iter("th")] == ["a<b"]


def test_a_picture_holds_all_its_pixels():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    text = picture_html(image, caption='"a" <b>')
    (content,) = re.findall(r"data:image/png;base64,([^\"]+)", text)
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(decoded[..., ::-1], image)
    assert 'alt="&quot;a&quot; &lt;b&gt;"' in text
