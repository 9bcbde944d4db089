from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellcls.ops.classes import CLASSES, canonical, clash


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("IG", "immature_granulocyte"),
        ("ig", "immature_granulocyte"),
        ("Immature Granulocytes", "immature_granulocyte"),
        ("immature-granulocytes", "immature_granulocyte"),
        ("immature_granulocyte", "immature_granulocyte"),
        ("immature granulocytes(myelocytes, metamyelocytes and promyelocytes)", "immature_granulocyte"),
        ("Thrombocytes", "platelet"),
        (" PLATELETS ", "platelet"),
        ("Erythroblasts", "erythroblast"),
    ],
)
def test_names_of_the_eight(name: str, known: str) -> None:
    assert canonical(name) == known


@pytest.mark.parametrize("name", CLASSES)
def test_each_of_the_eight_in_singular_and_plural(name: str) -> None:
    for written in (name, f"{name}s", name.upper(), name.replace("_", "-").title(), f"{name}s".replace("_", " ")):
        assert canonical(written) == name


@pytest.mark.parametrize(
    "names",
    [
        ("CD34+", "CD34-", "other"),
        ("+", "-", "other"),
        ("\u0915\u0940", "\u0915\u093f", "\u0915\u0941"),  # three Devanagari names that differ in a vowel sign
        ("\u0e01\u0e34", "\u0e01\u0e35", "\u0e01"),  # Thai
        ("band neutrophil", "band_neutrophil", "band-neutrophil"),  # the rule of the eight is for the eight alone
        ("cells", "cell"),
        ("a.b", "a_b", "a b"),
    ],
)
def test_other_names_that_differ_are_different_classes(names: tuple[str, ...]) -> None:
    assert len({canonical(name) for name in names}) == len(names)
    assert clash(names) is None
    assert all(canonical(name) for name in names)


def test_composed_and_decomposed_letters_are_one_class() -> None:
    composed = "gr\u00fcn"
    decomposed = unicodedata.normalize("NFD", composed)
    assert composed != decomposed
    assert canonical(composed) == canonical(decomposed)
    assert clash([composed, "other", decomposed]) == (composed, decomposed)


@given(st.text())
def test_a_canonical_name_is_its_own(name: str) -> None:
    assert canonical(canonical(name)) == canonical(name)


@given(st.text(min_size=1).filter(str.strip))
def test_no_name_becomes_empty(name: str) -> None:
    assert canonical(name)


@given(st.text(), st.sampled_from(["NFC", "NFD"]), st.sampled_from(["", " ", "\t"]))
def test_form_and_outer_blanks_do_not_matter(name: str, form: str, blank: str) -> None:
    assert canonical(blank + unicodedata.normalize(form, name) + blank) == canonical(name)
