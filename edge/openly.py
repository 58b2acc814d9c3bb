"""The warning of a connection that anybody on the way can read and change. Pure."""

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def openly(host: str, how: str, what_to_do: str) -> list[str]:
    """One warning, or none where the other side is on the same computer.

    Args:
        how: what is missing, such as "no TLS".
    """
    if host.strip("[]") in _LOOPBACK:
        return []
    return [f"{how} to {host}: anybody on the way can read and change what is sent; {what_to_do}"]
