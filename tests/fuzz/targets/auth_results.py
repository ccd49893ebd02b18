"""Authentication-Results on input: whoever could read our id in a field, the field goes."""

import re
from email.errors import MessageError
from email.header import decode_header, make_header

import authres

from assay.facts import HeaderField
from assay.message.auth_results import AuthResultsField, parse_auth_results
from assay.stamp.removal import forged_fields
from support import ar_parser

OURS = "mx.receiver.example"
_COMMENT = re.compile(r"\([^()]*\)")
_PROPERTY = re.compile(r"[a-z0-9_-]*")
_RESULT = re.compile(r"[a-z0-9_-]+")


def one_input(data: bytes) -> None:
    """The input is the value of one field; it stands between others."""
    headers = (
        HeaderField(b"Received", b" x"),
        HeaderField(b"authentication-results", b" other.example; spf=pass smtp.mailfrom=a.example"),
        HeaderField(b"Authentication-Results", data),
        HeaderField(b"X-Held", b" y"),
        HeaderField(b"AUTHENTICATION-RESULTS", b" MX.Receiver.Example; none"),
    )
    removals = forged_fields(headers, {OURS}, {"X-Held"})
    places = [(removal.name, removal.index) for removal in removals]
    assert places[:2] == [("AUTHENTICATION-RESULTS", 3), ("X-Held", 1)]
    assert places[2:] in ([], [("Authentication-Results", 2)])
    if not places[2:]:
        readers = [reader.__name__ for reader in _READERS if _is_ours(reader(data))]
        assert not readers, readers
    field = parse_auth_results(data)
    if field is not None:
        _check(field)


def _check(field: AuthResultsField) -> None:
    assert field.authserv_id
    assert field.version >= 0
    for result in field.results:
        assert _RESULT.fullmatch(result.method)
        assert _RESULT.fullmatch(result.result)
        for ptype, name, _ in result.properties:
            assert _PROPERTY.fullmatch(ptype)
            assert _RESULT.fullmatch(name)


def _is_ours(text: str | None) -> bool:
    return text is not None and text.strip().strip(".").casefold() == OURS


def _unfolded(value: bytes) -> str:
    return re.sub(r"\r?\n(?=[ \t])", "", value.decode("utf-8", "ignore"))


def _own_parser(value: bytes) -> str | None:
    read = parse_auth_results(value)
    return None if read is None else read.authserv_id


def _strict_grammar(value: bytes) -> str | None:
    try:
        return ar_parser.parse(_unfolded(value)).authserv_id
    except (ar_parser.GrammarError, RecursionError):
        return None


def _authres(value: bytes) -> str | None:
    try:
        read: str = authres.AuthenticationResultsHeader.parse("Authentication-Results:" + _unfolded(value)).authserv_id
    except Exception:  # noqa: BLE001 - what a foreign reader raises is its own affair: it saw no id
        return None
    return read


def _before_semicolon(value: bytes) -> str | None:
    return _unfolded(value).partition(";")[0]


def _first_word(value: bytes) -> str | None:
    words = re.split(r"[\s;]+", _unfolded(value).lstrip())
    return words[0]


def _without_comments(value: bytes) -> str | None:
    text = _unfolded(value)
    for _ in range(5):
        text = _COMMENT.sub("", text)
    return text.partition(";")[0].strip().strip('"')


def _without_quotes(value: bytes) -> str | None:
    return _unfolded(value).partition(";")[0].replace('"', "").replace("\\", "")


def _decoded(value: bytes) -> str | None:
    try:
        return str(make_header(decode_header(_unfolded(value)))).partition(";")[0]
    except (MessageError, LookupError, ValueError):
        return None


def _first_line(value: bytes) -> str | None:
    return re.split(r"[\r\n\0]", value.decode("utf-8", "ignore"))[0].partition(";")[0]


_READERS = (
    _own_parser,
    _strict_grammar,
    _authres,
    _before_semicolon,
    _first_word,
    _without_comments,
    _without_quotes,
    _decoded,
    _first_line,
)
