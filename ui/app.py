"""The Streamlit app: `streamlit run ui/app.py`."""

from pathlib import Path

import streamlit as st

from covertype_ui import texts
from covertype_ui.language import choose_language, say
from covertype_ui.pages import prediction

st.set_page_config(say(texts.TITLE), ":material/forest:", layout="wide")
current = st.navigation(
    [
        st.Page(
            prediction.page,
            title=say(texts.PAGE_PREDICTION),
            icon=":material/forest:",
            url_path="prediccion",
            default=True,
        )
    ],
    position="top",
)
st.html(Path(__file__).with_name("style.css"))
choose_language()
current.run()
