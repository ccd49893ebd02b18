"""What an administrator may choose about verification; the defaults are those of :mod:`assay.limits`."""

from dataclasses import dataclass, field, replace
from typing import Self

from assay.limits import CLOCK_TOLERANCE, MAX_SIGNATURES
from assay.results import Discovery
from assay.verify.suffixes import NoSuffixes, PublicSuffixes


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """The local choices that RFC 6376 and RFC 8617 leave to a verifier.

    Attributes:
        max_signatures: DKIM signatures verified per message, the topmost first (RFC 6376 6.1).
        count_test_mode_keys: let a signature by a key with t=y count like any other. RFC 6376 3.6.1 wants its mail
            treated as if it were unsigned, so the default reports ``policy``.
        count_partial_bodies: let a signature that leaves the end of the body out by l= count like any other. RFC 6376
            8.2 warns of what can be appended, so the default reports ``policy``. For DKIM only: a chain of ARC must
            prove the message that arrived.
        clock_tolerance: seconds by which t= may lie in the future and x= in the past (RFC 6376 3.5).
    """

    max_signatures: int = MAX_SIGNATURES
    count_test_mode_keys: bool = False
    count_partial_bodies: bool = False
    clock_tolerance: int = CLOCK_TOLERANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class DmarcOptions:
    """The local choices about the organizational domain (standards C.5).

    Attributes:
        organizational_domain: how it and the policy record are found.
        shadow: evaluate the other way too, to compare; it decides nothing.
        public_suffix_guard: a walk that ends at a public suffix without a psd tag does not make those who register
            names below it aligned with each other.
        suffixes: the list; needed for the guard and for ``Discovery.PSL``.
    """

    organizational_domain: Discovery = Discovery.TREEWALK
    shadow: bool = False
    public_suffix_guard: bool = True
    suffixes: PublicSuffixes = field(default_factory=NoSuffixes)

    def of_shadow(self) -> Self:
        """Return the same with the other way to find the organizational domain."""
        psl = self.organizational_domain is Discovery.PSL
        return replace(self, organizational_domain=Discovery.TREEWALK if psl else Discovery.PSL)
