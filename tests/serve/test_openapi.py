"""/openapi.json against the server, by schemathesis: no 5xx, and nothing that the schema does not say."""

import contextlib
import warnings
from typing import Any

import pytest

from tests.serve.conftest import Process

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis.errors import Unsatisfiable
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

CHECKS: list[Any] = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
]
"""All but that valid data are accepted: no schema says what a picture is."""


def test_generated_requests_find_nothing(server_of_colours: Process) -> None:
    """Every operation, valid and invalid requests."""
    schema: Any = schemathesis.openapi.from_url(f"{server_of_colours.url}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) == 14

    for operation in operations:
        for mode in schemathesis.GenerationMode:

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(
                max_examples=8,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.explicit, Phase.generate],
            )
            def ask(case: Any) -> None:
                case.call_and_validate(checks=CHECKS)

            with contextlib.suppress(Unsatisfiable):  # without parameters there is no invalid request
                ask()


def test_the_schema_is_valid(server_of_colours: Process) -> None:
    schema = schemathesis.openapi.from_url(f"{server_of_colours.url}/openapi.json")
    schema.validate()


@pytest.mark.parametrize("path", ["/predict", "/huggingface", "/v2/models/{model}/infer"])
def test_every_way_to_an_answer_says_how_it_may_fail(server_of_colours: Process, path: str) -> None:
    answers = server_of_colours.get("/openapi.json").json["paths"][path]["post"]["responses"]
    assert {"400", "401", "408", "413", "415", "422", "429", "503", "504"} <= answers.keys()
