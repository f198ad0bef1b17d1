"""/docs: what /openapi.json says, as a page that needs no script and nothing from elsewhere."""

import html
from typing import Any

STYLE = """
:root { color-scheme: light dark; --line: #d5dae1; --soft: #f4f6f9; --ink: #1c2733; --faint: #5b6876; --get: #1d6fa5;
  --post: #1f7a3f; }
@media (prefers-color-scheme: dark) {
  :root { --line: #39424d; --soft: #222a33; --ink: #e6ebf1; --faint: #9aa7b5; --get: #6bb3e0; --post: #6cc48a; }
  body { background: #171d24; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 54rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; color: var(--faint); }
section { border: 1px solid var(--line); border-radius: 8px; padding: .7rem 1rem; margin: .7rem 0; }
h3 { font: 600 1rem/1.4 ui-monospace, monospace; margin: 0; overflow-wrap: anywhere; }
.GET { color: var(--get); } .POST { color: var(--post); }
p { margin: .4rem 0; overflow-wrap: anywhere; } .faint { color: var(--faint); font-size: .9rem; }
pre { background: var(--soft); padding: .6rem .8rem; border-radius: 6px; overflow-x: auto; margin: .5rem 0;
  font: .85rem/1.45 ui-monospace, monospace; }
table { border-collapse: collapse; font-size: .9rem; width: 100%; }
td { border-top: 1px solid var(--line); padding: .25rem .8rem .25rem 0; vertical-align: top; }
td:first-child { width: 3rem; font-family: ui-monospace, monospace; }
summary { cursor: pointer; color: var(--faint); font-size: .9rem; }
"""
POLICY = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
SAMPLES = {
    ("POST", "/predict"): (
        "curl --data-binary @picture.jpg '{base}/predict?topk=3'\ncurl -F file=@picture.jpg {base}/predict"
    ),
    ("POST", "/huggingface"): (
        "from huggingface_hub import InferenceClient\n"
        "InferenceClient(model=\"{base}/huggingface\").image_classification('picture.jpg')"
    ),
    ("POST", "/v2/models/{model}/infer"): (
        "import numpy, tritonclient.http as triton\n"
        'client = triton.InferenceServerClient("{address}")\n'
        'pictures = triton.InferInput("pictures", [1], "BYTES")\n'
        'pictures.set_data_from_numpy(numpy.array([open("picture.jpg", "rb").read()], object))\n'
        'scores = triton.InferRequestedOutput("scores", class_count=3)\n'
        'client.infer("{name}", [pictures], outputs=[scores]).as_numpy("scores")'
    ),
    ("GET", "/metrics"): "curl {base}/metrics",
    ("GET", "/ready"): "curl -i {base}/ready",
}


def page(openapi: dict[str, Any], base: str, name: str) -> str:
    """HTML. `base` is the server's address as the reader wrote it, `name` the model's."""
    groups: dict[str, list[str]] = {}
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            tag = operation.get("tags", ["this server"])[0]
            sample = SAMPLES.get((method.upper(), path), "")
            for word, value in (("{base}", base), ("{address}", base.partition("://")[2]), ("{name}", name)):
                sample = sample.replace(word, value)
            groups.setdefault(tag, []).append(_section(method.upper(), path, operation, sample))
    body = "".join(f"<h2>{html.escape(tag)}</h2>{''.join(sections)}" for tag, sections in groups.items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>alexnet: the server\'s reference</title>'
        '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/docs/style.css"></head>'
        f'<body><h1>{html.escape(name)}</h1><p class="faint">{html.escape(openapi["info"]["description"])} '
        f'For programs: <a href="/openapi.json">openapi.json</a>.</p>{body}</body></html>'
    )


def _section(method: str, path: str, operation: dict[str, Any], sample: str) -> str:
    parts = [f'<h3><span class="{method}">{method}</span> {html.escape(path)}</h3>']
    parts += [f"<p>{html.escape(operation[key])}</p>" for key in ("description",) if key in operation]
    fields = [
        f"{each['name']} (default {each['schema']['default']})" if "default" in each["schema"] else each["name"]
        for each in operation.get("parameters", [])
    ]
    if fields:
        parts.append(f'<p class="faint">Parameters: {html.escape(", ".join(fields))}</p>')
    if kinds := operation.get("requestBody", {}).get("content", {}):
        parts.append(f'<p class="faint">Body: {html.escape(" or ".join(kinds))}</p>')
    if sample:
        parts.append(f"<pre>{html.escape(sample)}</pre>")
    rows = "".join(
        f"<tr><td>{html.escape(status)}</td><td>{html.escape(answer['description'])}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    parts.append(f"<details><summary>Answers</summary><table>{rows}</table></details>")
    return f"<section>{''.join(parts)}</section>"
