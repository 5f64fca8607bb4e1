"""For a developer's own machine, and never imported in production: `up`, `simulate`, a Redis."""
