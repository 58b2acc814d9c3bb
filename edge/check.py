"""`chejian edge check`: connects once, and says for every signal what it gives or why it gives nothing. The running edge is not disturbed."""

import asyncio
from typing import Any

import msgspec

from edge.config import EdgeSettings, source_context
from edge.source import Source, SourceContext, open_source
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
    """Why there is no reading; empty if there is one."""


async def check(
    settings: EdgeSettings, register: Workshop, clock: Clock, *, file: str = "edge.toml", patience_s: float = PATIENCE_S
) -> list[CheckRow]:
    """Every mapped signal, in the order of the file. Nothing is stored and nothing acknowledged for the running edge.

    Raises:
        ConfigError: settings and register do not fit together. What goes wrong at a source stands in its rows.
    """
    contexts = [source_context(settings, block, register, file, clock=clock, durable=False) for block in settings.source]
    found = [open_source(block.protocol, block.options, context) for block, context in zip(settings.source, contexts, strict=True)]
    rows = await asyncio.gather(*(_look(source, context, patience_s) for source, context in zip(found, contexts, strict=True)))
    return [row for group in rows for row in group]


async def _look(source: Source, context: SourceContext, patience_s: float) -> list[CheckRow]:
    seen: dict[str, Reading] = {}
    refused: list[str] = []
    cause = f"nothing came within {patience_s:.0f} s"
    try:
        async with asyncio.timeout(patience_s):
            await source.connect()
            wanted = {signal.id for signal in context.signals} - set(source.problems)
            while not wanted <= set(seen):
                for delivery in await source.read():
                    seen |= {reading.signal: reading for reading in delivery.block.readings()}
                    refused += [refusal.reason for refusal in delivery.refusals]
                    if delivery.on_committed is not None:
                        delivery.on_committed()
    except TimeoutError:
        pass
    except ChejianError as error:
        cause = str(error)
    finally:
        await source.close()
    rows = []
    for signal in context.signals:
        reading = seen.get(signal.id)
        if reading is not None:
            row = CheckRow(
                context.name, signal.id, signal.address, reading.value, reading.source_time_us, Quality(reading.quality).name.lower(), reading.status
            )
        else:
            refusal = next((reason for reason in refused if signal.id in reason), "")
            row = CheckRow(context.name, signal.id, signal.address, cause=source.problems.get(signal.id) or refusal or cause)
        rows.append(row)
    return rows
