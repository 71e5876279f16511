"""Secrets: how they are made, and the digests that are kept in their stead."""

import hashlib
import hmac
import secrets

_BYTES = 32


def new_token() -> str:
    """256 random bits; the prefix lets people and secret scanners tell what was found, and keeps `-` off the start."""
    return "hw_" + secrets.token_urlsafe(_BYTES)


def new_secret() -> str:
    """256 random bits for a session's cookie or a sign-in link."""
    return secrets.token_urlsafe(_BYTES)


def digest(secret: str) -> str:
    """What is stored. A plain hash is enough, as nobody can guess 256 random bits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def csrf_token(session_secret: str) -> str:
    """The session's own CSRF token; it tells nothing of the secret, and no other session's fits."""
    return hmac.new(session_secret.encode(), b"csrf", hashlib.sha256).hexdigest()


def same(given: str, expected: str) -> bool:
    """Whether two strings are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass"))
