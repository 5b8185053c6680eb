"""By what a result was made: versions, the processor, the SIMD path NumPy takes. No host and no user name."""

from __future__ import annotations

import platform
import sys

import mpmath.libmp
import numpy as np

from overflowscope import __version__


def environment() -> dict[str, str | None]:
    """Facts that a result may depend on; None for what cannot be found out here."""
    return {
        "overflowscope": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "mpmath": mpmath.__version__,
        "mpmath_backend": mpmath.libmp.BACKEND,
        "ml_dtypes": getattr(sys.modules.get("ml_dtypes"), "__version__", None),
        "cpu": _cpu(),
        "machine": platform.machine(),
        "simd": _simd(),
        "libc": " ".join(platform.libc_ver()).strip() or None,
        "os": f"{platform.system()} {platform.release()}",
    }


def _cpu() -> str | None:
    """The processor's brand."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            brands = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        brands = []
    return brands[0] if brands else platform.processor() or None


def _simd() -> str | None:
    """The instruction set on which NumPy runs exp in float32 and float64, or the best one that it found."""
    try:
        from numpy.lib import introspect
    except ImportError:
        return _simd_found()
    paths = introspect.opt_func_info(func_name="^exp$", signature="float(32|64)").get("exp", {})
    taken = {key[0]: target.get("current", "") for key, target in sorted(paths.items())}
    names = {"f": "float32", "d": "float64"}
    return ", ".join(f"exp {names.get(key, key)}: {target}" for key, target in taken.items()) or _simd_found()


def _simd_found() -> str | None:
    try:
        from numpy.core._multiarray_umath import __cpu_features__ as features
    except ImportError:
        return None
    return " ".join(name for name, present in features.items() if present) or None
