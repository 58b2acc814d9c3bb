"""The good bundle of the tamper tests."""

from tests.tamper.conftest import demo_claims, good

__all__ = ["demo_claims", "good"]
