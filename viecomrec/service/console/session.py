"""Who is signed in: values that the admin token signs, so that every worker can check them."""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

SESSION_COOKIE = "viecomrec_session"
SESSION_LASTS = timedelta(hours=12)
TICKET_LASTS = timedelta(minutes=15)


class Keys:
    """Signs and checks sessions, sign-in tickets and CSRF tokens of one admin token.

    A value is `<expiry>.<nonce>.<signature>`. The token itself never travels, and changing it
    ends every session.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        self._key = hashlib.sha256(b"viecomrec console\0" + token.encode()).digest()

    def is_token(self, shown: str) -> bool:
        return hmac.compare_digest(shown.strip().encode(), self._token.encode())

    def new_session(self, now: datetime) -> str:
        return self._sign("session", now + SESSION_LASTS)

    def is_session(self, value: str | None, now: datetime) -> bool:
        return self._is_signed("session", value, now)

    def new_ticket(self, now: datetime) -> str:
        """For the link that `serve` prints; it signs in once opened, for some minutes."""
        return self._sign("ticket", now + TICKET_LASTS)

    def is_ticket(self, value: str | None, now: datetime) -> bool:
        return self._is_signed("ticket", value, now)

    def csrf(self, session: str) -> str:
        """What every form of this session carries, so that no other site can send one."""
        return self._signature("csrf", session)

    def is_csrf(self, shown: str, session: str) -> bool:
        return hmac.compare_digest(shown.encode(), self.csrf(session).encode())

    def _sign(self, purpose: str, expires_at: datetime) -> str:
        value = f"{int(expires_at.timestamp())}.{secrets.token_urlsafe(12)}"
        return f"{value}.{self._signature(purpose, value)}"

    def _is_signed(self, purpose: str, value: str | None, now: datetime) -> bool:
        signed, _, signature = (value or "").rpartition(".")
        expected = self._signature(purpose, signed)
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            return False
        return int(signed.partition(".")[0]) > now.timestamp()

    def _signature(self, purpose: str, value: str) -> str:
        return hmac.new(self._key, f"{purpose}\0{value}".encode(), hashlib.sha256).hexdigest()
