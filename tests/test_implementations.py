"""Finding a person's own function, and looking at what it returns."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from overflowscope import InputError, implementations
from overflowscope.arithmetic.recording import Recording
from overflowscope.catalogue import named

X = np.array([[1.0, 2.0], [3.0, 4.0]])


def checked(function: Callable[..., Any], operation: str = "softmax") -> Callable[..., Any]:
    return implementations.checked("own:f", function, named(operation))


def test_functions_of_files_and_modules(here: Path) -> None:
    (here / "own_a.py").write_text("def f(x): return 'a'\nclass C:\n    f = staticmethod(lambda x: 'c')\n")
    for spec in ("own_a.py:f", "./own_a.py:f", f"{here}/own_a.py:f", "own_a:f"):
        assert implementations.load(spec)(None) == "a"
    assert implementations.load("own_a.py:C.f")(None) == "c"
    assert implementations.load("numpy:linalg.norm") is np.linalg.norm
    assert implementations.load("numpy.linalg:norm") is np.linalg.norm


def test_a_file_whose_name_holds_a_colon(here: Path) -> None:
    (here / "odd:name.py").write_text("def f(x): return 1")
    assert implementations.load("odd:name.py:f")(None) == 1


def test_files_of_one_name_are_different_modules(here: Path) -> None:
    for folder in ("a", "b"):
        (here / folder).mkdir()
        (here / folder / "same.py").write_text(f"name = '{folder}'\ndef f(x): return name")
    first, second = (implementations.load(f"{folder}/same.py:f") for folder in ("a", "b"))
    assert (first(None), second(None)) == ("a", "b")


def test_a_file_named_like_a_library_does_not_replace_it(here: Path) -> None:
    import json

    (here / "json.py").write_text("def f(x): return 'mine'")
    assert implementations.load("json.py:f")(None) == "mine"
    assert sys.modules["json"] is json


def test_neighbours_can_be_imported_and_the_path_is_left_as_it_was(here: Path) -> None:
    (here / "sub").mkdir()
    (here / "sub" / "neighbour_b.py").write_text("value = 5")
    (here / "sub" / "own_b.py").write_text("from neighbour_b import value\ndef f(x): return value")
    before = sys.path.copy()
    assert implementations.load("sub/own_b.py:f")(None) == 5
    assert sys.path == before
    for name, spec in (("bad_b.py", "bad_b.py:f"), ("worse_b.py", "worse_b:f")):
        (here / name).write_text("1/0")
        with pytest.raises(InputError, match="could not be imported: ZeroDivisionError"):
            implementations.load(spec)
        assert sys.path == before


def test_a_file_that_fails_is_not_left_half_imported(here: Path) -> None:
    (here / "half_c.py").write_text("value = 1\nraise RuntimeError('no')")
    with pytest.raises(InputError):
        implementations.load("half_c.py:f")
    assert "half_c" not in sys.modules


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ("", "names no function"),
        (":f", "names no function"),
        ("a.py:", "names no function"),
        ("a.py", "names no function"),
        ("none.py:f", "no such file"),
        ("folder/none:f", "no such file"),
        ("folder.py:f", "no such file"),
        ("no_such_module_d:f", "no module 'no_such_module_d'"),
        ("numpy.no_such:f", "no module 'numpy.no_such'"),
        ("math:pi", "pi is no function but float"),
        ("math:sqr", "unknown function in math 'sqr'; did you mean sqrt"),
        (".relative:f", "relative"),
    ],
)
def test_what_names_no_function(here: Path, spec: str, what: str) -> None:
    (here / "folder.py").mkdir()
    with pytest.raises(InputError) as caught:
        implementations.load(spec)
    assert what in str(caught.value)


def test_a_missing_import_inside_a_module_is_told_from_a_missing_module(here: Path) -> None:
    for name, spec in (("own_e.py", "own_e.py:f"), ("other_e.py", "other_e:f")):
        (here / name).write_text("import no_such_module_e")
        with pytest.raises(InputError, match=r"could not be imported.*No module named 'no_such_module_e'") as caught:
            implementations.load(spec)
        assert caught.value.where == f"{here}/{name}:1"


def test_a_result_is_an_array_of_real_numbers_of_the_right_shape() -> None:
    assert checked(lambda x: x.tolist())(np, X).tolist() == X.tolist()
    assert checked(lambda x: x.astype(int))(np, X).dtype == np.int64
    assert checked(lambda x: x[:, 0], "logsumexp")(np, X).shape == (2,)
    for wrong, what in (
        (None, "returned nothing, not real numbers"),
        ("text", "returned str of "),
        (X + 0j, "returned ndarray of complex128, not real numbers"),
        (X > 0, "returned ndarray of bool, not real numbers"),
        (X.astype(object), "returned ndarray of object, not real numbers"),
        (np.zeros((2, 2), [("a", "f8")]), "not real numbers"),
        (X[0], r"returned an array of shape \(2,\), not \(2, 2\)"),
        (X[None], r"returned an array of shape \(1, 2, 2\), not \(2, 2\)"),
        (1.0, r"returned an array of shape \(\), not \(2, 2\)"),
        ([[1.0], [1.0, 2.0]], "returned list, which is no array"),
    ):
        with pytest.raises(InputError, match=what):
            checked(lambda x, wrong=wrong: wrong)(np, X)
    with pytest.raises(InputError, match=r"returned an array of shape \(2, 2\), not \(2,\)"):
        checked(lambda x, labels: x, "cross_entropy")(np, X, np.array([0, 1]))


def test_formats_of_other_packages_are_real_numbers() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for dtype in (ml_dtypes.bfloat16, ml_dtypes.float8_e5m2, ml_dtypes.float8_e4m3fn):
        assert checked(lambda x: x)(np, X.astype(dtype)).dtype == dtype


def test_it_is_called_with_copies() -> None:
    def spoils(x: Any, labels: Any) -> Any:
        result = x[:, 0].copy()
        x[:] = 0
        labels[:] = 7
        return result

    x, labels = X.copy(), np.array([0, 1])
    assert checked(spoils, "cross_entropy")(np, x, labels).tolist() == [1, 3]
    assert x.tolist() == X.tolist()
    assert labels.tolist() == [0, 1]


def test_it_may_keep_or_return_its_input() -> None:
    result = checked(lambda x: x)(np, X)
    result[:] = 0
    assert X.tolist() == [[1, 2], [3, 4]]


def test_what_it_raises_is_told_in_a_line_with_its_place(here: Path) -> None:
    (here / "own_f.py").write_text("import numpy as np\n\ndef f(x):\n    return np.reshape(x, (5,))\n")
    run = implementations.checked("own_f.py:f", implementations.load("own_f.py:f"), named("softmax"))
    with pytest.raises(InputError, match=r"own_f\.py:f failed: ValueError: cannot reshape") as caught:
        run(np, X)
    assert caught.value.where == f"{here}/own_f.py:4"
    assert isinstance(caught.value.__cause__, ValueError)


def test_what_it_raises_without_words() -> None:
    def silent(x: Any) -> Any:
        raise LookupError

    with pytest.raises(InputError, match="own:f failed: LookupError: no message"):
        checked(silent)(np, X)


def test_a_recorded_array_is_handed_on_as_it_is() -> None:
    given = Recording().asarray(X)
    assert checked(lambda x: x if x is given else None)(np, given) is given


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt])
def test_an_interrupt_is_not_its_error(interrupt: type[BaseException]) -> None:
    def stops(x: Any) -> Any:
        raise interrupt

    with pytest.raises(interrupt):
        checked(stops)(np, X)
