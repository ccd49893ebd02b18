"""Every number that bounds work, with its source.

A number that an administrator may change is a key of the configuration; its default stands here.
"""

from typing import Final

MAX_LABEL_OCTETS: Final = 63
"""RFC 1035 2.3.4."""

MAX_NAME_OCTETS: Final = 253
"""A name in text form without the final dot: 255 octets on the wire (RFC 1035 2.3.4) less two."""

MAX_SIGNATURES: Final = 10
"""DKIM signatures verified per message; more are reported unread (RFC 6376 6.1 allows a limit)."""

MAX_HEADER_FIELDS: Final = 10_000
"""Header fields of one message; one with more is not read. Real ones have under 300; filtering one field costs 4
microseconds in libmilter and pymilter alone, and each forged field that is removed 16 (local choice)."""

MAX_HEADER_OCTETS: Final = 2 * 2**20
"""Octets of names and values of all header fields; a message with more is not read. Exim takes 1 MiB in all, and
Sendmail 32 KiB (local choice)."""

MAX_ARC_SETS: Final = 50
"""RFC 8617 4.2.1: instance values run from 1 to 50."""

MAX_SIGNED_HEADERS: Final = 500
"""Names in one h= list; real signatures hold under 60. Bounds the header hash of one signature."""

MAX_TAGS: Final = 100
"""Tags of one list; the RFCs know fourteen for a signature. Lists are read several times (local choice)."""

MAX_TAG_DIGITS: Final = 12
"""Digits of t= and x= (RFC 6376 3.5); l= may have 76, but no body has more than 12 digits of octets."""

CLOCK_TOLERANCE: Final = 300
"""Seconds by which t= may lie in the future and x= in the past (local choice)."""

MIN_RSA_BITS: Final = 1024
"""RFC 8301 3.2: shorter keys must not be considered valid."""

MAX_RSA_BITS: Final = 8192
"""Longer keys are refused to bound CPU (4096 is what verifiers must support, RFC 8301 3.2)."""

MAX_KEY_RECORDS: Final = 4
"""Keys tried of those at one selector, of which the one that speaks best counts; further ones are ignored (RFC 6376
3.6.2.2 leaves it open)."""

MAX_WALK_QUERIES: Final = 8
"""RFC 9989 4.10: a tree walk asks at most eight names."""

MAX_SUFFIX_LABELS: Final = 8
"""Labels of a public suffix; the longest rule of the list has seven (measured)."""

MAX_AUTHOR_DOMAINS: Final = 5
"""Different domains in one From field that are evaluated; more is a permerror (local choice)."""

MAX_IDENTIFIERS: Final = 10
"""Authenticated identifiers whose alignment is looked at, distinct domains only."""

MAX_FROM_OCTETS: Final = 32768
"""A From field longer than this is not parsed: it is unusable."""

MAX_FROM_TOKENS: Final = 4096
"""Words, quoted strings and separators in one From field: forty for each of the mailboxes that it may have. Reading one
costs up to nine microseconds, twice for each message (local choice)."""

MAX_FROM_MAILBOXES: Final = 100
"""Mailboxes in one From field; more is unusable."""

MAX_AUTHSERV_ID_OCTETS: Final = 2048
"""Octets of an Authentication-Results field that are read to find whose it is; real ids end before 300."""

MAX_ODD_AUTHSERV_ID_OCTETS: Final = 65536
"""Octets of that in all fields of a message together whose id is no plain name; what is beyond goes unread. Reading an
octet costs up to two microseconds (local choice)."""

MAX_AUTH_RESULTS_OCTETS: Final = 32768
"""An Authentication-Results payload longer than this is not read; large providers write under 4 KiB."""

SPF_LOOKUPS: Final = 10
"""RFC 7208 4.6.4: terms that cause DNS queries; also names per mx and ptr."""

SPF_VOID_LOOKUPS: Final = 2
"""RFC 7208 4.6.4."""

MAX_SPF_RECORD_OCTETS: Final = 8192
"""A longer SPF record is a permerror; the largest in use are below 4 KiB (RFC 7208 3.4 asks for under 450)."""

MAX_SPF_REASON: Final = 250
"""Characters of the reason of an SPF result, which may quote the record."""

DNS_TIMEOUT: Final = 5.0
"""Seconds per query, over all tries and name servers."""

DNS_BUDGET: Final = 20.0
"""Seconds of waiting for the DNS per message (RFC 7208 4.6.4 wants at least 20 for SPF)."""

DNS_MAX_QUERIES: Final = 150
"""Queries per message: SPF's 10 terms of 10 names ask 111, and 39 are left for the keys of signatures and ARC sets. A
sender may use it up; the tree walk from the author domain has the same number to itself, so that it is always made."""

NEGATIVE_TTL: Final = 60
"""Seconds a definite "no such record" is kept."""

MAX_KEY_RECORD_OCTETS: Final = 8192
"""A longer TXT record is read as no key record: an RSA key of 8192 bits takes 1,400 (local choice)."""

MAX_SELECTOR_BITS: Final = MAX_RSA_BITS
"""Bits of all keys together that are tried at one selector: one of 8192, or four of 2048. The price of a key grows with
the square of its bits, and a chain of 50 sets has 100 selectors (local choice)."""

MAX_KEY_RECORDS_READ: Final = 16
"""TXT records looked at, at one selector, to find the key records among them (local choice)."""

MAX_RSA_EXPONENT_BITS: Final = 32
"""Longer public exponents are refused to bound CPU; deployed keys have 17 bits (local choice). With 64, four keys
for each signature of a chain of 50 sets cost twenty times as much as a message of 10 MiB."""

MAX_SIGNATURE_OCTETS: Final = 4096
"""b=, bh= and i= as written, white space included, before they are decoded: 8192 bits are 1,368 (local choice)."""

MAX_SIGNATURE_FIELD_OCTETS: Final = 65536
"""A DKIM-Signature, ARC-Message-Signature or ARC-Seal longer than this is not read; only z= makes one longer than a few
thousand (local choice)."""

MAX_AUDITED_SPF_TERMS: Final = 60
"""Terms with look-ups that ``assay domain`` follows in an SPF record and what it includes; ten are allowed (local
choice)."""

AUDIT_BUDGET: Final = 60.0
"""Seconds that ``assay domain`` waits for the DNS, over all questions (local choice)."""

AUDIT_MAX_QUERIES: Final = 600
"""Different questions of one audit: 60 SPF terms of up to 3, ten MX hosts of 2, and what DKIM, DMARC and its report
addresses ask (local choice)."""
