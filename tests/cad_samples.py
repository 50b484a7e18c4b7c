"""Drawings, building models, bills of quantities and SVG pictures, made as programs write them; hostile ones too."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ibhelm_pipelines.content.dxf import library

EAST, NORTH = 3_456_000.0, 5_432_000.0
"""Where surveyors put a plan: coordinates of the country, in metres."""


def ezdxf() -> Any:
    return library("ezdxf", package="")


def dxf(draw: Callable[[Any, Any], None], version: str = "R2018", *, binary: bool = False) -> bytes:
    """A drawing on which `draw(document, model space)` has drawn."""
    document = ezdxf().new(version)
    draw(document, document.modelspace())
    if not binary:
        out = io.StringIO()
        document.write(out)
        return out.getvalue().encode("utf-8" if version >= "R2007" else "cp1252", "surrogateescape")
    raw = io.BytesIO()
    document.write(raw, fmt="bin")
    return raw.getvalue()


def floor_plan(document: Any, model: Any) -> None:
    """Rooms far away from the origin, where a stray line lies; a sheet with a title block shows them."""
    document.layers.add("Wände", color=7, lineweight=70)
    document.layers.add("Lüftung", color=2)
    for column in range(8):
        x = EAST + 5 * column
        model.add_lwpolyline(
            [(x, NORTH), (x + 5, NORTH), (x + 5, NORTH + 12), (x, NORTH + 12)],
            close=True,
            dxfattribs={"layer": "Wände"},
        )
        model.add_line((x, NORTH + 6), (x + 5, NORTH + 6), dxfattribs={"layer": "Lüftung"})
        model.add_text(f"Büro 0.{column:02d}", height=0.5).set_placement((x + 0.5, NORTH + 3))
    model.add_line((0, 0), (1, 1))
    model.add_mtext("{\\fArial|b1;Grundriss EG}\\PZuluft %%c200, 50 \\U+00B0C").set_location((EAST, NORTH + 14))
    document.header["$LASTSAVEDBY"] = "ahuber"


def titled_plan(document: Any, model: Any) -> None:
    floor_plan(document, model)
    block = document.blocks.new("Plankopf_A3")
    block.add_lwpolyline([(0, 0), (180, 0), (180, 50), (0, 50)], close=True)
    for tag, y in (("PROJEKT", 30), ("PLANNR", 10)):
        block.add_attdef(tag, (5, y), dxfattribs={"height": 8})
    sheet = document.paperspace()
    sheet.page_setup(size=(420, 297), margins=(0, 0, 0, 0), units="mm")
    sheet.add_lwpolyline([(5, 5), (415, 5), (415, 292), (5, 292)], close=True)
    view = {"view_center_point": (EAST + 20, NORTH + 7), "view_height": 20}
    sheet.add_viewport(center=(210, 170), size=(380, 180), status=2, **view)
    title = sheet.add_blockref("Plankopf_A3", (230, 10))
    title.add_auto_attribs({"PROJEKT": "Grundschule Nürnberg", "PLANNR": "L-100-EG"})


def dwg(folder: Path) -> bytes:
    """A drawing of AutoCAD 2000 with nine rooms and their names."""
    library("ezdxf", package="")
    import ezdwg

    document = ezdwg.new()
    model = document.modelspace()
    for number in range(9):
        x = 5.0 * number
        for start, end in (((x, 0), (x + 5, 0)), ((x + 5, 0), (x + 5, 9)), ((x + 5, 9), (x, 9)), ((x, 9), (x, 0))):
            model.add_line(start, end)
        model.add_text(f"Büro 0.{number:02d}", (x + 0.5, 4.0, 0.0), 0.5)
    document.save(folder / "rooms.dwg")
    return (folder / "rooms.dwg").read_bytes()


def insert_grid(rows: int, columns: int) -> Callable[[Any, Any], None]:
    """One block reference that stands for a million copies."""

    def draw(document: Any, model: Any) -> None:
        document.blocks.new("A").add_line((0, 0), (1, 1))
        attributes = {"row_count": rows, "column_count": columns, "row_spacing": 2, "column_spacing": 2}
        model.add_blockref("A", (0, 0), dxfattribs=attributes)

    return draw


def block_bomb(levels: int, times: int) -> Callable[[Any, Any], None]:
    """Each block holds the next one a dozen times."""

    def draw(document: Any, model: Any) -> None:
        for level in range(levels):
            block = document.blocks.new(f"B{level}")
            for number in range(times):
                block.add_blockref(f"B{level + 1}", (number, level))
        document.blocks.new(f"B{levels}").add_line((0, 0), (1, 1))
        model.add_blockref("B0", (0, 0))

    return draw


def self_holding(document: Any, model: Any) -> None:
    """Two blocks that hold each other, beside a circle."""
    one, two = document.blocks.new("ONE"), document.blocks.new("TWO")
    one.add_line((0, 0), (1, 0))
    one.add_blockref("TWO", (0, 0))
    two.add_line((0, 0), (0, 1))
    two.add_blockref("ONE", (0, 0))
    model.add_blockref("ONE", (0, 0))
    model.add_circle((0, 0), 5)


IFC = r"""ISO-10303-21;
HEADER;
FILE_DESCRIPTION(('ViewDefinition [CoordinationView]'),'2;1');
FILE_NAME('Schule.ifc','2024-03-12T14:05:00',('A. H\X\FCber'),('IB Nord; Technik'),'IFC engine 3','Revit 2024','');
FILE_SCHEMA(('IFC4'));
ENDSEC;
DATA;
/* made by hand; with a semicolon */
#1=IFCPROJECT('0YvctVUKr0kugbFTf53O9L',$,'4711',$,$,'Grundschule N\X2\00FC\X0\rnberg',$,(#9),#8);
#2=IFCSITE('1YvctVUKr0kugbFTf53O9L',$,'Gel\S\dnde',$,$,$,$,$,.ELEMENT.,$,$,$,$,$);
#3=IFCBUILDING('2YvctVUKr0kugbFTf53O9L',$,'Haus A',$,$,$,$,$,.ELEMENT.,$,$,$);
#4=IFCBUILDINGSTOREY('3YvctVUKr0kugbFTf53O9L',$,'EG',$,$,$,$,'Erdgeschoss',.ELEMENT.,0.);
#5=IFCSPACE('4YvctVUKr0kugbFTf53O9L',$,'0.01',$,$,$,$,'B\X2\00FC\X0\ro; Leitung',.ELEMENT.,.INTERNAL.,$);
#6=IFCSPACE('5YvctVUKr0kugbFTf53O9L',$,'0.02',$,$,$,$,'Lehrer''zimmer',.ELEMENT.,.INTERNAL.,$);
#10=IFCRELAGGREGATES('6YvctVUKr0kugbFTf53O9L',$,$,$,#1,(#2));
#11=IFCRELAGGREGATES('7YvctVUKr0kugbFTf53O9L',$,$,$,#2,(#3));
#12=IFCRELAGGREGATES('8YvctVUKr0kugbFTf53O9L',$,$,$,#3,(#4));
#13=IFCRELAGGREGATES('9YvctVUKr0kugbFTf53O9L',$,$,$,#4,(#5,#6));
#20=IFCDUCTSEGMENT('aYvctVUKr0kugbFTf53O9L',$,'Kanal 400x200',$,$,#30,#31,$,.RIGIDSEGMENT.);
#21=IFCDUCTSEGMENT('bYvctVUKr0kugbFTf53O9L',$,'Kanal 400x200',$,$,#30,#31,$,.RIGIDSEGMENT.);
#22=IFCSYSTEM('cYvctVUKr0kugbFTf53O9L',$,'Zuluft Aula',$,$);
#30=IFCCARTESIANPOINT((0.,0.,0.));
ENDSEC;
END-ISO-10303-21;
""".encode("ascii")

STEP = b"""ISO-10303-21;
HEADER;FILE_DESCRIPTION(('Pump'),'2;1');
FILE_NAME('pump.stp','2019-05-06T07:08:09+02:00',('M. Maier'),('Wilo SE'),'','SolidWorks 2019','');
FILE_SCHEMA(('AUTOMOTIVE_DESIGN { 1 0 10303 214 1 1 1 1 }'));ENDSEC;
DATA;#10=PRODUCT('4711','Heizungspumpe Stratos','',(#3));#11=CARTESIAN_POINT('',(0.,0.,0.));ENDSEC;
END-ISO-10303-21;
"""

GAEB_XML = """<?xml version="1.0" encoding="UTF-8"?>
<GAEB xmlns="http://www.gaeb.de/GAEB_DA_XML/DA84/3.3">
<GAEBInfo><Version>3.3</Version><Date>2024-03-12</Date><Time>14:05:00</Time><ProgSystem>Orca AVA</ProgSystem></GAEBInfo>
<PrjInfo><NamePrj>4711</NamePrj><LblPrj>Grundschule Nürnberg</LblPrj><Cur>EUR</Cur></PrjInfo>
<Award><DP>84</DP><OWN><Address><Name1>Stadt Nürnberg</Name1></Address></OWN>
<CTR><Address><Name1>Huber Lüftungsbau GmbH</Name1></Address></CTR>
<BoQ ID="b"><BoQInfo><Name>LV 01</Name><LblBoQ>Raumlufttechnik</LblBoQ></BoQInfo><BoQBody>
<BoQCtgy RNoPart="01"><LblTx><p><span>Lüftungsgeräte</span></p></LblTx><BoQBody><Itemlist>
<Remark><Description><CompleteText><DetailTxt><Text><p>Alle Geräte nach VDI 6022.</p></Text></DetailTxt></CompleteText>
</Description></Remark>
<Item RNoPart="0010"><Qty>2.000</Qty><QU>Stck</QU><UP>12500.50</UP><IT>25001.00</IT><Description><CompleteText>
<DetailTxt><Text><p><span>RLT-Gerät mit Wärmerückgewinnung,</span></p><p><span>5.000 m³/h</span></p></Text></DetailTxt>
<OutlineText><OutlTxt><TextOutlTxt><p><span>RLT-Gerät</span></p></TextOutlTxt></OutlTxt></OutlineText>
</CompleteText></Description></Item>
</Itemlist></BoQBody></BoQCtgy></BoQBody></BoQ></Award></GAEB>""".encode()

GAEB_2000 = (
    """#begin[GAEB]
 #begin[GAEBInfo]
  [Version]1.2[end]
  [Datum]12.03.2004[end]
  [ProgSystem]ARRIBA[end]
 #end[GAEBInfo]
 #begin[PrjInfo]
  [Bez]Umbau Rathaus Fürth[end]
 #end[PrjInfo]
 #begin[Vergabe]
  [DP]83[end]
  #begin[AG]
   #begin[Adresse]
    [Name1]Stadt Fürth[end]
   #end[Adresse]
  #end[AG]
  #begin[LV]
   #begin[LVInfo]
    [Bez]Heizungsanlage[end]
    #begin[LVGlied]
     [Laenge]2[end]
    #end[LVGlied]
    #begin[LVGlied]
     [Laenge]4[end]
    #end[LVGlied]
   #end[LVInfo]
   #begin[LVBereich]
    [OZ]01[end]
    [Bez]Wärmeerzeuger[end]
    #begin[Position]
     [OZ]010010[end]
     [Menge]1,000[end]
     [ME]Stck[end]
     #begin[Beschreibung]
      [Kurztext]Gas-Brennwertkessel 80 kW[end]
      [Langtext]{\\rtf1\\ansi Kessel\\par W\\'e4rmeleistung 80 kW}[end]
     #end[Beschreibung]
    #end[Position]
   #end[LVBereich]
  #end[LV]
 #end[Vergabe]
#end[GAEB]
"""
).encode("cp1252")


def gaeb_90(*records: str) -> bytes:
    """Lines of eighty columns in the letters of DOS, each with its number at the end."""
    lines = (f"{record[:74]:74}{number:06d}\r\n" for number, record in enumerate(records, 1))
    return "".join(lines).encode("cp850")


GAEB_90 = gaeb_90(
    f"{'00':10}83L{'4711':49}1122PPPPI90",
    f"01{'Sanitärinstallation':40}12.03.98",
    "02Neubau Bürgerhaus Ansbach",
    "03Gemeinde Ansbach",
    "11 1       N",
    "12Rohrleitungen",
    f"21 1 1  10 NNN{'':9}00000125500m   ",
    "25Kupferrohr 22 mm",
    "26Kupferrohr nach DIN EN 1057, hartgelötet,",
    "26einschließlich Befestigung",
    f"{'99':68}000001",
)
GAEB_90_OFFER = gaeb_90(f"{'00':10}84L{'4711':49}1122PPPPI90", "23 1 1  10  00000012500 000000156875")

SVG_START = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="200" height="100">'
)
SVG = f"""<?xml version="1.0"?>{SVG_START}<title>Schema Lüftung</title><desc>Zuluft und Abluft</desc>
<rect x="20" y="60" width="60" height="30" fill="red"/><text x="10" y="20">Ventilator <tspan>V1</tspan></text></svg>
""".encode()
