"""All texts of the app, in Spanish and English.

Reasons of verdicts, descriptions of features and names of classes take their English from
`covertype`.
"""

from collections.abc import Mapping
from typing import NamedTuple

from covertype.contract import CLASSES, FEATURES
from covertype.gate.verdicts import Rule
from covertype.monitoring.first_hour import Trouble


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
PAGE_MONITORING = Phrase("Vigilancia", "Monitoring")
UNEXPECTED = Phrase(
    "Esta página tuvo un fallo propio. Recárguela; si se repite, avise a quien cuida la "
    "plataforma.",
    "This page failed. Reload it; if it happens again, tell the people who run the platform.",
)

# The form

PREDICTION_INTRODUCTION = Phrase(
    "Describa un lugar del bosque y el modelo dirá qué árboles lo cubren. "
    "El formulario ya contiene una observación típica: puede predecir ahora mismo.",
    "Describe a place in the forest and the model says which trees grow there. "
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

# The true class of an answer

FEEDBACK_QUESTION = Phrase(
    "¿Fue correcta? Diga qué árboles crecen allí", "Was it right? Say which trees grow there"
)
FEEDBACK_CHOOSE = Phrase("Elija la cobertura real", "Choose the true cover")
FEEDBACK_SEND = Phrase("Enviar", "Send")
FEEDBACK_THANKS = Phrase(
    "Gracias: se cuenta para medir cuánto acierta el modelo. Si se equivocó, envíela otra vez; "
    "vale la última.",
    "Thank you: it counts towards how often the model is right. If you made a mistake, send it "
    "again; the last one counts.",
)
FEEDBACK_REFUSED = Phrase(
    "El servicio de predicción no admite la cobertura real de esta respuesta.",
    "The prediction service does not take the true cover of this answer.",
)

# Why this answer

WHY = Phrase("¿Por qué?", "Why?")
WHY_INTRODUCTION = Phrase(
    "El modelo parte del {bias}, la proporción de esta cobertura en su entrenamiento. Cada dato "
    "suma (azul) o resta (naranja) puntos porcentuales, hasta llegar al {share}. Explica al "
    "modelo, no a la naturaleza.",
    "The model starts from {bias}, the share of this cover in its training. Each input adds (blue) "
    "or takes away (orange) percentage points, up to {share}. This explains the model, not nature.",
)
WHY_NOT = Phrase(
    "El servicio que responde no sabe explicar esta predicción: es de una versión anterior, o su "
    "modelo no es un bosque.",
    "The service that answers can't explain this prediction: it is an older one, or its model is "
    "not a forest.",
)
POINTS = Phrase("{points} p. p.", "{points} pp")
CONTRIBUTION = Phrase("Contribución", "Contribution")
CONTRIBUTIONS_ALT = Phrase(
    "Barras con lo que cada dato suma o resta a la probabilidad: {points}",
    "Bars with what each input adds to the probability or takes from it: {points}",
)

# When a service does not answer as it should

SERVICE_AWAY = Phrase(
    "El servicio de predicción no responde. Compruebe que está en marcha y vuelva a intentarlo; "
    "lo que ha introducido sigue aquí.",
    "The prediction service is not responding. Check that it is running and try again; "
    "what you entered is still here.",
)
SERVICE_SLOW = Phrase(
    "El servicio de predicción tarda demasiado: pasaron {seconds} segundos sin respuesta. "
    "Vuelva a intentarlo dentro de un momento; lo que ha introducido sigue aquí.",
    "The prediction service is too slow: {seconds} seconds went by without an answer. "
    "Try again in a moment; what you entered is still here.",
)
SERVICE_BUSY = Phrase(
    "El servicio de predicción está ocupado con otras peticiones. Vuelva a intentarlo dentro de "
    "unos segundos; lo que ha introducido sigue aquí.",
    "The prediction service is busy with other requests. Try again in a few seconds; what you "
    "entered is still here.",
)
NO_MODEL = Phrase(
    "Todavía no hay ningún modelo en producción. Se entrena solo con los primeros datos, en unos "
    "minutos; puede seguirlo en [Airflow]({airflow}). Después, vuelva a intentarlo.",
    "There is no model in Production yet. The platform trains one on the first data, in a few "
    "minutes; you can follow it in [Airflow]({airflow}). Then try again.",
)
SERVICE_FAILED = Phrase(
    "El servicio de predicción tuvo un fallo propio. Vuelva a intentarlo; si se repite, avise a "
    "quien cuida la plataforma.",
    "The prediction service failed. Try again; if it happens again, tell the people "
    "who run the platform.",
)
INVALID_VALUES = Phrase(
    "El servicio no acepta estos valores:", "The service does not accept these values:"
)
INVALID_INPUT = Phrase(
    "El servicio no acepta estos valores. Elija una observación típica y cambie los valores de uno "
    "en uno.",
    "The service does not accept these values. Choose a typical observation and change one value "
    "at a time.",
)

# Many rows

BATCH_INTRODUCTION = Phrase(
    "Suba un archivo CSV con una fila por lugar: las doce columnas del contrato en cualquier "
    "orden, con su nombre en la primera línea, o sin nombres y en su orden. Se revisa aquí, se "
    "predice por partes y se descarga con la respuesta al lado.",
    "Upload a CSV file with one row for each place: the twelve columns of the contract, in any "
    "order and named in the first line, or unnamed and in their order. It is checked here, "
    "predicted in parts and downloaded with the answer beside it.",
)
BATCH_COLUMNS = Phrase("Columnas del archivo", "Columns of the file")
COLUMN = Phrase("Columna", "Column")
MEANING = Phrase("Qué es", "What it is")
ALLOWED = Phrase("Qué se admite", "What is allowed")
UPLOAD = Phrase("Archivo CSV", "CSV file")
UPLOAD_HINT = Phrase(
    "Arrastre aquí un CSV, hasta {rows} filas", "Drag a CSV here, up to {rows} rows"
)
UPLOAD_BROWSE = Phrase("Elegir archivo", "Choose file")
USE_EXAMPLE = Phrase("Tomar un ejemplo", "Use an example")
EXAMPLE_FILE = Phrase("ejemplo.csv", "example.csv")
DOWNLOAD_TEMPLATE = Phrase("Descargar el ejemplo", "Download the example")
CHECKING = Phrase("Revisando el archivo…", "Checking the file…")
FILE_CHECKED = Phrase(
    "**{name}**: {rows} filas, todas correctas.", "**{name}**: {rows} rows, all of them valid."
)
FILE_PARTLY_RIGHT = Phrase(
    "**{name}**: {right} filas correctas y {wrong} que no lo son. Corríjalas y suba el archivo "
    "otra vez, o prediga solo las correctas.",
    "**{name}**: {right} rows are valid and {wrong} are not. Correct them and upload the file "
    "again, or predict only the valid ones.",
)
FILE_WRONG = Phrase(
    "**{name}**: ninguna de sus {rows} filas es correcta. Corríjalas y suba el archivo otra vez.",
    "**{name}**: none of its {rows} rows is valid. Correct them and upload the file again.",
)
FILE_NOT_TEXT = Phrase(
    "**{name}** no es un archivo de texto. Si es una hoja de cálculo, guárdela como CSV.",
    "**{name}** is not a text file. If it is a spreadsheet, save it as CSV.",
)
FILE_EMPTY = Phrase("**{name}** no tiene ninguna fila.", "**{name}** holds no rows.")
FILE_COLUMNS_MISSING = Phrase(
    "A **{name}** le faltan columnas: {columns}.", "**{name}** lacks columns: {columns}."
)
FILE_COLUMNS_REPEATED = Phrase(
    "**{name}** tiene columnas repetidas: {columns}.", "**{name}** repeats columns: {columns}."
)
FILE_NOT_A_TABLE = Phrase(
    "**{name}** no es una tabla con las doce columnas: su primera línea no las nombra, ni tiene "
    "12 o 13 valores separados por comas.",
    "**{name}** is not a table with the twelve columns: its first line does not name them, nor "
    "does it have 12 or 13 values separated by commas.",
)
FILE_TOO_LONG = Phrase(
    "**{name}** tiene {rows} filas y el máximo es {limit}. Divídalo en varios archivos.",
    "**{name}** has {rows} rows; the limit is {limit}. Divide it into several files.",
)
FILE_NO_ROOM = Phrase(
    "Los archivos de otras personas no dejan lugar para **{name}**. Vuelva a cargarlo en unos "
    "minutos, o cargue uno más pequeño.",
    "The files of other people leave no room for **{name}**. Upload it again in a few minutes, or "
    "upload a smaller one.",
)
FAULTS = Phrase("Filas por corregir", "Rows to correct")
FAULTS_SHOWN = Phrase("Las primeras {shown} de {all}.", "The first {shown} of {all}.")
LINE = Phrase("Línea", "Line")
REASON = Phrase("Motivo", "Reason")
FAULT_VALUE = Phrase("{rule}; aquí: {value}", "{rule}; here: {value}")
FAULT_EMPTY = Phrase("nada", "nothing")
FAULT_WIDTH = Phrase(
    "la fila tiene {got} valores y la primera línea {wanted}",
    "the row has {got} values and the first line {wanted}",
)
DOWNLOAD_FAULTS = Phrase("Descargar la lista", "Download the list")
FAULTS_FILE = Phrase("filas_por_corregir.csv", "rows_to_correct.csv")
PREDICT_ROWS = Phrase("Predecir {rows} filas", "Predict {rows} rows")
PREDICT_REST = Phrase(
    "Continuar con las {rows} filas que faltan", "Continue with the remaining {rows} rows"
)
PROGRESS = Phrase("{done} de {all} filas", "{done} of {all} rows")
BATCH_STOPPED = Phrase(
    "Se detuvo con {done} de {all} filas predichas, que se conservan.",
    "It stopped with {done} of {all} rows predicted, which are kept.",
)
BATCH_DONE = Phrase(
    "{rows} filas predichas en {seconds} segundos por la versión {versions} del modelo.",
    "{rows} rows predicted in {seconds} seconds by version {versions} of the model.",
)
BATCH_AGREES = Phrase(
    "El archivo trae la cobertura verdadera: la respuesta acierta en el {share} de las filas.",
    "The file holds the true cover: the answer is right in {share} of the rows.",
)
BATCH_SUMMARY = Phrase("Filas por cobertura predicha", "Rows by predicted cover")
BATCH_SUMMARY_ALT = Phrase(
    "Barras con las filas de cada cobertura predicha: {counts}",
    "Bars with the rows of each predicted cover: {counts}",
)
DOWNLOAD_RESULT = Phrase("Descargar el resultado", "Download the result")
RESULT_FILE = Phrase("{name}_predicho.csv", "{name}_predicted.csv")
RESULT_SHOWN = Phrase("Las primeras {shown} filas:", "The first {shown} rows:")

# The model

MODEL_INTRODUCTION = Phrase(
    "El modelo que responde ahora, cuánto acierta con observaciones que nunca vio al entrenarse, "
    "y cómo llegó hasta aquí.",
    "The model that answers now, how well it does on observations that it never saw in training, "
    "and how it got here.",
)
VERSION = Phrase("Versión", "Version")
IN_PRODUCTION_SINCE = Phrase("En producción desde", "In Production since")
ACCURACY = Phrase("Exactitud", "Accuracy")
ACCURACY_HELP = Phrase(
    "De cada cien observaciones de prueba, cuántas acierta",
    "Of a hundred test observations, how many it gets right",
)
NEXT_BATCH = Phrase("Exactitud en el lote siguiente", "Accuracy on the next batch")
NEXT_BATCH_HELP = Phrase(
    "Cuánto acierta en las {rows} observaciones nuevas del lote {batch}, que llegó después de su "
    "entrenamiento. La exactitud dice lo bien que el modelo recuerda este bosque; esta cifra dice "
    "qué esperar mañana.",
    "How much it gets right of the {rows} new observations of batch {batch}, which arrived after "
    "its training. The accuracy says how well the model remembers this forest; this figure says "
    "what to expect tomorrow.",
)
LIVE_ACCURACY_HELP = Phrase(
    "Qué parte acertó de {rows} respuestas suyas cuya cobertura real envió alguien en los últimos "
    "30 días.",
    "How much it got right of {rows} of its answers whose true cover somebody sent in the last 30 "
    "days.",
)
NEXT_BATCH_UNKNOWN = Phrase(
    "Todavía no se ha evaluado con un lote posterior a su entrenamiento. La exactitud dice lo bien "
    "que el modelo recuerda este bosque; esta cifra dirá qué esperar mañana.",
    "It has not been scored yet on a batch that arrived after its training. The accuracy says how "
    "well the model remembers this forest; this figure will say what to expect tomorrow.",
)
F1_MACRO = Phrase("F1 macro", "Macro F1")
F1_MACRO_HELP = Phrase(
    "Equilibrio entre acertar y no confundir, con el mismo peso para cada cobertura por rara que "
    "sea; lo mejor es 1",
    "Balance between finding and not mistaking, each cover weighing the same however rare it is; "
    "the best is 1",
)
LOG_LOSS = Phrase("Pérdida logarítmica", "Log loss")
LOG_LOSS_HELP = Phrase(
    "Cuánto se equivocan las probabilidades; lo mejor es 0",
    "How wrong the probabilities are; the best is 0",
)
SEE_VERSION = Phrase("Esta versión en MLflow", "This version in MLflow")
SEE_RUN = Phrase("Su entrenamiento en MLflow", "Its training in MLflow")
SEE_EXPERIMENT = Phrase("Todas las candidatas en MLflow", "All candidates in MLflow")
CONFUSION = Phrase("Qué confunde con qué", "Which classes it confuses")
CONFUSION_HELP = Phrase(
    "Cada fila es una cobertura verdadera y reparte sus observaciones de prueba según lo que "
    "respondió el modelo; la diagonal son los aciertos.",
    "Each row is a true cover and shares out its test observations by what the model answered; "
    "the diagonal is what it got right.",
)
CONFUSION_ALT = Phrase(
    "Matriz de confusión; aciertos por cobertura: {shares}",
    "Confusion matrix; recall by cover: {shares}",
)
TRUE_CLASS = Phrase("Verdadera", "True")
PREDICTED_CLASS = Phrase("Respuesta", "Answer")
ROWS = Phrase("Filas", "Rows")
SHARE = Phrase("Parte", "Share")
IMPORTANCES = Phrase("En qué se fija", "What it looks at")
IMPORTANCES_HELP = Phrase(
    "Cuánto pesa cada dato en las decisiones del bosque. Los {count} mayores.",
    "How much each input weighs in the decisions of the forest. The largest {count}.",
)
IMPORTANCES_ALT = Phrase(
    "Barras con el peso de cada dato: {shares}", "Bars with the weight of each input: {shares}"
)
INPUT = Phrase("Dato", "Input")
WEIGHT = Phrase("Peso", "Weight")
PARAMETERS = Phrase("Parámetros", "Parameters")
CHANGES_OF_PRODUCTION = Phrase("Cambios de producción", "Changes of Production")
CHANGES_OF_PRODUCTION_HELP = Phrase(
    "Qué versión respondía, desde cuándo y por qué. Se vuelve a una versión anterior con "
    "`rollback_model` en Airflow o con `make rollback`.",
    "Which version answered, since when, and why. `rollback_model` in Airflow or `make rollback` "
    "goes back to an earlier version.",
)
CHANGES_UNREADABLE = Phrase(
    "El historial de producción no se puede leer ahora: compruebe la carpeta `promotions` de los "
    "datos.",
    "The history of Production can't be read now: check the folder `promotions` of the data.",
)
CHANGES_OLDER = Phrase("{count} cambios anteriores", "{count} older changes")
PROMOTION = Phrase("Promoción", "Promotion")
ROLLBACK = Phrase("Vuelta atrás", "Rollback")
CHANGE_IN_MLFLOW = Phrase("Cambio en MLflow", "Change in MLflow")
THE_GATE = Phrase("Las reglas de promoción", "The promotion rules")
TROUBLES = {
    Trouble.LIVE_ACCURACY: Phrase(
        "la versión {version}, recién promovida, acertaba el {share} de las {of} respuestas "
        "comprobadas; el mínimo es el {limit}",
        "version {version}, just promoted, was right in {share} of the {of} answers that were "
        "checked; the minimum is {limit}",
    ),
    Trouble.ERROR_RATE: Phrase(
        "la versión {version}, recién promovida, dejaba sin respuesta el {share} de {of} "
        "peticiones; el máximo es el {limit}",
        "version {version}, just promoted, left {share} of {of} requests without an answer; the "
        "maximum is {limit}",
    ),
}
HISTORY = Phrase("Versiones", "Versions")
HISTORY_EMPTY = Phrase(
    "Todavía no se ha registrado ninguna versión. La primera llega con el primer entrenamiento; "
    "puede seguirlo en [Airflow]({airflow}).",
    "No version has been registered yet. The first comes with the first training; you can follow "
    "it in [Airflow]({airflow}).",
)
HISTORY_OLDER = Phrase("{count} versiones anteriores", "{count} older versions")
PROMOTED = Phrase("Promovida", "Promoted")
REFUSED_VERSION = Phrase("Rechazada", "Refused")
ELIGIBLE = Phrase("Apta: espera a una persona", "Eligible: waits for a person")
UNDECIDED = Phrase("Sin decidir", "Undecided")
STAGES = {
    "Production": Phrase("Producción", "Production"),
    "Archived": Phrase("Archivada", "Archived"),
    "Staging": Phrase("Ensayo", "Staging"),
}
_BESIDE_FLOOR = (
    "acierta el {accuracy}; responder siempre la cobertura más frecuente, el {floor_accuracy}; "
    "en las mismas {test_rows} filas de prueba"
)
_BESIDE_FORMER = (
    "acierta el {accuracy}; la versión {former_version}, entonces en producción, el "
    "{former_accuracy}; en las mismas {test_rows} filas de prueba"
)
_FORMER_FAULT = (
    "; la versión {former_version}, entonces en producción, no puede responder: {former_fault}"
)
_PRODUCTION = "la versión {former_version}, entonces en producción"
VERDICT_REASONS: Mapping[Rule, str] = {
    Rule.FIRST: _BESIDE_FLOOR,
    Rule.FIRST_NOT_BETTER: _BESIDE_FLOOR,
    Rule.BETTER: _BESIDE_FORMER,
    Rule.NOT_BETTER: _BESIDE_FORMER,
    Rule.FORMER_FAULT: _BESIDE_FLOOR + _FORMER_FAULT,
    Rule.FORMER_FAULT_NOT_BETTER: _BESIDE_FLOOR + _FORMER_FAULT,
    Rule.BY_HAND: "ya está en producción: una persona la puso ahí",
    Rule.CANNOT_ANSWER: "no puede responder: {fault}",
    Rule.INVALID_ANSWERS: "en {invalid_answers} de {test_rows} filas de prueba, sus probabilidades "
    "no son números o no suman 1",
    Rule.GAIN_TOO_SMALL: _BESIDE_FORMER + "; la mejora no llega al mínimo de {minimum_gain}",
    Rule.NOT_SIGNIFICANT: _BESIDE_FORMER
    + "; la diferencia no es significativa: acierta {gained} filas que la otra falla y falla "
    "{lost} que la otra acierta (prueba de McNemar, p = {p_value})",
    Rule.CLASS_LOST: "reconoce el {recall} de {label}; " + _PRODUCTION + ", el {former_recall}; en "
    "las mismas {class_rows} filas de prueba; aun con el margen de error baja más de "
    "{recall_loss_limit}; su F1 es {class_f1}, y antes {former_class_f1}",
    Rule.NEWEST_BATCH_WORSE: "en el lote más reciente acierta el {newest_accuracy}; "
    + _PRODUCTION
    + ", el {former_newest_accuracy}; en las mismas {newest_rows} filas de prueba; puede bajar "
    "como mucho {newest_loss_limit}",
    Rule.SERVES_OTHERWISE: "en la forma en que se sirve, {serving_faults} de {served_rows} filas "
    "no tienen respuesta, o tienen otra que la del modelo registrado",
    Rule.TOO_SLOW: "una respuesta tarda {row_milliseconds} ms; el máximo son "
    "{row_milliseconds_limit} ms",
    Rule.TOO_MUCH_MEMORY: "cargada ocupa {loaded_mb} MB; el máximo son {loaded_mb_limit} MB",
    Rule.TOO_LARGE: "su archivo ocupa {artifact_mb} MB; el máximo son {artifact_mb_limit} MB",
    Rule.REPLAY_FAILED: "no da una respuesta válida a {replay_errors} de las últimas "
    "{replayed_rows} peticiones",
    Rule.REPLAY_TOO_SLOW: "tarda {replay_milliseconds} ms en cada una de las últimas "
    "{replayed_rows} peticiones; el máximo son {row_milliseconds_limit} ms",
    Rule.REPLAY_CHANGED: "cambia la respuesta al {changed_share} de las últimas {replayed_rows} "
    "peticiones; el máximo es el {changed_share_limit}",
    Rule.ROLLED_BACK: "se entrenó con los mismos datos que la versión {rolled_back_version}, que "
    "se retiró de producción",
    Rule.PRODUCTION_CHANGED: "la versión en producción cambió {production_changes} veces mientras "
    "se evaluaba esta",
}
MLFLOW_AWAY = Phrase(
    "MLflow no responde, así que las versiones no se pueden mostrar ahora; predecir no depende de "
    "él. Compruebe que está en marcha y recargue la página.",
    "MLflow is not responding, so the versions can't be shown now; predicting does not depend on "
    "it. Check that it is running and reload the page.",
)

# The data

DATA_INTRODUCTION = Phrase(
    "Lo que llega cada cinco minutos, lo que se aparta por no cumplir el contrato y lo que queda "
    "para entrenar.",
    "What comes in every five minutes, what is set aside for breaking the contract, and what "
    "remains for training.",
)
DATA_EMPTY = Phrase(
    "Todavía no ha llegado ningún dato. `descargar_datos_api` los trae cada cinco minutos; puede "
    "seguirlo o ponerlo en marcha en [Airflow]({airflow}).",
    "No data has come in yet. `descargar_datos_api` brings some every five minutes; you can "
    "follow it or start it in [Airflow]({airflow}).",
)
DATA_UNREADABLE = Phrase(
    "Los archivos de datos no se pueden leer ahora. Compruebe que la carpeta de datos está "
    "montada y recargue la página.",
    "The data files can't be read now. Check that the data folder is mounted and reload the page.",
)
READING = Phrase("Leyendo los archivos…", "Reading the files…")
COLLECTED_ROWS = Phrase("Filas recogidas", "Rows collected")
FILES = Phrase("Archivos", "Files")
DISTINCT_ROWS = Phrase("Observaciones distintas", "Distinct observations")
DISTINCT_ROWS_HELP = Phrase(
    "Filas correctas y sin repetir: con ellas se entrena",
    "Valid and distinct: the rows for training",
)
REJECTED_ROWS = Phrase("Filas rechazadas", "Rows rejected")
LAST_COLLECTED = Phrase("Última recogida", "Last collected")
SEE_COLLECTION = Phrase("La recogida en Airflow", "The collection in Airflow")
SEE_PREPROCESSING = Phrase("La limpieza en Airflow", "The cleaning in Airflow")
COLLECTIONS = Phrase("Filas por recogida", "Rows by collection")
COLLECTIONS_ALT = Phrase(
    "Barras con las filas de cada recogida, de la primera a la última: {counts}",
    "Bars with the rows of each collection, from first to last: {counts}",
)
COLLECTED = Phrase("Recogida", "Collected")
GROUP = Phrase("Grupo", "Group")
BATCH = Phrase("Lote", "Batch")
FILE = Phrase("Archivo", "File")
CLASS_SHARES = Phrase("Coberturas en cada recogida", "Covers in each collection")
CLASS_SHARES_HELP = Phrase(
    "Cómo se reparten las filas de cada recogida. Un cambio brusco anuncia datos distintos de los "
    "del entrenamiento.",
    "How the rows of each collection are shared out. A sudden change suggests data unlike those "
    "of training.",
)
CLASS_SHARES_ALT = Phrase(
    "Barras apiladas con la parte de cada cobertura por recogida; en la última: {shares}",
    "Stacked bars with the share of each cover by collection; in the last: {shares}",
)
REJECTIONS = Phrase("Filas rechazadas, por motivo", "Rows rejected, by reason")
REJECTIONS_NONE = Phrase("Ninguna hasta ahora.", "None so far.")
REJECTIONS_ROWS = Phrase("Ver las filas", "See the rows")
ROW_TEXT = Phrase("Fila", "Row")
WRONG_WIDTH = Phrase("la fila debe tener {wanted} columnas", "the row must have {wanted} columns")
EVERY_FILE = Phrase("Todos los archivos", "Every file")

# Monitoring

MONITORING_INTRODUCTION = Phrase(
    "Cuánto acierta el modelo en zonas de bosque que nunca vio, y cuánto se aleja lo que llega de "
    "aquello con lo que se entrenó.",
    "How well the model does on forest that it has never seen, and how far what arrives is from "
    "what it was trained on.",
)
MONITORING_EMPTY = Phrase(
    "Todavía no se ha comparado nada. `monitor_data_drift` lo hace cuando hay una versión en "
    "producción y llegan lotes o peticiones; puede seguirlo o ponerlo en marcha en "
    "[Airflow]({airflow}).",
    "Nothing was compared yet. `monitor_data_drift` does it once a version is in Production and "
    "batches or requests arrive; you can follow it or start it in [Airflow]({airflow}).",
)
MONITORING_DAMAGED = Phrase(
    "{count} resultados no se pueden leer y no se muestran: {names}. Los demás no dependen de "
    "ellos.",
    "{count} results can't be read and are not shown: {names}. The others do not depend on them.",
)
SEE_MONITORING = Phrase("La vigilancia en Airflow", "The monitoring in Airflow")
SEE_COMPARISONS = Phrase("Todas las comparaciones en MLflow", "All comparisons in MLflow")
SEE_REPORT = Phrase("Este lote en MLflow", "This batch in MLflow")
MONITORED_OTHER = Phrase(
    "Responde la versión {version}, de la que aún no hay comparaciones; esto es de la versión "
    "{shown}.",
    "Version {version} answers; there are no comparisons of it yet. This is of version {shown}.",
)
TWO_ACCURACIES = Phrase(
    "Dos exactitudes de la versión {version}", "Two accuracies of version {version}"
)
HOLDOUT_ACCURACY = Phrase("En las filas de prueba", "On the holdout")
HOLDOUT_MEANING = Phrase(
    "Filas apartadas de los mismos lotes con los que se entrenó. Dice cuánto recuerda de ese "
    "bosque.",
    "Rows held out of the same batches that it was trained on. It says how well it remembers that "
    "forest.",
)
NEXT_ACCURACY = Phrase("En el lote {batch}, nunca visto", "On batch {batch}, never seen")
NEXT_MEANING = Phrase(
    "{rows} filas que llegaron después de su entrenamiento. Dice qué esperar de lo próximo: cuente "
    "con esta.",
    "{rows} rows that arrived after its training. It says what to expect next: plan with this one.",
)
NOTHING_UNSEEN = Phrase(
    "El lote {batch} no trajo ninguna fila nueva que medir: leídas {read}, rechazadas {rejected}.",
    "Batch {batch} brought no new row to measure: {read} read, {rejected} rejected.",
)
ACCURACY_BY_BATCH = Phrase("Exactitud por versión y lote", "Accuracy by version and batch")
ACCURACY_BY_BATCH_HELP = Phrase(
    "Cada lote se mide antes de que el modelo se entrene con él. La distancia entre los dos puntos "
    "es lo que se pierde fuera del bosque conocido.",
    "Each batch is measured before the model is trained on it. The distance between the two points "
    "is what is lost outside the known forest.",
)
ACCURACY_BY_BATCH_ALT = Phrase(
    "Puntos con la exactitud en las filas de prueba y en el lote nuevo, por versión y lote: "
    "{shares}",
    "Points with the accuracy on the holdout and on the new batch, by version and batch: {shares}",
)
VERSION_AND_BATCH = Phrase("v{version} · lote {batch}", "v{version} · batch {batch}")
HOLDOUT = Phrase("Filas de prueba", "Holdout")
UNSEEN_BATCH = Phrase("Lote nunca visto", "Batch never seen")
BATCH_CHANGES = Phrase("Qué cambia en el lote {batch}", "What changes in batch {batch}")
BATCH_CHANGES_HELP = Phrase(
    "Se compara con los datos de entrenamiento. Una medida se lista si pasa de su límite y de lo "
    "que daría el azar.",
    "It is compared with the training data. A measure is listed if it is above its limit and above "
    "what chance gives.",
)
NO_FINDINGS = Phrase("Ninguna medida pasa de su límite.", "No measure is above its limit.")
MEASURE = Phrase("Medida", "Measure")
MEASURES: Mapping[str, Phrase] = {
    "psi": Phrase("índice de estabilidad (PSI)", "population stability index (PSI)"),
    "tv": Phrase(
        "proporción de filas que cambian de valor", "share of rows that change their value"
    ),
    "rejected": Phrase("proporción de filas rechazadas", "share of rejected rows"),
}
WHOLE_ROW = Phrase("Filas enteras", "Whole rows")
VALUE = Phrase("Valor", "Value")
LIMIT = Phrase("Límite", "Limit")
WHEN = Phrase("Cuándo", "When")
THEN = Phrase("Entrenamiento", "Training")
NOW = Phrase("Ahora", "Now")
FARTHEST = Phrase("Los datos que más se alejan", "The inputs that are farthest")
FARTHEST_HELP = Phrase(
    "El índice de estabilidad es 0 si nada cambia. Cada intervalo tiene una décima parte de las "
    "filas de entrenamiento; de los suelos se muestran los más frecuentes.",
    "The stability index is 0 if nothing changes. Each range holds a tenth of the training rows; "
    "of the soils the most frequent are shown.",
)
THEN_AND_NOW_ALT = Phrase(
    "Barras con la parte de las filas al entrenarse y ahora, por valor: {shares}",
    "Bars with the share of rows in training and now, by value: {shares}",
)
CLASSES_THEN_AND_NOW = Phrase("Coberturas, antes y ahora", "Covers, then and now")
REQUESTS = Phrase("Qué se pregunta", "What is asked")
REQUESTS_NONE = Phrase(
    "Todavía no se ha comparado ninguna hora con peticiones.",
    "No hour with requests was compared yet.",
)
REQUESTS_FOUND = Phrase(
    "De las últimas {hours} horas con peticiones, {found} se alejan de los datos de entrenamiento.",
    "Hours with requests, of the last {hours}, that are far from the training data: {found}.",
)
HOUR = Phrase("Hora", "Hour")
CHANGES = Phrase("Qué cambia", "What changes")
CHANGES_MORE = Phrase("{first} y {count} más", "{first} and {count} more")
ANSWERED_CLASSES = Phrase(
    "Coberturas respondidas en la hora más reciente", "Covers answered in the newest hour"
)
ANSWERED_CLASSES_ABOUT = Phrase(
    "{hour}: {rows} respuestas, comparadas con el entrenamiento de la versión {version}.",
    "{hour}: {rows} answers, compared with the training of version {version}.",
)
LIVE = Phrase("Exactitud en uso", "Live accuracy")
LIVE_HELP = Phrase(
    "De las respuestas cuya cobertura real envió alguien. La línea es el intervalo del 95 %: con "
    "pocas respuestas es ancho.",
    "Of the answers whose true cover somebody sent. The line is the 95% interval: with few answers "
    "it is wide.",
)
LIVE_NONE = Phrase(
    "Nadie ha enviado todavía la cobertura real de una respuesta. Puede hacerlo debajo de cada "
    "predicción.",
    "Nobody has sent the true cover of an answer yet. You can do it below each prediction.",
)
LIVE_SINCE = Phrase(
    "Coberturas reales recibidas desde el {since}; contadas a las {hour}.",
    "True covers received since {since}; counted at {hour}.",
)
LIVE_VERSION = Phrase("Versión {version} ({rows} respuestas)", "Version {version} ({rows} answers)")
LIVE_ALT = Phrase(
    "Exactitud en uso de cada versión con su intervalo: {shares}",
    "Live accuracy of each version with its interval: {shares}",
)
ACCURACY_BETWEEN = Phrase("{share} (entre {low} y {high})", "{share} (between {low} and {high})")
FIRST_BIN = Phrase("hasta {high}", "up to {high}")
BIN = Phrase("{low} a {high}", "{low} to {high}")
LAST_BIN = Phrase("más de {low}", "over {low}")

# The contract's rules

QUANTITY_RULE = Phrase(
    "{name} debe ser un número entero de {low} a {high}",
    "{name} must be a whole number from {low} to {high}",
)
CATEGORY_RULE = Phrase(
    "{name} debe ser uno de los {count} nombres conocidos o su índice, de 0 a {last}",
    "{name} must be one of the {count} known names or its index, from 0 to {last}",
)

# The contract's names

FEATURE_LABELS: dict[str, Phrase] = {
    "Elevation": Phrase("Elevación", "Elevation"),
    "Aspect": Phrase("Orientación", "Aspect"),
    "Slope": Phrase("Pendiente", "Slope"),
    "Horizontal_Distance_To_Hydrology": Phrase("Distancia al agua", "Distance to water"),
    "Vertical_Distance_To_Hydrology": Phrase("Altura sobre el agua", "Height above water"),
    "Horizontal_Distance_To_Roadways": Phrase("Distancia a caminos", "Distance to roads"),
    "Hillshade_9am": Phrase("Luz a las 9 h", "Light at 9 am"),
    "Hillshade_Noon": Phrase("Luz a mediodía", "Light at noon"),
    "Hillshade_3pm": Phrase("Luz a las 15 h", "Light at 3 pm"),
    "Horizontal_Distance_To_Fire_Points": Phrase("Distancia a incendios", "Distance to fires"),
    "Wilderness_Area": Phrase("Área silvestre", "Wilderness area"),
    "Soil_Type": Phrase("Tipo de suelo", "Soil type"),
    "Cover_Type": Phrase("Cobertura", "Cover type"),
}

_SPANISH_DESCRIPTIONS = {
    "Elevation": "Elevación sobre el nivel del mar",
    "Aspect": "Hacia dónde mira la ladera: rumbo en grados desde el norte",
    "Slope": "Inclinación del terreno",
    "Horizontal_Distance_To_Hydrology": "Distancia horizontal al agua superficial más cercana",
    "Vertical_Distance_To_Hydrology": "Altura sobre el agua más cercana; negativa si está "
    "por debajo",
    "Horizontal_Distance_To_Roadways": "Distancia horizontal al camino más cercano",
    "Hillshade_9am": "Iluminación a las 9 h en el solsticio de verano",
    "Hillshade_Noon": "Iluminación a mediodía en el solsticio de verano",
    "Hillshade_3pm": "Iluminación a las 15 h en el solsticio de verano",
    "Horizontal_Distance_To_Fire_Points": "Distancia horizontal al origen de incendio más cercano",
    "Wilderness_Area": "Área silvestre del Bosque Nacional Roosevelt, Colorado",
    "Soil_Type": "Tipo de suelo, por su unidad ecológica del USFS",
}

FEATURE_DESCRIPTIONS: dict[str, Phrase] = {
    feature.name: Phrase(_SPANISH_DESCRIPTIONS[feature.name], feature.description)
    for feature in FEATURES
}

_SPANISH_CLASSES = {
    "Spruce/Fir": "Pícea y abeto",
    "Lodgepole Pine": "Pino contorta",
    "Ponderosa Pine": "Pino ponderosa",
    "Cottonwood/Willow": "Álamo y sauce",
    "Aspen": "Álamo temblón",
    "Douglas-fir": "Abeto de Douglas",
    "Krummholz": "Krummholz",
}

CLASS_LABELS: dict[str, Phrase] = {name: Phrase(_SPANISH_CLASSES[name], name) for name in CLASSES}
