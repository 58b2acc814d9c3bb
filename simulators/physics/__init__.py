"""The physics of the machines as functions of numbers: the live machines call them with one value, the history with whole columns."""
