"""Tag lists: the syntax that DKIM signatures, ARC fields and key records share (RFC 6376 3.2)."""

import re

from assay.errors import AssayError
from assay.limits import MAX_TAGS
from assay.message.header import unfold

_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]*+")

# VALCHAR and white space; octets from 0x80 by RFC 8616 (U-labels in d= and s=, UTF-8 in i=).
_VALUE = re.compile(rb"[\t \x21-\x3a\x3c-\x7e\x80-\xff]*+")


class TagListError(AssayError):
    """The text is no tag list; the message says why, and holds nothing of the text."""


def parse_tags(value: bytes) -> dict[bytes, bytes]:
    """Read a tag list.

    Names are case-sensitive. A tag may be present and empty, which is not the same as absent. One ``;`` may end the
    list; any other that ends no tag makes the list unusable, as the ARC suite expects.

    Args:
        value: folds as CRLF and white space. White space around names and values is removed; inside of a value it
            stays, unfolded.

    Returns:
        The tags in the order written, at least one.

    Raises:
        TagListError: a tag without ``=``, a bad name, a name given twice, an empty list, a control character or a
            line end that is no fold; more than :data:`~assay.limits.MAX_TAGS` tags.
    """
    if value.count(b";") > MAX_TAGS:
        raise TagListError(f"more than {MAX_TAGS} tags")
    specs = unfold(value).split(b";")
    if len(specs) > 1 and not specs[-1].strip(b" \t"):
        specs.pop()
    tags: dict[bytes, bytes] = {}
    for spec in specs:
        name, equals, content = spec.partition(b"=")
        name = name.strip(b" \t")
        if not equals or _NAME.fullmatch(name) is None:
            raise TagListError("a part of the list is no tag")
        if name in tags:
            raise TagListError("a tag stands twice in the list")
        if _VALUE.fullmatch(content) is None:
            raise TagListError("a tag holds a control character")
        tags[name] = content.strip(b" \t")
    return tags
