"""RSA keys of many small primes: as costly to verify as real ones of their size, and made and used in no time."""

import math
import random

from support.signer import odd_rsa_record

_WITNESSES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)  # decide for every number below 2**64
_SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


class ManyPrimesKey:
    """A key pair; ``seed`` tells keys of one size apart."""

    algorithm = b"rsa-sha256"

    def __init__(self, bits: int, exponent: int, seed: int) -> None:
        chance = random.Random(seed)
        self.exponent, self.modulus = exponent, 1
        self._primes: list[int] = []
        while self.modulus.bit_length() < bits:
            left = bits - self.modulus.bit_length()
            size = 64 if left >= 128 else left + 1
            prime = chance.getrandbits(size) | 1 | 1 << (size - 1)
            fits = (self.modulus * prime).bit_length() <= bits and prime not in self._primes
            if fits and _is_prime(prime) and math.gcd(prime - 1, exponent) == 1:
                self._primes.append(prime)
                self.modulus *= prime

    def sign(self, digest: bytes) -> bytes:
        """Sign by PKCS#1 v1.5 (RFC 8017 8.2.1), each prime by itself."""
        size = (self.modulus.bit_length() + 7) // 8
        info = _SHA256_INFO + digest
        number = int.from_bytes(b"\0\1" + b"\xff" * (size - len(info) - 3) + b"\0" + info)
        signature, product = 0, 1
        for prime in self._primes:
            root = pow(number % prime, pow(self.exponent, -1, prime - 1), prime)
            signature += product * ((root - signature) * pow(product, -1, prime) % prime)
            product *= prime
        return signature.to_bytes(size)

    def record(self, *, tags: bytes = b"v=DKIM1; ") -> bytes:
        return odd_rsa_record(self.modulus, self.exponent).replace(b"v=DKIM1; ", tags)


def _is_prime(number: int) -> bool:
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for witness in _WITNESSES:
        if number % witness == 0:
            return number == witness
        power = pow(witness, odd, number)
        if power not in (1, number - 1) and not any(
            (power := power * power % number) == number - 1 for _ in range(twos - 1)
        ):
            return False
    return True
