"""Machines behind Sparkplug B births: a device, or an edge node with metrics of its own, is a machine; its birth names every metric. Pure."""

from edge.discovery.found import Machine, Variable, id_for, safe
from edge.sparkplug.payload import Metric, decode, value_of
from workshop.errors import Rejected

_OWN = ("bdSeq", "Node Control/", "Device Control/", "Node Info/", "Properties/")


class Births:
    """What the edge nodes of a broker have said of themselves."""

    def __init__(self) -> None:
        self.nodes: dict[tuple[str, str], bool] = {}
        """(group, edge node) → whether its birth was seen."""
        self.machines: list[Machine] = []
        self.remarks: list[str] = []

    def take(self, topic: str, payload: bytes) -> tuple[str, str] | None:
        """Takes a message below spBv1.0; returns an edge node that has to be asked for its birth, once."""
        levels = topic.split("/")
        if len(levels) < 4 or levels[2] not in ("NBIRTH", "DBIRTH", "NDATA", "DDATA"):
            return None
        node = (levels[1], levels[3])
        if levels[2] in ("NBIRTH", "DBIRTH"):
            self.nodes[node] = True
            self._birth(node, levels[4] if len(levels) > 4 else "", payload)
            return None
        if node in self.nodes:
            return None
        self.nodes[node] = False
        return node

    def _birth(self, node: tuple[str, str], device: str, payload: bytes) -> None:
        address = "/".join((*node, device) if device else node)
        try:
            metrics = decode(payload).metrics
        except Rejected as error:
            self.remarks.append(f"{safe(address)}: {error}")
            return
        name = device or node[1]
        variables = [self._variable(address, metric) for metric in metrics if metric.name and not metric.name.startswith(_OWN)]
        self.machines = [machine for machine in self.machines if machine.name != safe(name)]
        self.machines.append(Machine(id_for(name, "-".join(node)), safe(name), variables=[one for one in variables if one is not None]))

    def _variable(self, address: str, metric: Metric) -> Variable | None:
        if metric.datatype is None or metric.name is None or not metric.name.isprintable():
            return None
        try:
            value, _, _ = value_of(metric, metric.datatype)
        except Rejected:
            return None
        return Variable(f"{address}#{metric.name}", safe(metric.name.rpartition("/")[2]), value)
