"""What one GPU reaches; ``python -m benchmarks.gpu --help``."""
