"""One direction: what imports what, what only the command line may do, and what start-up may not wait for.

Everything is read from the sources, so that a new module stands under the rules as soon as it exists.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import overflowscope

PACKAGE = Path(overflowscope.__file__).resolve().parent
OPTIONAL = {
    *("ml_dtypes", "safetensors", "scipy", "torch", "jax", "cupy", "onnx", "onnxruntime", "array_api_compat"),
    *("tomli", "hypothesis", "pytest"),
}
Functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def name_of(path: Path) -> str:
    """The module of a file: overflowscope.report.csv."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {name_of(p): p for p in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


def statements(node: ast.AST, *, everywhere: bool) -> Iterator[ast.AST]:
    """The nodes of a module; without ``everywhere`` only those that run when it is imported."""
    for child in ast.iter_child_nodes(node):
        if not everywhere and isinstance(child, Functions):
            continue
        if not everywhere and isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            yield from (n for other in child.orelse for n in (other, *statements(other, everywhere=False)))
            continue
        yield child
        yield from statements(child, everywhere=everywhere)


def imports(module: str, *, everywhere: bool = True) -> set[str]:
    """The modules that it imports, by full name; of ``from package import x`` the module x where it is one."""
    found = set()
    package = module if SOURCES[module].name == "__init__.py" else module.rpartition(".")[0]
    for node in statements(TREES[module], everywhere=everywhere):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                found.add(whole if whole in SOURCES else base)
    return found


def own(module: str, *, everywhere: bool = True) -> set[str]:
    """Of the package's own modules."""
    return {m for m in imports(module, everywhere=everywhere) if within(m, "overflowscope")}


def within(module: str, *packages: str) -> bool:
    return any(module == p or module.startswith(f"{p}.") for p in packages)


def named(*names: str) -> tuple[str, ...]:
    return tuple(f"overflowscope.{n}" for n in names)


def modules(*packages: str) -> list[str]:
    return [m for m in SOURCES if within(m, *named(*packages))]


# The reader of imports itself: rules that read nothing would pass


def test_the_reader_sees_imports() -> None:
    assert "overflowscope.formats" in own("overflowscope.reference")
    assert "overflowscope.arithmetic.intervals" in own("overflowscope.reference")
    assert "overflowscope.sources" in own("overflowscope.studies.compare")
    assert "numpy" in imports("overflowscope.formats")
    assert "ml_dtypes" in imports("overflowscope.formats")
    assert "ml_dtypes" not in imports("overflowscope.formats", everywhere=False)
    assert "overflowscope.studies.compare" in own("overflowscope")
    assert not own("overflowscope", everywhere=False)
    assert len(SOURCES) >= 30


# The direction of the stages

STAGES = ("cases", "evaluate", "reference", "measure", "summarise", "studies", "report", "cli")
GROUND = ("errors", "formats", "records", "tally", "arithmetic", "catalogue", "draws", "inputs", "reading", "sources")
AFTER: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(GROUND, STAGES),
    "cases": STAGES[1:],
    "evaluate": STAGES[2:],
    "reference": STAGES[3:],
    "measure": STAGES[4:],
    "summarise": STAGES[5:],
    "studies": STAGES[6:],
}
# What stands side by side knows nothing of its neighbour: the truth nothing of what is measured against it, a measure
# nothing of where either came from, and an arithmetic nothing of what runs on it.
BESIDE: dict[str, tuple[str, ...]] = {
    "errors": GROUND[1:],
    "formats": GROUND[2:],
    "records": GROUND[3:],
    "arithmetic": ("catalogue", "records", "tally", "draws", "sources"),
    "catalogue": ("records", "tally", "draws", "sources"),
    "reference": ("cases", "evaluate", "implementations", "tally", "draws", "sources"),
    "evaluate": ("cases", "implementations", "tally", "draws", "sources"),
    "measure": ("cases", "evaluate", "reference", "catalogue", "arithmetic", "draws", "sources"),
}


@pytest.mark.parametrize("stage", AFTER)
def test_a_stage_does_not_import_those_after_it(stage: str) -> None:
    assert modules(stage), f"{stage} is gone: say what took its place"
    for module in modules(stage):
        forbidden = {m for m in own(module) if within(m, *named(*AFTER[stage], *BESIDE.get(stage, ())))}
        assert not forbidden, f"{module} imports {sorted(forbidden)}"


def test_reports_see_records_only() -> None:
    for module in modules("report"):
        others = {m for m in own(module) if not within(m, *named("report", "records", "formats", "errors"))}
        assert not others, f"{module} imports {sorted(others)}"


def test_libraries_see_what_they_are_given_and_no_stage() -> None:
    below = named("errors", "formats", "arithmetic", "catalogue", "implementations", "libraries")
    assert len(modules("libraries")) > 5
    for module in modules("libraries"):
        others = {m for m in own(module) if not within(m, *below)}
        assert not others, f"{module} imports {sorted(others)}"
    for module in modules("implementations"):
        assert not {m for m in own(module) if within(m, *named("libraries", *STAGES))}


def test_only_who_asks_by_name_imports_libraries() -> None:
    """And never one of them: a name finds it, so that a new library is its one file."""
    for module in SOURCES:
        libraries = {m for m in own(module) if within(m, *named("libraries"))}
        if not within(module, *named("libraries", "studies", "cli", "testing")):
            assert not libraries, f"{module} imports {sorted(libraries)}"
        elif not within(module, *named("libraries")):
            assert libraries <= {"overflowscope.libraries"}, f"{module} imports {sorted(libraries)}"


def test_nothing_but_the_entry_imports_the_command_line() -> None:
    for module in SOURCES:
        if not within(module, *named("cli", "__main__")):
            assert not {m for m in own(module) if within(m, *named("cli", "__main__"))}, module


def test_nothing_imports_what_is_for_peoples_tests() -> None:
    """It is an entry, as the command line is, and start-up does not wait for it."""
    assert modules("testing")
    for module in SOURCES:
        if not within(module, *named("testing")):
            assert not {m for m in own(module) if within(m, *named("testing"))}, module


def test_modules_that_are_imported_at_once_make_no_circle() -> None:
    graph = {m: own(m, everywhere=False) - {m} for m in SOURCES}
    left = dict(graph)
    while left:
        free = [m for m, needs in left.items() if not needs & left.keys()]
        assert free, f"a circle among {sorted(left)}"
        for m in free:
            del left[m]


# Only the command line prints, exits and reads its arguments


def offences(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in ("print", "input", "exit", "quit", "breakpoint"):
                found.append(f"{node.func.id}() at line {node.lineno}")
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            forbidden = {"sys": ("exit", "argv", "stdout", "stderr"), "os": ("_exit", "abort")}
            if node.attr in forbidden.get(node.value.id, ()):
                found.append(f"{node.value.id}.{node.attr} at line {node.lineno}")
        elif isinstance(node, ast.ImportFrom) and node.module == "sys":
            found += [f"from sys import {a.name}" for a in node.names if a.name in ("exit", "argv", "stdout", "stderr")]
        elif isinstance(node, ast.Raise) and "SystemExit" in ast.dump(node):
            found.append(f"raise SystemExit at line {node.lineno}")
    return found


def test_offences_are_seen() -> None:
    code = (
        "import sys\nfrom sys import argv\nprint(1)\nsys.exit(2)\nsys.argv\nraise SystemExit(3)\nsys.stdout.write('')"
    )
    assert len(offences(ast.parse(code))) == 6
    assert not offences(ast.parse("sys.path\nx.print(1)\nsys.stdin.buffer"))


@pytest.mark.parametrize("module", [m for m in SOURCES if not within(m, *named("cli", "__main__"))])
def test_the_library_does_not_print_exit_or_read_arguments(module: str) -> None:
    assert not offences(TREES[module])


# What is imported when


@pytest.mark.parametrize("module", SOURCES)
def test_optional_packages_are_imported_when_asked_for(module: str) -> None:
    early = {m.partition(".")[0] for m in imports(module, everywhere=False)} & OPTIONAL
    assert not early


@pytest.mark.parametrize("module", SOURCES)
def test_mpmaths_own_intervals_are_not_used(module: str) -> None:
    """Their log1p misses the truth, and their precision is global, as is that of ``mpmath.mp``."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mpmath"):
            assert node.module == "mpmath.libmp"
            assert not {a.name for a in node.names if a.name.startswith("mpi_")}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "mpmath":
            assert node.attr not in ("iv", "mp", "fp")


HEAVY = {"numpy", "mpmath", "rich", *OPTIONAL}
START = """
import sys
{}
print(*sorted({{m.partition(".")[0] for m in sys.modules}}), file=sys.stderr)
"""
RUN = """
sys.argv = ["overflowscope", {!r}]
from overflowscope.cli import run
try:
    run()
except SystemExit as done:
    assert not done.code, done.code
"""


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import overflowscope", ""),
        ("import overflowscope.cli", ""),
        (RUN.format("--version"), overflowscope.__version__),
        (RUN.format("--help"), "compare"),
    ],
    ids=["import", "import cli", "--version", "--help"],
)
def test_start_up_waits_for_nothing_heavy(code: str, said: str) -> None:
    path = os.pathsep.join([str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    done = subprocess.run(
        [sys.executable, "-c", START.format(code)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert said in done.stdout
    loaded = set(done.stderr.split())
    assert "overflowscope" in loaded
    assert not loaded & HEAVY


def test_public_names_come_when_they_are_asked_for() -> None:
    for name in overflowscope.__all__:
        assert getattr(overflowscope, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = overflowscope.nothing
