"""What is chosen by options: operations, formulations, formats, scales, rows and labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from overflowscope.catalogue import operations
from overflowscope.draws import draw, draw_labels
from overflowscope.formats import FORMATS

Found = Callable[..., Any]
MEASURED = ("incidence", "rows_hit", "ulp", "bits", "relative", "absolute", "worst", "reference", "failures")


def rows(document: Any) -> list[tuple[Any, ...]]:
    return [(r["scale"], r["operation"], r["dtype"], r["formulation"]) for r in document["results"]]


def measured(document: Any) -> list[dict[str, Any]]:
    return [{name: r[name] for name in MEASURED} for r in document["results"]]


def test_the_defaults(found: Found) -> None:
    document = found()
    names = [
        (o, d, f)
        for o in ("softmax", "cross_entropy")
        for d in ("float16", "float32", "float64")
        for f in ("naive", "shifted", "lse")
    ]
    assert [r[1:] for r in rows(document)] == names
    given = document["input"]
    assert (given["source"], given["distribution"], given["rows"], given["classes"]) == ("random", "normal", 256, 10)
    assert (given["scale"], given["shift"], given["seed"], given["labels"]) == (1, 0, 0, "seed")
    assert document["first_failures"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--op", "softmax,log_softmax", "--dtype", "float16,bfloat16", "--formulation", "lse,naive"],
        [
            *("--op", "softmax", "--op", "log-softmax", "--dtype", "float16", "--dtype", "bfloat16"),
            *("--formulation", "lse", "--formulation", "naive"),
        ],
        [
            "--op= softmax , log-softmax,softmax",
            "--dtype=float16,float16",
            "--dtype=bfloat16",
            "--formulation=lse,naive,lse",
        ],
    ],
)
def test_names_are_repeatable_or_comma_separated(found: Found, arguments: list[str]) -> None:
    names = [
        (1, o, d, f) for o in ("softmax", "log_softmax") for d in ("float16", "bfloat16") for f in ("lse", "naive")
    ]
    assert rows(found("--rows", "2", *arguments)) == names


def test_dashes_are_underscores(found: Found) -> None:
    document = found("--rows=2", "--op=cross-entropy", "--formulation=shifted-lse", "--dtype=float8-e4m3fn,float8_e5m2")
    assert rows(document) == [
        (1, "cross_entropy", "float8_e4m3fn", "shifted_lse"),
        (1, "cross_entropy", "float8_e5m2", "shifted_lse"),
    ]


def test_all_formulations(found: Found) -> None:
    for operation in operations().values():
        document = found("--rows=2", "--op", operation.name, "--formulation=all", "--dtype=float32")
        assert [r[3] for r in rows(document)] == list(operation.formulations)
    both = found("--rows=2", "--op=softmax,logsumexp", "--formulation=naive,all", "--dtype=float32")
    assert len(rows(both)) == sum(len(operations()[n].formulations) for n in ("softmax", "logsumexp"))


def test_all_operations_and_all_formats(found: Found) -> None:
    document = found("--rows=2", "--op=all", "--dtype=all", "--formulation=naive")
    assert {r[1] for r in rows(document)} == set(operations())
    assert {r[2] for r in rows(document)} == set(FORMATS)


def test_a_formulation_that_only_some_operations_have(found: Found) -> None:
    document = found("--rows=2", "--formulation=naive,shifted_lse", "--dtype=float32")
    assert [(r[1], r[3]) for r in rows(document)] == [
        ("softmax", "naive"),
        ("cross_entropy", "naive"),
        ("cross_entropy", "shifted_lse"),
    ]


def test_random_logits_are_those_of_their_seed(here: Path, found: Found) -> None:
    for seed, classes, distribution in ((0, 10, "normal"), (7, 3, "uniform"), (2**64 - 1, 70, "laplace")):
        drawn = found("--seed", seed, "--classes", classes, "--dist", distribution, "--rows", 5)
        logits = draw(distribution, seed, classes, range(5))
        labels = draw_labels(seed, classes, range(5))
        assert drawn["input"]["sha256"] == hashlib.sha256(logits.astype("<f8").tobytes()).hexdigest()
        assert drawn["input"]["distribution"] == distribution
        np.save(here / "in.npy", logits)
        (here / "labels.json").write_text(json.dumps(labels.tolist()))
        assert measured(found("in.npy", "--labels", "labels.json")) == measured(drawn)


def test_the_digest_of_random_logits_depends_on_them_alone(found: Found) -> None:
    def digest(*arguments: object) -> str:
        return str(found("--rows", 3, "--op", "softmax", *arguments)["input"]["sha256"])

    first = digest()
    assert digest("--dtype", "bfloat16", "--scale", "1000", "--shift", "3", "--formulation", "all") == first
    assert digest("--scale", "1,2", "--compute", "float64") == first
    others = [digest("--seed", "1"), digest("--dist", "laplace"), digest("--rows", "4"), digest("--classes", "9")]
    assert len({first, *others}) == 5


def test_the_digest_of_a_file_is_that_of_its_bytes(here: Path, found: Found) -> None:
    np.save(here / "in.npy", np.eye(3))
    (here / "in.json").write_text("[[1.0, 2],\r\n [3, 4]]\n\n")
    for name in ("in.npy", "in.json"):
        data = (here / name).read_bytes()
        expected = hashlib.sha256(data).hexdigest()
        assert found(name, "--scale", "3")["input"]["sha256"] == expected
        assert found(name, "--max-rows", "1", "--dtype", "float16")["input"]["sha256"] == expected
        assert found("-", stdin=data)["input"]["sha256"] == expected


def test_standard_input_is_read_like_a_file(here: Path, logits: Path, found: Found) -> None:
    text = json.dumps(np.load(logits).tolist())
    of_file = found("logits.npy")
    for data in (logits.read_bytes(), text.encode()):
        piped = found("-", stdin=data)
        assert piped["input"]["source"] == "<stdin>"
        assert piped["results"] == of_file["results"]


def test_scale_and_shift_apply_in_float64(here: Path, found: Found) -> None:
    values = np.random.default_rng(3).normal(size=(20, 7)).astype(np.float16)
    np.save(here / "half.npy", values)
    np.save(here / "moved.npy", values.astype(np.float64) * 1.7 + 0.3)
    arguments = ("--dtype", "float16,float32,float64,bfloat16", "--formulation", "all")
    moved = found("half.npy", "--scale", "1.7", "--shift", ".3", *arguments)
    assert (moved["input"]["scale"], moved["input"]["shift"]) == (1.7, 0.3)
    assert measured(moved) == measured(found("moved.npy", *arguments))
    assert measured(moved) != measured(found("half.npy", *arguments))
    down = found("half.npy", "--shift", "-1e1", *arguments)
    np.save(here / "down.npy", values.astype(np.float64) - 10)
    assert measured(down) == measured(found("down.npy", *arguments))


def test_a_scale_of_zero_makes_rows_uniform(found: Found) -> None:
    for result in found("--rows=2", "--classes=4", "--scale=0", "--op=softmax", "--formulation=naive,shifted")[
        "results"
    ]:
        assert (result["ulp"]["max"], result["ulp"]["correctly_rounded"]) == (0, 1)


def test_a_list_of_scales_gives_a_block_each(found: Found) -> None:
    document = found(
        "--rows=20",
        "--scale",
        "1, 10,1e3,10",
        "--op=softmax,logsumexp",
        "--dtype=float16,float64",
        "--formulation=naive,shifted",
    )
    assert document["input"]["scale"] == [1, 10, 1000]
    assert rows(document) == [
        (s, o, d, f)
        for s in (1, 10, 1000)
        for o in ("softmax", "logsumexp")
        for d in ("float16", "float64")
        for f in ("naive", "shifted")
    ]
    for scale in (1, 10, 1000):
        alone = found(
            "--rows=20",
            "--scale",
            scale,
            "--op=softmax,logsumexp",
            "--dtype=float16,float64",
            "--formulation=naive,shifted",
        )
        assert alone["input"]["scale"] == scale
        assert alone["first_failures"] == []
        assert alone["results"] == [r for r in document["results"] if r["scale"] == scale]


@pytest.mark.parametrize("scales", ["1,10,100,1000", "1000,1,100"])
def test_the_first_failing_scale_of_each_formulation(found: Found, invoke: Callable[..., Any], scales: str) -> None:
    arguments = (
        "--rows=8",
        "--scale",
        scales,
        "--op=softmax,cross_entropy",
        "--dtype=float16,float64",
        "--formulation=naive,shifted,log1p",
    )
    document = found(*arguments)
    firsts = {(f["operation"], f["dtype"], f["name"]): f["scale"] for f in document["first_failures"]}
    assert len(firsts) == len(document["first_failures"]) == 2 * 2 + 2 * 3
    for (operation, dtype, name), first in firsts.items():
        failing = [
            r["scale"]
            for r in document["results"]
            if (r["operation"], r["dtype"], r["formulation"]) == (operation, dtype, name) and r["failures"]
        ]
        assert first == (failing[0] if failing else None)
    assert firsts["softmax", "float16", "naive"] == (10 if scales.startswith("1,") else 1000)
    assert firsts["cross_entropy", "float64", "log1p"] is None
    table = invoke("compare", *arguments).out.splitlines()
    named = table[table.index("first failing scale") + 1 :]
    assert named == [
        f"- {o} {n} {d}: " + ("survives" if s is None else f"fails from scale {s:g}") for (o, d, n), s in firsts.items()
    ]


def test_ignored_rows_are_left_out(here: Path, found: Found) -> None:
    values = np.random.default_rng(5).normal(size=(6, 4))
    np.save(here / "all.npy", values)
    np.save(here / "kept.npy", values[[0, 2, 5]])
    (here / "all.json").write_text("[3, -100, 0, -100, -100, 2]")
    (here / "kept.json").write_text("[3, 0, 2]")
    every = found("all.npy", "--labels", "all.json")
    kept = found("kept.npy", "--labels", "kept.json", "--op", "cross_entropy")
    assert (every["input"]["rows"], every["input"]["ignored_rows"]) == (6, 3)
    softmax = [r for r in every["results"] if r["operation"] == "softmax"]
    entropy = [r for r in every["results"] if r["operation"] == "cross_entropy"]
    assert {r["rows"] for r in softmax} == {6}
    assert {(r["rows"], r["elements"]) for r in entropy} == {(3, 3)}
    for ours, theirs in zip(entropy, kept["results"], strict=True):
        assert {**ours, "worst": None} == {**theirs, "worst": None}
        assert ours["worst"]["row"] == [0, 2, 5][theirs["worst"]["row"]]
        assert ours["worst"]["index"] == [ours["worst"]["row"]]


def test_another_ignored_label(here: Path, found: Found, invoke: Callable[..., Any]) -> None:
    np.save(here / "in.npy", np.eye(3))
    (here / "labels.json").write_text("[0, 2, 1]")
    arguments = ("in.npy", "--labels", "labels.json", "--op", "cross_entropy")
    assert found(*arguments, "--ignore-index", "2")["input"]["ignored_rows"] == 1
    assert found(*arguments)["input"]["ignored_rows"] == 0
    (here / "labels.json").write_text("[0, -1, 1]")
    assert found(*arguments, "--ignore-index", "-1")["input"]["ignored_rows"] == 1
    assert invoke("compare", *arguments).status == 2


def test_where_labels_come_from(here: Path, logits: Path, found: Found) -> None:
    values = np.load(logits).tolist()
    np.savez(here / "in.npz", logits=values, labels=[0, 1, 2, 0])
    (here / "in.json").write_text(json.dumps({"logits": values, "labels": [0, 1, 2, 0]}))
    (here / "in.jsonl").write_text(
        "\n".join(json.dumps({"logits": v, "label": k}) for v, k in zip(values, [0, 1, 2, 0], strict=True))
    )
    (here / "labels.json").write_text("[0, 1, 2, 0]")
    np.save(here / "labels.npy", [0, 1, 2, 0])
    (here / "others.json").write_text("[2, 2, 2, 2]")
    wanted = None
    for arguments, place in (
        (["in.npz"], "input"),
        (["in.json"], "input"),
        (["in.jsonl"], "input"),
        (["logits.npy", "--labels", "labels.json"], "labels.json"),
        (["logits.npy", "--labels", "labels.npy"], "labels.npy"),
    ):
        document = found(*arguments, "--op", "cross_entropy")
        assert document["input"]["labels"] == place
        wanted = wanted or document["results"]
        assert document["results"] == wanted
    other = found("in.npz", "--op", "cross_entropy", "--labels", "others.json")
    assert other["input"]["labels"] == "others.json"
    assert other["results"] != wanted
    seeds = [found("logits.npy", "--op", "cross_entropy", "--seed", s) for s in range(6)]
    assert {s["input"]["labels"] for s in seeds} == {"seed"}
    assert len({json.dumps(s["results"]) for s in seeds}) > 1


def test_only_the_first_rows(here: Path, found: Found) -> None:
    values = np.random.default_rng(6).normal(size=(9, 4))
    np.savez(here / "in.npz", logits=values, labels=np.arange(9) % 4)
    np.savez(here / "cut.npz", logits=values[:5], labels=np.arange(5) % 4)
    cut = found("in.npz", "--max-rows", "5")
    assert cut["input"]["rows"] == 5
    assert cut["results"] == found("cut.npz")["results"]
    assert found("in.npz", "--max-rows", "99")["input"]["rows"] == 9


def test_labels_of_all_rows_serve_the_first_rows(here: Path, found: Found) -> None:
    np.save(here / "in.npy", np.random.default_rng(6).normal(size=(9, 4)))
    (here / "all.json").write_text("[3, 2, 1, 0, 0, 1, 2, 3, 3]")
    (here / "cut.json").write_text("[3, 2, 1, 0, 0]")
    arguments = ("in.npy", "--max-rows", "5", "--op", "cross_entropy")
    cut = found(*arguments, "--labels", "cut.json")
    assert found(*arguments, "--labels", "all.json")["results"] == cut["results"]


def test_the_array_of_a_key(here: Path, found: Found) -> None:
    np.savez(here / "in.npz", a=np.eye(3), b=np.eye(4))
    np.save(here / "b.npy", np.eye(4))
    assert found("in.npz", "--key", "b")["results"] == found("b.npy")["results"]


def test_places_are_in_the_axes_of_the_input(here: Path, found: Found) -> None:
    values = np.zeros((2, 3, 4))
    values[1, 2, 3] = 100
    np.save(here / "in.npy", values)
    arguments = ("in.npy", "--dtype", "float16", "--formulation", "naive")
    document = found(*arguments, "--op", "softmax,logsumexp")
    assert (document["input"]["leading"], document["input"]["rows"]) == ([2, 3], 6)
    softmax, logsumexp = (r["worst"] for r in document["results"])
    assert (softmax["row"], softmax["index"]) == (5, [1, 2, 3])
    assert (logsumexp["row"], logsumexp["index"]) == (5, [1, 2])
    labels = np.full((2, 3), 0)
    np.savez(here / "labelled.npz", logits=values, labels=labels)
    assert found("labelled.npz", *arguments[1:], "--op", "cross_entropy")["results"][0]["worst"]["index"] == [1, 2]
    (here / "vector.json").write_text("[0, 100, 0]")
    vector = found("vector.json", *arguments[1:], "--op", "softmax,logsumexp")
    assert vector["input"]["leading"] == []
    assert [r["worst"]["index"] for r in vector["results"]] == [[1], []]


def test_a_format_to_compute_in(found: Found) -> None:
    document = found(
        "--rows=20",
        "--scale=30",
        "--compute=float32",
        "--dtype=float16,float32,float64,bfloat16",
        "--op=softmax",
        "--formulation=naive",
    )
    computed = {r["dtype"]: (r["compute"], r["returned"]) for r in document["results"]}
    assert computed == {
        "float16": ("float32", "float32"),
        "float32": ("float32", "float32"),
        "float64": ("float64", "float64"),
        "bfloat16": ("float32", "float32"),
    }
    failing = {r["dtype"] for r in document["results"] if r["failures"]}
    assert failing == set()
    assert found("--rows=20", "--scale=30", "--dtype=float16", "--op=softmax")["results"][0]["failures"] == ["nan"]


def test_published_logits(shared: Path, found: Found) -> None:
    path = shared / "smollm2_logits.npy"
    document = found(path, "--op", "softmax", "--max-rows", "1", "--dtype", "float16,float32")
    assert document["input"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    failing = [(r["dtype"], r["formulation"]) for r in document["results"] if "nan" in r["failures"]]
    assert failing == [("float16", "naive")]
