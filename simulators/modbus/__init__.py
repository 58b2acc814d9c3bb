"""A Modbus register map."""
