"""A milter that checks nothing: ``python nothing.py SOCKET``. What pymilter itself costs.

It asks for the same steps as assay does and wants no reply before the end of the message.
"""

import sys

import Milter


class Nothing(Milter.Base):  # type: ignore[misc]  # pymilter ships no types
    @Milter.noreply
    def connect(self, _name: str, _family: str, _address: object) -> int:
        return int(Milter.CONTINUE)

    @Milter.noreply
    def hello(self, _name: str) -> int:
        return int(Milter.CONTINUE)

    @Milter.noreply
    def envfrom(self, _path: str, *_parameters: str) -> int:
        return int(Milter.CONTINUE)

    @Milter.noreply
    def envrcpt(self, _path: str, *_parameters: str) -> int:
        return int(Milter.CONTINUE)

    @Milter.noreply
    @Milter.decode("bytes")
    def header(self, _name: str, _value: bytes) -> int:
        return int(Milter.CONTINUE)

    @Milter.noreply
    def eoh(self) -> int:
        return int(Milter.CONTINUE)

    @Milter.noreply
    def body(self, _chunk: bytes) -> int:
        return int(Milter.CONTINUE)

    def eom(self) -> int:
        return int(Milter.CONTINUE)


def main(socket: str) -> None:
    Milter.factory = Nothing
    Milter.runmilter("nothing", socket, 240)


if __name__ == "__main__":
    main(sys.argv[1])
