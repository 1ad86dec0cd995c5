"""``python -m incmask`` is ``incmask``."""

from incmask.commands.cli import main

if __name__ == "__main__":
    main()
