"""What an administrator may choose about verification; the defaults are those of :mod:`assay.limits`."""

from dataclasses import dataclass

from assay.limits import CLOCK_TOLERANCE, MAX_SIGNATURES


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """The local choices that RFC 6376 and RFC 8617 leave to a verifier.

    Attributes:
        max_signatures: DKIM signatures verified per message, the topmost first (RFC 6376 6.1).
        count_test_mode_keys: let a signature by a key with t=y count like any other. RFC 6376 3.6.1 wants its mail
            treated as if it were unsigned, so the default reports ``policy``.
        clock_tolerance: seconds by which t= may lie in the future and x= in the past (RFC 6376 3.5).
    """

    max_signatures: int = MAX_SIGNATURES
    count_test_mode_keys: bool = False
    clock_tolerance: int = CLOCK_TOLERANCE
