"""``python -m receiver`` is ``sms-receiver``."""

from .cli import main

if __name__ == "__main__":
    main()
