"""The standalone app, for a WSGI server: ``granian --interface wsgi wsgi:app``."""

from pathlib import Path

from receiver import standalone

app = standalone.create_app(Path(__file__).parent)
