from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cellcls.runs.options import Options
from cellcls.runs.records import from_data, to_data

paths = st.none() | st.from_regex(r"[a-z]{1,8}", fullmatch=True).map(lambda name: Path("/") / name)
options = st.builds(
    Options,
    data=paths,
    device=st.none() | st.sampled_from(["cpu", "cuda:1"]),
    threads=st.none() | st.integers(1, 64),
    offline=st.booleans(),
    weights=paths,
    rehearse=st.booleans(),
)


@given(options)
def test_options_survive_a_file(one: Options):
    assert from_data(json.loads(json.dumps(to_data(one))), Options, "options.json") == one


def test_paths_become_absolute():
    assert Options(data=Path("here")).absolute() == Options(data=Path.cwd() / "here")


@given(options, options)
def test_what_is_given_now_counts(kept: Options, now: Options):
    found = kept.changed_by(now)
    assert found.data == (now.data or kept.data)
    assert found.threads == (now.threads or kept.threads)
    assert found.offline == (now.offline or kept.offline)
    assert kept.changed_by(Options()) == kept
