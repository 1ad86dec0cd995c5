"""What whoever called is told to give: an option of the command line, or an argument in Python."""

from collections.abc import Iterator
from contextlib import contextmanager

_IN_PYTHON = {
    "crops": "crop_px",
    "dilate": "dilate_px",
    "erode": "erode_px",
    "fit": 'settings["fit"]',
    "from": "format",
    "overlay": "overlays",
    "repeats": "num_repeats",
    "rounds": "num_rounds",
    "seeds": "num_seeds",
    "set": "settings",
    "size": 'settings["size"]',
    "start": "num_start",
    "steps": "num_steps",
    "to": "format",
    "trials": "num_trials",
}
"""Arguments by the option that does the same, where they have another name."""

_on_command_line = False


def is_command_line() -> bool:
    """Tell whether messages are for a command line; in Python otherwise."""
    return _on_command_line


def word_for_command_line(yes: bool) -> None:
    """Word all messages that are made from now on for a command line, or for Python."""
    global _on_command_line
    _on_command_line = yes


@contextmanager
def on_command_line() -> Iterator[None]:
    """Word all messages that are made inside for a command line."""
    before = _on_command_line
    word_for_command_line(True)
    try:
        yield
    finally:
        word_for_command_line(before)


def either(on_command_line: str, in_python: str) -> str:
    """Give what fits the caller."""
    return on_command_line if _on_command_line else in_python


def option(name: str, value: object = None) -> str:
    """Word an option, with a value or without; of a switch the value is True.

    Examples:
        >>> option("equal-steps", True), option("time", "20m"), option("crops")
        ('equal_steps=True', 'time="20m"', 'crop_px')
        >>> with on_command_line():
        ...     option("equal-steps", True), option("time", "20m"), option("crops")
        ('--equal-steps', '--time 20m', '--crops')
    """
    if name in ("fit", "size") and value is not None and not _on_command_line:
        return settings(**{name: value})
    words = " ".join(map(str, value)) if isinstance(value, list | tuple) else value
    told = f"--{name}" if value in (None, True) else f"--{name} {words}"
    argument = _IN_PYTHON.get(name, name.replace("-", "_"))
    return either(told, argument if value is None else f"{argument}={_literal(value)}")


def size_option(*, volumes: bool) -> str:
    """Word what says how large a part of an image, or of a volume, networks see.

    Examples:
        >>> size_option(volumes=False), size_option(volumes=True)
        ('settings["size"]', 'patch in incmask.toml')
    """
    return "patch in incmask.toml" if volumes else option("size")


def setting(name: str) -> str:
    """Word a single setting.

    Examples:
        >>> setting("batch_size")
        'settings["batch_size"]'
        >>> with on_command_line():
        ...     setting("batch_size")
        '--set batch_size'
    """
    return either(f"--set {name}", f'settings["{name}"]')


def settings(**values: object) -> str:
    """Word settings with their values.

    Examples:
        >>> settings(epochs=20, loss="mse")
        'settings={"epochs": 20, "loss": "mse"}'
        >>> with on_command_line():
        ...     settings(epochs=20, loss="mse")
        '--set epochs=20 --set loss=mse'
    """
    plain = {name: str(value).lower() if isinstance(value, bool) else value for name, value in values.items()}
    told = " ".join(f"--set {name}={value}" for name, value in plain.items())
    inside = ", ".join(f'"{name}": {_literal(value)}' for name, value in values.items())
    return either(told, f"settings={{{inside}}}")


def command(name: str) -> str:
    """Word a command, or the function that does the same.

    Examples:
        >>> command("run"), command("import")
        ('`incmask.run`', '`incmask.import_labels`')
        >>> with on_command_line():
        ...     command("run")
        '`incmask run`'
    """
    return either(f"`incmask {name}`", f"`incmask.{'import_labels' if name == 'import' else name}`")


def another_folder() -> str:
    """Say what to do about a folder of results that cannot be taken.

    Examples:
        >>> another_folder()
        'choose another folder, out=...'
    """
    return either("choose another folder with -o", "choose another folder, out=...")


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)
