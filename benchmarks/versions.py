"""Trains the best forest and registers it as two versions: `python -m benchmarks.versions URI`.

A process of its own, so that the memory of training and of the model is free again before a server
is measured. Prints the versions as JSON.
"""

import argparse
import json
import warnings

import mlflow

from benchmarks.platform import PARAMETERS, ROWS, observations
from covertype.registry.logged import log_model
from covertype.registry.promotion import register
from covertype.training.estimators import build, library_of
from covertype.training.fitting import TrainingSet, train
from covertype.training.searches import FOREST

_VERSIONS = 2


def main() -> None:
    """Train, log and register the forest on a tracking server."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versions", description=__doc__)
    parser.add_argument("uri", help="the tracking server")
    mlflow.set_tracking_uri(parser.parse_args().uri)
    mlflow.set_experiment(FOREST.experiment)
    warnings.filterwarnings("ignore", message=".*integer column", category=UserWarning)
    data = TrainingSet.from_rows(observations(ROWS))
    trained = train(build(FOREST, PARAMETERS), data, library_of(PARAMETERS))
    versions = []
    for _ in range(_VERSIONS):
        with mlflow.start_run() as run:
            mlflow.log_params(PARAMETERS)
            mlflow.log_metrics(trained.evaluation.metrics)
            log_model(trained.model, FOREST.model_name, data)
        versions.append(register(run.info.run_id))
    print(json.dumps(versions))


if __name__ == "__main__":
    main()
