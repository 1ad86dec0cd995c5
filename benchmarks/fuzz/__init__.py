"""Whatever a file holds, it is read or refused in a line; ``python -m benchmarks.fuzz --help``."""
