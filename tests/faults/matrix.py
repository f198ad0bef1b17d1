"""What can go wrong, row by row, and what is promised then. Tests claim rows with `@pytest.mark.fault("A1")`.

Groups: A pictures and data sets, B the decoded store, C training, checkpoints and going on, D many processes,
E the server and exported networks.
A row counts when a test brings the fault about for real and sees that nothing was lost.
"""

from dataclasses import dataclass

GROUPS = {
    "A": "Pictures and data sets",
    "B": "The decoded store",
    "C": "Training, checkpoints, going on",
    "D": "Many processes",
    "E": "The server and exported networks",
}


@dataclass(frozen=True)
class Fault:
    """One row."""

    what: str
    promise: str
    blocks: bool = False
    """Whether nothing may be released while it is not survived."""
    absent: str = ""
    """Why it cannot happen here; empty: it can, and a test brings it about."""


MATRIX = {
    # ---- A ---------------------------------------------------------------------------------------------------
    "A1": Fault("an empty picture file", "left out and named; with --strict exit 3", blocks=True),
    "A2": Fault(
        "a JPEG that is cut short",
        "left out and named, or filled with grey if asked for; the file stays as it is",
        blocks=True,
    ),
    "A3": Fault("garbage behind the picture", "read as if it were not there"),
    "A4": Fault("PNG, WebP, GIF, BMP named .jpg", "read by content", blocks=True),
    "A5": Fault("CMYK JPEG, inverted as Adobe writes it", "its true colours", blocks=True),
    "A6": Fault("grey, 1 bit, palettes, alpha, 16 bits", "one rule each, alpha over white"),
    "A7": Fault("EXIF orientation 1 to 8, malformed EXIF", "turned upright everywhere; malformed is ignored"),
    "A8": Fault("animations and files of many pages", "the first frame"),
    "A9": Fault(
        "a bomb: 30,000 × 30,000 pixels in a small file",
        "refused from its header; under 50 MB more memory",
        blocks=True,
    ),
    "A10": Fault("1×1, 1×5000, 5000×1 pixels", "fitted like any other"),
    "A11": Fault("progressive, subsampled, restarted, arithmetic JPEG", "read, or left out and named"),
    "A12": Fault("text, HTML or PDF named .jpg", "left out; what it is is named"),
    "A13": Fault(
        "unreadable files, dangling and circular links, pipes, devices",
        "left out with the reason, no hang",
        blocks=True,
    ),
    "A14": Fault("a file vanishes or shrinks between scan and decoding", "left out; with --strict exit 3"),
    "A15": Fault("names with newlines, no UTF-8, 255 bytes, a leading dash", "kept through run, store and reports"),
    "A16": Fault("no pictures, an empty class, one class", "exit 3, the class named", blocks=True),
    "A17": Fault("parts whose classes differ", "matched by name; strangers refused, missing ones told", blocks=True),
    "A18": Fault("the same picture in two parts, or twice", "found by content and told"),
    "A19": Fault("more than 1 % and more than ten bad files", "exit 3; --bad-files moves the limit"),
    "A20": Fault("a table of labels with wrong lines, BOM, CRLF", "read, or exit 3 with the line's number"),
    "A21": Fault("an archive with ../, links, devices, doubles, huge members", "nothing is unpacked; bounded"),
    "A22": Fault("a cut archive, or one behind another", "exit 3 or every whole member; never silent"),
    # ---- B ---------------------------------------------------------------------------------------------------
    "B1": Fault(
        "SIGKILL at any moment of a build", "no store that looks whole; built again, the same bytes", blocks=True
    ),
    "B2": Fault("one byte flipped in pixels, index or header", "noticed by its digest; never used", blocks=True),
    "B3": Fault("a store that was cut, or has a hole", "noticed when opened; no bus error", blocks=True),
    "B4": Fault("a picture changed, size and time stamp as before", "another store is built", blocks=True),
    "B5": Fault("another size or way of resizing", "another store; the first is untouched"),
    "B6": Fault("two processes build one store at once", "one builds, the other waits and uses it", blocks=True),
    "B7": Fault("the disk fills during a build", "exit 6, nothing half-built stays, the need told before"),
    "B8": Fault("a cache that cannot be written", "a store in it is used; else one line that says so"),
    "B9": Fault("a store of another format", "left alone; another is built"),
    "B10": Fault("a store larger than the memory", "pages come and go; told, with what to do"),
    "B11": Fault("a store replaced while it is in use", "who has it open keeps what was opened"),
    "B12": Fault("offsets beyond 2³¹ and 2³² bytes", "the right pictures"),
    # ---- C ---------------------------------------------------------------------------------------------------
    "C1": Fault("SIGKILL at random moments, also during a save", "the newest whole checkpoint goes on", blocks=True),
    "C2": Fault("a training in two pieces, cut within an epoch", "the same bytes as in one piece", blocks=True),
    "C3": Fault("two and three pauses within one epoch", "the same bytes as in one piece", blocks=True),
    "C4": Fault("going on with another --workers", "the same order of pictures"),
    "C5": Fault("going on with another number of processes", "each picture once an epoch", blocks=True),
    "C6": Fault("SIGTERM, SIGINT, SIGUSR1", "the step is finished and saved; exit 75 within 30 s", blocks=True),
    "C7": Fault("a second Ctrl-C; SIGTERM during a save or a verdict", "nothing torn; the last checkpoint stays"),
    "C8": Fault("the disk fills during a save", "the checkpoint before stays, exit 6, no rests", blocks=True),
    "C9": Fault("rests of killed writers", "swept; the newest run is named"),
    "C10": Fault("a checkpoint cut, flipped or empty", "exit 4 before anything changes", blocks=True),
    "C11": Fault("code in a checkpoint or weights file", "refused; never run", blocks=True),
    "C12": Fault("safetensors with lying headers", "refused in one line"),
    "C13": Fault("weights of another network or number of classes", "the first differences are named; nothing loaded"),
    "C14": Fault("NaN or infinity, in one process or all", "exit 5 before a step; never saved", blocks=True),
    "C15": Fault(
        "a metric that is NaN for an epoch",
        "",
        absent="a loss that is not finite ends the training (C14): no later epoch is compared with it",
    ),
    "C16": Fault(
        "a worker process is killed or hangs",
        "",
        blocks=True,
        absent="there are no worker processes: pictures are decoded once, by threads, whose errors are told (A14)",
    ),
    "C17": Fault(
        "/dev/shm is too small", "", absent="nothing is passed through shared memory: batches are made by the process"
    ),
    "C18": Fault("memory runs out; a GPU that is not there", "exit 6 with a hint; exit 2 with what there is"),
    "C19": Fault("the same seed twice; an operation that cannot repeat itself", "equal bytes, or refused", blocks=True),
    "C20": Fault("a last batch of one, fewer pictures than a batch or than processes", "each once; no hang"),
    "C21": Fault("unknown fields, wrong types, impossible values", "exit 2 before data; the nearest name"),
    "C22": Fault("no HOME, locale C, umask 077, read-only folder, another user, a clock set back", "it trains"),
    "C23": Fault("standard output closed or full, the log's disk full", "training goes on"),
    # ---- D ---------------------------------------------------------------------------------------------------
    "D1": Fault(
        "SIGKILL of one of two processes", "all leave within 60 s; torchrun starts anew; the run goes on", blocks=True
    ),
    "D2": Fault("SIGKILL of the leader during a save", "as C1, for the group", blocks=True),
    "D3": Fault("processes with other data, options or versions", "refused at the start, the difference named"),
    "D4": Fault("SIGTERM to one process only", "all stop at one step; one checkpoint"),
    "D5": Fault("a leader that stands still for long", "the others wait"),
    "D6": Fault("a taken port, no rendezvous, wrong numbers", "one line, in a minute"),
    "D7": Fault("two processes against one", "the same gradients and counts", blocks=True),
    # ---- E ---------------------------------------------------------------------------------------------------
    "E1": Fault(
        "no picture, an empty body, cut files, a bomb", "400 or 422, one line, little memory; it lives on", blocks=True
    ),
    "E2": Fault(
        "bodies over the limit, without or with a lying length",
        "413 or 400, no more is read, memory stays",
        blocks=True,
    ),
    "E3": Fault("forms of very many parts, huge headers, wrong boundaries", "400 or 413 at once", blocks=True),
    "E4": Fault("clients that send or read slowly, heads without end", "cut off; others do not notice", blocks=True),
    "E5": Fault(
        "ten times more requests than can be answered",
        "429 with Retry-After, a bounded queue, no work wasted",
        blocks=True,
    ),
    "E6": Fault("a deadline that passes in the queue or in the network", "504 then, not after the batch"),
    "E7": Fault("a client that leaves while it waits", "out of the queue; nothing is left of it"),
    "E8": Fault("a bad picture among good ones", "it fails alone", blocks=True),
    "E9": Fault("SIGTERM under load", "not ready first, all open requests answered, exit 0", blocks=True),
    "E10": Fault(
        "a model that is missing, damaged, or replaced while it serves", "exit 4 before it listens; no change"
    ),
    "E11": Fault(
        "no token, a wrong one, one in the query", "401; compared in constant time, never logged", blocks=True
    ),
    "E12": Fault("paths that lead elsewhere, other hosts' names", "404, 405 or 400", blocks=True),
    "E13": Fault("wrong requests of the Open Inference Protocol", '400 and {"error"}; the id comes back on success'),
    "E14": Fault("HTML in names of files and classes", "shown as text"),
    "E15": Fault("very many requests, many of them bad or broken off", "memory and descriptors stay"),
    "E16": Fault("metrics and hostile labels", "valid text, no more series"),
    "E17": Fault(
        "the network's thread dies or is stuck", "not live, replaced; no old answer is given out", blocks=True
    ),
    "E18": Fault(
        "an exported model: batches of 1, 7, 64; 8 bits; dropout; a damaged file",
        "answers as ours within 1e-4, int8 within half a point, or it is not kept; damage is exit 4",
        blocks=True,
    ),
    "E19": Fault("one picture through every way to an answer", "the same classes, scores within 1e-4"),
}
