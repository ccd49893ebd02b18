"""What body hashing costs, in microseconds per KiB and as a multiple of SHA-256 over the same chunks.

Run: .venv/bin/python bench/body_hash.py [MEBIBYTES]
"""

import hashlib
import random
import sys
import time
from base64 import b64encode
from collections.abc import Callable

from assay.facts import BodyHashSpec, Canonicalization
from assay.message.body import BodyHasher

CHUNK = 65535  # what a milter hands over at most
ROUNDS = 5

Work = Callable[[list[bytes]], None]


def best_of(work: Work, chunks: list[bytes]) -> float:
    """Return microseconds per KiB, the best of some rounds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work(chunks)
        times.append(time.perf_counter() - start)
    return min(times) * 1e6 / (sum(map(len, chunks)) / 1024)


def plain(chunks: list[bytes]) -> None:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)


def hashing(*forms: Canonicalization) -> Work:
    def work(chunks: list[bytes]) -> None:
        hasher = BodyHasher([BodyHashSpec(form) for form in forms])
        for chunk in chunks:
            hasher.feed(chunk)
        hasher.finish()

    return work


def inputs() -> dict[str, bytes]:
    """Return blocks of about 64 KiB of each kind."""
    rng = random.Random(6376)
    words = ["".join(rng.choices("etaoinshrdlucmfwyp", k=rng.randint(1, 9))) for _ in range(500)]
    text = "\r\n".join(" ".join(rng.choices(words, k=12)) for _ in range(1000))
    spaced = "\r\n".join(".  ".join(" ".join(rng.choices(words, k=6)) for _ in range(2)) for _ in range(1000))
    html = "\r\n".join(" " * rng.choice((4, 8, 12)) + f'<td class="x">{rng.choice(words)}</td>' for _ in range(1800))
    base64 = b"\r\n".join(b64encode(rng.randbytes(57)) for _ in range(850))
    return {
        "text": text.encode(),
        "text, two spaces after a full stop": spaced.encode(),
        "indented HTML": html.encode(),
        "base64": base64,
        "hostile: only spaces": b" " * 65536,
        "hostile: space, tab in turn": b" \t" * 32768,
        "hostile: only CRLF": b"\r\n" * 32768,
        "hostile: double space after each letter": b"a  " * 21845,
        "hostile: short runs, one long run": b"a  " * 10922 + b" " * 32768,
        "hostile: double space before each CRLF": b"a  \r\n" * 13107,
        "hostile: only CR": b"\r" * 65536,
        "hostile: LF CRLF": b"\n\r\n" * 21845,
    }


def main() -> None:
    mebibytes = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    print(f"{mebibytes} MiB in chunks of {CHUNK}; us/KiB (multiple of SHA-256)")
    print(f"{'':42}{'sha256':>8}{'simple':>16}{'relaxed':>16}{'both':>16}")
    for name, block in inputs().items():
        body = (block * (mebibytes * 2**20 // len(block) + 1))[: mebibytes * 2**20]
        chunks = [body[start : start + CHUNK] for start in range(0, len(body), CHUNK)]
        base = best_of(plain, chunks)
        costs = [
            best_of(hashing(*forms), chunks)
            for forms in (
                (Canonicalization.SIMPLE,),
                (Canonicalization.RELAXED,),
                (Canonicalization.SIMPLE, Canonicalization.RELAXED),
            )
        ]
        print(f"{name:42}{base:8.2f}" + "".join(f"{cost:9.2f} ({cost / base:3.1f}x)" for cost in costs))


if __name__ == "__main__":
    main()
