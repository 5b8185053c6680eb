"""Programs that answer lines of JSON: what they get, how their answers are read, and that none is left behind."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

import overflowscope
from overflowscope import InputError
from overflowscope.catalogue import named
from overflowscope.errors import Unmeasured
from overflowscope.evaluate import evaluate
from overflowscope.formats import FORMATS, round_to
from overflowscope.libraries import _program, offered

INF, NAN = math.inf, math.nan
Written = Callable[..., str]
WORKING = """
import json, math, sys

def value(operation, row, label):
    top = max(row)
    total = math.fsum(math.exp(x - top) for x in row)
    logsumexp = top + math.log(total)
    return {
        "softmax": lambda: [math.exp(x - top) / total for x in row],
        "log_softmax": lambda: [x - logsumexp for x in row],
        "logsumexp": lambda: logsumexp,
        "cross_entropy": lambda: logsumexp - row[label],
    }[operation]()

for line in sys.stdin:
    request = json.loads(line)
    labels = request.get("labels", [None] * len(request["logits"]))
    result = [value(request["operation"], [float(x) for x in r], y) for r, y in zip(request["logits"], labels)]
    print(json.dumps({"id": request["id"], "result": result, "version": "7 of mine"}), flush=True)
"""
ANSWERING = """
import sys
for line in sys.stdin:
    sys.stdout.write({!r} + "\\n")
    sys.stdout.flush()
"""


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """``written(code)`` is the name of an implementation: a Python program."""

    def write(code: str, name: str = "program.py") -> str:
        (tmp_path / name).write_text(code)
        return f"command:'{sys.executable}' -S '{tmp_path / name}'"

    return write


@pytest.fixture
def answering(written: Written) -> Written:
    """``answering(line)``: a program that gives that answer to everything."""
    return lambda line: written(ANSWERING.format(line if isinstance(line, str) else json.dumps(line)))


def result(
    spec: str, logits: Any, *labels: Any, operation: str = "softmax", dtype: str = "float64", timeout: float = 20
) -> Any:
    """What evaluate makes of the program's answer."""
    (found,) = offered(spec, timeout).implementations(named(operation))
    given = np.array(labels[0]) if labels else None
    return evaluate(named(operation), found.run, np.array(logits, np.float64), given, FORMATS[dtype])


def refused(spec: str, timeout: float = 20, logits: Any = ((0.0, 1.0),)) -> str:
    with pytest.raises(InputError) as caught:
        result(spec, logits, timeout=timeout)
    assert not isinstance(caught.value, Unmeasured)
    return caught.value.what


def alive(pid: int) -> bool:
    """Whether there is such a process, or what is left of one that we have not waited for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    if not state.exists():
        return True
    letter, parent = state.read_text().rpartition(")")[2].split()[:2]
    return letter != "Z" or int(parent) == os.getpid()


# What is asked, and what is made of the answer


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp", "cross_entropy"])
def test_every_operation(written: Written, name: str) -> None:
    logits, labels = np.random.default_rng(0).normal(size=(5, 4)) * 9, np.array([0, 3, 2, 1, 0])
    found = result(written(WORKING), logits, labels, operation=name)
    assert found.dtype == "float64"
    with mpmath.workprec(200):
        for i, row in enumerate(logits.tolist()):
            exps = [mpmath.exp(x) for x in row]
            truth = {
                "softmax": [e / sum(exps) for e in exps],
                "log_softmax": [mpmath.log(e / sum(exps)) for e in exps],
                "logsumexp": [mpmath.log(sum(exps))],
                "cross_entropy": [mpmath.log(sum(exps)) - row[labels[i]]],
            }[name]
            for got, want in zip(np.ravel(found.values[i]).tolist(), truth, strict=True):
                assert abs(got - want) <= 1e-13 * max(1, abs(want))


def test_what_a_program_is_asked(tmp_path: Path, written: Written) -> None:
    log = tmp_path / "asked"
    spec = written(f"import sys\nfor line in sys.stdin:\n open({str(log)!r}, 'a').write(line)\n print('{{}}')\n")
    for name, labels in (("softmax", ()), ("cross_entropy", ([1, 0],))):
        with pytest.raises(InputError, match="has no"):
            result(spec, [[0.1, -0.0], [INF, -INF]], *labels, operation=name, dtype="float32")
    with pytest.raises(InputError, match="has no"):
        result(spec, [[NAN, 2.0**-24]], operation="logsumexp", dtype="float16")
    asked = [json.loads(line, parse_constant=pytest.fail) for line in log.read_text().splitlines()]
    shortest = 0.10000000149011612  # float32(0.1) among the doubles
    one = {
        "operation": "softmax",
        "dtype": "float32",
        "quantity": "value",
        "logits": [[shortest, -0.0], ["inf", "-inf"]],
    }
    assert float(np.float32(0.1)) == shortest
    assert [a.pop("id") for a in asked] == [1, 1, 1]
    assert asked[0] == one
    assert asked[1] == one | {"operation": "cross_entropy", "labels": [1, 0]}
    assert asked[2] == one | {"operation": "logsumexp", "dtype": "float16", "logits": [["nan", 2.0**-24]]}
    assert math.copysign(1, asked[0]["logits"][0][1]) == -1


def test_logits_are_numbers_of_the_format_and_come_exactly(tmp_path: Path, written: Written) -> None:
    log = tmp_path / "asked"
    spec = written(f"import sys\nfor line in sys.stdin:\n open({str(log)!r}, 'w').write(line)\n print('{{}}')\n")
    given = np.concatenate([np.random.default_rng(1).normal(size=30), [5e-324, 1.7976931348623157e308, 1e-310, 2 / 3]])
    for dtype in ("float32", "float64", "bfloat16"):
        if FORMATS[dtype].extra:
            pytest.importorskip("ml_dtypes")
        want = round_to(given, FORMATS[dtype])
        with pytest.raises(InputError, match="has no"):
            result(spec, [want.tolist()], dtype=dtype)
        (row,) = json.loads(log.read_text())["logits"]
        assert [float(x) for x in row] == want.tolist()


@pytest.mark.parametrize(
    ("line", "want"),
    [
        ('{"result": [[1, 0.25]]}', [1, 0.25]),
        ('{"result": [["inf", "-inf"]]}', [INF, -INF]),
        ('{"result": [[Infinity, -Infinity]]}', [INF, -INF]),
        ('{"result": [["nan", NaN]]}', [NAN, NAN]),
        ('{"result": [["-nan", "Infinity"]]}', [NAN, INF]),
        ('{"result": [["-Infinity", "NaN"]]}', [-INF, NAN]),
        ('{"result": [[1e400, -1e-400]]}', [INF, -0.0]),
        ('{"result": [[' + "9" * 5000 + ", -0.0]]}", [INF, -0.0]),
        (
            '{"id": null, "dtype": null, "unsupported": null, "error": null, "version": null, "result": [[1, 0]]}',
            [1, 0],
        ),
        ('{"id": 1, "else": [{}], "result": [[1e0, 2E-1]]}  ', [1, 0.2]),
        ('\\u0020\n\n{"result": [[1, 0]]}\n\n'.replace("\\u0020", " "), [1, 0]),
    ],
)
def test_how_numbers_may_be_written(answering: Written, line: str, want: list[float]) -> None:
    found = result(answering(line), [[0.0, 1.0]]).values
    np.testing.assert_array_equal(found, [want])
    assert np.signbit(found).tolist() == np.signbit([want]).tolist()


TENTH = np.float32(0.1)


@pytest.mark.parametrize(
    ("answer", "values", "dtype"),
    [
        ({"result": [[0.5, float(TENTH)]]}, [0.5, TENTH], "float32"),
        ({"result": [[0.5, 0.1]]}, [0.5, TENTH], "float64"),
        ({"result": [[0.5, 0.1]], "dtype": "float32"}, [0.5, TENTH], "float32"),
        ({"result": [[0.5, 0.1]], "dtype": "float64"}, [0.5, TENTH], "float64"),
        ({"result": [[0.5, 0.1]], "dtype": "float16"}, [0.5, np.float16(0.1)], "float16"),
        ({"result": [[0.5, 1e39]], "dtype": "float32"}, [0.5, INF], "float32"),
        ({"result": [[0.5, 1e39]]}, [0.5, INF], "float64"),
        ({"result": [["nan", "inf"]]}, [NAN, INF], "float32"),
    ],
)
def test_the_dtype_of_an_answer(answering: Written, answer: Any, values: list[Any], dtype: str) -> None:
    found = result(answering(answer), [[0.0, 1.0]], dtype="float32")
    np.testing.assert_array_equal(found.values, np.array([values], np.float64))
    assert found.dtype == dtype


def test_a_row_of_a_report(written: Written) -> None:
    spec = written(WORKING)
    report = overflowscope.compare(
        np.random.default_rng(0).normal(size=(50, 4)) * 20,
        operations=["cross_entropy"],
        formulations=["log1p"],
        dtypes=["float32"],
        implementations=[spec],
        scale=[1, 2],
        quantity="both",
    )
    values = [m for m in report.results if m.implementation == spec and m.quantity == "value"]
    assert [(m.status, m.formulation, m.version, m.rows, m.ulp.max is not None) for m in values] == [
        ("ok", None, "7 of mine", 50, True)
    ] * 2
    gradients = [m for m in report.results if m.implementation == spec and m.quantity == "gradient"]
    assert [(m.status, "no gradients" in (m.explanation or "")) for m in gradients] == [("unsupported", True)] * 2


def test_gradients_are_those_that_say_so(answering: Written) -> None:
    """The entry at the label, [1/2, 1/2]: its gradient is [1/4, -1/4]."""
    spec = answering({"result": [[0.25, -0.25]], "quantity": "gradient"})
    (measured,) = overflowscope.compare(
        [[3.0, 3.0]], [0], operations=["softmax"], formulations=["naive"], dtypes=["float32"], quantity="gradient",
        implementations=[spec],
    ).results[1:]  # fmt: skip
    assert (measured.status, measured.ulp.max) == ("ok", 0)


def test_what_a_program_has_not_got_is_a_row_and_the_process_goes_on(written: Written) -> None:
    spec = written(
        "import json, os, sys\n"
        "for number, line in enumerate(sys.stdin):\n"
        "    half = json.loads(line)['dtype'] == 'float16'\n"
        "    print(json.dumps({'unsupported': 'no halves here'} if half else\n"
        "        {'result': [[0.5, 0.5]], 'version': f\"{os.getpid()} {number}\"}), flush=True)\n"
    )
    dtypes = ["float32", "float16", "float64"]
    found = overflowscope.compare(
        [[1.0, 1.0]], operations=["softmax"], formulations=["naive"], dtypes=dtypes, implementations=[spec]
    ).results
    own = [m for m in found if m.implementation == spec]
    assert [m.status for m in own] == ["ok", "unsupported", "ok"]
    assert own[1].explanation is not None
    assert own[1].explanation.endswith("no halves here")
    assert (own[2].version or "").endswith(" 2")


def test_a_large_block(written: Written) -> None:
    """A million logits each way, more than any pipe holds, to a program that answers while it reads."""
    spec = written(
        "import sys\n"
        "for line in sys.stdin:\n"
        "    numbers = line.partition('[[')[2].partition(']]')[0]\n"
        "    sys.stdout.write('{\"result\": [[' + numbers + ']]}\\n')\n"
        "    sys.stdout.flush()\n"
    )
    logits = np.random.default_rng(2).normal(size=(1, 10**6))
    assert (result(spec, logits).values == logits).all()


def test_a_program_that_writes_before_it_has_read(written: Written) -> None:
    spec = written(
        "import sys\n"
        "sys.stdout.write('{\"result\": [[' + ' ' * 2**20 + '1, 2]]')\n"
        "sys.stdout.flush()\n"
        "n = len(sys.stdin.readline())\n"
        "print(', \"version\":', n, '}', flush=True)\n"
        "sys.stdin.read()\n"
    )
    (found,) = offered(spec).implementations(named("softmax"))
    wide = np.full((1, 200_000), 1 / 3)
    with pytest.raises(InputError, match="row 0 of its result has 2 entries, not 200,000"):
        found.run(np, wide)


# Programs that misbehave


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("hello", "answered with what is no JSON: 'hello'"),
        ("x" * 100, f"answered with what is no JSON: '{'x' * 80}'..."),
        ("[" * 60000, f"answered with what is no JSON: '{'[' * 80}'..."),
        ('{"result": [[1, 2]]', "answered with what is no JSON: '{\"result\": [[1, 2]]'"),
        ("[[1, 2]]", "answered with what is no JSON object: '[[1, 2]]'"),
        ("{}", 'its answer has no "result", "unsupported" or "error", but nothing'),
        ('{"Result": 1, "b": 2}', 'its answer has no "result", "unsupported" or "error", but Result, b'),
        ('{"error": "out of\\ncheese"}', "out of\ncheese"),
        ('{"error": {"code": 3}}', '{"code": 3.0}'),
        ('{"result": 3}', "its result is no list, but 3"),
        ('{"result": [[1, 2], [1, 2]]}', "its result has 2 entries, not 1"),
        ('{"result": [1, 2]}', "its result has 2 entries, not 1"),
        ('{"result": [3]}', "row 0 of its result is no list, but 3"),
        ('{"result": [[1, 2, 3]]}', "row 0 of its result has 3 entries, not 2"),
        ('{"result": [[1, true]]}', "true is no number"),
        ('{"result": [[1, null]]}', "null is no number"),
        ('{"result": [[1, "2"]]}', '"2" is no number'),
        ('{"result": [[1, [2]]]}', "[2.0] is no number"),
        ('{"result": [[1, 2]], "id": "1"}', 'answered request "1" when it was asked request 1'),
        ('{"result": [[1, 2]], "id": 2.5}', "answered request 2.5 when it was asked request 1"),
        ('{"result": null, "id": 1}', 'its answer has no "result", "unsupported" or "error", but id'),
        ('{"result": [[1, 2]], "id": 2}', "answered request 2 when it was asked request 1"),
        ('{"result": [[1, 2]], "dtype": "float33"}', 'its dtype is unknown: "float33"'),
        ('{"result": [[1, 2]], "dtype": 32}', "its dtype is unknown: 32"),
        ('{"result": [[1, 2]]}\n{"result"', "wrote more than an answer: '{\"result\"'"),
    ],
)
def test_answers_that_are_none(answering: Written, line: str, what: str) -> None:
    assert refused(answering(line)) == what


@pytest.mark.parametrize(
    ("operation", "answer"), [("softmax", [[1, 2], [1, 2], [None, 2]]), ("logsumexp", [1, 2, None])]
)
def test_the_row_of_what_is_no_number(answering: Written, operation: str, answer: Any) -> None:
    with pytest.raises(InputError, match=r"null is no number \(row 2\); what is not finite"):
        result(answering({"result": answer}), np.zeros((3, 2)), operation=operation)


def test_an_answer_that_is_none_ends_the_program(tmp_path: Path, written: Written) -> None:
    spec = written(CHILDREN.format(pids=str(tmp_path / "pids"), then="", at_end=""))
    offer = offered(spec, 20)
    (found,) = offer.implementations(named("logsumexp"))
    with pytest.raises(InputError, match="is no number"):
        found.run(np, np.zeros((1, 2)))
    assert gone(tmp_path / "pids", 2)
    assert offer.name == spec


def test_a_version_cannot_rewrite_the_terminal(answering: Written) -> None:
    (found,) = offered(answering({"result": [[0.5, 0.5]], "version": "\x1b[2Jx"})).implementations(named("softmax"))
    assert found.said is not None
    assert found.said() is None
    found.run(np, np.zeros((1, 2)))
    assert found.said() == "\\x1b[2Jx"


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("pass", "ended with status 0 before it answered"),
        ("import sys; sys.exit(3)", "ended with status 3 before it answered"),
        ("import os; os.read(0, 9); os._exit(4)", "ended with status 4 before it answered"),
        ("import os; os.kill(os.getpid(), 11)", "was killed by SIGSEGV before it answered"),
        ("import os; os.kill(os.getpid(), 40)", "ended with status -40 before it answered"),
        ("print('{}', end='')", "ended with status 0 in the middle of a line: '{}'"),
        (
            "import os; os.write(1, b'{'); os.kill(os.getpid(), 9)",
            "was killed by SIGKILL in the middle of a line: '{'",
        ),
        (
            "import os, time; os.write(1, b'{'); os.close(1); time.sleep(99)",
            "closed its standard output in the middle of a line: '{'",
        ),
        ("import os, time; os.close(1); time.sleep(99)", "closed its standard output before it answered"),
        ("import os\nprint('banner', flush=True)\nos.read(0, 99)", "answered with what is no JSON: 'banner'"),
        ("import os\nos.write(1, b'\\xff\\n')\nos.read(0, 99)", "answered with what is no JSON: '\ufffd'"),
        ("while True: print('{}', end='')", None),
    ],
)
def test_programs_that_do_not_answer(
    written: Written, code: str, what: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_program, "PATIENCE", 0.5)
    found = refused(written(code))
    assert found == what or (what is None and found.startswith("wrote ") and "more than an answer has: '{}" in found)


@pytest.mark.parametrize(
    ("code", "rows", "what"),
    [
        ("import time; time.sleep(99)", 1, "did not answer within 0.5 s"),
        ("while True: pass", 10**5, "did not read its request within 0.5 s"),
        (
            "import os, time\nos.write(1, b'{\"result\"')\ntime.sleep(99)",
            1,
            "did not end its line within 0.5 s: '{\"result\"'",
        ),
        (
            "import signal, time\nfor s in (2, 15): signal.signal(s, signal.SIG_IGN)\ntime.sleep(99)",
            1,
            "did not answer within 0.5 s",
        ),
    ],
)
def test_programs_that_hang(written: Written, code: str, rows: int, what: str) -> None:
    assert refused(written(code), 0.5, np.zeros((rows, 2))) == what


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ("command:", "command: names no program"),
        ("command", "command: names no program"),
        ("command:  ", "command: names no program"),
        ("command:./there_is_none --x", "command:./there_is_none --x: cannot be started: no such program"),
        ("command:there_is_none", "command:there_is_none: cannot be started: no such program"),
        ("command:'a", "command:'a: cannot be split into words: No closing quotation"),
        ("command:./plain", "command:./plain: cannot be started: it is no program to run; chmod [+]x ./plain, or name"),
        ("command:plain", "it is no program to run; write ./plain"),
        ("command:./unknown", "command:./unknown: cannot be started: "),
        ("command:.", "no such program"),
    ],
)
def test_what_cannot_be_started(here: Path, spec: str, what: str) -> None:
    (here / "plain").write_text("")
    (here / "unknown").write_bytes(b"\x00\x01")
    (here / "unknown").chmod(0o755)
    with pytest.raises(InputError, match=what):
        result(spec, [[0.0, 1.0]])


def test_arguments_are_a_shells_and_no_shell_runs(tmp_path: Path) -> None:
    code = "import sys; print('[', sys.argv[1:], ']')"
    spec = f"command:{sys.executable} -c \"{code}\" 'a b' '$HOME' '*' \\; --flag=x"
    assert refused(spec) == "answered with what is no JSON: \"[ ['a b', '$HOME', '*', ';', '--flag=x'] ]\""


def test_several_programs_and_one_operation(answering: Written, written: Written) -> None:
    first, second = answering({"result": [[0.5, 0.5]]}), written(WORKING, "other.py")
    report = overflowscope.compare([[1.0, 1.0]], dtypes=["float32"], implementations=[first, second])
    assert [m.implementation for m in report.results if m.operation == "softmax"][-2:] == [first, second]
    with pytest.raises(InputError, match="is of one operation, and several were named"):
        overflowscope.compare([[1.0, 1.0]], operations=["softmax", "logsumexp"], implementations=[first])


def test_a_programs_own_arithmetic_is_no_other(answering: Written) -> None:
    report = overflowscope.compare(
        [[1.0, 1.0]], dtypes=["float32"], arithmetic="strict", implementations=[answering("{}")]
    )
    assert [m.status for m in report.results if m.implementation.startswith("command")] == ["unsupported"]


# Nothing is left behind

CHILDREN = """
import json, os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(99)"])
open({pids!r}, "a").write(f"{{os.getpid()}} {{child.pid}}\\n")
{then}
for line in sys.stdin:
    print(json.dumps({{"result": [[0.5, 0.5]]}}), flush=True)
{at_end}
"""


def pids(path: Path) -> list[int]:
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []


def gone(path: Path, count: int) -> bool:
    """Whether that many processes were started and none is there, at once or as soon as the kernel has buried it."""
    assert len(pids(path)) == count
    stop = time.monotonic() + 20
    while any(map(alive, pids(path))) and time.monotonic() < stop:
        time.sleep(0.02)
    return not any(map(alive, pids(path)))


@pytest.mark.parametrize("at_end", ["", "time.sleep(99)"])
def test_a_run_ends_its_program_and_what_that_started(
    tmp_path: Path, written: Written, at_end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_program, "PATIENCE", 0.3)
    spec = written(CHILDREN.format(pids=str(tmp_path / "pids"), then="", at_end=at_end))
    for run in (1, 2):
        report = overflowscope.compare([[1.0, 1.0]], dtypes=["float32", "float64"], implementations=[spec])
        assert report.results[-1].operation == "cross_entropy"
        assert not alive(pids(tmp_path / "pids")[-2])
        assert gone(tmp_path / "pids", 2 * run)


@pytest.mark.parametrize(
    ("then", "what"),
    [
        ("sys.exit(1)", "ended with status 1 before it answered"),
        ("time.sleep(99)", "did not answer within 0.7 s"),
        ("print('{}', flush=True)", "its answer has no|wrote more than an answer"),
        ("os.close(1)", "ended with status 1 before it answered"),
    ],
)
def test_an_error_ends_it_too(tmp_path: Path, written: Written, then: str, what: str) -> None:
    spec = written(CHILDREN.format(pids=str(tmp_path / "pids"), then=then, at_end=""))
    with pytest.raises(InputError, match=what):
        overflowscope.compare([[1.0, 1.0]], implementations=[spec], timeout=0.7)
    assert gone(tmp_path / "pids", 2)


def started(spec: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "overflowscope", "compare", "--rows", "2", "--classes", "2", "--impl", spec, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(overflowscope.__file__).parent.parent)},
    )


@pytest.mark.parametrize(
    ("sent", "said", "status"),
    [(signal.SIGINT, "overflowscope: interrupted\n", 130), (signal.SIGTERM, "", -15), (signal.SIGKILL, "", -9)],
)
def test_ctrl_c_and_a_kill_end_it_too(
    tmp_path: Path, written: Written, sent: signal.Signals, said: str, status: int
) -> None:
    spec = written(CHILDREN.format(pids=str(tmp_path / "pids"), then="time.sleep(99)", at_end=""))
    run = started(spec)
    stop = time.monotonic() + 60
    while len(pids(tmp_path / "pids")) < 2 and time.monotonic() < stop:
        time.sleep(0.05)
    run.send_signal(sent)
    assert (run.wait(60), gone(tmp_path / "pids", 2)) == (status, True)
    assert run.communicate(timeout=60) == ("", said)


def test_an_error_ends_it_at_once(tmp_path: Path, written: Written) -> None:
    spec = written(CHILDREN.format(pids=str(tmp_path / "pids"), then="time.sleep(99)", at_end=""))
    offer = offered(spec, 0.7)
    (found,) = offer.implementations(named("softmax"))
    with pytest.raises(InputError):
        found.run(np, np.zeros((1, 2)))
    assert not alive(pids(tmp_path / "pids")[0])
    assert gone(tmp_path / "pids", 2)
    assert offer.implementations(named("softmax"))


def test_standard_error_is_ours_and_output_is_not(written: Written) -> None:
    code = "import os\nos.write(2, b'a word\\n')\n" + ANSWERING.format('{"result": [[0.5, 0.5], [0.5, 0.5]]}')
    run = started(written(code), "--op", "softmax", "--json")
    out, err = run.communicate(timeout=60)
    assert (run.returncode, err) == (0, "a word\n")
    assert json.loads(out)["results"][-1]["status"] == "ok"


def test_other_processes_start_their_own(tmp_path: Path, written: Written) -> None:
    """And are killed where one of them fails: when the programs have long been started, and their guards with them."""
    spec = written(CHILDREN.format(pids=str(tmp_path / "pids"), then="time.sleep(0.7)", at_end=""))
    logits = np.ones((2**16, 2))
    answer = written(WORKING, "working.py")
    found = [
        overflowscope.compare(
            logits[:, :2], operations=["softmax"], dtypes=["float32"], implementations=[answer], jobs=jobs
        ).to_dict()["results"]
        for jobs in (1, 2)
    ]
    found[1][-1]["version"] = found[0][-1]["version"]
    assert found[0] == found[1]
    with pytest.raises(InputError, match="its result has 1 entries, not"):
        overflowscope.compare(logits, operations=["softmax"], dtypes=["float32"], implementations=[spec], jobs=2)
    assert pids(tmp_path / "pids")
    assert gone(tmp_path / "pids", len(pids(tmp_path / "pids")))


# The command line


def test_the_timeout_of_the_command_line(refused: Callable[..., str], written: Written) -> None:
    spec = written("import time; time.sleep(99)")
    said = refused("compare", "--impl", spec, "--timeout", "0.25")
    assert said == f"{spec}: did not answer within 0.25 s; flush after each line; --timeout SECONDS waits longer"
    for timeout in ("0", "-1", "nan", "inf", "x", "", "1e7"):
        assert "imeout" in refused("compare", "--impl", spec, "--timeout", timeout)


@pytest.mark.parametrize("timeout", [0, -1, NAN, INF])
def test_a_timeout_is_a_positive_number(answering: Written, timeout: float) -> None:
    with pytest.raises(InputError, match="a timeout of"):
        overflowscope.compare([[1.0]], implementations=[answering("{}")], timeout=timeout)


def test_a_second_answer_is_not_taken_for_the_next(written: Written, tmp_path: Path) -> None:
    spec = written(
        "import pathlib, sys\n"
        "for line in sys.stdin:\n"
        "    print('{\"result\": [[0.5, 0.5]]}', flush=True)\n"
        f"    while not pathlib.Path({str(tmp_path / 'answered')!r}).exists(): pass\n"
        "    print('{\"result\": [[0.25, 0.75]]}', flush=True)\n"
        f"    pathlib.Path({str(tmp_path / 'again')!r}).touch()\n"
    )
    (found,) = offered(spec, 20).implementations(named("softmax"))
    assert found.run(np, np.array([[0.0, 0.0]])).tolist() == [[0.5, 0.5]]
    (tmp_path / "answered").touch()
    stop = time.monotonic() + 20
    while time.monotonic() < stop and not (tmp_path / "again").exists():
        time.sleep(0.01)
    with pytest.raises(InputError, match="wrote more than an answer"):
        found.run(np, np.array([[0.0, 0.0]]))


def test_a_program_that_ends_between_two_requests(written: Written) -> None:
    spec = written(
        "import sys\nsys.stdin.readline()\nprint('{\"result\": [[0.5, 0.5]]}')\nsys.stdout.flush()\nsys.exit(9)"
    )
    (found,) = offered(spec, 20).implementations(named("softmax"))
    found.run(np, np.array([[0.0, 0.0]]))
    with pytest.raises(InputError, match="ended with status 9 before it answered"):
        found.run(np, np.array([[0.0, 0.0]]))
