"""The JSON Schema: what it accepts, and that it refuses what is not a document."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

import overflowscope
from overflowscope import schema
from overflowscope.records import Incidence, InputSummary, Measurement, Report, strict

jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return overflowscope.compare([[0.0, 20.0]], operations=["softmax"], dtypes=["float16"]).to_dict()


@pytest.fixture(scope="module")
def validator() -> Any:
    kind = jsonschema.Draft202012Validator
    kind.check_schema(schema.compare())
    return kind(schema.compare())


def test_it_names_itself_and_its_documents(document: dict[str, Any]) -> None:
    made = schema.compare()
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert made["$id"] == made["properties"]["schema"]["const"] == document["schema"] == "overflowscope.compare/1"
    assert list(schema.SCHEMAS.items()) == [
        ("check", schema.check),
        ("compare", schema.compare),
        ("conformance", schema.conformance),
        ("exact", schema.exact),
        ("replay", schema.replay),
        ("trace", schema.trace),
    ]


def test_every_field_of_every_record_is_required() -> None:
    made = schema.compare()
    assert made["required"] == [f.name for f in dataclasses.fields(Report)]
    results = made["properties"]["results"]["items"]
    assert results["required"] == [f.name for f in dataclasses.fields(Measurement)]
    assert results["properties"]["incidence"]["required"] == [f.name for f in dataclasses.fields(Incidence)]
    assert made["properties"]["input"]["required"] == [f.name for f in dataclasses.fields(InputSummary)]


def test_a_document_is_valid_and_more_keys_are_allowed(document: dict[str, Any], validator: Any) -> None:
    validator.validate(document)
    more = copy.deepcopy(document)
    more["new"] = more["results"][0]["new"] = more["input"]["new"] = [1]
    validator.validate(more)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["schema"], "overflowscope.compare/2"),
        (["version"], 1),
        (["environment", "cpu"], 3),
        (["results"], {}),
        (["results", 0, "rows"], "1"),
        (["results", 0, "rows"], 1.5),
        (["results", 0, "rows"], None),
        (["results", 0, "operation"], None),
        (["results", 0, "ulp", "max"], "large"),
        (["results", 0, "ulp", "max"], "NaN"),
        (["results", 0, "ulp"], None),
        (["results", 0, "kl"], 0.5),
        (["results", 0, "worst", "index"], [0.5]),
        (["results", 0, "worst", "index"], 0),
        (["results", 0, "failures"], "nan"),
        (["results", 0, "explanation"], 1),
        (["input", "scale"], "1"),
        (["input", "sha256"], None),
        (["first_failures"], None),
    ],
)
def test_wrong_values_are_refused(document: dict[str, Any], validator: Any, path: list[Any], value: Any) -> None:
    wrong = copy.deepcopy(document)
    inner = wrong
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert not validator.is_valid(wrong)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["results", 0, "ulp", "max"], "inf"),
        (["results", 0, "ulp", "max"], None),
        (["results", 0, "worst"], None),
        (["results", 0, "row_sum"], None),
        (["results", 0, "formulation"], None),
        (["results", 0, "worst", "got"], "nan"),
        (["results", 0, "worst", "got"], "-inf"),
        (["results", 0, "worst", "index"], []),
        (["input", "scale"], [1, 10.0]),
        (["input", "seed"], None),
        (["environment", "cpu"], None),
    ],
)
def test_what_may_be_missing_or_not_finite(
    document: dict[str, Any], validator: Any, path: list[Any], value: Any
) -> None:
    other = copy.deepcopy(document)
    inner = other
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    validator.validate(other)


def test_missing_keys_are_refused(document: dict[str, Any], validator: Any) -> None:
    for name in document:
        wrong = {k: v for k, v in document.items() if k != name}
        assert not validator.is_valid(wrong), name
    for name in document["results"][0]:
        wrong = copy.deepcopy(document)
        del wrong["results"][0][name]
        assert not validator.is_valid(wrong), name


def test_what_has_no_schema_is_an_error() -> None:
    @dataclasses.dataclass(frozen=True)
    class Odd:
        odd: bytes

    with pytest.raises(TypeError, match="no JSON Schema"):
        schema._of(Odd)


def test_strict_data_holds_finite_numbers_only() -> None:
    @dataclasses.dataclass(frozen=True)
    class Some:
        a: float
        b: tuple[float, ...]
        c: Mapping[str, float | None]

    some = Some(float("inf"), (float("nan"), -float("inf"), 0.5), {"x": None, "y": float("-inf")})
    assert strict(some) == {"a": "inf", "b": ["nan", "-inf", 0.5], "c": {"x": None, "y": "-inf"}}
    assert strict(1) == 1
    assert strict(True) is True
    assert strict("nan") == "nan"
