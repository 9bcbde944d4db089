from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellcls.errors import DataError, UsageError
from cellcls.runs.folder import RunFolder
from cellcls.runs.options import Options, kept_options
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


@pytest.mark.parametrize("threads", [-3, 0, 10**30])
def test_a_number_of_threads_that_none_has_is_refused(threads: int):
    with pytest.raises(UsageError, match="threads"):
        Options(threads=threads)


@pytest.mark.parametrize(
    "text", ["[]", '"x"', '{"data": 3}', '{"data": {"a": 1}}', '{"threads": -3}', '{"threads": 1%s}' % ("0" * 30)]
)
def test_options_of_another_shape_are_damaged(tmp_path: Path, text: str):
    folder = RunFolder(tmp_path)
    folder.options.write_text(text)
    with pytest.raises(DataError, match=r"options\.json: "):
        kept_options(folder, Options())
