from incmask.insight.report.page import Table, Text
from incmask.insight.report.run_page.counting import counting_blocks
from incmask.method.object_scores import ObjectMatch


def values(blocks):
    (_, table) = blocks
    assert isinstance(table, Table)
    return {row[0]: row[1].text for row in table.rows}


def test_what_was_counted_is_told():
    blocks = counting_blocks([ObjectMatch(4, 5, 4, 3.0), ObjectMatch(6, 4, 3, 2.4)])
    assert isinstance(blocks[0], Text)
    assert blocks[0].text == (
        "Counting: 9 objects are found where you drew 10; an image's number is off by 1.5 on the mean."
    )
    assert values(blocks) == {
        "objects that you drew": "10",
        "objects found": "9",
        "off by, mean of an image": "1.50",
        "off by, of all objects": "30.0 %",
        "panoptic quality (PQ)": "0.568",
        "AP50": "0.583",
    }
    assert "AP50 the pairs by all that is true or found" in blocks[1].note


def test_what_was_only_counted_has_no_quality():
    blocks = counting_blocks([ObjectMatch(4, 5), ObjectMatch(0, 0)])
    told = values(blocks)
    assert (told["AP50"], told["panoptic quality (PQ)"], told["off by, of all objects"]) == ("–", "–", "25.0 %")
    assert "pip install 'incmask[objects]'" in blocks[1].note


def test_objects_where_none_are_true_are_told():
    told = values(counting_blocks([ObjectMatch(0, 2, 0, 0.0)]))
    assert (told["off by, mean of an image"], told["off by, of all objects"], told["AP50"]) == ("2.00", "–", "0.000")


def test_nothing_is_told_where_nothing_was_looked_for():
    assert counting_blocks([]) == []
    assert counting_blocks([ObjectMatch(0, 0, 0, 0.0)]) == []
