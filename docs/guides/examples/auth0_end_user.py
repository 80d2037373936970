"""End user and tier from an access token of Auth0. docs/guides/auth0.md tells how to set it up."""

import os

from end_user_call import Keys, Person, app_for, serve, tier_of, verified

ISSUER = os.environ["AUTH0_ISSUER"].rstrip("/") + "/"
AUDIENCE = os.environ["AUTH0_AUDIENCE"]
keys = Keys(f"{ISSUER}.well-known/jwks.json")


def person_of(token: str) -> Person:
    """Raises PyJWTError for a token that is not Auth0's for this API."""
    claims = verified(token, keys=keys, issuer=ISSUER, audience=AUDIENCE)
    return Person(id=claims["sub"], tier=tier_of(claims))


app = app_for(person_of)
if __name__ == "__main__":
    serve(app)
