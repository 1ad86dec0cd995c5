"""Broken at any place and called again, a command comes to the same files; ``python -m benchmarks.crash --help``."""
