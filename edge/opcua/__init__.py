"""What the OPC UA source is made of: connection, addresses, subscription, publishing, decoding, history."""
