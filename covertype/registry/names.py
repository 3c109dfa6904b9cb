"""How the registered model and its versions are named and tagged, for writers and for readers.

They are in a module of their own so that readers need neither MLflow nor scikit-learn.
"""

MODEL_NAME = "BestModelRF"
STAGE = "Production"
ALIAS = "production"

# Tags of a version: what was decided of it, by which rule, and on which figures. The reason is a
# sentence for people who look in MLflow; programs read the rule and the figures.
VERDICT = "promotion.verdict"
RULE = "promotion.rule"
REASON = "promotion.reason"
ACCURACY = "promotion.accuracy"
FLOOR_ACCURACY = "promotion.floor_accuracy"
FORMER = "promotion.former_version"
FORMER_ACCURACY = "promotion.former_accuracy"
FORMER_FAULT = "promotion.former_fault"
TEST_ROWS = "promotion.test_rows"
CHANGES = "promotion.production_changes"

# Values of the verdict.
PROMOTED = "promoted"
REFUSED = "refused"
