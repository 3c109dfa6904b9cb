"""The Streamlit app: `streamlit run ui/app.py`."""

from pathlib import Path

import streamlit as st

from covertype_ui import texts
from covertype_ui.guard import guard
from covertype_ui.language import choose_language, say, settle_language
from covertype_ui.pages import batch, data, model, monitoring, prediction

settle_language()
st.set_page_config(say(texts.TITLE), ":material/forest:", layout="wide")
st.html(Path(__file__).with_name("style.css"))

PAGES = (
    (prediction.page, texts.PAGE_PREDICTION, "prediccion", ":material/forest:"),
    (batch.page, texts.PAGE_BATCH, "lote", ":material/table_rows:"),
    (model.page, texts.PAGE_MODEL, "modelo", ":material/account_tree:"),
    (data.page, texts.PAGE_DATA, "datos", ":material/database:"),
    (monitoring.page, texts.PAGE_MONITORING, "vigilancia", ":material/monitoring:"),
)
current = st.navigation(
    [
        st.Page(draw, title=say(title), icon=icon, url_path=path, default=number == 0)
        for number, (draw, title, path, icon) in enumerate(PAGES)
    ],
    position="top",
)
with st.container(horizontal=True, vertical_alignment="center", key="heading"):
    st.title(current.title, anchor=False)
    choose_language()
with guard(f"The page {current.url_path or 'prediccion'}"):
    current.run()
