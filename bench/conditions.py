"""Under what conditions the figures came about."""

import os
import platform
import ssl
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.measure import Effort
from bench.process import Cores
from bench.servers import Server


def conditions(servers: Sequence[Server], effort: Effort, cores: Cores) -> Iterator[str]:
    """Sentences on day, machine, software and effort."""
    yield f"Measured on {datetime.now(UTC):%Y-%m-%d}, by `make bench` in its {effort.name} form."
    system = f"{platform.system()} {platform.release()}"
    yield f"Machine: {_processor()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB; {system}."
    libraries = ", ".join(f"{name} {version(name)}" for name in ("gevent", "lxml", "peewee"))
    yield f"Python {platform.python_version()}, {libraries}, {ssl.OPENSSL_VERSION}."
    yield "Servers: " + ", ".join(f"{server.name} {server.version()}" for server in servers) + "."
    if cores.server is None:
        yield "There is only one core: server and load share it, which raises all figures."
    else:
        yield f"Each server on core {cores.server}, the load on core {cores.load}."
    runs = "one run" if effort.repeats == 1 else f"the median of {effort.repeats} runs (minimum..maximum)"
    seconds = (
        f"{effort.seconds:g} s ({effort.archive_seconds:g} s with an archive) after {effort.warmup:g} s of warm-up"
    )
    yield f"Each figure: {seconds}, {runs}."


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def _memory_gib() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
