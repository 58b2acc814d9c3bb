"""What the OPC UA faces are made of: companion models, users, alarms, history."""
