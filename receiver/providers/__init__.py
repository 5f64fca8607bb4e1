"""One file a provider, both directions; `base` holds what they share, `wire` the way out."""
