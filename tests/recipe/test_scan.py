"""Places of keys: toml-rs is the oracle where it gives them, tomli for which keys there are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import toml_rs
import tomli
from hypothesis import given
from hypothesis import strategies as st

from cellcls.recipe.scan import DEEPEST, Path, Span, position, scan

ALL_FORMS = (
    """# every form a key can have: # [no.header]
title = "TOML"   # a comment with = and "quotes
"quoted key" = 'literal \\ text'
'literal "key"' = "with \\" quote and # hash"
"esc\\u0061ped" = 1
1234 = true
a.b . "c d" = 1979-05-27T07:32:00Z
a.b.e = 1979-05-27 07:32:00
été_not_bare = 3
""".replace("été_not_bare", '"été"')
    + '''
long = """
[not.a.header]
key = "no" \\
   "" still ""\\" text"""""
raw = \'\'\'
x = \'no\' \'\'\'
list = [ 1, [2, [3]], # comment ]
  { in = "side", deep = { er = [ { est = 1 } ] } },
  "a,]}" , """]
]""",
]
inline = { x = 1, y.z = 2, "q q" = [ ] }
number = -1_000.5e-3

[table]
key = 0xff
  indented\t=\t"value"
[ table . sub ."x.y" ]
key = inf
[only.implied]
k = 1
[[array]]
name = "first"
[array.sub]
k = 2
[[array]]
[[array.inner]]
m = 3
[[array.inner]]
m = 4
[array.sub]
k = 5
'''
)


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every key and list element below ``value``."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths(item, (*path, key))


def at(text: str, span: Span) -> str:
    return text[span.start : span.end]


def assert_places(text: str) -> None:
    """Every key that tomli reads has a place, every place is a key, and each value's text reads as the value."""
    data, places = tomli.loads(text), scan(text)
    assert set(places) == {path for path in paths(data) if len(path) <= DEEPEST}
    plain = text.replace("\r\n", "\n")
    for path, place in places.items():
        value = data
        for step in path:
            value = value[step]
        if place.value is not None:
            read = tomli.loads(f"v = {at(plain, place.value)}")["v"]
            assert repr(read) == repr(value)  # nan equals nothing
        if isinstance(path[-1], str):
            assert tomli.loads(f"{at(plain, place.key)} = 1").keys()


@pytest.mark.parametrize("text", [ALL_FORMS, ALL_FORMS.replace("\n", "\r\n"), "", "\n# nothing\n", "a=1"])
def test_every_key_has_its_place(text: str) -> None:
    assert_places(text)


def oracle(node: Any, path: Path = ()) -> Iterator[tuple[Path, str, int, Any]]:
    """Yield (path, the value's text, its first line, its first column in bytes) of every value toml-rs places."""
    if isinstance(node, dict) and "value_raw" in node:
        line, column = (one[0] if isinstance(one, tuple) else one for one in (node["value_line"], node["value_col"]))
        yield path, node["value_raw"], line, column
    if isinstance(node, dict) and ("value_raw" in node or "key_raw" in node):
        node = node["value"]
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield from oracle(item, (*path, number))
    elif isinstance(node, dict):
        for key, item in node.items():
            yield from oracle(item, (*path, key))


def test_values_stand_where_toml_rs_finds_them() -> None:
    places = scan(ALL_FORMS)
    compared = set()
    lines = ALL_FORMS.split("\n")
    for path, raw, line, column in oracle(toml_rs.load_with_metadata(ALL_FORMS).meta["nodes"]):
        place = places[path].value
        if place is None or raw.startswith("[["):  # a header: toml-rs calls it the value
            continue
        assert at(ALL_FORMS, place) == raw, path
        found_line, found_column = position(ALL_FORMS, place.start)
        in_bytes = len(lines[found_line - 1][: found_column - 1].encode()) + 1
        assert (found_line, in_bytes) == (line, column), path
        compared.add(path)
    assert compared == {path for path, place in places.items() if place.value is not None}
    assert len(compared) == 38


bare = st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
spaces = st.sampled_from(["", " ", "\t", "  "])
gaps = st.sampled_from(["", " ", "\n", "\n  # a ] } comment\n", "\t"])


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


keys = st.one_of(
    bare,
    texts.map(quoted),
    st.from_regex(r"[^'\x00-\x1f\x7f\ud800-\udfff]{0,6}", fullmatch=True).map(lambda text: f"'{text}'"),
)
scalars = st.one_of(
    st.integers(-(2**63), 2**63 - 1).map(str),
    st.floats(allow_nan=False).map(lambda number: repr(number).replace("e+", "e")),
    st.booleans().map(lambda one: str(one).lower()),
    texts.map(quoted),
    texts.map(lambda text: '"""' + quoted(text)[1:-1] + '"""'),
    st.from_regex(r"[^'\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]{0,8}", fullmatch=True).map(lambda text: f"'''{text}'''"),
    st.sampled_from(["1979-05-27", "07:32:00", "1979-05-27 07:32:00.5", "0b11", "0o7", "+1_0", "nan", "-inf"]),
)


@st.composite
def lists(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    items = [f"{draw(gaps)}{item}{draw(gaps)}" for item in draw(st.lists(inner, max_size=3))]
    return "[" + ",".join(items) + draw(gaps) + "]"


@st.composite
def inlines(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    pairs = [f"{draw(spaces)}{key}{draw(spaces)}={draw(spaces)}{draw(inner)}{draw(spaces)}" for key in names(draw)]
    return "{" + ",".join(pairs) + "}"


def names(draw: st.DrawFn) -> list[str]:
    """Draw different keys: dotted ones start with one of their own."""
    found = draw(st.lists(keys, max_size=4, unique_by=lambda key: next(iter(tomli.loads(f"{key}=1")))))
    return [
        f"{key}{draw(spaces)}.{draw(spaces)}{draw(keys)}" if draw(st.booleans()) and draw(st.booleans()) else key
        for key in found
    ]


values = st.recursive(scalars, lambda inner: lists(inner) | inlines(inner), max_leaves=6)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A valid TOML file with headers, arrays of tables, dotted keys and comments."""
    text = ""
    end = draw(st.sampled_from(["\n", "\n\n", "\r\n"]))
    for header in ["", *names(draw), *names(draw)]:
        form = draw(st.sampled_from(["[{}]", "[[{}]]", "[ {} ] # [x]"])) if header else ""
        pairs = (f"{draw(spaces)}{key} ={draw(spaces)}{draw(values)}{draw(spaces)}# = [" for key in names(draw))
        more = end.join([text, form.format(header), *pairs])
        if is_valid(more):  # a header may stand there twice
            text = more
    return text + draw(st.sampled_from(["", "\n"]))


def is_valid(text: str) -> bool:
    try:
        tomli.loads(text)
    except tomli.TOMLDecodeError:
        return False
    return True


@given(documents())
def test_every_key_of_a_generated_file_has_its_place(text: str) -> None:
    assert_places(text)


def test_a_hostile_file_fills_no_memory() -> None:
    text = "".join(f"k{number}.{'.'.join('a' * 900)} = 1\n" for number in range(100))
    places = scan(text)
    assert max(map(len, places)) == DEEPEST
    assert len(places) == 100 * DEEPEST


@pytest.mark.parametrize(
    ("text", "offset", "place"), [("ab", 0, (1, 1)), ("a\nb", 2, (2, 1)), ("é\n\nxy", 4, (3, 2)), ("a\n", 2, (2, 1))]
)
def test_positions_count_lines_and_letters_from_one(text: str, offset: int, place: tuple[int, int]) -> None:
    assert position(text, offset) == place
