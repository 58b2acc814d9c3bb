"""Sparkplug B 3.0 as a host application reads it: payloads, edge nodes, state."""
