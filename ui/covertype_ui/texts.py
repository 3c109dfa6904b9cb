"""Every text that a person reads, in both languages, and nothing else.

What the contract says in English is taken from the contract; here is only its Spanish.
"""

from typing import NamedTuple

from covertype.contract import CLASSES, FEATURES


class Phrase(NamedTuple):
    """One text in both languages; `{names}` in braces are filled in when it is said."""

    es: str
    en: str


# The frame

TITLE = Phrase("Cobertura forestal", "Forest cover")
LANGUAGE = Phrase("Idioma", "Language")
PAGE_PREDICTION = Phrase("Predicción", "Prediction")
PAGE_BATCH = Phrase("Lote", "Batch")
PAGE_MODEL = Phrase("Modelo", "Model")
PAGE_DATA = Phrase("Datos", "Data")

# The form

PREDICTION_INTRODUCTION = Phrase(
    "Describa un lugar del bosque y el modelo dirá qué árboles lo cubren. "
    "El formulario ya contiene una observación típica: puede predecir ahora mismo.",
    "Describe a place in the forest and the model tells which trees cover it. "
    "The form already holds a typical observation: you can predict right away.",
)
EXAMPLES = Phrase("Rellenar con una observación típica de", "Fill in a typical observation of")
TRAINED_RANGE = Phrase("Entrenado: {low} a {high}", "Trained: {low} to {high}")
OUT_OF_RANGE = Phrase(
    "{name}: {value} queda fuera de lo que el modelo vio al entrenarse ({low} a {high}); "
    "tome la respuesta con cautela.",
    "{name}: {value} is outside what the model saw in training ({low} to {high}); "
    "take the answer with caution.",
)
INPUT_HELP = Phrase(
    "{description}. De {low} a {high} {unit}. En los archivos: {column}.",
    "{description}. From {low} to {high} {unit}. In files: {column}.",
)
CHOICE_HELP = Phrase(
    "{description}. En los archivos: {column}.", "{description}. In files: {column}."
)
PREDICT = Phrase("Predecir", "Predict")
ASKING = Phrase("Preguntando al modelo…", "Asking the model…")

# The answer

ANSWER = Phrase("Cobertura más probable", "Most likely cover")
ANSWER_SURE = Phrase("con una probabilidad del {share}", "with a probability of {share}")
ANSWERED_BY = Phrase(
    "Respondió la versión {version} del modelo.", "Version {version} of the model answered."
)
ANSWER_EMPTY = Phrase(
    "La respuesta aparecerá aquí: pulse **Predecir**.",
    "The answer will appear here: press **Predict**.",
)
ANSWER_STALE = Phrase(
    "Los valores han cambiado desde esta respuesta: pulse **Predecir** otra vez.",
    "The values have changed since this answer: press **Predict** again.",
)
ANSWER_EXPIRED = Phrase(
    "Esta respuesta es de la versión {version}; ahora está en producción la {current}. "
    "Pulse **Predecir** para preguntarle a ella.",
    "This answer is from version {version}; version {current} is in Production now. "
    "Press **Predict** to ask it.",
)
PROBABILITY = Phrase("Probabilidad", "Probability")
CLASS = Phrase("Cobertura", "Cover")
PROBABILITIES_ALT = Phrase(
    "Barras con la probabilidad de cada cobertura: {shares}",
    "Bars with the probability of each cover: {shares}",
)

# When a service does not answer as it should

SERVICE_AWAY = Phrase(
    "El servicio de predicción no responde. Compruebe que está en marcha y vuelva a intentarlo; "
    "lo que ha introducido sigue aquí.",
    "The prediction service is away. Check that it is running and try again; "
    "what you entered is still here.",
)
SERVICE_SLOW = Phrase(
    "El servicio de predicción tarda demasiado: pasaron {seconds} segundos sin respuesta. "
    "Vuelva a intentarlo dentro de un momento; lo que ha introducido sigue aquí.",
    "The prediction service is too slow: {seconds} seconds went by without an answer. "
    "Try again in a moment; what you entered is still here.",
)
NO_MODEL = Phrase(
    "Todavía no hay ningún modelo en producción. Se entrena solo con los primeros datos, en unos "
    "minutos; puede seguirlo en [Airflow]({airflow}). Después, vuelva a intentarlo.",
    "There is no model in Production yet. It is trained by itself on the first data, in a few "
    "minutes; you can follow it in [Airflow]({airflow}). Then try again.",
)
SERVICE_FAILED = Phrase(
    "El servicio de predicción tuvo un fallo propio. Vuelva a intentarlo; si se repite, avise a "
    "quien cuida la plataforma.",
    "The prediction service had a fault of its own. Try again; if it happens again, tell those "
    "who look after the platform.",
)
REFUSED = Phrase(
    "El servicio no acepta estos valores:", "The service does not accept these values:"
)
REFUSED_UNKNOWN = Phrase(
    "El servicio no acepta estos valores. Elija una observación típica y cambie los valores de uno "
    "en uno.",
    "The service does not accept these values. Choose a typical observation and change one value "
    "at a time.",
)

# The contract's rules, as `covertype.contract` says them in English

QUANTITY_RULE = Phrase(
    "{name} debe ser un número entero de {low} a {high}",
    "{name} must be a whole number from {low} to {high}",
)
CATEGORY_RULE = Phrase(
    "{name} debe ser uno de los {count} nombres conocidos o su índice, de 0 a {last}",
    "{name} must be one of the {count} known names or its index, from 0 to {last}",
)

# The contract's names

FEATURE_LABELS: dict[str, Phrase] = dict(
    zip(
        (feature.name for feature in FEATURES),
        (
            Phrase("Elevación", "Elevation"),
            Phrase("Orientación", "Aspect"),
            Phrase("Pendiente", "Slope"),
            Phrase("Distancia al agua", "Distance to water"),
            Phrase("Altura sobre el agua", "Height above water"),
            Phrase("Distancia a caminos", "Distance to roads"),
            Phrase("Luz a las 9 h", "Light at 9 am"),
            Phrase("Luz a mediodía", "Light at noon"),
            Phrase("Luz a las 15 h", "Light at 3 pm"),
            Phrase("Distancia a incendios", "Distance to fires"),
            Phrase("Área silvestre", "Wilderness area"),
            Phrase("Tipo de suelo", "Soil type"),
        ),
        strict=True,
    )
)

_SPANISH_DESCRIPTIONS = (
    "Elevación sobre el nivel del mar",
    "Hacia dónde mira la ladera: rumbo en grados desde el norte",
    "Inclinación del terreno",
    "Distancia horizontal al agua superficial más cercana",
    "Altura sobre el agua más cercana; negativa si está por debajo",
    "Distancia horizontal al camino más cercano",
    "Iluminación a las 9 h en el solsticio de verano",
    "Iluminación a mediodía en el solsticio de verano",
    "Iluminación a las 15 h en el solsticio de verano",
    "Distancia horizontal al origen de incendio más cercano",
    "Área silvestre del Bosque Nacional Roosevelt, Colorado",
    "Tipo de suelo, por su unidad ecológica del USFS",
)

FEATURE_DESCRIPTIONS: dict[str, Phrase] = {
    feature.name: Phrase(spanish, feature.description)
    for feature, spanish in zip(FEATURES, _SPANISH_DESCRIPTIONS, strict=True)
}

_SPANISH_CLASSES = (
    "Pícea y abeto",
    "Pino contorta",
    "Pino ponderosa",
    "Álamo y sauce",
    "Álamo temblón",
    "Abeto de Douglas",
    "Krummholz",
)

CLASS_LABELS: dict[str, Phrase] = {
    name: Phrase(spanish, name) for name, spanish in zip(CLASSES, _SPANISH_CLASSES, strict=True)
}
