"""Finding what a machine has to tell: its signals, what they mean, and how an edge would read them. Proposals only; a person decides."""
