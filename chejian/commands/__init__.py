"""The commands, a file each; `add_to(app)` hangs them on the root command."""
