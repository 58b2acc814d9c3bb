"""MTConnect documents."""
