"""How the registered model is named, for writers and for readers.

The names are in a module of their own so that readers need neither MLflow nor scikit-learn.
"""

MODEL_NAME = "BestModelRF"
STAGE = "Production"
ELIGIBLE_STAGE = "Staging"
ALIAS = "production"
