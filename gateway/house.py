"""Everything that the routes need, opened once and handed down."""

from collections.abc import Mapping, Sequence

import msgspec

from evidence.claim import Claim
from evidence.policy import Pack
from gateway.alerts import Alerts
from gateway.auth import Access
from gateway.challenges import Challenges
from gateway.components import ComponentsCache
from gateway.facts import KnownFacts
from gateway.ingest import Committer
from gateway.line_rules import LineRules
from gateway.live import LiveHub
from gateway.monitoring import Monitoring
from gateway.north_log import ConnectedTimes
from gateway.orders import Orders
from gateway.settings import GatewaySettings
from gateway.third_party import ThirdParty
from gateway.writer import Writer
from store.archive import Archive
from store.engine import Engine
from workshop.register import Workshop
from workshop.window import Clock, Window


class House(msgspec.Struct, frozen=True):
    """One gateway: where it keeps things and who works in it."""

    settings: GatewaySettings
    clock: Clock
    register: Workshop
    archive: Archive
    engine: Engine
    components: ComponentsCache
    monitoring: Monitoring
    writer: Writer
    committer: Committer
    hub: LiveHub
    access: Access
    challenges: Challenges
    claims: Sequence[Claim]
    packs: Mapping[str, Pack]
    orders: Orders
    facts: KnownFacts
    line_rules: LineRules | None = None
    third_party: ThirdParty | None = None
    alerts: Alerts | None = None
    connected_times: ConnectedTimes | None = None
    second_writer: Writer | None = None
    """Of the engine that is fed beside the first one, for a migration."""
    revisions: Sequence[tuple[int, Workshop]] = ()
    """(time of its control entry, register) of every revision, oldest first; the last is `register`."""

    def in_force(self, window: Window) -> Workshop:
        """The last revision in force in the window; the first also counts for time before it."""
        at_end = [register for time_us, register in self.revisions if time_us < window.end_us]
        return at_end[-1] if at_end else self.revisions[0][1] if self.revisions else self.register
