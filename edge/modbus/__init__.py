"""Modbus registers: where a value stands and how to read it."""
