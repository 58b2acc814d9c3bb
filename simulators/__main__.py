"""`python -m simulators CONFIG`: simulated equipment without the rest of chejian.

SIGUSR1 pauses (nothing is offered any more), SIGTERM and SIGINT stop. Prints one line `ready <name>` for each server and broker that can be reached.
"""

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from simulators.clock import Clock
from simulators.errors import SimulatorError
from simulators.run import run
from simulators.settings import load_settings


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulators", description="Simulated equipment on real ports.")
    parser.add_argument("config", type=Path, help="simulators.toml")
    parser.add_argument("--only", action="append", metavar="NAME", help="run only this server or broker; may be given several times")
    parser.add_argument("--truth", type=Path, metavar="DIR", help="folder for the record of everything offered")
    parser.add_argument("--clock", default="0,0,1", metavar="A,R,S", help="simulated µs, real µs, speed; default: real time")
    parser.add_argument("--seed", type=int, metavar="N", help="instead of the seed in CONFIG")
    return parser.parse_args()


def _say_ready(name: str) -> None:
    sys.stdout.write(f"ready {name}\n")
    sys.stdout.flush()


async def _main(arguments: argparse.Namespace) -> None:
    stop, pause = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number, event in ((signal.SIGTERM, stop), (signal.SIGINT, stop), (signal.SIGUSR1, pause)):
        loop.add_signal_handler(number, event.set)
    await run(
        load_settings(arguments.config), clock=Clock.parse(arguments.clock), truth_dir=arguments.truth, only=arguments.only, seed=arguments.seed,
        ready=_say_ready, stop=stop, pause=pause,
    )


def main() -> int:
    """Run the command; returns its exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        asyncio.run(_main(_arguments()))
    except SimulatorError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
