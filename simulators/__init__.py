"""Simulated equipment on real ports; it shares no code with the line that reads it, so that it cannot hide the reader's mistakes."""
