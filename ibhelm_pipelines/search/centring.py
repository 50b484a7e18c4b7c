"""Takes out of the vector of a question what those of all questions have in common.

Vectors of E5 all point into nearly one direction. A passage that is nearest to it, such as a short title or a long list
of everything, is near to every question, and above what was asked for. A question without the mean of questions asks
for nothing of it: by meaning alone the judged queries then reach an nDCG@10 of 0.74 instead of 0.57
(docs/search-quality.md; passages without their mean as well: 0.70). Vectors of passages stay as they are.
The sample has nothing to do with any office's documents, so its mean is a constant of a model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ibhelm_pipelines.search.models import Vectors

SHORTEST = 1e-3
"""Of what is left of a vector: less is noise, and is not blown up."""

QUESTIONS = (
    "Rechnung Malerarbeiten",
    "Grundriss Erdgeschoss",
    "Protokoll vom März",
    "Wer ist zuständig für die Fassade?",
    "Kosten Dach",
    "Fenster undicht",
    "Termin mit dem Architekten",
    "Wann beginnt der Rohbau?",
    "Angebot Tischler",
    "Wo finde ich den Vertrag?",
    "Brandschutzkonzept",
    "Schlüssel",
    "Aufmaß Wände",
    "Parkplatz",
    "Estrich trocken",
    "manual for the pump",
    "Leuchten bestellen",
    "Warum ist die Tür verzogen?",
    "kaputte Scheibe",
    "Mail von Herrn Meier wegen der Treppe",
    "Statik Decke",
    "Heizung",
    "DN 25",
    "KG 300",
    "Rathaus Neubau",
    "Telefonnummer Hausmeister",
    "Fliesen Bad Farbe",
    "Wie hoch ist die Gewährleistungssumme?",
    "Lieferzeit Türen",
    "Baugenehmigung",
    "Ich suche das Gutachten zum Keller aus dem letzten Jahr",
    "Lampe",
    "Balkon Geländer Höhe",
    "Feuerwehrzufahrt",
    "Plan 104 Index b",
    "Nachtrag Trockenbau",
    "IMG_2034.jpg",
    "Welche Firma hat die Fenster geliefert?",
    "wet wall",
    "Abdichtung",
)


def centred(question: Vectors, mean: Vectors) -> Vectors:
    """Return the vector of a question without what all have in common, of length 1."""
    rest = question - mean
    return np.asarray(rest / max(float(np.linalg.norm(rest)), SHORTEST), dtype=np.float32)
