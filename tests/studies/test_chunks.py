"""Work in chunks: any number of processes gives the same bits, in the same order, and the same errors."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from overflowscope import cases, sources
from overflowscope.errors import InputError
from overflowscope.implementations import Own
from overflowscope.studies import chunks as module
from overflowscope.studies.chunks import Block, Chunk, Job, Part, chunks, done, work, workers
from overflowscope.studies.compare import Request, run
from overflowscope.tally import Tally


def request(**about: Any) -> Request:
    """Several chunks of several blocks, of which some fail."""
    made = Request(
        source=sources.drawn("normal", 3, 700, 200),
        contenders=cases.contenders("all", "all", []),
        fmts=cases.chosen_formats(("float16", "float32")),
        scales=(1.0, 300.0),
    )
    return replace(made, **about)


def job(asked: Request) -> Job:
    return Job(
        source=asked.source,
        contenders=asked.contenders,
        fmts=asked.fmts,
        scales=asked.scales,
        shift=0.0,
        ignore_index=-100,
        compute=None,
        reference="auto",
    )


def test_the_answer_does_not_depend_on_the_number_of_processes() -> None:
    answers = {json.dumps(run(request(jobs=jobs)).to_dict()) for jobs in (1, 3)}
    assert len(answers) == 1
    document = json.loads(answers.pop())
    assert {r["reference"]["undecided"] for r in document["results"]} == {0}
    assert any(r["failures"] for r in document["results"])


def test_nor_on_how_the_rows_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of balls the midpoints may differ in their last bits, by what else is in a batch; of intervals nothing does."""
    asked = request(source=sources.drawn("normal", 3, 90, 20), reference="mpmath")
    whole = run(asked).to_dict()
    monkeypatch.setattr(sources.blocks, "__defaults__", (130,))
    assert run(asked).to_dict() == whole


BLOCKS = [Block((0, 2), 1, 0), Block((5,), 0, 1)]


def test_chunks_are_small_and_cover_every_row_once() -> None:
    own = job(request(source=sources.drawn("normal", 0, 1000, 300)))
    found = list(chunks(own, BLOCKS))
    assert [c.start for c in found] == [0, *(c.stop for c in found[:-1])]
    assert found[-1].stop == 1000
    assert len(found) > 3
    assert all(c.blocks == tuple(BLOCKS) and len(pickle.dumps(c)) < 300 for c in found)
    assert len(list(chunks(replace(own, reference="mpmath"), BLOCKS))) > 10 * len(found)
    assert not list(chunks(own, []))


def test_results_come_in_the_order_of_the_chunks_from_any_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    own = job(request(source=sources.drawn("normal", 0, 900, 500)))
    todo = list(chunks(own, BLOCKS))
    alone = list(done(own, todo, None, 1, lambda n: None))
    monkeypatch.setattr(module, "_JOB", [own])
    advanced: list[int] = []
    with ThreadPoolExecutor(3) as pool:
        together = list(done(own, todo, pool, 4, advanced.append))
    assert [c for c, _ in together] == todo
    assert together == alone
    assert [block for block, _ in together[0][1]] == BLOCKS
    assert sum(advanced) == 900 * 500 * len(BLOCKS)


def test_rows_are_drawn_once_for_all_formats() -> None:
    source, asked = sources.drawn("normal", 0, 50, 20), []

    def counted(rows: range, fmt: Any) -> Any:
        asked.append(rows)
        return source.logits(rows, fmt)

    own = job(request(source=replace(source, logits=counted)))
    work(own, Chunk(tuple(BLOCKS), 0, 30))
    assert asked == [range(30)]
    work(replace(own, source=replace(own.source, distribution="ordinal")), Chunk(tuple(BLOCKS), 0, 30))
    assert len(asked) == 3


def test_a_chunk_without_a_counted_row_is_empty() -> None:
    source = sources.drawn("normal", 0, 4, 3)
    own = job(request(source=sources.labelled(source, np.full(4, -100), "here")))
    place = next(i for i, c in enumerate(own.contenders) if c.operation.takes_labels)
    block = Block((place,), 0, 0)
    assert work(own, Chunk((block,), 0, 4)) == [(block, [Part(Tally(), "")])]


def broken(logits: Any) -> Any:
    raise ZeroDivisionError(f"row of {len(logits)}")


def vanishing(logits: Any) -> Any:
    import os

    os._exit(7)


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_in_a_worker_is_the_error(jobs: int) -> None:
    contenders = cases.contenders("softmax", "shifted", [Own("mine:broken", broken)])
    with pytest.raises(InputError, match=r"mine:broken failed: ZeroDivisionError: row of 327 \(.*test_chunks.py:\d+\)"):
        run(request(contenders=contenders, jobs=jobs))


def test_a_worker_that_dies_is_told() -> None:
    contenders = cases.contenders("softmax", "shifted", [Own("mine:vanishing", vanishing)])
    with pytest.raises(
        InputError, match="a worker process died; perhaps memory ran out: --jobs 1, or fewer classes, take less"
    ):
        run(request(contenders=contenders, jobs=2))


@pytest.mark.parametrize("quantity", ["value", "gradient"])
def test_a_job_can_be_sent_to_a_process_that_was_not_forked(quantity: str) -> None:
    contenders = cases.of_quantity(cases.contenders("all", "all", []), quantity)
    sent = pickle.loads(pickle.dumps(job(request(contenders=contenders))))
    assert [c.operation for c in sent.contenders] == [c.operation for c in contenders]
    assert [c.run for c in sent.contenders] == [c.run for c in contenders]


def test_one_process_needs_no_pool() -> None:
    with workers(job(request()), 1) as executor:
        assert executor is None


def test_errors_survive_the_way_between_processes() -> None:
    error = InputError("what\n", source="file", where="row 3", hint="try")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert (again.what, again.source, again.where, again.hint) == ("what\n", "file", "row 3", "try")


@pytest.mark.parametrize(("about", "message"), [({"jobs": 0}, "0 jobs"), ({"reference": "mpfr"}, "unknown reference")])
def test_bad_requests(about: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(request(**about))
