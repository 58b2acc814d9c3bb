"""The history of the machines, a day of one machine at a time, as columns."""
