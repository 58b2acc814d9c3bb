"""What the watch follows as a trend, by the finding that it leads to."""

QUANTITIES: dict[str, tuple[str, tuple[str, ...], int, float, tuple[str, ...]]] = {
    # finding: (value, conditions, direction, floor as a share of the mean, roles)
    "bearing_wear": ("vibration", ("load", "speed"), 1, 0.003, ("spindle_vibration", "spindle_load", "spindle_speed")),
    "coolant_loss": ("flow", (), -1, 0.005, ("coolant_flow", "spindle_load")),
    "sensor_drift": ("excess_wh", ("integrated_wh",), 0, 0.0003, ("active_power", "energy_import")),
}
"""What is followed as a trend. The sensor that drifts is one of two that say the same: power, integrated, against the energy counter."""
