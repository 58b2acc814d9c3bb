"""`chejian demo`: the whole line on simulated equipment, real processes, real ports, real protocols."""
