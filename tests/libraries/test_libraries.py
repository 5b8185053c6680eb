"""Libraries by their names: SciPy's functions called by hand beside them, what is missing, and in what precision."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

import overflowscope
from overflowscope import InputError, catalogue, libraries
from overflowscope.errors import Unmeasured
from overflowscope.evaluate import to_array
from overflowscope.formats import FORMATS
from overflowscope.libraries import answered, offered, required, shaped

scipy = pytest.importorskip("scipy", reason="SciPy is not installed")
pytest.importorskip("scipy.special")

V1_17 = scipy.__version__.startswith("1.17.")
X = np.random.default_rng(5).normal(size=(40, 7)) * 30
Y = np.arange(40) % 7


def one(result: Any, name: str) -> Any:
    (found,) = [m for m in result.results if m.name == name]
    return found


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16"])
def test_scipys_functions_bit_by_bit(dtype: str) -> None:
    x = to_array(np.asarray(X.astype(FORMATS[dtype].dtype), np.float64), FORMATS[dtype])
    log_softmax = scipy.special.log_softmax(x, axis=-1)
    by_hand = {
        "softmax": scipy.special.softmax(x, axis=-1),
        "log_softmax": log_softmax,
        "logsumexp": scipy.special.logsumexp(x, axis=-1),
        "cross_entropy": -log_softmax[np.arange(40), Y],
    }
    for name, wanted in by_hand.items():
        operation = catalogue.named(name)
        (found,) = offered("scipy").implementations(operation)
        given = found.run(np, *operation.arguments(x, Y))
        assert given.dtype == wanted.dtype
        np.testing.assert_array_equal(given.astype(np.float64), wanted.astype(np.float64))
        assert (found.name, found.version, found.formulation) == ("scipy", scipy.__version__, None)


def test_a_row_says_which_library_computed() -> None:
    found = overflowscope.compare(X, Y, implementations=["scipy"], dtypes="float32")
    rows = [(m.operation, m.implementation, m.version) for m in found.results if m.formulation is None]
    assert rows == [(name, "scipy", scipy.__version__) for name in ("softmax", "cross_entropy")]
    assert {m.version for m in found.results if m.formulation} == {np.__version__}


def test_a_log_softmax_that_is_lost() -> None:
    """The truth is -exp(-16.942385...), near -4.4e-8: 1 + that is 1 in float32."""
    x = float(np.float32(16.942385))
    found = one(
        overflowscope.compare([[x, 0]], operations="log_softmax", dtypes="float32", implementations=["scipy"]), "scipy"
    )
    with mpmath.workdps(40):
        truth = -mpmath.log1p(mpmath.exp(-mpmath.mpf(x)))
        assert abs(mpmath.mpf(found.worst.exact) - truth) < abs(truth) * mpmath.mpf(10) ** -18
    assert f"{float(truth):.6e}" == "-4.385466e-08"
    if V1_17:
        assert (found.worst.got, found.failures) == (0.0, ("underflow",))
        assert "it gives 0 where the truth is -4.38547e-8" in found.explanation


def test_a_sum_of_65536_zeros_in_float16() -> None:
    zeros = np.zeros((1, 65536))
    found = one(
        overflowscope.compare(zeros, operations="logsumexp", dtypes="float16", implementations=["scipy"]), "scipy"
    )
    assert float(found.worst.exact) == pytest.approx(16 * np.log(2), rel=1e-15)
    if V1_17:
        assert (found.worst.got, found.failures) == (np.inf, ("overflow",))
        assert "it gives inf where the truth is 11.0904" in found.explanation


def test_no_gradients_are_a_row_that_says_so() -> None:
    found = overflowscope.compare(X, implementations=["scipy"], operations="softmax", dtypes="float32", quantity="both")
    value, gradient = (m for m in found.results if m.implementation == "scipy")
    assert (value.status, gradient.status) == ("ok", "unsupported")
    assert gradient.explanation == "scipy softmax gradient: unsupported: scipy has no gradients"
    assert all(m.status == "ok" for m in found.results if m is not gradient)


def test_strict_arithmetic_is_not_a_librarys() -> None:
    with pytest.raises(InputError, match="scipy does its own arithmetic, of which none is strict; leave out"):
        overflowscope.compare(X, implementations=["scipy"], arithmetic="strict")


def test_the_same_library_twice_is_one_row() -> None:
    found = overflowscope.compare(X, operations="softmax", implementations=["scipy", "scipy"], dtypes="float32")
    assert [m.name for m in found.results].count("scipy") == 1


def test_two_functions_of_one_name_are_two_rows_and_one_given_twice_is_one() -> None:
    functions = [lambda x: scipy.special.softmax(x, axis=-1), lambda x: 0 * x]
    found = overflowscope.compare(
        X, operations="softmax", implementations=[*functions, functions[0]], dtypes="float64", formulations="shifted"
    )
    first, second = (m for m in found.results if m.formulation is None)
    assert first.name == second.name
    assert (first.incidence.zero, second.incidence.zero) == (0, X.size)


def test_a_file_named_twice_is_one_row(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def f(x):\n    return x\n")
    from overflowscope.cli import run

    with pytest.raises(SystemExit):
        run(["compare", "--json", "--dtype", "float32", "--rows", "2", *(("--impl", f"{tmp_path}/mine.py:f") * 2)])
    results = json.loads(capfd.readouterr().out)["results"]
    assert [r["implementation"].endswith("mine.py:f") for r in results].count(True) == 1


def test_processes_are_not_for_libraries() -> None:
    with pytest.raises(InputError, match=r"scipy .*--jobs 1"):
        overflowscope.compare(X, operations="softmax", implementations=["scipy"], jobs=2)


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ("scpy", "unknown implementation 'scpy'; did you mean scipy?"),
        ("scipy:fast", "scipy has no variant 'fast'; write scipy"),
        ("torch-arithmetc", "did you mean torch-arithmetic"),
        ("jax:cuda", "jax has no variant 'cuda'|jax is not installed"),
    ],
)
def test_names_that_are_none(spec: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        offered(spec)


@pytest.mark.parametrize(
    ("spec", "package", "extra"),
    [
        ("scipy", "scipy", "scipy"),
        ("torch", "torch", "torch"),
        ("torch:cuda", "torch", "torch"),
        ("jax", "jax", "jax"),
        ("onnxruntime", "onnx", "onnxruntime"),
        ("torch-arithmetic", "torch", "torch"),
        ("jax-arithmetic", "jax", "jax"),
    ],
)
def test_what_is_not_installed_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, spec: str, package: str, extra: str
) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)

    class Nowhere:
        @staticmethod
        def find_spec(name: str, *about: Any) -> None:
            if name.partition(".")[0] == package:
                raise ModuleNotFoundError(f"No module named {name!r}", name=package)

    monkeypatch.setattr(sys, "meta_path", [Nowhere, *sys.meta_path])
    hint = re.escape(f"{package} is not installed; pip install {package}, or overflowscope[{extra}]")
    with pytest.raises(InputError, match=f"^{hint}$"):
        offered(spec)


def test_a_library_is_imported_when_it_is_named(tmp_path: Path) -> None:
    code = "import sys\nfrom overflowscope.cli import run\ntry:\n    run(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
    code += "print('scipy' in sys.modules, file=sys.stderr)"
    for more, loaded in (((), "False"), (("--impl", "scipy"), "True")):
        arguments = ("compare", "--rows", "2", "--op", "softmax", "--dtype", "float32", *more)
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
        assert done.stderr.strip() == loaded


def test_every_counterpart_is_there() -> None:
    """A name that a library does not have would be a row without numbers, for ever."""
    for operation in catalogue.operations().values():
        assert set(operation.counterparts) <= set(libraries.names())
        counterpart = operation.counterparts.get("scipy")
        if counterpart is not None:
            assert callable(libraries.resolved(counterpart.name))


def test_no_library_lists_the_operations() -> None:
    names = {c.name for op in catalogue.operations().values() for c in op.counterparts.values()}
    names |= {n.rpartition(".")[2] for n in names} | set(catalogue.operations())
    for file in Path(libraries.__file__).parent.glob("*.py"):
        code = re.sub(r'""".*?"""', "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not [n for n in names if re.search(rf"\b{re.escape(n)}\b", code)], file.name


# What is said of it


def in_tf32(x: Any) -> Any:
    """As many bits as float16 has, and the range of float32: no format of ours."""
    return ((honest(x).view(np.uint32) + 0x1000) & 0xFFFFE000).view(np.float32)


def honest(x: Any) -> Any:
    return scipy.special.softmax(x, axis=-1)


# In what precision


def in_float16(x: Any) -> Any:
    half = x.astype(np.float16)
    e = np.exp(half - half.max(-1, keepdims=True))
    return (e / e.sum(-1, keepdims=True)).astype(x.dtype)


def in_float32(x: Any) -> Any:
    return scipy.special.softmax(x.astype(np.float32), axis=-1).astype(x.dtype)


@pytest.mark.parametrize(
    ("function", "dtype", "wanted"),
    [
        (in_float16, "float32", "float16"),
        (in_float16, "float64", "float16"),
        (in_float32, "float64", "float32"),
        (in_float32, "float32", None),
        (in_tf32, "float32", None),
        (honest, "float16", None),
        (honest, "float32", None),
        (honest, "float64", None),
    ],
)
def test_a_precision_that_was_changed_on_the_way(function: Any, dtype: str, wanted: str | None) -> None:
    logits = np.random.default_rng(1).normal(size=(300, 20)) * 3
    found = overflowscope.compare(logits, operations="softmax", dtypes=dtype, implementations=[function])
    measured = found.results[-1]
    assert (measured.returned, measured.computes) == (dtype, wanted)
    assert all(m.computes is None for m in found.results[:-1])


@pytest.mark.parametrize(
    "logits",
    [
        np.random.default_rng(2).normal(size=(300, 20)).astype(np.float16).astype(np.float64),
        np.random.default_rng(3).integers(-50, 50, (300, 20)).astype(np.float64),
        np.zeros((300, 8)),
        np.zeros((300, 3)),
        np.random.default_rng(4).normal(size=(300, 20)) * 1e6,
        np.where(np.random.default_rng(6).random((300, 20)) < 0.5, -np.inf, 1.5),
    ],
    ids=["float16", "integers", "eighths", "thirds", "one-hot", "masks"],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_false_alarm(logits: Any, dtype: str) -> None:
    found = overflowscope.compare(
        logits, operations=["softmax", "log_softmax"], dtypes=dtype, implementations=["scipy"]
    )
    assert [m.computes for m in found.results] == [None] * len(found.results)


def subtracted(x: Any) -> Any:
    top = x.max(-1, keepdims=True)
    return x - (top + np.log(np.exp(x - top).sum(-1, keepdims=True)))


@pytest.mark.parametrize(("dtype", "level"), [("float32", 1e5), ("float32", 1e6), ("float64", 1e10), ("float16", 1000)])
def test_what_cancellation_leaves_is_no_other_precision(dtype: str, level: float) -> None:
    """Near 1e5 float32 numbers are 1/128 apart, and so are their differences: few bits, honestly computed."""
    logits = np.random.default_rng(0).normal(size=(50, 10)) + level
    found = overflowscope.compare(logits, operations="log_softmax", dtypes=dtype, implementations=[subtracted])
    assert found.results[-1].computes is None


def test_a_narrow_log_softmax_of_large_logits_is_found_out() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 10)) + 1000

    def narrow(x: Any) -> Any:
        return scipy.special.log_softmax(x.astype(np.float32), axis=-1).astype(x.dtype)

    found = overflowscope.compare(logits, operations="log_softmax", dtypes="float64", implementations=[narrow])
    assert found.results[-1].computes == "float32"


def test_results_clipped_to_one_number_tell_nothing() -> None:
    """Whatever the rows, and however many blocks of them there are, the losses of all are 100."""
    logits = np.stack([np.zeros(40_000), np.linspace(200.3, 300.7, 40_000)], axis=1)

    def clipped(x: Any, labels: Any) -> Any:
        return np.minimum(x.max(-1) - x[np.arange(len(x)), labels], x.dtype.type(100))

    found = overflowscope.compare(
        logits, [0] * len(logits), operations="cross_entropy", dtypes="float32", implementations=[clipped]
    )
    assert (found.results[-1].worst.got, found.results[-1].computes) == (100, None)


def test_a_precision_found_out_is_said(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import numpy as np\ndef f(x):\n    e = np.exp(x.astype(np.float16).astype(np.float32))\n"
        "    return (e / e.sum(-1, keepdims=True)).astype(np.float16).astype(x.dtype)\n"
    )
    from overflowscope.cli import run

    with pytest.raises(SystemExit):
        run(["compare", "--impl", f"{tmp_path}/mine.py:f", "--dtype", "float32,float64", "--rows", "40"])
    said = " ".join(capfd.readouterr().out.split())
    assert "mine.py:f softmax: all its results are float16 numbers: it computes in that" in said


def test_another_dtype_is_said_and_how_it_became_the_format() -> None:
    def wide(x: Any) -> Any:
        return honest(x.astype(np.float64))

    def narrow(x: Any) -> Any:
        return honest(x.astype(np.float32))

    from overflowscope.report import Look, render

    found = overflowscope.compare(X, operations="softmax", dtypes=["float32"], implementations=[wide])
    assert "returned float64; its results were rounded to float32" in " ".join(
        render("table", found, Look(400)).split()
    )
    found = overflowscope.compare(X, operations="softmax", dtypes=["float64"], implementations=[narrow])
    text = " ".join(render("table", found, Look(400)).split())
    assert "returned float32, which is not float64" in text
    assert "it computes in" not in text
    assert found.results[-1].computes == "float32"


def test_scipys_bfloat16_logsumexp_is_found_out() -> None:
    found = overflowscope.compare(X, operations="logsumexp", dtypes="bfloat16", implementations=["scipy"])
    assert one(found, "scipy").returned == str(
        scipy.special.logsumexp(X.astype(FORMATS["bfloat16"].dtype), axis=-1).dtype
    )
    if V1_17:
        assert one(found, "scipy").returned == "float64"


def test_the_list_names_counterparts(capfd: pytest.CaptureFixture[str]) -> None:
    from overflowscope.cli import run

    with pytest.raises(SystemExit):
        run(["list"])
    text = " ".join(capfd.readouterr().out.split())
    assert "--impl: scipy (scipy.special.softmax), torch (torch.nn.functional.softmax)" in text
    assert "scipy (minus scipy.special.log_softmax at the label)" in text
    assert "torch-arithmetic" in text.partition("implementations: ")[2]


def test_json_says_what_computed(capfd: pytest.CaptureFixture[str]) -> None:
    from overflowscope.cli import run

    with pytest.raises(SystemExit):
        run(["compare", "--impl", "scipy", "--op", "logsumexp", "--dtype", "float32", "--rows", "3", "--json"])
    last = json.loads(capfd.readouterr().out)["results"][-1]
    assert (last["implementation"], last["formulation"], last["version"]) == ("scipy", None, scipy.__version__)
    assert (last["status"], last["computes"]) == ("ok", None)


def test_a_package_that_lacks_another_is_not_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "halfway.py").write_text("import what_it_needs\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"^halfway could not be imported: .*'what_it_needs'"):
        required("halfway", "extra")


@pytest.mark.parametrize(
    ("result", "what"),
    [
        ([1.0, 2.0], "returned list, not an array of real numbers"),
        (np.array([1, 2]), "returned ndarray, not an array of real numbers"),
        (np.array([1j, 2]), "returned ndarray, not an array of real numbers"),
        (np.array([[1.0, 2.0]]), r"returned an array of shape \(1, 2\), not \(2,\)"),
    ],
)
def test_what_a_library_gives_is_looked_at(result: Any, what: str) -> None:
    with pytest.raises(InputError, match=f"^scipy {what}$"):
        shaped("scipy", result, (2,))
    assert shaped("scipy", np.zeros(2), (2,)).tolist() == [0, 0]


def test_what_a_library_raises_is_what_it_has_not_got() -> None:
    def raises(error: Exception) -> None:
        raise error

    with pytest.raises(Unmeasured, match=r"^ValueError: a{200} \.\.\.$"):
        answered("scipy", raises, ValueError("\n  " + "a" * 201 + "\nb"))
    with pytest.raises(Unmeasured, match=r"^TypeError: no message$"):
        answered("scipy", raises, TypeError())
    with pytest.raises(InputError, match=r"^ours$") as caught:
        answered("scipy", raises, InputError("ours"))
    assert not isinstance(caught.value, Unmeasured)
