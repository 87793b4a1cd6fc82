"""One module a subcommand (or a family of them)."""
