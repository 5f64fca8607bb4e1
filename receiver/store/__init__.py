"""Everything that is kept: `journal` in Redis, and the scripts that change it in one step."""
