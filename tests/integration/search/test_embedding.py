"""Every text gets its vectors, once; whatever happens between, nothing says that it has them when it has not."""

from __future__ import annotations

import numpy as np
import pytest
from tables import ask
from vector_desk import PROSE, CountingModel, add_document, loader

from ibhelm_pipelines.errors import PermanentError
from ibhelm_pipelines.search.embedding import embed
from ibhelm_pipelines.search.models import open_embedder
from ibhelm_pipelines.settings import Settings

LETTER = "Sehr geehrte Damen und Herren, die Brandschutzklappen wurden geprüft und sind ohne Mangel. "


def rows(url: str) -> list[tuple[object, ...]]:
    return ask(
        url, "select model_id, text_key, state, chunks, reason from search.embedded_texts order by model_id, text_key"
    )


def test_the_light_model_finds_by_meaning_what_shares_no_word_with_the_question(
    settings: Settings, database_url: str
) -> None:
    fan = add_document(database_url, "Angebot", "Wir bieten Ihnen zwei Ventilatoren für die Absaugung der Küche an.")
    add_document(database_url, "Protokoll", "Der Estrich im zweiten Obergeschoss ist trocken und kann belegt werden.")
    add_document(database_url, "Rechnung", "Für die Lieferung der Heizkörper berechnen wir den folgenden Betrag.")
    report = embed(settings)
    assert (report.texts, report.chunks, report.left, report.is_serving) == (3, 3, 0, True)
    vector = open_embedder(settings).query("Abluft beim Kochen")
    nearest = ask(
        database_url,
        "select text_key from search.chunks where model_id = (select id from search.models where state = 'serving')"
        " order by embedding::halfvec(384) <=> %s::halfvec limit 1",
        str(vector.tolist()),
    )
    assert nearest == [(fan,)]
