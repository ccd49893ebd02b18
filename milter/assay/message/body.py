"""Body hashes, made while the body arrives (RFC 6376 3.4.3, 3.4.4, 3.7; standards B.2).

Only CRLF ends a line. A bare CR, a bare LF and a NUL are octets like any other: what is hashed is exactly what the
MTA delivers (standards H.4 R6), and a signer that saw other octets made another signature.

Nothing of the body is kept but at most two octets between chunks; empty lines that may turn out to be the last ones
are a count. The work is done over whole blocks, by ``bytes`` methods and by numpy: to find two spaces side by side
costs ``bytes`` a look at each octet, three times as much as SHA-256, and to take them out twice as much again. Measured
(``bench/body_hash.py``), as multiples of SHA-256 alone over the same octets: relaxed text 1.5 to 3, at worst 5, and 1
where there is no white space, as in base64.
"""

import hashlib
import threading
from collections.abc import Iterable
from typing import Final

import numpy as np

from assay.facts import BodyHash, BodyHashSpec, Canonicalization
from assay.message.white_space import collapse

_CRLF: Final = b"\r\n"

# Runs of line ends are compared and written by the block: one step for many.
_CRLF_RUNS: Final = (_CRLF * 512, _CRLF * 16, _CRLF)
_CRLF_BLOCK: Final = _CRLF * 32768

# Octets worked on at once: bounds the copies that the steps make. A milter hands over at most 65,535.
_BLOCK: Final = 65536

# Up to so many octets a pattern is cheaper: each step of numpy lets other threads run, and then waits for its turn.
_SMALL: Final = 4096

_TAB_TO_SPACE: Final = bytes.maketrans(b"\t", b" ")
_SPACE: Final = ord(" ")
_CR: Final = ord("\r")
_LF: Final = ord("\n")

# What goes is written over with NUL and taken out by ``bytes.replace``, which jumps from one to the next, unless the
# block has NULs of its own or more than one octet in so many goes: then numpy picks what stays, at twice the cost.
_NUL: Final = b"\0"
_SPARSE: Final = 48

# One block at a time is worked on, in arrays that are made once: what the steps need is the same for one message and
# for twenty, and stays in the processor's cache. A block and two carried octets fit.
_WORKSPACE: Final = threading.Lock()
_SPACES, _GOES, _BEFORE_CR = (np.empty(_BLOCK + 2, np.bool_) for _ in range(3))
_KEPT: Final = np.empty(_BLOCK + 2, np.uint8)


class BodyHasher:
    """Computes several body hashes in one pass.

    Each canonicalisation is done once and each algorithm runs once over it, whatever the number of length limits: a
    limit costs one copy of the hash's state.

    Attributes:
        idle: there is nothing to hash; ``feed`` need not be called.
    """

    def __init__(self, specs: Iterable[BodyHashSpec]) -> None:
        self._specs = frozenset(specs)
        self._streams = {
            form: _Stream(form, [spec for spec in self._specs if spec.canonicalization is form])
            for form in {spec.canonicalization for spec in self._specs}
        }
        self.idle = not self._specs

    def feed(self, chunk: bytes) -> None:
        """Take the next octets of the body, cut anywhere."""
        for start in range(0, len(chunk), _BLOCK):
            block = chunk[start : start + _BLOCK]
            for stream in self._streams.values():
                stream.feed(block)

    def finish(self) -> dict[BodyHashSpec, BodyHash]:
        """Return the hash for each spec; to be called once, after the last chunk."""
        for stream in self._streams.values():
            stream.finish()
        return {spec: self._streams[spec.canonicalization].result(spec) for spec in self._specs}


class _Stream:
    """One canonical form of the body, on its way into its digests."""

    def __init__(self, form: Canonicalization, specs: list[BodyHashSpec]) -> None:
        self._relaxed = form is Canonicalization.RELAXED
        self._digests = {
            algorithm: _Digest(algorithm, [spec.limit for spec in specs if spec.algorithm == algorithm])
            for algorithm in {spec.algorithm for spec in specs}
        }
        self._length = 0
        self._line_ends = 0  # CRLFs seen and not yet written: they may be the body's last
        self._carry = b""  # the start of what may become CRLF, or the one space of a run that may go on

    def feed(self, block: bytes) -> None:
        data = self._carry + block
        carried = 0
        if self._relaxed:
            data = _relax(data)
            carried = 2 if data.endswith(b" \r") else int(data.endswith((b" ", b"\r")))
        elif data.endswith(b"\r"):
            carried = 1
        end = len(data) - carried
        self._carry = data[end:]
        self._take(data[:end])

    def finish(self) -> None:
        # 3.4.4: white space at the end of the last line goes, as at the end of any other
        self._take(self._carry.removesuffix(b" "))
        if self._length or not self._relaxed:
            # 3.4.3, 3.4.4: one line end, whether none or many stood there. An empty body has one only in the simple
            # form; the relaxed one (erratum 1377) is nothing at all.
            self._write(_CRLF)

    def result(self, spec: BodyHashSpec) -> BodyHash:
        return BodyHash(self._digests[spec.algorithm].digest(spec.limit), self._length)

    def _take(self, data: bytes) -> None:
        end = _end_of_text(data)
        if end:
            self._write_line_ends()
            self._write(data[:end])
        self._line_ends += (len(data) - end) // 2

    def _write_line_ends(self) -> None:
        octets = 2 * self._line_ends
        self._line_ends = 0
        while octets:
            size = min(octets, len(_CRLF_BLOCK))
            self._write(_CRLF_BLOCK[:size])
            octets -= size

    def _write(self, data: bytes) -> None:
        for digest in self._digests.values():
            digest.update(data, self._length)
        self._length += len(data)


class _Digest:
    """One hash over one canonical form, noted down at each length limit (l=, RFC 6376 3.5)."""

    def __init__(self, algorithm: str, limits: list[int | None]) -> None:
        self._hash = hashlib.new(algorithm)
        self._to_the_end = None in limits
        self._limits = sorted({limit for limit in limits if limit is not None}, reverse=True)  # the next one is last
        self._noted: dict[int, bytes] = {}

    def update(self, data: bytes, position: int) -> None:
        """Hash ``data``, before which ``position`` octets of the canonical body went."""
        done = 0
        while self._limits and self._limits[-1] <= position + len(data):
            limit = self._limits.pop()
            stop = max(limit - position, 0)
            self._hash.update(data[done:stop])
            done = stop
            self._noted[limit] = self._hash.digest()
        if self._to_the_end or self._limits:
            self._hash.update(data[done:])

    def digest(self, limit: int | None) -> bytes:
        """Return the hash up to the limit, or of all where the body is shorter."""
        if limit is None:
            return self._hash.digest()
        return self._noted.get(limit) or self._hash.digest()


def _relax(data: bytes) -> bytes:
    """Make each run of white space one space, and none before a CRLF (3.4.4 a), except at the end of ``data``."""
    if b"\t" in data:
        data = data.translate(_TAB_TO_SPACE)
    if b" " not in data:
        return data
    return _collapsed_at_once(data) if len(data) > _SMALL else collapse(data).replace(b" \r\n", _CRLF)


def _collapsed_at_once(data: bytes) -> bytes:
    octets = np.frombuffer(data, np.uint8)
    size = len(data)
    with _WORKSPACE:
        space = np.equal(octets, _SPACE, out=_SPACES[:size])
        # a space goes if another one follows, or a CRLF
        goes = _GOES[:size]
        goes[-1] = False
        np.logical_and(space[:-1], space[1:], out=goes[:-1])
        before_cr = np.equal(octets[1:], _CR, out=_BEFORE_CR[: size - 1])
        before_cr &= space[:-1]
        if before_cr.any():
            goes[:-2] |= before_cr[:-1] & (octets[2:] == _LF)
        count = np.count_nonzero(goes)
        if not count:
            return data
        if count > size // _SPARSE or _NUL in data:
            return octets[~goes].tobytes()
        kept = np.subtract(goes.view(np.uint8), 1, out=_KEPT[:size])  # 0 for what goes, 255 for what stays
        marked = np.bitwise_and(octets, kept, out=kept).tobytes()
    return marked.replace(_NUL, b"")


def _end_of_text(data: bytes) -> int:
    """Return where the line ends at the end of ``data`` begin."""
    end = len(data)
    for run in _CRLF_RUNS:
        while data.endswith(run, 0, end):
            end -= len(run)
    return end
