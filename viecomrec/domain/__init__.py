"""Facts and rules: no files, clock, network, logging or environment."""
