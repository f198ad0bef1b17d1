"""The page at /: name pictures, see where the network looked and what it made of them, read how it was trained."""

from fastapi import APIRouter

from alexnet.predict import Classifier
from alexnet.run import Run
from alexnet.serve.bodies import Bodies
from alexnet.serve.page import files, looking, reading
from alexnet.serve.page.report import Reporter


def router(classifier: Classifier, run: Run | None, bodies: Bodies) -> APIRouter:
    """All routes of the page; it sends pictures to POST /predict, which is another's. `run` is None for weights without
    a run directory: the page then has no second tab."""
    routes = APIRouter(include_in_schema=False)
    routes.include_router(files.router())
    routes.include_router(looking.router(classifier, bodies))
    if run is not None:
        routes.include_router(reading.router(Reporter(run)))
    routes.include_router(reading.about(classifier, run))
    return routes
