"""A fuzzer of reading: whatever the bytes, a result or an InputError comes out, and memory stays bounded.

    python tests/fuzz/fuzz_reading.py [SECONDS] [SEED]

Files of every kind are made, damaged and read; one in ten is Hypothesis's own. What fails is printed with the seed of
its round, the bytes in base64 and the traceback, and the exit status is 1. Under atheris, where it is installed
(``--atheris``), coverage guides the damage.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import math
import os
import random
import resource
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from overflowscope.errors import InputError
from overflowscope.reading import read_labels, read_logits, stored

LIMIT = 2**20
"""max_bytes of every reading."""
MEMORY = 2**28
"""So many bytes more than at the start are a failure."""
ENDINGS = ["", ".npy", ".npz", ".safetensors", ".json", ".jsonl", ".csv", ".tsv", ".txt"]
TOKENS = [
    b"[", b"]", b"{", b"}", b",", b";", b"\t", b" ", b"\n", b"\r\n", b'"', b":", b"#", b"-", b"+", b".", b"_", b"\0",
    b"1e999", b"-1e400", b"1e-999", b"9" * 400, b"9" * 5000, b"0", b"1", b"2.5", b"NaN", b"nan", b"inf", b"-Infinity",
    b"true", b"null", b'"inf"', b"label", b'"labels"', b'"logits"', b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80",
    b"\xff", b"\x7f", b"\xff" * 8, b"\0" * 8, b"[" * 3000, b"PK\x01\x02", b"PK\x05\x06", b"\x93NUMPY", b"'shape'", b"(",
    b")", b"True", b"'<f1'", b"'|V2'", b"'>f8'", b"'|O'", b"10000000000000", b"18446744073709551616", b"data_offsets",
    b"BF16", b"F64", b"\xc2\xa0", b"\xe2\x80\xa8", b"\x1f\x8b", b"\x80",
]  # fmt: skip


def npy(array: Any) -> bytes:
    """The bytes of a .npy file."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asanyarray(array))
    return stream.getvalue()


def tensors(**arrays: Any) -> bytes:
    """The bytes of a .safetensors file."""
    header, data = {}, b""
    for name, array in arrays.items():
        code = {"f": "F", "i": "I", "u": "U"}[array.dtype.kind] + str(8 * array.itemsize)
        header[name] = {"dtype": code, "shape": array.shape, "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def made(r: random.Random) -> bytes:
    """A valid file of some kind."""
    rng = np.random.default_rng(r.getrandbits(32))
    shape = tuple(r.randint(1, 6) for _ in range(r.choice([1, 2, 2, 2, 3, 4])))
    dtype = r.choice(["<f8", "<f4", ">f2", ">f4", "<i4", "|i1", ">i8", "<f2"])
    array = np.clip(rng.standard_normal(shape) * 10 ** r.randint(0, 4), -100, 100).astype(dtype)
    labels = rng.integers(0, shape[-1], shape[:-1])
    order = np.asfortranarray if r.random() < 0.3 else np.ascontiguousarray
    rows, flat = array.reshape(-1, shape[-1]).tolist(), labels.reshape(-1).tolist()
    kind = r.randrange(9)
    if kind == 0:
        return npy(order(array))
    if kind == 1:
        stream = io.BytesIO()
        save: Callable[..., None] = r.choice([np.savez, np.savez_compressed])
        save(stream, **{r.choice(["logits", "a"]): order(array)}, **({"labels": labels} if r.random() < 0.5 else {}))
        return stream.getvalue()
    if kind == 2:
        plain = array.astype(array.dtype.newbyteorder("<"))
        return tensors(**dict(r.sample([("logits", plain), ("labels", labels), ("b", np.ones(3, "<f4"))], 3)))
    if kind == 3:
        return json.dumps(array.tolist(), indent=r.choice([None, 1])).encode()
    if kind == 4:
        return json.dumps({"logits": array.tolist(), "labels": labels.tolist()}).encode()
    if kind == 5:
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    if kind == 6:
        return "\n".join(json.dumps({"logits": x, "label": i}) for x, i in zip(rows, flat, strict=True)).encode()
    separator = r.choice([",", ";", "\t", " "])
    lines = [separator.join(map(repr, row)) for row in rows]
    if kind == 7:
        lines = [separator.join(["label", *(f"c{i}" for i in range(shape[-1]))])]
        lines += [separator.join(map(str, [i, *row])) for i, row in zip(flat, rows, strict=True)]
    return r.choice(["\n", "\r\n"]).join(lines).encode()


def damaged(data: bytes, r: random.Random) -> bytes:
    """The file with a few bytes changed, put in, moved or cut."""
    out = bytearray(data)
    for _ in range(r.choice([0, 1, 1, 2, 3, 8])):
        at = r.randint(0, len(out))
        # Headers and directories decide most.
        at = r.choice([at, min(at, 12), at % 130, max(0, len(out) - at % 90)]) if out else 0
        to = min(len(out), at + r.choice([0, 1, 1, 2, 4, 8, 40]))
        how = r.randrange(6)
        if how == 0:
            out[at:to] = r.choice(TOKENS)
        elif how == 1:
            out[at:to] = r.randbytes(to - at)
        elif how == 2 and at < len(out):
            out[at] ^= 1 << r.randrange(8)
        elif how == 3:
            out[at:at] = out[at:to] * r.choice([1, 3, 500])
        elif how == 4:
            del out[at:to]
        else:
            out[at:to] = r.choice([bytes(4), b"\xff" * 4, struct.pack("<Q", r.getrandbits(r.randint(1, 64)))])
    return bytes(out[: r.randint(0, len(out))]) if r.random() < 0.1 else bytes(out)


def rezipped(data: bytes, r: random.Random) -> bytes:
    """An archive around what may be a damaged .npy file, with a right checksum."""
    stream = io.BytesIO()
    packing = r.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", packing) as archive:
        # Two members of one name are worth a try.
        warnings.simplefilter("ignore")
        archive.writestr(r.choice(["logits.npy", "labels.npy", "[red]\x1b.npy", ".npy"]), data)
        if r.random() < 0.3:
            archive.writestr("labels.npy" if r.random() < 0.5 else "x.npy", npy(np.arange(3)))
    return stream.getvalue()


def check(data: bytes, folder: str, r: random.Random) -> None:
    """Reads the bytes every way. Raises for what is neither a good result nor an InputError."""
    path = os.path.join(folder, "x" + r.choice(ENDINGS))
    with open(path, "wb") as file:
        file.write(data)
    stored.IN_MEMORY, stored.TILE = r.choice([(2**25, 2**21), (0, 7), (64, 16)])
    key = r.choice([None, None, None, "logits", "labels", "a", "\x1b"])
    raw = r.choice([None, "bfloat16", "float8_e5m2"])
    outcomes = []
    for source, stdin in ((path, None), ("-", io.BytesIO(data))):
        try:
            found = read_logits(source, stdin=stdin, key=key, max_bytes=LIMIT, raw=raw)
        except InputError as error:
            check_message(error)
            outcomes.append(None)
            continue
        count, classes = found.values.shape
        rows = found.values[0:count]
        assert (rows.dtype, rows.shape, rows.flags.c_contiguous) == (np.float64, (count, classes), True)
        assert rows.size > 0
        assert count == math.prod(found.leading)
        assert found.labels is None or (found.labels.dtype == np.int64 and found.labels.shape == (count,))
        outcomes.append(rows.tobytes())
    # Without an ending the name says nothing, and both ways must agree.
    assert path != os.path.join(folder, "x") or outcomes[0] == outcomes[1]
    with contextlib.suppress(InputError):
        labels = read_labels(path, max_bytes=LIMIT)
        assert (labels.dtype, labels.ndim) == (np.int64, 1)
        assert labels.size > 0


def check_message(error: InputError) -> None:
    """One line that a person can read."""
    text = str(error)
    assert text.isprintable()
    assert len(text) < 1000, text
    assert error.source
    assert error.what


def round_of(seed: int, folder: str, data: bytes | None = None) -> None:
    """One file, damaged and read; ``data`` is Hypothesis's or atheris's."""
    r = random.Random(seed)
    if data is None:
        data = damaged(made(r), r)
        if r.random() < 0.15:
            data = rezipped(data, r)
    try:
        with np.errstate(all="raise"):
            check(data, folder, r)
    except Exception as error:
        raise AssertionError(f"seed {seed}, bytes {base64.b64encode(data).decode()[:4000]}") from error


def peak() -> int:
    """Bytes, the most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def by_hypothesis(seed: int, folder: str) -> None:
    """A hundred texts of Hypothesis's making."""
    from hypothesis import HealthCheck, given, settings
    from hypothesis import seed as seeded
    from hypothesis import strategies as st

    numbers = st.floats() | st.integers(-(10**400), 10**400) | st.booleans() | st.none() | st.text(max_size=3)
    values = st.recursive(
        numbers,
        lambda v: st.lists(v, max_size=4) | st.dictionaries(st.sampled_from(["logits", "labels", "label", "x"]), v),
        max_leaves=20,
    )
    texts = st.lists(values.map(json.dumps), max_size=4).map("\n".join).map(str.encode)
    cells = st.lists(st.lists(numbers.map(str), max_size=4).map(",".join)).map("\n".join).map(str.encode)

    @seeded(seed)
    @settings(max_examples=100, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(texts | cells | st.binary(max_size=300))
    def run(data: bytes) -> None:
        round_of(seed, folder, data)

    run()


def fuzz(seconds: float, seed: int, rounds: int | None = None) -> int:
    """Rounds until the time is up, or so many; how many there were. Raises AssertionError."""
    start, done = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        round_of(seed, folder)
        before = peak()
        while time.monotonic() - start < seconds and (rounds is None or done < rounds):
            if rounds is None and done % 1000 == 0:
                by_hypothesis(seed + done, folder)
            round_of(seed + done, folder)
            done += 1
            if peak() - before > MEMORY:
                raise AssertionError(f"seed {seed + done - 1}: memory grew by {(peak() - before) / 2**20:.0f} MiB")
    return done


def with_atheris() -> None:
    """Never returns: coverage decides what is tried."""
    import atheris  # type: ignore[import-not-found]

    atheris.instrument_all()
    with tempfile.TemporaryDirectory() as folder:
        atheris.Setup(sys.argv[:1], lambda data: round_of(len(data), folder, data))
        atheris.Fuzz()


def main() -> int:
    """Exit status."""
    if "--atheris" in sys.argv:
        sys.argv.remove("--atheris")
        with_atheris()
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
    print(f"fuzzing reading for {seconds:g} s from seed {seed}", flush=True)
    try:
        rounds = fuzz(seconds, seed)
    except AssertionError:
        traceback.print_exc()
        return 1
    print(f"{rounds:,} files; peak memory {peak() / 2**20:.0f} MiB; nothing but results and InputErrors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
