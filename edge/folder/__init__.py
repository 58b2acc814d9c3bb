"""CSV files of a watched folder."""
