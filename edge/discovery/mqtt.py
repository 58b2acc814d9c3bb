"""What an MQTT broker's machines say: listens for a while, without a session that the broker would keep, and lets go."""

import asyncio

import msgspec

from edge.discovery.found import Machine, merge
from edge.discovery.json_topics import Topic, by_first_level, machines_of_topics
from edge.discovery.sparkplug_births import Births
from edge.mqtt_access import BrokerOptions, access_of, warnings_of
from edge.mqtt_client import Connection
from edge.source import SourceContext
from edge.sparkplug.payload import rebirth_request
from workshop.register import Workshop

MAX_TOPICS = 2000
_BUFFER = 10_000
_SPARKPLUG = "spBv1.0/"


class Heard(msgspec.Struct, frozen=True):
    """What was heard at a broker."""

    json: list[Machine]
    sparkplug: list[Machine]
    remarks: list[str]


async def discover_mqtt(
    options: BrokerOptions, context: SourceContext, register: Workshop, *, topics: list[str], listen_s: float, ask: bool,
) -> Heard:
    """The machines at a broker.

    Args:
        topics: topic filters.
        listen_s: how long to listen, s; what says nothing in this time is not found, unless the broker keeps it (retain).
        ask: whether to ask Sparkplug edge nodes that are heard without a birth for one: the only thing that is ever sent.
    Raises:
        NotConnected: nobody there, or the broker refuses.
        ConfigError: secrets that cannot be read.
    """
    connection = Connection(
        access_of(options, context.folder, context.where), client_id=f"chejian-{context.edge}-discover", durable=False, limit=_BUFFER,
        clock=context.clock,
    )
    found: dict[str, Topic] = {}
    births = Births()
    left_out = 0
    await connection.open(topics, qos=0)
    remarks = [*warnings_of(options), *(f"the broker refuses topic '{topic}'; name others with --topic" for topic in connection.refused)]
    try:
        async with asyncio.timeout(listen_s):
            while True:
                messages = await connection.read()
                for message in messages:
                    if message.topic.startswith(_SPARKPLUG):
                        node = births.take(message.topic, message.payload)
                        if node is not None and ask:
                            connection.publish(f"{_SPARKPLUG}{node[0]}/NCMD/{node[1]}", rebirth_request(context.clock()))
                    elif message.topic in found or len(found) < MAX_TOPICS:
                        found.setdefault(message.topic, Topic(message.topic, [])).add(message.payload, message.retained)
                    else:
                        left_out += 1
                connection.acknowledge(messages)
    except TimeoutError:
        pass
    finally:
        await connection.close()
    machines, more = machines_of_topics(list(found.values()), register, listen_s)
    if left_out:
        remarks.append(f"more than {MAX_TOPICS} topics: the rest was left out; name fewer with --topic")
    if not machines and not births.machines:
        heard = ", ".join(f"{name}/… ({count})" for name, count in sorted(by_first_level(list(found.values())).items())[:10]) or "nothing"
        remarks.append(f"heard in {listen_s:g} s: {heard}; listen longer with --listen-s")
    remarks += [f"{'/'.join(node)}: no birth was heard; let it connect anew, or allow --ask" for node, born in births.nodes.items() if not born]
    return Heard(merge(machines), merge(births.machines), [*remarks, *more, *births.remarks])
