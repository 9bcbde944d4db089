from __future__ import annotations

import json
from pathlib import Path

import attrs
import cattrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellcls.api import BadImage, Decision
from cellcls.errors import DataError
from cellcls.ops.statistics.table import ClassScore
from cellcls.ops.storage.skipped import SkippedFiles
from cellcls.runs.records import (
    FORMAT,
    ClaimRecord,
    DataRecord,
    DepthRecord,
    DepthsRecord,
    EnvironmentRecord,
    EpochRecord,
    EvaluationRecord,
    InitRecord,
    MetricsRecord,
    StageRecord,
    TrialRecord,
    ViewScore,
    WeightsRecord,
    from_data,
    read,
    read_lines,
    to_data,
    write,
    write_lines,
)

words = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=8)
names = words.filter(lambda name: "." not in name)
numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 10**6)
shares = st.floats(0, 1)
intervals = st.tuples(shares, shares)
maybe = numbers | st.none()


def tuples(elements):
    return st.lists(elements, max_size=3).map(tuple)


def mappings(values, keys=words):
    return st.dictionaries(keys, values, max_size=3)


share = shares | st.none()
scores = st.builds(ClassScore, precision=share, recall=share, f1=share, support=counts, recall_ci=intervals | st.none())
metric_names = st.sampled_from(["balanced_accuracy", "macro_f1", "loss", "brier_score"])
EVALUATIONS = st.builds(
    EvaluationRecord,
    part=words,
    n=counts,
    classes=st.just(("a", "b")),
    values=mappings(numbers, metric_names).map(lambda found: {"accuracy": 0.5, **found}),
    intervals=st.just({"accuracy": (0.25, 0.75)}) | st.just({}),
    per_class=mappings(scores),
    confusion=st.just(((1, 2), (3, 4))),
    seconds_per_image=maybe,
    views=mappings(st.builds(ViewScore, accuracy=shares, fixed=counts, broken=counts)),
    suite=words | st.none(),
    severities=tuples(st.integers(1, 5)),
    seed=counts | st.none(),
    balanced_error=mappings(tuples(shares)),
    relative_balanced_error=mappings(numbers),
)
CLAIMS = st.builds(
    ClaimRecord, place=words | st.none(), evaluation=words, metric=words, claim=words, measured=maybe,
    held=st.booleans() | st.none(),
)  # fmt: skip
DEPTHS = st.builds(
    DepthRecord, layer=words, frozen_share=shares, until=words | st.none(), similarity=numbers, heat_inside=intervals
)
RECORDS = {
    MetricsRecord: st.builds(
        MetricsRecord, name=words, seed=counts | st.none(), rehearsal=st.booleans(), complete=st.booleans(),
        parameters=counts | st.none(), memory_mb=maybe, stages_ended_early=mappings(words),
        train_running=mappings(maybe) | st.none(), evaluations=mappings(EVALUATIONS),
        explanations=mappings(mappings(maybe)), claims=tuples(CLAIMS), warnings=tuples(words),
    ),
    EpochRecord: st.builds(
        EpochRecord, stage=counts, stage_name=words, epoch=counts, lr=maybe, seconds=numbers, best=st.booleans(),
        drawn=mappings(counts), copies=mappings(counts),
        metrics=mappings(maybe, st.tuples(names, names).map(".".join)),
    ),
    DataRecord: st.builds(
        DataRecord, hash=words, dataset=words, classes=tuples(words), n=counts, names=tuples(words) | st.none(),
        decisions=tuples(st.builds(Decision, counts, words, words, words)),
        bad_images=tuples(st.builds(BadImage, words, words)),
        skipped_files=tuples(st.builds(SkippedFiles, reason=words, n=counts, examples=tuples(words))),
        counts=mappings(mappings(counts)),
        trained_on=tuples(words) | st.none(),
        init=st.builds(InitRecord, weights=words, hash=words, head=st.booleans(), known=st.booleans()) | st.none(),
        parts=mappings(tuples(counts)),
    ),
    DepthsRecord: st.builds(
        DepthsRecord, names=st.tuples(words, words), same_above=numbers, advised=words | st.none(),
        frozen_share=shares, freeze=words, lasting=words | st.none(), frozen_share_lasting=shares, cell_area=shares,
        depths=tuples(DEPTHS),
    ),
    EnvironmentRecord: st.builds(
        EnvironmentRecord, python=words, platform=words, versions=mappings(words), plugins=mappings(words),
        commit=words | st.none(), device=words, device_name=words, precision=words, threads=counts | st.none(),
        processes=counts | st.none(),
    ),
    TrialRecord: st.builds(
        TrialRecord, trial=counts, settings=mappings(st.booleans() | counts | numbers | words), value=maybe,
        exit_code=counts | st.none(),
    ),
    StageRecord: st.builds(StageRecord, name=words, frozen=tuples(words), trained_parameters=counts, parameters=counts),
}  # fmt: skip
"""The record of each file, with examples of it."""


@pytest.mark.parametrize("shape", RECORDS, ids=lambda shape: shape.__name__)
@given(data=st.data())
def test_a_record_comes_back_as_it_was(shape: type, data: st.DataObject) -> None:
    record = data.draw(RECORDS[shape])
    assert from_data(json.loads(json.dumps(to_data(record))), shape, "a file") == record


@pytest.mark.parametrize("shape", RECORDS, ids=lambda shape: shape.__name__)
def test_the_examples_fill_every_field(shape: type) -> None:
    """A field that no example fills would come back whatever became of it."""
    fields = set(attrs.fields_dict(shape))
    filled: set[str] = set()

    @given(RECORDS[shape])
    def collect(record: object) -> None:
        filled.update(name for name in fields if getattr(record, name) not in (None, "", (), {}))

    collect()
    assert filled == fields


def test_a_file_says_its_format_and_a_newer_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write(path, MetricsRecord(name="x"))
    found = json.loads(path.read_text())
    assert found["format"] == FORMAT
    assert read(path, MetricsRecord) == MetricsRecord(name="x")
    path.write_text(json.dumps({**found, "format": FORMAT + 1, "more": 1}))
    with pytest.raises(DataError, match=rf"metrics\.json: written in format {FORMAT + 1}") as caught:
        read(path, MetricsRecord)
    assert "update cellcls" in caught.value.hints[0]


@pytest.mark.parametrize("shape", RECORDS, ids=lambda shape: shape.__name__)
@given(data=st.data())
def test_an_unknown_key_is_an_error_that_names_it(shape: type, data: st.DataObject) -> None:
    record = to_data(data.draw(RECORDS[shape]))
    with pytest.raises(DataError, match="strange"):
        from_data({**record, "strange": [1]}, shape, "a file")


def test_a_metric_of_another_version_is_kept() -> None:
    data = {"part": "test", "n": 1, "classes": ["a"], "confusion": [[1]], "accuracy": 1.0, "brier_score": 0.25}
    record = from_data(data, EvaluationRecord, "metrics.json")
    assert record.brier_score == 0.25
    assert to_data(record)["brier_score"] == 0.25
    with pytest.raises(AttributeError, match="no metric `auroc`"):
        _ = record.auroc


def test_what_is_not_there_has_defaults(tmp_path: Path) -> None:
    assert read(tmp_path / "metrics.json", MetricsRecord) == MetricsRecord()
    assert read_lines(tmp_path / "history.jsonl", EpochRecord) == ()


def test_history_is_written_whole_and_a_line_without_an_end_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    epochs = [EpochRecord(stage=0, stage_name="1", epoch=number, metrics={"val.loss": 0.5}) for number in range(3)]
    write_lines(path, epochs)
    with path.open("a") as file:
        file.write('{"stage": 0, "stage_')
    assert read_lines(path, EpochRecord) == tuple(epochs)


def test_history_is_read_with_one_converter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One for each line took a third of a second for 50 lines."""
    made = []
    monkeypatch.setattr(cattrs, "Converter", lambda *_, **__: made.append(1))
    write_lines(
        tmp_path / "history.jsonl", [EpochRecord(stage=0, stage_name="1", epoch=number) for number in range(50)]
    )
    assert len(read_lines(tmp_path / "history.jsonl", EpochRecord)) == 50
    assert not made


DAMAGED = [
    *("", "[]", "3", "{", "[" * 100_000, '{"a":' * 100_000, '{"seed": %s}' % ("9" * 5000)),
    *('{"seed": 1e400}', '{"memory_mb": NaN}', '{"memory_mb": 1e400}', '{"memory_mb": -Infinity}'),
    *('{"parameters": 1%s}' % ("0" * 30), '{"parameters": -1%s}' % ("0" * 400), '{"memory_mb": 1%s}' % ("0" * 400)),
    *('{"name": "\\ud800"}', '{"warnings": ["\\udc80"]}', '{"stages_ended_early": {"\\ud800": "x"}}'),
]


@pytest.mark.parametrize("text", DAMAGED, ids=range(len(DAMAGED)))
def test_what_no_run_writes_is_a_damaged_file(tmp_path: Path, text: str):
    path = tmp_path / "metrics.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"metrics\.json: ") as told:
        read(path, MetricsRecord)
    assert len(str(told.value)) < 500
    str(told.value).encode()


@pytest.mark.parametrize("line", [b"\xff\xfe\n", b"[]\n", b"[" * 100_000 + b"\n"])
def test_a_line_that_no_run_writes_is_a_damaged_file(tmp_path: Path, line: bytes):
    (tmp_path / "history.jsonl").write_bytes(line)
    with pytest.raises(DataError, match=r"history\.jsonl"):
        read_lines(tmp_path / "history.jsonl", EpochRecord)


LOOKS = {"n": 9, "height": [8, 9, 9], "width": [8, 9, 9], "mean": [0.5, 0.5, 1.0], "std": [0, 0.1, 0.1]}
NETWORK = {"backbone": {}, "head": {}, "input": {}, "classes": ["a", "b"]}
WEIGHTS = {"recipe": "tiny", "recipe_hash": "00", "network": NETWORK, "training_images": LOOKS, "temperature": 1.0}


@pytest.mark.parametrize(
    "change",
    [
        *({"temperature": value} for value in (0, -1, float("nan"), float("inf"), "warm", True)),
        *({"network": NETWORK | {"classes": value}} for value in ([], ["a", "a"], [3], ["\ud800"], None)),
        *({"network": {"classes": ["a"]}}, {"network": []}, {"recipe": None}, {"more": 1}, {"format": 2}),
        *({"training_images": LOOKS | {name: [0.1, 0, 0]}} for name in ("height", "width")),
        *({"training_images": LOOKS | {name: [0, 0, float("nan")]}} for name in ("mean", "std", "width")),
        *({"training_images": LOOKS | {name: [0, 0, 1e300]}} for name in ("mean", "std", "width")),
    ],
)
def test_weights_that_say_what_no_run_writes_are_damaged(change: dict[str, object]):
    assert from_data(WEIGHTS, WeightsRecord, "w").network.classes == ("a", "b")
    with pytest.raises(DataError, match=r"^w: "):
        from_data(WEIGHTS | change, WeightsRecord, "w")
