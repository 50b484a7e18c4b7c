"""Numbers of sheets come out as a German Excel shows them."""

from __future__ import annotations

import pytest

from ibhelm_pipelines.content.number_formats import BUILT_IN, show


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (3.0, "General", "3"),
        (3.14159, "General", "3,14159"),
        (123456789012345.0, "General", "123456789012345"),
        (1234.5, "#,##0.00", "1.234,50"),
        (1234.5, '#,##0.00 "€"', "1.234,50 €"),
        (-1234.5, r"#,##0.00\ [$€-407];[Red]\-#,##0.00\ [$€-407]", "-1.234,50 €"),
        (-3, "0;(0)", "(3)"),
        (0, '#,##0;-#,##0;"-"', "-"),
        (1500, r'_-* #,##0.00\ "€"_-;\-* #,##0.00\ "€"_-;_-* "-"??\ "€"_-;_-@_-', "1.500,00 €"),
        (5, "000", "005"),
        (0.5, "0.##", "0,5"),
        (2, "0.##", "2"),
        (12_345_678.9, "#,##0,", "12.346"),
        (12, '"Pos. "0', "Pos. 12"),
        (21.5, '0.0" °C"', "21,5 °C"),
        (21.5, 'General" m²"', "21,5 m²"),
        (0.025, "0.0%", "2,5%"),
        (0.025, "0%", "3%"),  # a half goes up, not to the even neighbour
        (1.005, "0.00", "1,01"),
        (-0.001, "0.00", "0,00"),
        (1_234_567, "0.00E+00", "1,23E+06"),
        (2.75, "# ?/?", "2 3/4"),
        (43_000, BUILT_IN[14], "22.09.2017"),
        (43_000, "m/d/yy", "22.09.2017"),
        (43_000.75, r"dd/mm/yyyy\ hh:mm", "22.09.2017 18:00"),
        (43_000, "[$-407]d. mmmm yyyy;@", "22. September 2017"),
        (43_000, "[$-409]mmmm d, yyyy", "September 22, 2017"),
        (43_000, r"[$-F800]dddd\,\ mmmm\ dd\,\ yyyy", "Freitag, 22. September 2017"),
        (43_000, "ddd dd.mm.", "Fr 22.09."),
        (0.26, "h:mm AM/PM", "6:14 AM"),
        (0.75, "hh:mm:ss", "18:00:00"),
        (1.5, "[h]:mm", "36:00"),
        (1.0, "dd.mm.yyyy", "01.01.1900"),
        (12, ";;;", ""),
        # What makes no date is shown as the number that it is.
        (-5, "dd.mm.yyyy", "-5"),
        (3e9, "dd.mm.yyyy", "3000000000"),
        (1e300, "0", "1e+300"),
        (float("nan"), "0.00", "NaN"),
        (float("inf"), "dd.mm.yyyy", "inf"),
    ],
)
def test_a_number_is_shown_as_its_cell_shows_it(value: float, code: str, shown: str) -> None:
    assert show(value, code) == shown


def test_days_may_be_counted_from_1904() -> None:
    assert show(0.0, "dd.mm.yyyy", from_1904=True) == "01.01.1904"
