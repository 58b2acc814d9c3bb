"""Sparkplug B 3.0 as an edge node writes it: payloads, and the node with its devices."""
