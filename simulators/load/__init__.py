"""An OPC UA server that is nothing but fast."""
