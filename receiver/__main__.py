"""``python -m receiver`` is ``sms-receiver``."""

from .standalone import main

if __name__ == "__main__":
    main()
