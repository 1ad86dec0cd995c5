"""Numbers in sentences."""


def counted(num: int, thing: str) -> str:
    """Write a number with what is counted, whose plural ends in s.

    Examples:
        >>> counted(1, "image"), counted(1200, "image")
        ('1 image', '1,200 images')
    """
    return f"{num:,} {thing}{'' if num == 1 else 's'}"
