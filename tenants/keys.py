"""The form of an API key and its digest. Nothing here reads a row.

`cfk_live_` + 30 characters of base62 (178 bits) + 6 characters of base62 CRC-32. The checksum refuses mistyped and invented
keys before any look-up; the digest is keyed with a pepper that the database does not hold. A fast digest is right for
secrets of 178 bits.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
PREFIX = "cfk_live_"
SECRET_LENGTH, CHECK_LENGTH = 30, 6
SHOWN_LENGTH = len(PREFIX) + 8
KEY_PATTERN = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{SECRET_LENGTH + CHECK_LENGTH}}}")
"""For secret scanners: what our keys look like."""


def new_key() -> str:
    secret = PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))
    return secret + _checksum(secret)


def is_well_formed(key: str) -> bool:
    return KEY_PATTERN.fullmatch(key) is not None and hmac.compare_digest(_checksum(key[:-CHECK_LENGTH]), key[-CHECK_LENGTH:])


def digest_of(key: str, *, pepper: str) -> bytes:
    return hmac.digest(pepper.encode(), key.encode(), hashlib.sha256)


def _checksum(text: str) -> str:
    number, characters = zlib.crc32(text.encode()), []
    for _ in range(CHECK_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[digit])
    return "".join(reversed(characters))
