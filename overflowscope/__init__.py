"""Which softmax survives: floating-point formulations measured against certified truth.

The command line is ``overflowscope compare``; ``compare`` here is the same for arrays, and gives a Report;
``exact`` gives the true values themselves, ``trace`` one calculation step by step, ``replay`` a training, and
``conformance`` what implementations give for special values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from overflowscope.errors import InputError
    from overflowscope.records import Measurement, Report
    from overflowscope.studies.compare import compare
    from overflowscope.studies.conformance import conformance
    from overflowscope.studies.exact import exact
    from overflowscope.studies.replay import replay
    from overflowscope.studies.trace import trace

__version__ = "0.1.0"
__all__ = ["InputError", "Measurement", "Report", "__version__", "compare", "conformance", "exact", "replay", "trace"]

_HOMES = {
    "InputError": "overflowscope.errors",
    "Measurement": "overflowscope.records",
    "Report": "overflowscope.records",
    "compare": "overflowscope.studies.compare",
    "conformance": "overflowscope.studies.conformance",
    "exact": "overflowscope.studies.exact",
    "replay": "overflowscope.studies.replay",
    "trace": "overflowscope.studies.trace",
}


def __getattr__(name: str) -> Any:
    """Public names are imported when first asked for, so that ``--version`` does not wait for NumPy."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
