"""The VictoriaMetrics cluster that the environment names."""

import os
import re

import httpx
import pytest

from tests.unit.gateway.plant import until

_NAMED = ("CHEJIAN_VM_INSERT_URL", "CHEJIAN_VM_SELECT_URL", "CHEJIAN_VM_FLUSH_URLS")
_ROWS = re.compile(r'^vm_rpc_rows_(pushed|sent)_total\{[^}]*rpc_call="metric_rows"\} (\S+)$', re.MULTILINE)


class Cluster:
    """Addresses of vminsert and vmselect with the tenant in them, and of all vmstorage nodes; skips where there is none."""

    def __init__(self) -> None:
        if not all(os.environ.get(name) for name in _NAMED):
            pytest.skip(f"no VictoriaMetrics cluster: set {', '.join(_NAMED)}")
        insert, select, storages = (os.environ[name] for name in _NAMED)
        self.addresses: dict[str, object] = {"insert_url": insert, "select_url": select}
        self._insert = httpx.URL(insert)
        self._storages = storages.split(",")
        copies = re.search(r'^-replicationFactor="(\d+)"$', self._of_insert("/flags"), re.MULTILINE)
        self._copies = int(copies[1]) if copies else 1
        self._short = self._owed()

    def flush(self) -> None:
        """Makes the storages show what vminsert has accepted."""
        # vminsert answers before a storage has the rows: they wait up to 0.2 s in its buffer, and then are on their way.
        until(lambda: self._owed() <= self._short, "vminsert has handed on all its rows")
        for url in self._storages:
            httpx.get(f"{url}/internal/force_flush").raise_for_status()

    def _owed(self) -> int:
        """Copies of rows that vminsert has accepted and no storage has acknowledged."""
        rows = {"pushed": 0, "sent": 0}
        for what, number in _ROWS.findall(self._of_insert("/metrics")):
            rows[what] += int(number)
        return rows["pushed"] * self._copies - rows["sent"]

    def _of_insert(self, path: str) -> str:
        return httpx.get(self._insert.copy_with(path=path)).raise_for_status().text
