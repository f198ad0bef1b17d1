"""alexnet serve RUN: answer over HTTP."""

import os

import click

from alexnet.commands import options
from alexnet.errors import UsageError


@click.command("serve")
@click.argument("run")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for everybody.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@click.option(
    "--token",
    envvar="ALEXNET_TOKEN",
    show_envvar=True,
    help="Ask for 'Authorization: Bearer TOKEN'. The variable is safer: others may see a command line.",
)
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="A name by which clients call this server [on 127.0.0.1: localhost only; else any].",
)
@click.option("--name", help="The model's name in the Open Inference Protocol [the run's].")
@click.option("--max-batch", type=click.IntRange(min=1), default=16, show_default=True, help="Pictures at a time.")
@click.option(
    "--max-wait-ms",
    type=click.FloatRange(min=0),
    default=5,
    show_default=True,
    help="How long a picture waits for others.",
)
@click.option(
    "--max-queue",
    type=click.IntRange(min=1),
    default=128,
    show_default=True,
    help="Pictures that may wait.",
)
@click.option(
    "--deadline-ms",
    type=click.FloatRange(min=1),
    default=10_000,
    show_default=True,
    help="A request without an answer by then is told so.",
)
@click.option("--max-mb", type=click.FloatRange(min=0.001), default=16, show_default=True, help="Megabytes of a body.")
@click.option(
    "--max-pixels", type=click.IntRange(min=1), default=25_000_000, show_default=True, help="Pixels of a picture."
)
@click.option(
    "--drain-ms",
    type=click.FloatRange(min=0),
    default=1000,
    show_default=True,
    help="After SIGTERM: not ready for so long, then the end.",
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads of the network [as many as processors].")
@click.option("--workers", "-j", type=click.IntRange(min=1), help="Threads that decode [as many as processors].")
@options.device
@click.option("--amp/--no-amp", default=False, help="Answer in fewer bits: bf16, or, without it, dense layers in fp16.")
@click.option("--verbose", "-v", is_flag=True, help="A line for every request.")
@options.quiet
def command(
    run: str,
    host: str,
    port: int,
    token: str | None,
    allowed_hosts: tuple[str, ...],
    name: str | None,
    max_batch: int,
    max_wait_ms: float,
    max_queue: int,
    deadline_ms: float,
    max_mb: float,
    max_pixels: int,
    drain_ms: float,
    threads: int | None,
    workers: int | None,
    device: str,
    amp: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Answer with RUN over HTTP: a page to try it, plain HTTP, Hugging Face's format, the Open Inference Protocol.

    RUN is a run directory, 'last', a file of weights (other programs' too), or 'torchvision'. It listens on this
    machine only unless --host says otherwise. See docs/serve.md.
    """
    try:
        from alexnet.serve import server
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is missing: pip install 'alexnet[serve]'") from error
    from alexnet.serve.limits import Limits

    limits = Limits(
        max_batch=max_batch,
        max_wait=max_wait_ms / 1000,
        max_queue=max_queue,
        deadline=deadline_ms / 1000,
        decoders=workers or os.cpu_count() or 1,
        max_bytes=int(max_mb * (1 << 20)),
        max_pixels=max_pixels,
        drain_seconds=drain_ms / 1000,
    )
    server.serve(
        run,
        host=host,
        port=port,
        token=token,
        allowed_hosts=allowed_hosts,
        name=name,
        limits=limits,
        threads=threads,
        device=device,
        amp=amp,
        verbose=verbose,
        display=options.display(quiet),
    )
