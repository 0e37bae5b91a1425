"""The text index of a shop, built in the background: nobody waits for it at the start."""

import threading
from collections.abc import Sequence

from viecomrec.models.text_index import TextIndex


class SearchIndex:
    """Builds the index once, at the first use or by `warm`, whichever comes first."""

    def __init__(self, columns: Sequence[Sequence[str | None]]) -> None:
        self._columns = columns
        self._building = threading.Lock()
        self._index: TextIndex | None = None

    def get(self) -> TextIndex:
        with self._building:
            if self._index is None:
                self._index = TextIndex.build(self._columns)
                self._columns = ()
            return self._index

    def warm(self) -> None:
        threading.Thread(target=self.get, name="search-index", daemon=True).start()
