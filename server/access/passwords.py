"""Passwords: argon2id hashes, and checks that take as long for a person who does not exist."""

import functools
import unicodedata

import argon2

from server.problems import Problem

MIN_LENGTH = 10
MAX_LENGTH = 1_024

_hasher = argon2.PasswordHasher()


def hash_password(password: str) -> str:
    """An argon2id hash; Problem 422 for a password too short or too long."""
    if len(password) < MIN_LENGTH:
        raise Problem(422, f"the password is too short: {MIN_LENGTH} characters are the least")
    if len(password) > MAX_LENGTH:
        raise Problem(422, f"the password is too long: {MAX_LENGTH} characters are the most")
    return _hasher.hash(_normal(password))


def verify_password(password_hash: str | None, password: str) -> bool:
    """Whether the password fits. Without a hash it never does, and takes the same time to say so."""
    dummy = _dummy_hash()
    try:
        fits = _hasher.verify(password_hash or dummy, _normal(password[:MAX_LENGTH]))
    except argon2.exceptions.VerificationError:
        return False
    return fits and password_hash is not None and len(password) <= MAX_LENGTH


@functools.cache
def _dummy_hash() -> str:
    return _hasher.hash("nobody's")


def _normal(password: str) -> bytes:
    # keyboards differ in how they compose an accent; the same password has to fit from each
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
