"""A milter that hashes the chunks of the body and checks nothing: ``python hash_only.py SOCKET``.

The least that any filter in Python pays for a body: libmilter, pymilter, and SHA-256 as OpenSSL does it.
"""

import hashlib
import sys

import Milter
from nothing import Nothing


class HashOnly(Nothing):
    @Milter.noreply
    def eoh(self) -> int:
        self._hash = hashlib.sha256()
        return int(Milter.CONTINUE)

    @Milter.noreply
    def body(self, chunk: bytes) -> int:
        self._hash.update(chunk)
        return int(Milter.CONTINUE)

    def eom(self) -> int:
        self._hash.digest()
        return int(Milter.CONTINUE)


def main(socket: str) -> None:
    Milter.factory = HashOnly
    Milter.runmilter("hash-only", socket, 240)


if __name__ == "__main__":
    main(sys.argv[1])
