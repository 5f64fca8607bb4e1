"""The deployment's own handlers: one file, one handler, each with a `router`."""
