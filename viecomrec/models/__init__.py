"""The learning mathematics: the only importers of the learning libraries."""
