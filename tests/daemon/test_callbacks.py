"""The callbacks without libmilter: whatever happens below them, they answer."""

import Milter
import pytest

from assay.daemon.callbacks import ACTIONS, SmtpConnection
from assay.daemon.judge import Judgement
from assay.policy.model import Reply


class Around:
    """What :class:`SmtpConnection` needs of a session and of libmilter's context, with a fault of a rare kind."""

    def __init__(self, fault: BaseException) -> None:
        self.fault = fault
        self.remembered: list[BaseException] = []
        self.replies: list[tuple[object, ...]] = []
        self.private: object = None
        self.deferrals = 0

    def helo(self, _name: bytes) -> None:
        raise self.fault

    def header(self, _name: bytes, _value: bytes) -> None:
        raise self.fault

    def end_of_message(self, _queue_id: str) -> Judgement:
        raise self.fault

    def heed(self, fault: BaseException) -> None:
        pass

    def remember(self, fault: BaseException) -> None:
        self.remembered.append(fault)

    def deferred(self) -> None:
        self.deferrals += 1

    def getsymval(self, _name: str) -> str:
        return "Q1"

    def setpriv(self, connection: object) -> None:
        self.private = connection

    def getpriv(self) -> object:
        return self.private

    def setreply(self, *reply: object) -> None:
        self.replies.append(reply)


@pytest.mark.parametrize("fault", [SystemExit(1), KeyboardInterrupt(), MemoryError(), GeneratorExit()], ids=repr)
def test_nothing_at_all_escapes_a_callback(fault: BaseException) -> None:
    around = Around(fault)
    connection = SmtpConnection(around)  # type: ignore[arg-type]
    connection._setctx(around)
    assert connection.hello("mail.example") == Milter.CONTINUE
    assert around.remembered == [fault]
    assert connection.eom() == Milter.TEMPFAIL
    assert around.replies[0][:2] == ("451", "4.3.0")
    assert around.deferrals == 1


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        pytest.param("Subject", Milter.NOREPLY, id="the MTA waits for no reply"),
        pytest.param("Subject", Milter.CONTINUE, id="the MTA waits for a reply"),
        pytest.param("X-\ud800", Milter.NOREPLY, id="a name that cannot be written in UTF-8"),
    ],
)
def test_a_fault_at_a_header_field_is_remembered_and_the_answer_is_as_negotiated(name: str, answer: int) -> None:
    around = Around(SystemExit(1))
    connection = SmtpConnection(around)  # type: ignore[arg-type]
    connection._setctx(around)
    spared = Milter.P_NR_HDR if answer == Milter.NOREPLY else 0
    assert connection.negotiate([ACTIONS, Milter.P_HDR_LEADSPC | spared, 0, 0]) == Milter.CONTINUE
    assert connection.header(name, b" x") == answer
    (fault,) = around.remembered
    assert isinstance(fault, SystemExit | UnicodeEncodeError)


def test_a_refusal_stays_a_refusal_even_if_libmilter_takes_no_text_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    around = Around(RuntimeError())

    def refuse(*_reply: object) -> None:
        raise ValueError("no text is good enough")

    monkeypatch.setattr(around, "setreply", refuse)
    connection = SmtpConnection(around)  # type: ignore[arg-type]
    connection._setctx(around)
    assert connection._refuse(Reply(code=550, enhanced="5.7.26", text="refused")) == Milter.REJECT
