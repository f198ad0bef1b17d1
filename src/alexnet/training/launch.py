"""Which torchrun has started this process, and how often: what its variables say, and what they do not."""

import os
from pathlib import Path


def origin() -> dict[str, str]:
    """For env.json: the torchrun job, which its processes have in common also after restarts, and the leader's agent.

    Empty without torchrun. The job is --rdzv-id (--standalone draws one); where none was given it is "none", as for all
    such launches, and the agent's name stands for it.
    """
    given = os.environ.get("TORCHELASTIC_RUN_ID")
    job = agent() if given == "none" else given
    return {"torchrun": job, "torchrun_agent": agent()} if job else {}


def agent() -> str:
    """The name of the torchrun that watches over this process: that of the folder which each makes for itself.

        /tmp/torchelastic_8f3a/none_k2x1/attempt_0/0/error.json    none_k2x1

    Empty without torchrun.
    """
    above = Path(os.environ.get("TORCHELASTIC_ERROR_FILE", "")).parents
    return above[2].name if len(above) > 3 else ""


def restarts() -> int:
    """How often the agent has started its processes anew since one of them ended; every agent counts for itself."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
