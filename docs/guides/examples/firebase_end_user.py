"""End user and tier from an ID token of Firebase Authentication. docs/guides/firebase.md tells how to set it up."""

import os
import time

from end_user_call import LEEWAY_S, Keys, Person, app_for, serve, tier_of, verified
from jwt.exceptions import InvalidTokenError

PROJECT = os.environ["FIREBASE_PROJECT"]
GOOGLES_KEYS = "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"
keys = Keys(os.environ.get("FIREBASE_JWKS_URL", GOOGLES_KEYS))


def person_of(token: str) -> Person:
    """Raises PyJWTError for a token that is not Firebase's for this project."""
    claims = verified(token, keys=keys, issuer=f"https://securetoken.google.com/{PROJECT}", audience=PROJECT)
    signed_in = claims.get("auth_time")
    if not isinstance(signed_in, int | float) or signed_in > time.time() + LEEWAY_S:
        raise InvalidTokenError("the token does not say when the person signed in")
    return Person(id=claims["sub"], tier=tier_of(claims))


app = app_for(person_of)
if __name__ == "__main__":
    serve(app)
