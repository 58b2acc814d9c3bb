"""The command `chejian`: reads files, environment and clock, wires the floors below, and turns errors into exit codes."""

__version__ = "0.1.0"
