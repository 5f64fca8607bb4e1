"""Speed, measured side by side with what a user would write or run instead: ``python -m bench``."""
