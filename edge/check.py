"""`chejian edge check`: connects once, and says for every signal what it gives or why it gives nothing. The running edge is not disturbed."""

import asyncio
from typing import Any

import msgspec

from edge.config import EdgeSettings, source_context
from edge.remedies import CLOCK_CURE, clock_cause, remedy
from edge.source import Refusal, Source, SourceContext, open_source
from workshop.errors import ChejianError
from workshop.reading import Quality, Reading
from workshop.register import Workshop
from workshop.window import Clock

PATIENCE_S = 5.0


class CheckRow(msgspec.Struct, frozen=True):
    """One signal as it was found."""

    source: str
    signal: str
    address: str
    value: Any = None
    source_time_us: int | None = None
    quality: str = ""
    status: str = ""
    cause: str = ""
    """What is wrong: why there is no reading, or what is wrong with it; empty if it is good."""
    fix: str = ""
    """What to do about it."""
    unit: str = ""
    """UCUM code that the register expects."""
    warnings: tuple[str, ...] = ()
    """Of the source: what works and should not stay so."""


async def check(
    settings: EdgeSettings, register: Workshop, clock: Clock, *, file: str = "edge.toml", patience_s: float = PATIENCE_S
) -> list[CheckRow]:
    """Every mapped signal, in the order of the file. Nothing is stored and nothing acknowledged for the running edge.

    Raises:
        ConfigError: settings and register do not fit together. What goes wrong at a source stands in its rows.
    """
    contexts = [source_context(settings, block, register, file, clock=clock, durable=False) for block in settings.source]
    found = [open_source(block.protocol, block.options, context) for block, context in zip(settings.source, contexts, strict=True)]
    looks = (_look(source, context, patience_s, settings.max_skew_s) for source, context in zip(found, contexts, strict=True))
    rows = await asyncio.gather(*looks)
    return [row for group in rows for row in group]


async def _look(source: Source, context: SourceContext, patience_s: float, max_skew_s: float) -> list[CheckRow]:
    seen: dict[str, Reading] = {}
    refused: list[Refusal] = []
    cause = f"nothing came within {patience_s:.0f} s"
    try:
        async with asyncio.timeout(patience_s):
            await source.connect()
            wanted = {signal.id for signal in context.signals} - set(source.problems)
            while not wanted <= set(seen):
                for delivery in await source.read():
                    seen |= {reading.signal: reading for reading in delivery.block.readings()}
                    refused += delivery.refusals
                    if delivery.on_committed is not None:
                        delivery.on_committed()
    except TimeoutError:
        pass
    except ChejianError as error:
        cause = str(error)
    finally:
        await source.close()
    warnings = tuple(source.warnings)
    rows = []
    for signal in context.signals:
        reading = seen.get(signal.id)
        row = CheckRow(context.name, signal.id, signal.address, unit=signal.unit, warnings=warnings)
        if reading is None:
            why = source.problems.get(signal.id) or _refusal(signal.id, refused) or cause
            rows.append(msgspec.structs.replace(row, cause=why, fix=remedy(why)))
            continue
        quality = Quality(reading.quality)
        wrong, fix = clock_cause(reading.source_time_us, reading.received_time_us, max_skew_s), CLOCK_CURE
        if not wrong and quality is not Quality.GOOD:
            wrong = f"the machine itself calls the value {quality.name.lower()}: {reading.status or 'no status'}"
            fix = "look at the sensor, or its wiring"
        unit = next((one for one in warnings if one.startswith(f"{signal.id}: ")), "")
        if not wrong and unit:
            wrong, fix = unit.partition(": ")[2], "correct the register with: chejian register revise"
        rows.append(msgspec.structs.replace(
            row, value=reading.value, source_time_us=reading.source_time_us, quality=quality.name.lower(), status=reading.status, cause=wrong,
            fix=fix if wrong else "",
        ))
    return rows


def _refusal(signal: str, refused: list[Refusal]) -> str:
    """Why what came for this signal is no reading: what was said of it alone, else of a message that would have held it."""
    own = next((one.reason for one in refused if one.reason.startswith(f"{signal}: ")), "")
    return own or next((one.reason for one in refused if signal in one.signals), "")
