"""Bytes and seconds as people read them."""

import math


def bytes_text(count: int) -> str:
    """Format bytes with three significant figures: 79298560 is 79.3 MB."""
    if count < 1000:
        return f"{count} B"
    power = min(3, int(math.log10(count) // 3))
    value = count / 1000**power
    return f"{value:.{max(0, 2 - int(math.log10(value)))}f} {('B', 'kB', 'MB', 'GB')[power]}"


def seconds_text(seconds: float) -> str:
    """Format seconds: 0.0083 is 8.3 ms."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    if seconds < 1e-5:
        return "<0.01 ms"
    return f"{seconds * 1000:.{0 if seconds >= 0.1 else 1 if seconds >= 0.001 else 2}f} ms"
