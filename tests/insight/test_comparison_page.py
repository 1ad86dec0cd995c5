import dataclasses
import io
import math
import re
import sys
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure
from PIL import Image

from incmask.base.errors import IncmaskError
from incmask.insight.report import render as rendering
from incmask.insight.report.comparison_page import page
from incmask.insight.report.comparison_page.page import comparison_page, costs_table, pairs_table
from incmask.insight.report.comparison_page.plots_frequencies import class_frequencies
from incmask.insight.report.comparison_page.rows import OWN, FrequencyRow
from incmask.insight.report.differences import Estimate, Source
from incmask.insight.report.page import Fact, Figures, Table
from incmask.insight.report.pairs import PairRow
from incmask.insight.report.picture import Drawing, PictureSheet, to_picture
from incmask.insight.report.render import render
from incmask.nets.costs import CostRow

EVIL = "<script>alert('\"&')</script>"
VOID = {"meta", "img", "br", "hr", "link", "input"}
SVG = '<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{0}" viewBox="0 0 4 4"><g id="{0}"></g></svg>'


class Page(HTMLParser):
    """The elements and texts of a page; fails where elements are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.open = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def table(title="Scores", *, cell="0.712", note="A note."):
    return Table(title, ("approach", "IoU"), (("im", cell), ("me", "0.655")), note)


def picture(name):
    return Drawing(name, f"Figure {name}", f"What {name} shows.", SVG.format(name))


def sheet(name, *, num_bytes=0):
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG")
    return PictureSheet(name, f"Sheet {name}", f"What {name} shows.", buffer.getvalue() + bytes(num_bytes))


def rendered(**changes):
    values = {
        "title": "Comparison of cells",
        "facts": (Fact("data", "cells, 20 labelled"), Fact("date", "2 May 2026")),
        "warnings": ("LDT reaches FDT: there is no room to see anything.",),
        "sentences": ("im beats strong-ldt.",),
        "tables": (table("Who beats the baselines?"), table("The best of all repeats")),
        "pairs": (table("Differences between all pairs"),),
        "figures": (Figures((picture("a"),), "Scores", "By generation."), Figures((picture("b"),), "Sweeps")),
        "costs": table("Costs"),
        "sheets": (sheet("s-1"), sheet("s-2")),
        "how_to_repeat": (Fact("command", "incmask compare cells --repeats 3"),),
    }
    return render(comparison_page(**values | changes)).decode()


def test_everything_stands_on_the_page_in_order():
    parsed = Page(rendered())
    order = [
        "Comparison of cells",
        "What was compared",
        "LDT reaches FDT: there is no room",
        "cells, 20 labelled",
        "Does it beat the baselines?",
        "im beats strong-ldt.",
        "Who beats the baselines?",
        "The best of all repeats",
        "Differences between all pairs",
        "Scores By generation. Figure a",
        "Sweeps Figure b",
        "Costs approach IoU im 0.712",
        "Sheet s-1",
        "Sheet s-2",
        "How to repeat",
        "incmask compare cells --repeats 3",
    ]
    place = parsed.text.index("What was compared", parsed.text.index("How to repeat"))  # after the list of sections
    for text in order[1:]:
        place = parsed.text.index(text, place)
    headings = [tag for tag, _ in parsed.elements if tag in ("h1", "h2")]
    assert headings == ["h1"] + ["h2"] * 8


def test_it_is_one_whole_html_page():
    text = rendered()
    assert text.startswith("<!DOCTYPE html>\n")
    parsed = Page(text)
    assert parsed.all("html") == [{"lang": "en"}]
    assert [one["charset"] for one in parsed.all("meta") if "charset" in one] == ["utf-8"]
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_nothing_is_loaded():
    text = rendered(sentences=("see https://example.org",))
    parsed = Page(text)
    for _, attributes in parsed.elements:
        for name in ("src", "href", "xlink:href", "srcset", "data", "action", "poster"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/png;base64,"))
    assert not {"script", "link", "iframe", "object", "embed", "base"} & {tag for tag, _ in parsed.elements}
    assert "@import" not in text
    assert not re.search(r"url\(\s*['\"]?(?!#)", text)
    policy = next(one["content"] for one in parsed.all("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


def test_ids_are_unique_and_links_and_labels_lead_somewhere():
    parsed = Page(rendered())
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(set(ids)) == len(ids) >= 15
    links = [link["href"].removeprefix("#") for link in parsed.all("a")]
    assert len(links) == 9  # the content, and its sections
    labels = [attributes["aria-labelledby"] for _, attributes in parsed.elements if "aria-labelledby" in attributes]
    assert set(links + labels) <= set(ids)


def test_pictures_have_alternative_texts_and_tables_captions():
    parsed = Page(rendered())
    assert [image["alt"] for image in parsed.all("img")] == ["What s-1 shows.", "What s-2 shows."]
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in parsed.all("svg"))
    assert len(parsed.all("caption")) == len(parsed.all("table")) == 4
    assert {header["scope"] for header in parsed.all("th")} == {"col", "row"}


def test_what_scrolls_can_be_reached_by_keyboard():
    parsed = Page(rendered())
    boxes = [one for one in parsed.all("div") if one.get("class") in ("wide", "face")]
    assert len(boxes) == 8
    assert all(box["tabindex"] == "0" and box["role"] for box in boxes)


def test_texts_cannot_inject_anything():
    evil_table = Table(EVIL, (EVIL, EVIL), ((EVIL, EVIL),), EVIL)
    frequencies = [
        FrequencyRow(
            recipe="im",
            setting=EVIL,
            budget=OWN,
            repeat=1,
            generation=1,
            class_name=name,
            pseudo_fraction=0.5,
            true_fraction=0.4,
        )
        for name in (EVIL, "inconsistency mask")
    ]
    pictures = (class_frequencies(frequencies), dataclasses.replace(picture("a"), title=EVIL))
    evil = (Fact(EVIL, EVIL),)
    parsed = Page(
        rendered(
            title=EVIL,
            facts=evil,
            warnings=(EVIL,),
            sentences=(EVIL,),
            tables=(evil_table,),
            pairs=(evil_table,),
            figures=(Figures(pictures, EVIL, EVIL),),
            costs=evil_table,
            sheets=(dataclasses.replace(sheet("s"), title=EVIL, alt=EVIL),),
            how_to_repeat=evil,
        )
    )
    assert parsed.all("script") == []
    assert parsed.all("img")[0]["alt"] == EVIL  # and the attribute did not end early
    assert parsed.text.count(EVIL) >= 20


def test_real_figures_keep_ids_unique():
    def draw():
        figure = Figure()
        figure.subplots().plot([1, 2], [3, 4], marker="o")
        return figure

    drawn = tuple(to_picture(draw, name=name, title=name, alt=name) for name in ("im", "im+", "im++"))
    parsed = Page(rendered(figures=(Figures(drawn, "Scores"),)))
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert sum(id.startswith("im-plus-plus-") for id in ids) > 5
    assert len(set(ids)) == len(ids)


def test_what_is_empty_is_left_out_with_its_heading():
    groups = (Figures((), "Scores", "By generation."), Figures((picture("b"),), "Sweeps"))
    parsed = Page(rendered(figures=groups))
    assert "By generation." not in parsed.text
    assert "Sweeps Figure b" in parsed.text
    parsed = Page(render(comparison_page(title="Nothing", figures=groups[:1])).decode())
    assert parsed.all("section") == parsed.all("h2") == parsed.all("figure") == parsed.all("table") == []
    assert Page(rendered(tables=(table(note=""),), pairs=())).text.count("A note.") == 1  # of the costs


def test_sheets_beyond_the_size_of_the_page_are_left_out_with_a_note(monkeypatch):
    plain = len(rendered(sheets=()).encode())
    monkeypatch.setattr(rendering, "MAX_PAGE_BYTES", plain + 120_000)
    text = rendered(sheets=tuple(sheet(f"s-{number}", num_bytes=30_000) for number in range(5)))
    assert len(text.encode()) <= plain + 120_000
    parsed = Page(text)
    assert [image["alt"] for image in parsed.all("img")] == ["What s-0 shows.", "What s-1 shows."]
    assert "Left out, to keep this page small: 3 more." in parsed.text
    assert "Left out" not in rendered()


def test_the_limit_counts_escaped_texts(monkeypatch):
    plain = len(rendered(sheets=()).encode())
    monkeypatch.setattr(rendering, "MAX_PAGE_BYTES", plain + 40_000)
    long = dataclasses.replace(sheet("s"), title="&" * 2_000, alt="&" * 2_000)
    text = rendered(sheets=(long, long))
    assert len(text.encode()) <= plain + 40_000


def test_without_jinja2_a_user_hears_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(IncmaskError, match=r"^the report: jinja2 is not installed; pip install 'incmask\[report\]'$"):
        rendered()


def estimate(mean, error, *, repeats=3, subjects=9):
    """With as much chance in subjects as that many errors, and none in repeats."""
    return Estimate(
        mean, (Source("repeat", repeats, 0 if repeats > 1 else math.nan), Source("subject", subjects, error**2))
    )


def test_pairs_table_tells_differences_and_both_answers():
    # Student's t of 8 degrees is 2.306: .1234 is 3.085 errors of .04, p .01500; .01 is a quarter of one, .8088.
    pairs = [
        PairRow("im", "ldt", estimate(0.1234, 0.04), 0.0026, True, False),
        PairRow("im", "me", estimate(-0.01, 0.04), 1.0, False, True),
        PairRow("me", "ldt", estimate(0.02, 0.0005), 0.00009, True, None),
        PairRow("me", "ldt", estimate(0.02, 0.0005, repeats=1), math.nan, None, None),
    ]
    assert pairs_table(pairs).rows == (
        ("im", "ldt", "+0.123", "+0.031 to +0.216", "0.0150", "0.0026", "yes", "apart"),
        ("im", "me", "−0.010", "−0.102 to +0.082", "0.8089", "1.0000", "not shown", "overlap"),
        ("me", "ldt", "+0.020", "+0.019 to +0.021", "< 0.0001", "< 0.0001", "yes", "–"),
        ("me", "ldt", "+0.020", "–", "–", "–", "cannot be told", "–"),
    )
    assert {len(row) for row in pairs_table(pairs).rows} == {len(pairs_table(pairs).header)}
    assert "over 3 repeats, each with itself, and 9 subjects of the test images" in pairs_table(pairs).note
    of_repeats = [PairRow("im", "ldt", Estimate(0.1, (Source("repeat", 3, 0.01),)), 0.2, False, None)]
    assert "on the images that chose" in pairs_table(of_repeats).note


def test_costs_table_puts_counts_beside_what_the_paper_prints(monkeypatch):
    rows = [CostRow(0.5, 171_561, 0.62501, 0.0062), CostRow(1.0, 681_681, 2.487, 0.0249)]
    monkeypatch.setattr(page, "paper_costs", lambda: rows)
    found = costs_table()
    assert found.rows == (("0.5", "171,561", "0.625", "0.0062", "101"), ("1", "681,681", "2.49", "0.0249", "100"))
    assert len(found.header) == 5
    assert "100 times too small" in found.note
