"""Octets of a message to facts: header fields, From, the reverse-path, canonical body hashes."""
