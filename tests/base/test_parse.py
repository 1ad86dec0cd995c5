import json

import pytest

from incmask.base.choosing import read_config
from incmask.base.errors import IncmaskError
from incmask.base.images_on_disk import read_records
from incmask.base.intact import intact
from incmask.base.parse import parse_json, parse_toml

DEEP = "[" * 20_000 + "]" * 20_000


@pytest.mark.parametrize(
    ("parse", "text", "told"),
    [
        (parse_json, DEEP, "it is nested too deeply"),
        (parse_toml, f"a = {DEEP}", "it is nested too deeply"),
        (parse_json, "{", "Expecting property name"),
        (parse_json, b"\xff", "codec can't decode"),
        (parse_toml, "a = ", "Invalid value"),
    ],
)
def test_what_is_none_is_a_value_error_whatever_it_is(parse, text, told):
    with pytest.raises(ValueError, match=told):
        parse(text)


def test_files_of_lists_in_lists_are_refused_in_a_line(tmp_path):
    """Which the parsers of the standard library tell by an error of its own."""
    (tmp_path / "incmask.toml").write_text(f"a = {DEEP}")
    with pytest.raises(IncmaskError, match=r"is no readable TOML file \(it is nested too deeply\); mend the line"):
        read_config(tmp_path)
    (tmp_path / "run.toml").write_text("")
    (tmp_path / "data.json").write_text(DEEP)
    with pytest.raises(IncmaskError, match=r"data\.json: cannot be read .it is nested too deeply."):
        read_records(tmp_path)
    (tmp_path / "manifest.jsonl").write_text(DEEP + "\n")
    with pytest.raises(IncmaskError, match=r"manifest\.jsonl: is damaged .it is nested too deeply."):
        intact(tmp_path / "a")


def test_the_rest_is_read_as_it_stands():
    assert parse_json('{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}
    assert parse_json(json.dumps({"ä": "\u2028"}).encode()) == {"ä": "\u2028"}
    assert parse_toml('a = "ä"\n[b]\nc = 1') == {"a": "ä", "b": {"c": 1}}
