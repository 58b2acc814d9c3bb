"""The pages: a process of its own that reads the gateway's HTTP API with a viewer token and holds no data."""
