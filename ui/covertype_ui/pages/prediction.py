"""The form of the inputs, and the prediction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

import streamlit as st

from covertype.answers import ExplainedAnswer, ModelAnswer, PredictionAnswer
from covertype.contract import CLASSES, FEATURES, QUANTITIES, Category, Quantity
from covertype.rows.observations import InvalidRow, parse_observation
from covertype_ui import charts, texts
from covertype_ui.contract_words import choice, class_name, description, label
from covertype_ui.examples import TYPICAL
from covertype_ui.feedback import ask_truth
from covertype_ui.guard import guard
from covertype_ui.inference import PROBLEMS, InvalidInput, NoExplanation, ServiceProblem
from covertype_ui.language import number, percent, say
from covertype_ui.services import explain, inference, model_in_production

_EXAMPLE = "example"
_ANSWER = "answer"
# Of the last known model: they stay visible while the service is away.
_RANGES = "ranges"
_FIRST_EXAMPLE = CLASSES[1]
_COLUMNS = 3

_Values = tuple[int | str | None, ...]


@dataclass(frozen=True)
class _Answer:
    """The last request, its answer and, if an explanation was asked for in vain, why in vain."""

    values: _Values
    outcome: PredictionAnswer | ServiceProblem
    unexplained: NoExplanation | ServiceProblem | None = None


def page() -> None:
    """Draw the page."""
    st.write(say(texts.PREDICTION_INTRODUCTION))
    model = model_in_production()
    if isinstance(model, ModelAnswer):
        st.session_state[_RANGES] = model.training_ranges
    form, answer = st.columns([3, 2], gap="large")
    with form:
        values = _form(st.session_state.get(_RANGES, {}))
    with answer, st.container(key="answer"):
        _answer(values)


# A fragment, so that an answer does not wait for the form to be drawn again.
@st.fragment
def _answer(values: _Values) -> None:
    with guard("The answer"):
        if st.button(say(texts.PREDICT), type="primary", icon=":material/forest:", width="stretch"):
            with st.spinner(say(texts.ASKING)):
                st.session_state[_ANSWER] = _ask(values)
        shown = st.container()
        answer = st.session_state.get(_ANSWER)
        if answer is not None and isinstance(answer.outcome, PredictionAnswer):
            answer = st.session_state[_ANSWER] = _offer_explanation(answer)
        with shown:
            _show(answer, values, model_in_production())
        if answer is not None and isinstance(answer.outcome, PredictionAnswer):
            ask_truth(answer.outcome)


def _form(ranges: Mapping[str, Sequence[float]]) -> _Values:
    if _EXAMPLE not in st.session_state:
        st.session_state[_EXAMPLE] = _FIRST_EXAMPLE
        _fill()
    st.pills(
        say(texts.EXAMPLES),
        CLASSES,
        format_func=class_name,
        key=_EXAMPLE,
        on_change=_fill,
        persist_state="session",
        wrap=True,
    )
    values: dict[str, int | str | None] = {}
    places = [column for _ in FEATURES[::_COLUMNS] for column in st.columns(_COLUMNS)]
    for feature, place in zip(FEATURES, places, strict=False):
        with place, st.container(gap=None):
            if isinstance(feature, Quantity):
                values[feature.name] = _quantity(feature, ranges.get(feature.name))
            else:
                values[feature.name] = _category(feature)
    return tuple(values[feature.name] for feature in FEATURES)


def _fill() -> None:
    example = st.session_state[_EXAMPLE]
    if example is not None:
        for feature, value in zip(FEATURES, TYPICAL[example], strict=True):
            st.session_state[feature.name] = value


def _quantity(quantity: Quantity, seen: Sequence[float] | None) -> int | None:
    value = st.number_input(
        label(quantity),
        quantity.minimum,
        quantity.maximum,
        value=None,
        step=1,
        key=quantity.name,
        persist_state="session",
        help=say(
            texts.INPUT_HELP,
            description=description(quantity),
            low=number(quantity.minimum),
            high=number(quantity.maximum),
            unit=quantity.unit,
            column=quantity.name,
        ),
    )
    if seen is not None:
        low, high = seen
        st.caption(say(texts.TRAINED_RANGE, low=number(low), high=number(high)))
    return value


def _category(category: Category) -> str:
    value = st.selectbox(
        label(category),
        category.values,
        format_func=lambda value: choice(category, value),
        key=category.name,
        persist_state="session",
        help=say(texts.CHOICE_HELP, description=description(category), column=category.name),
    )
    st.caption(category.descriptions[value])
    return value


def _ask(values: _Values) -> _Answer:
    try:
        return _Answer(values, inference().predict(parse_observation(values)))
    except InvalidRow as invalid:
        return _Answer(values, InvalidInput(tuple(one.feature for one in invalid.violations)))
    except PROBLEMS as problem:
        return _Answer(values, problem)


def _offer_explanation(answer: _Answer) -> _Answer:
    """Draw the button, or what it brought; return the answer, explained if it was pressed."""
    button = st.empty()
    if not isinstance(answer.outcome, ExplainedAnswer) and button.button(
        say(texts.WHY), key="why", icon=":material/help:"
    ):
        answer = _explained(answer)
    if isinstance(answer.outcome, ExplainedAnswer):
        button.empty()
        _show_explanation(answer.outcome)
    elif isinstance(answer.unexplained, NoExplanation):
        st.info(say(texts.WHY_NOT), icon=":material/help:")
    elif answer.unexplained is not None:
        explain(answer.unexplained)
    return answer


def _explained(answer: _Answer) -> _Answer:
    # The explained answer replaces the other, so that both are of one version.
    try:
        return _Answer(answer.values, inference().explain(parse_observation(answer.values)))
    except (NoExplanation, *PROBLEMS) as reason:
        return replace(answer, unexplained=reason)


def _show_explanation(answer: ExplainedAnswer) -> None:
    if answer.explanation is not None:
        st.caption(
            say(
                texts.WHY_INTRODUCTION,
                bias=percent(answer.explanation.bias),
                share=percent(answer.probabilities[answer.label]),
            )
        )
        charts.draw(charts.contributions(answer.explanation.contributions))


def _show(answer: _Answer | None, values: _Values, model: ModelAnswer | ServiceProblem) -> None:
    if answer is None:
        if isinstance(model, ModelAnswer):
            st.info(say(texts.ANSWER_EMPTY), icon=":material/arrow_back:")
        else:
            explain(model)
        return
    if not isinstance(answer.outcome, PredictionAnswer):
        explain(answer.outcome)
        return
    prediction = answer.outcome
    if answer.values != values:
        st.info(say(texts.ANSWER_STALE), icon=":material/refresh:")
    elif isinstance(model, ModelAnswer) and model.version != prediction.model_version:
        st.info(
            say(texts.ANSWER_EXPIRED, version=prediction.model_version, current=model.version),
            icon=":material/update:",
        )
    st.metric(
        say(texts.ANSWER),
        class_name(prediction.label),
        say(texts.ANSWER_SURE, share=percent(prediction.probabilities[prediction.label])),
        delta_color="off",
        delta_arrow="off",
    )
    charts.draw(charts.probabilities(prediction.probabilities))
    if isinstance(model, ModelAnswer):
        _warn(answer.values, model.training_ranges)
    st.caption(say(texts.ANSWERED_BY, version=prediction.model_version))


def _warn(values: _Values, ranges: Mapping[str, Sequence[float]]) -> None:
    for feature, value in zip(QUANTITIES, values, strict=False):
        low, high = ranges.get(feature.name, (-inf, inf))
        if value is not None and not low <= float(value) <= high:
            st.warning(
                say(
                    texts.OUT_OF_RANGE,
                    name=say(texts.FEATURE_LABELS[feature.name]),
                    value=number(float(value)),
                    low=number(low),
                    high=number(high),
                ),
                icon=":material/warning:",
            )
