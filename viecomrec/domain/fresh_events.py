"""Events since the snapshot: a user's next list knows them, without retraining."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from viecomrec.domain.erasure import ErasedUsers
from viecomrec.domain.events import Event
from viecomrec.domain.histories import NO_HISTORY, History
from viecomrec.domain.interactions import strength_of

UNREAD_COMMENT_QUALITY = 0.5
"""The quality of a comment that no scorer has read yet: the middle of its range."""


NOBODY_ERASED = ErasedUsers("", {})


@dataclass
class FreshEvents:
    """Staged events by user, each id once. Not thread-safe: its owner serialises changes.

    Readers may look a user up at any time: lists grow, they are never changed in place.
    """

    kind_weights: Mapping[str, float]
    unrated_confidence: float
    erased: ErasedUsers = NOBODY_ERASED
    """Who asked to be forgotten; what they did before is not known here."""

    _by_user: dict[str, tuple[Event, ...]] = field(default_factory=dict)
    _ids: set[str] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, event_id: str) -> bool:
        return event_id in self._ids

    def knows(self, user_id: str) -> bool:
        """Whether something is known of the user that the snapshot does not hold."""
        return user_id in self._by_user or self.erased_at(user_id) is not None

    def add(self, events: Iterable[Event]) -> int:
        """Take the new ones in and return how many were new."""
        n_before = len(self._ids)
        for event in events:
            if event.event_id in self._ids:
                continue
            self._ids.add(event.event_id)
            self._by_user[event.user_id] = (*self._by_user.get(event.user_id, ()), event)
        return len(self._ids) - n_before

    def emptied(self) -> "FreshEvents":
        """The same rules without any event."""
        return FreshEvents(self.kind_weights, self.unrated_confidence, self.erased)

    def take_over(self, other: "FreshEvents") -> None:
        """Hold exactly the events of `other` from now on."""
        self._by_user, self._ids = other._by_user, other._ids  # noqa: SLF001 - of its own kind

    def all(self) -> list[Event]:
        """Every event, latest first."""
        events = [event for user_id in list(self._by_user) for event in self.of(user_id)]
        return sorted(events, key=lambda event: event.at, reverse=True)

    def of(self, user_id: str) -> tuple[Event, ...]:
        """The user's events; without what lies before an erasure."""
        own = self._by_user.get(user_id, ())
        erased_at = self.erased_at(user_id) if own else None
        return own if erased_at is None else tuple(one for one in own if one.at > erased_at)

    def history(self, user_id: str, columns: Mapping[str, int]) -> History:
        """The user's fresh events on known products, oldest first; `columns` by product id."""
        own = self.of(user_id)
        if not own:
            return NO_HISTORY
        known = sorted(
            (event for event in own if event.product_id in columns), key=lambda event: event.at
        )
        return History(
            np.array([columns[event.product_id] for event in known], dtype=np.int32),
            np.array([self.confidence(event) for event in known], dtype=np.float32),
            np.array([strength_of(event) for event in known], dtype=np.int8),
        )

    def erased_at(self, user_id: str) -> datetime | None:
        """When the user asked to be forgotten; None for everybody else."""
        return self.erased.instant(user_id) if self.erased.erased_at else None

    def confidence(self, event: Event) -> float:
        """Rating + quality; an unrated event has the base confidence times its kind's weight."""
        if event.rating is not None:
            return event.rating + UNREAD_COMMENT_QUALITY
        return self.unrated_confidence * self.kind_weights[event.kind.value]
