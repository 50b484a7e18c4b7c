-- What is recognised: the cost groups of DIN 276:2018-12, kinds of documents, and the first rules; and what a rule must be like.

-- The grammar of patterns stands in ibhelm_pipelines/register/patterns.py as well, and tests hold the two together. No pattern is ever run as a
-- regular expression.
--
-- NocoDB shows of a refusal what stands behind two dashes, and only where it has no sentence of its own for the error's code: hence raise_exception
-- rather than check_violation, and the dashes.
create function ops.check_link_rule() returns trigger language plpgsql as $$
declare
    letters constant text := 'A-Za-zÀ-ÖØ-öø-ɏẞ';
    placeholders constant text[] := array['{KG}', '{Bezeichnung}', '{Ort}', '{Gebäude}'];
    said text[] := '{}';
    word text;
    part text;
    problem text;
begin
    new.pattern := btrim(regexp_replace(replace(normalize(new.pattern, nfc), chr(160), ' '), ' +', ' ', 'g'), ' ');
    foreach word in array string_to_array(regexp_replace(new.pattern, '^\^', ''), ' ') loop
        if position('*' in word) > 0 then
            said := said || 'Wort'::text;
            if word !~ ('^(\*[' || letters || ']{3,}\*?|[' || letters || ']{3,}\*)$') then
                problem := 'Ein * steht nur am Anfang oder Ende eines Wortes aus mindestens drei Buchstaben, zum Beispiel: Prüf*';
            end if;
            continue;
        end if;
        for part in select m[1] from regexp_matches(word, '(\{[^{}]*\}|[^{}]+|[{}])', 'g') as m loop
            if part like '{%}' then
                said := said || part;
                if part <> all (placeholders) then
                    problem := 'Einen Platzhalter ' || part || ' gibt es nicht. Es gibt {KG}, {Bezeichnung}, {Ort} und {Gebäude}.';
                end if;
            elsif part ~ '[{}^]' then
                problem := 'Geschweifte Klammern stehen nur um einen Platzhalter wie {KG}, und ^ steht nur ganz am Anfang.';
            elsif part ~ ('[0-9' || letters || ']') then
                said := said || 'Wort'::text;
            end if;
        end loop;
    end loop;
    problem := coalesce(problem, case
        when new.pattern !~ ('^[ -~' || letters || '–—„“”’§°€…]*$')
            then 'Das Muster enthält ein Zeichen, das nicht vorkommen darf. Erlaubt sind Buchstaben, Ziffern und übliche Satzzeichen in einer Zeile.'
        when length(new.pattern) > 200 then 'Das Muster ist zu lang: höchstens 200 Zeichen.'
        when cardinality(said) = 0 then 'Das Muster enthält kein Wort. Beispiele: Angebot, KGR {KG}, ^O-{Ort}'
        when exists (select from unnest(said) as s where s = any (placeholders) group by s having count(*) > 1)
            then 'Jeder Platzhalter darf nur einmal vorkommen.'
        when '{Ort}' = any (said[: cardinality(said) - 1]) then '{Ort} steht immer am Ende, zum Beispiel: ^O-{Ort}'
        when said @> array['{Ort}', '{Gebäude}'] then 'Entweder {Ort} oder {Gebäude}, nicht beides.'
        when said in (array['{KG}'], array['{Ort}']) then said[1] || ' allein träfe überall zu. Bitte ein Wort davorsetzen, zum Beispiel: KGR {KG} oder ^O-{Ort}'
        when '{Bezeichnung}' = any (said) and said[array_position(said, '{Bezeichnung}') - 1] is distinct from '{KG}'
            then '{Bezeichnung} steht nur direkt hinter {KG}: ^{KG} {Bezeichnung}'
        when new.project_id is not null and new.decides <> 'project' then 'Ein Projekt gehört nur zu einer Regel, die das Projekt bestimmt (decides: project).'
        when new.cost_group_id is not null and new.decides <> 'cost_group'
            then 'Eine Kostengruppe gehört nur zu einer Regel, die die Kostengruppe bestimmt (decides: cost_group).'
        when new.document_type_id is not null and new.decides <> 'document_type'
            then 'Eine Dokumentart gehört nur zu einer Regel, die die Dokumentart bestimmt (decides: document_type).'
        when num_nonnulls(new.building, new.level, new.room) > 0 and new.decides <> 'place'
            then 'Gebäude, Geschoss und Raum gehören nur zu einer Regel, die den Ort bestimmt (decides: place).'
        when new.decides = 'project' and new.project_id is null then 'Bitte das Projekt auswählen, das die Regel meint.'
        when new.decides = 'document_type' and new.document_type_id is null then 'Bitte die Dokumentart auswählen, die die Regel meint.'
        when new.decides = 'cost_group' and new.cost_group_id is null and not '{KG}' = any (said)
            then 'Bitte die Kostengruppe auswählen, die die Regel meint, oder {KG} in das Muster schreiben: KGR {KG}'
        when new.decides = 'place' and num_nonnulls(new.building, new.level, new.room) = 0 and not said && array['{Ort}', '{Gebäude}']
            then 'Bitte Gebäude, Geschoss oder Raum eintragen, oder {Ort} oder {Gebäude} in das Muster schreiben: ^O-{Ort}'
    end);
    if problem is not null then
        raise exception '-- %', problem;
    end if;
    return new;
end $$;
create trigger link_rules_checked before insert or update on public.link_rules for each row execute function ops.check_link_rule();

-- DIN 276:2018-12, table 1. Group 230 may be divided as 220 is; the standard gives those parts no names of their own.
insert into public.cost_groups (number, name, aliases) values
    (100, 'Grundstück', ''),
    (110, 'Grundstückswert', ''),
    (120, 'Grundstücksnebenkosten', ''),
    (121, 'Vermessungsgebühren', ''),
    (122, 'Gerichtsgebühren', ''),
    (123, 'Notargebühren', ''),
    (124, 'Grunderwerbsteuer', ''),
    (125, 'Untersuchungen', ''),
    (126, 'Wertermittlungen', ''),
    (127, 'Genehmigungsgebühren', ''),
    (128, 'Bodenordnung', ''),
    (129, 'Sonstiges zur KG 120', ''),
    (130, 'Rechte Dritter', ''),
    (131, 'Abfindungen', ''),
    (132, 'Ablösen dinglicher Rechte', ''),
    (139, 'Sonstiges zur KG 130', ''),
    (200, 'Vorbereitende Maßnahmen', ''),
    (210, 'Herrichten', ''),
    (211, 'Sicherungsmaßnahmen', ''),
    (212, 'Abbruchmaßnahmen', 'Abbruch, Rückbau'),
    (213, 'Altlastenbeseitigung', 'Altlasten'),
    (214, 'Herrichten der Geländeoberfläche', ''),
    (215, 'Kampfmittelräumung', 'Kampfmittel'),
    (216, 'Kulturhistorische Funde', ''),
    (219, 'Sonstiges zur KG 210', ''),
    (220, 'Öffentliche Erschließung', 'Hausanschlüsse, Erschließung'),
    (221, 'Abwasserentsorgung', ''),
    (222, 'Wasserversorgung', ''),
    (223, 'Gasversorgung', ''),
    (224, 'Fernwärmeversorgung', 'Fernwärme'),
    (225, 'Stromversorgung', ''),
    (226, 'Telekommunikation', ''),
    (227, 'Verkehrserschließung', ''),
    (228, 'Abfallentsorgung', ''),
    (229, 'Sonstiges zur KG 220', ''),
    (230, 'Nichtöffentliche Erschließung', 'Erschließung'),
    (240, 'Ausgleichsmaßnahmen und -abgaben', ''),
    (241, 'Ausgleichsmaßnahmen', ''),
    (242, 'Ausgleichsabgaben', ''),
    (249, 'Sonstiges zur KG 240', ''),
    (250, 'Übergangsmaßnahmen', ''),
    (251, 'Bauliche Maßnahmen', ''),
    (252, 'Organisatorische Maßnahmen', ''),
    (259, 'Sonstiges zur KG 250', ''),
    (300, 'Bauwerk – Baukonstruktionen', 'Hochbau, Rohbau, Baukonstruktion, Bau'),
    (310, 'Baugrube/Erdbau', ''),
    (311, 'Herstellung', ''),
    (312, 'Umschließung', ''),
    (313, 'Wasserhaltung', ''),
    (314, 'Vortrieb', ''),
    (319, 'Sonstiges zur KG 310', ''),
    (320, 'Gründung, Unterbau', ''),
    (321, 'Baugrundverbesserung', ''),
    (322, 'Flachgründungen und Bodenplatten', ''),
    (323, 'Tiefgründungen', ''),
    (324, 'Gründungsbeläge', ''),
    (325, 'Abdichtungen und Bekleidungen', ''),
    (326, 'Dränagen', ''),
    (329, 'Sonstiges zur KG 320', ''),
    (330, 'Außenwände/Vertikale Baukonstruktionen, außen', 'Fassade'),
    (331, 'Tragende Außenwände', ''),
    (332, 'Nichttragende Außenwände', ''),
    (333, 'Außenstützen', ''),
    (334, 'Außenwandöffnungen', 'Fenster'),
    (335, 'Außenwandbekleidungen, außen', ''),
    (336, 'Außenwandbekleidungen, innen', ''),
    (337, 'Elementierte Außenwandkonstruktionen', ''),
    (338, 'Lichtschutz zur KG 330', 'Sonnenschutz'),
    (339, 'Sonstiges zur KG 330', ''),
    (340, 'Innenwände/Vertikale Baukonstruktionen, innen', ''),
    (341, 'Tragende Innenwände', ''),
    (342, 'Nichttragende Innenwände', 'Trockenbau'),
    (343, 'Innenstützen', ''),
    (344, 'Innenwandöffnungen', 'Innentüren'),
    (345, 'Innenwandbekleidungen', ''),
    (346, 'Elementierte Innenwandkonstruktionen', ''),
    (347, 'Lichtschutz zur KG 340', ''),
    (349, 'Sonstiges zur KG 340', ''),
    (350, 'Decken/Horizontale Baukonstruktionen', ''),
    (351, 'Deckenkonstruktionen', ''),
    (352, 'Deckenöffnungen', ''),
    (353, 'Deckenbeläge', ''),
    (354, 'Deckenbekleidungen', 'Abhangdecken'),
    (355, 'Elementierte Deckenkonstruktionen', ''),
    (359, 'Sonstiges zur KG 350', ''),
    (360, 'Dächer', 'Dach'),
    (361, 'Dachkonstruktionen', ''),
    (362, 'Dachöffnungen', ''),
    (363, 'Dachbeläge', ''),
    (364, 'Dachbekleidungen', ''),
    (365, 'Elementierte Dachkonstruktionen', ''),
    (366, 'Lichtschutz zur KG 360', ''),
    (369, 'Sonstiges zur KG 360', ''),
    (370, 'Infrastrukturanlagen', ''),
    (371, 'Anlagen für den Straßenverkehr', ''),
    (372, 'Anlagen für den Schienenverkehr', ''),
    (373, 'Anlagen für den Flugverkehr', ''),
    (374, 'Anlagen des Wasserbaus', ''),
    (375, 'Anlagen der Abwasserentsorgung', ''),
    (376, 'Anlagen der Wasserversorgung', ''),
    (377, 'Anlagen der Energie- und Informationsversorgung', ''),
    (378, 'Anlagen der Abfallentsorgung', ''),
    (379, 'Sonstiges zur KG 370', ''),
    (380, 'Baukonstruktive Einbauten', ''),
    (381, 'Allgemeine Einbauten', ''),
    (382, 'Besondere Einbauten', ''),
    (383, 'Landschaftsgestalterische Einbauten', ''),
    (384, 'Mechanische Einbauten', ''),
    (385, 'Einbauten in Konstruktionen des Ingenieurbaus', ''),
    (386, 'Orientierungs- und Informationssysteme', ''),
    (387, 'Schutzeinbauten', ''),
    (389, 'Sonstiges zur KG 380', ''),
    (390, 'Sonstige Maßnahmen für Baukonstruktionen', ''),
    (391, 'Baustelleneinrichtung', ''),
    (392, 'Gerüste', ''),
    (393, 'Sicherungsmaßnahmen', ''),
    (394, 'Abbruchmaßnahmen', 'Abbruch'),
    (395, 'Instandsetzungen', ''),
    (396, 'Materialentsorgung', ''),
    (397, 'Zusätzliche Maßnahmen', ''),
    (398, 'Provisorische Baukonstruktionen', ''),
    (399, 'Sonstiges zur KG 390', ''),
    (400, 'Bauwerk – Technische Anlagen', 'TGA, Haustechnik, Gebäudetechnik, Technische Gebäudeausrüstung, HLS, HLSK'),
    (410, 'Abwasser-, Wasser-, Gasanlagen', 'Sanitär, SAN, GWA'),
    (411, 'Abwasseranlagen', 'Entwässerung, Schmutzwasser, Regenwasser'),
    (412, 'Wasseranlagen', 'Trinkwasser, Warmwasser, TWW'),
    (413, 'Gasanlagen', 'Gas, Erdgas'),
    (419, 'Sonstiges zur KG 410', ''),
    (420, 'Wärmeversorgungsanlagen', 'Heizung, HZG, Wärme, Heiztechnik'),
    (421, 'Wärmeerzeugungsanlagen', 'Wärmeerzeuger, Wärmepumpe, Kessel, Fernwärme'),
    (422, 'Wärmeverteilnetze', 'Wärmeverteilung, Rohrnetz'),
    (423, 'Raumheizflächen', 'Heizkörper, Heizflächen, Fußbodenheizung'),
    (424, 'Verkehrsheizflächen', ''),
    (429, 'Sonstiges zur KG 420', ''),
    (430, 'Raumlufttechnische Anlagen', 'Lüftung, RLT, Raumlufttechnik, Klima'),
    (431, 'Lüftungsanlagen', ''),
    (432, 'Teilklimaanlagen', ''),
    (433, 'Klimaanlagen', ''),
    (434, 'Kälteanlagen', 'Kälte, Kühlung'),
    (439, 'Sonstiges zur KG 430', ''),
    (440, 'Elektrische Anlagen', 'Elektro, Starkstrom, ELT'),
    (441, 'Hoch- und Mittelspannungsanlagen', 'Trafo, Transformator'),
    (442, 'Eigenstromversorgungsanlagen', 'Photovoltaik, PV, Netzersatzanlage, NEA, Notstrom, USV, BHKW'),
    (443, 'Niederspannungsschaltanlagen', 'NSHV, Niederspannungshauptverteilung'),
    (444, 'Niederspannungsinstallationsanlagen', 'Elektroinstallation, Unterverteilung'),
    (445, 'Beleuchtungsanlagen', 'Beleuchtung, Licht, Sicherheitsbeleuchtung'),
    (446, 'Blitzschutz- und Erdungsanlagen', 'Erdung'),
    (447, 'Fahrleitungssysteme', ''),
    (449, 'Sonstiges zur KG 440', ''),
    (450, 'Kommunikations-, sicherheits- und informationstechnische Anlagen', 'Fernmelde, Fernmeldetechnik, Schwachstrom, Sicherheitstechnik, Nachrichtentechnik, IT, EDV, FM'),
    (451, 'Telekommunikationsanlagen', 'Telefon'),
    (452, 'Such- und Signalanlagen', 'Lichtruf, Rufanlage, Türsprechanlage'),
    (453, 'Zeitdienstanlagen', ''),
    (454, 'Elektroakustische Anlagen', 'ELA, SAA, Sprachalarmierung'),
    (455, 'Audiovisuelle Medien- und Antennenanlagen', 'Medientechnik'),
    (456, 'Gefahrenmelde- und Alarmanlagen', 'BMA, EMA, Brandmeldeanlage, Brandmelde, Einbruchmelde, Zutrittskontrolle, Videoüberwachung'),
    (457, 'Datenübertragungsnetze', 'Datennetz, Netzwerk, LAN'),
    (458, 'Verkehrsbeeinflussungsanlagen', ''),
    (459, 'Sonstiges zur KG 450', ''),
    (460, 'Förderanlagen', 'Aufzug, Aufzüge, Fördertechnik'),
    (461, 'Aufzugsanlagen', ''),
    (462, 'Fahrtreppen, Fahrsteige', 'Rolltreppen'),
    (463, 'Befahranlagen', ''),
    (464, 'Transportanlagen', ''),
    (465, 'Krananlagen', ''),
    (466, 'Hydraulikanlagen', ''),
    (469, 'Sonstiges zur KG 460', ''),
    (470, 'Nutzungsspezifische und verfahrenstechnische Anlagen', ''),
    (471, 'Küchentechnische Anlagen', 'Küche, Küchentechnik'),
    (472, 'Wäscherei-, Reinigungs- und badetechnische Anlagen', 'Schwimmbadtechnik'),
    (473, 'Medienversorgungsanlagen, Medizin- und labortechnische Anlagen', 'Labor, Labortechnik, Druckluft, Medizinische Gase'),
    (474, 'Feuerlöschanlagen', 'Sprinkler, Löschanlage, Hydranten, Löschwasser'),
    (475, 'Prozesswärme-, kälte- und -luftanlagen', 'Prozesskälte'),
    (476, 'Weitere nutzungsspezifische Anlagen', ''),
    (477, 'Verfahrenstechnische Anlagen, Wasser, Abwasser und Gase', ''),
    (478, 'Verfahrenstechnische Anlagen, Feststoffe, Wertstoffe und Abfälle', ''),
    (479, 'Sonstiges zur KG 470', ''),
    (480, 'Gebäude- und Anlagenautomation', 'GA, MSR, Gebäudeautomation, Automation, GLT, Regelung, Gebäudeleittechnik'),
    (481, 'Automationseinrichtungen', ''),
    (482, 'Schaltschränke, Automationsschwerpunkte', 'Schaltschrank, ISP'),
    (483, 'Automationsmanagement', 'Managementebene'),
    (484, 'Kabel, Leitungen und Verlegesysteme', ''),
    (485, 'Datenübertragungsnetze', ''),
    (489, 'Sonstiges zur KG 480', ''),
    (490, 'Sonstige Maßnahmen für technische Anlagen', ''),
    (491, 'Baustelleneinrichtung', ''),
    (492, 'Gerüste', ''),
    (493, 'Sicherungsmaßnahmen', ''),
    (494, 'Abbruchmaßnahmen', 'Demontage, Abbruch'),
    (495, 'Instandsetzungen', ''),
    (496, 'Materialentsorgung', ''),
    (497, 'Zusätzliche Maßnahmen', ''),
    (498, 'Provisorische technische Anlagen', 'Provisorien'),
    (499, 'Sonstiges zur KG 490', ''),
    (500, 'Außenanlagen und Freiflächen', 'Außenanlagen, Freianlagen'),
    (510, 'Erdbau', ''),
    (511, 'Herstellung', ''),
    (512, 'Umschließung', ''),
    (513, 'Wasserhaltung', ''),
    (514, 'Vortrieb', ''),
    (519, 'Sonstiges zur KG 510', ''),
    (520, 'Gründung, Unterbau', ''),
    (521, 'Baugrundverbesserung', ''),
    (522, 'Gründungen und Bodenplatten', ''),
    (523, 'Gründungsbeläge', ''),
    (524, 'Abdichtungen und Bekleidungen', ''),
    (525, 'Dränagen', ''),
    (529, 'Sonstiges zur KG 520', ''),
    (530, 'Oberbau, Deckschichten', ''),
    (531, 'Wege', ''),
    (532, 'Straßen', ''),
    (533, 'Plätze, Höfe, Terrassen', ''),
    (534, 'Stellplätze', ''),
    (535, 'Sportplatzflächen', ''),
    (536, 'Spielplatzflächen', ''),
    (537, 'Gleisanlagen', ''),
    (538, 'Flugplatzflächen', ''),
    (539, 'Sonstiges zur KG 530', ''),
    (540, 'Baukonstruktionen', ''),
    (541, 'Einfriedungen', ''),
    (542, 'Schutzkonstruktionen', ''),
    (543, 'Wandkonstruktionen', ''),
    (544, 'Rampen, Treppen, Tribünen', ''),
    (545, 'Überdachungen', ''),
    (546, 'Stege', ''),
    (547, 'Kanal- und Schachtkonstruktionen', ''),
    (548, 'Wasserbecken', ''),
    (549, 'Sonstiges zur KG 540', ''),
    (550, 'Technische Anlagen', ''),
    (551, 'Abwasseranlagen', 'Grundleitungen'),
    (552, 'Wasseranlagen', ''),
    (553, 'Anlagen für Gase und Flüssigkeiten', ''),
    (554, 'Wärmeversorgungsanlagen', 'Nahwärme, Fernwärme'),
    (555, 'Raumlufttechnische Anlagen', ''),
    (556, 'Elektrische Anlagen', 'Außenbeleuchtung'),
    (557, 'Kommunikations-, sicherheits- und informationstechnische Anlagen, Automation', ''),
    (558, 'Nutzungsspezifische Anlagen', ''),
    (559, 'Sonstiges zur KG 550', ''),
    (560, 'Einbauten in Außenanlagen und Freiflächen', ''),
    (561, 'Allgemeine Einbauten', ''),
    (562, 'Besondere Einbauten', ''),
    (563, 'Orientierungs- und Informationssysteme', ''),
    (569, 'Sonstiges zur KG 560', ''),
    (570, 'Vegetationsflächen', ''),
    (571, 'Vegetationstechnische Bodenbearbeitung', ''),
    (572, 'Sicherungsbauweisen', ''),
    (573, 'Pflanzflächen', ''),
    (574, 'Rasen- und Saatflächen', ''),
    (579, 'Sonstiges zur KG 570', ''),
    (580, 'Wasserflächen', ''),
    (581, 'Befestigungen', ''),
    (582, 'Abdichtungen', ''),
    (583, 'Bepflanzungen', ''),
    (589, 'Sonstiges zur KG 580', ''),
    (590, 'Sonstige Maßnahmen für Außenanlagen und Freiflächen', ''),
    (591, 'Baustelleneinrichtung', ''),
    (592, 'Gerüste', ''),
    (593, 'Sicherungsmaßnahmen', ''),
    (594, 'Abbruchmaßnahmen', ''),
    (595, 'Instandsetzungen', ''),
    (596, 'Materialentsorgung', ''),
    (597, 'Zusätzliche Maßnahmen', ''),
    (598, 'Provisorische Außenanlagen und Freiflächen', ''),
    (599, 'Sonstiges zur KG 590', ''),
    (600, 'Ausstattung und Kunstwerke', 'Möblierung'),
    (610, 'Allgemeine Ausstattung', 'Möbel'),
    (620, 'Besondere Ausstattung', ''),
    (630, 'Informationstechnische Ausstattung', ''),
    (640, 'Künstlerische Ausstattung', 'Kunst am Bau'),
    (641, 'Kunstobjekte', ''),
    (642, 'Künstlerische Gestaltung des Bauwerks', ''),
    (643, 'Künstlerische Gestaltung der Außenanlagen und Freiflächen', ''),
    (649, 'Sonstiges zur KG 640', ''),
    (690, 'Sonstige Ausstattung', ''),
    (700, 'Baunebenkosten', 'Nebenkosten, Honorar, BNK'),
    (710, 'Bauherrenaufgaben', ''),
    (711, 'Projektleitung', ''),
    (712, 'Bedarfsplanung', ''),
    (713, 'Projektsteuerung', ''),
    (714, 'Sicherheits- und Gesundheitsschutzkoordination', 'SiGeKo'),
    (715, 'Vergabeverfahren', ''),
    (719, 'Sonstiges zur KG 710', ''),
    (720, 'Vorbereitung der Objektplanung', ''),
    (721, 'Untersuchungen', ''),
    (722, 'Wertermittlungen', ''),
    (723, 'Städtebauliche Leistungen', ''),
    (724, 'Landschaftsplanerische Leistungen', ''),
    (725, 'Wettbewerbe', ''),
    (729, 'Sonstiges zur KG 720', ''),
    (730, 'Objektplanung', ''),
    (731, 'Gebäude und Innenräume', ''),
    (732, 'Freianlagen', ''),
    (733, 'Ingenieurbauwerke', ''),
    (734, 'Verkehrsanlagen', ''),
    (739, 'Sonstiges zur KG 730', ''),
    (740, 'Fachplanung', ''),
    (741, 'Tragwerksplanung', 'Statik'),
    (742, 'Technische Ausrüstung', 'TGA'),
    (743, 'Bauphysik', ''),
    (744, 'Geotechnik', ''),
    (745, 'Ingenieurvermessung', 'Vermessung'),
    (746, 'Lichttechnik, Tageslichttechnik', ''),
    (747, 'Brandschutz', ''),
    (748, 'Altlasten, Kampfmittel, kulturhistorische Funde', ''),
    (749, 'Sonstiges zur KG 740', ''),
    (750, 'Künstlerische Leistungen', ''),
    (751, 'Kunstwettbewerbe', ''),
    (752, 'Honorare', ''),
    (759, 'Sonstiges zur KG 750', ''),
    (760, 'Allgemeine Baunebenkosten', ''),
    (761, 'Gutachten und Beratung', ''),
    (762, 'Prüfungen, Genehmigungen, Abnahmen', ''),
    (763, 'Bewirtschaftungskosten', ''),
    (764, 'Bemusterungskosten', ''),
    (765, 'Betriebskosten nach der Abnahme', ''),
    (766, 'Versicherungen', ''),
    (769, 'Sonstiges zur KG 760', ''),
    (790, 'Sonstige Baunebenkosten', ''),
    (791, 'Bestandsdokumentation', ''),
    (799, 'Sonstiges zur KG 790', ''),
    (800, 'Finanzierung', ''),
    (810, 'Finanzierungsnebenkosten', ''),
    (820, 'Fremdkapitalzinsen', ''),
    (830, 'Eigenkapitalzinsen', ''),
    (840, 'Bürgschaften', ''),
    (890, 'Sonstige Finanzierungskosten', '');update public.cost_groups g set parent_id = p.id from public.cost_groups p
where p.number <> g.number and p.number = case when g.number % 10 <> 0 then g.number / 10 * 10 else g.number / 100 * 100 end;

insert into public.document_types (name) values
    ('Aktennotiz'), ('Angebot'), ('Anleitung'), ('Aufmaß'), ('Auftrag'), ('Berechnung'), ('Bericht'), ('Bescheid'), ('Bestellung'), ('Bildschirmfoto'),
    ('Bürgschaft'), ('Datenblatt'), ('Dokumentation'), ('E-Mail'), ('Export'), ('Foto'), ('Gutachten'), ('Kostenberechnung'), ('Kostenschätzung'),
    ('Lieferschein'), ('Liste'), ('LV'), ('Mängelliste'), ('Modell'), ('Nachtrag'), ('Notiz'), ('Plan'), ('Preisspiegel'), ('Präsentation'), ('Protokoll'),
    ('Prüfprotokoll'), ('Raumbuch'), ('Rechnung'), ('Scan'), ('Schema'), ('Schreiben'), ('Stellungnahme'), ('Terminplan'), ('Vergabevorschlag'),
    ('Vertrag'), ('Vorlage');

create temporary table read_names (reads, name) on commit drop as
values ('folder', 'Ordner'), ('name', 'Name'), ('extension', 'Endung'), ('tag', 'Tag'), ('label', 'Label'), ('subject', 'Betreff'), ('text', 'Text');

-- KG is a firm's legal form, too (Sanitär Groß KG): less sure than KGR, and not looked for in texts.
insert into public.link_rules (name, decides, reads, pattern, confidence)
select 'Kostengruppe: ' || n.name || ' „' || r.pattern || '“', 'cost_group', r.reads, r.pattern, r.confidence
from (values
    ('folder', 'KGR {KG}', 0.95), ('folder', 'KG {KG}', 0.90), ('folder', 'Kostengruppe* {KG}', 0.95), ('folder', '^{KG} {Bezeichnung}', 0.95),
    ('name', 'KGR {KG}', 0.95), ('name', 'KG {KG}', 0.85), ('name', 'Kostengruppe* {KG}', 0.95), ('name', '^{KG} {Bezeichnung}', 0.90),
    ('tag', 'KGR {KG}', 0.98), ('tag', 'KG {KG}', 0.95), ('tag', 'Kostengruppe* {KG}', 0.98), ('tag', '^{KG} {Bezeichnung}', 0.95),
    ('label', 'KGR {KG}', 0.98), ('label', 'KG {KG}', 0.95), ('label', 'Kostengruppe* {KG}', 0.98), ('label', '^{KG} {Bezeichnung}', 0.95),
    ('subject', 'KGR {KG}', 0.90), ('subject', 'KG {KG}', 0.80), ('subject', 'Kostengruppe* {KG}', 0.90),
    ('text', 'KGR {KG}', 0.60), ('text', 'Kostengruppe* {KG}', 0.60)
) as r (reads, pattern, confidence) join read_names n using (reads)
order by r.confidence desc, r.reads, r.pattern;

insert into public.link_rules (name, decides, reads, pattern, confidence)
select 'Ort: ' || n.name || ' „' || r.pattern || '“', 'place', r.reads, r.pattern, r.confidence
from (values
    ('folder', '^O-{Ort}', 0.98), ('tag', '^O-{Ort}', 0.98), ('label', '^O-{Ort}', 0.98), ('tag', '^Gebäude: {Ort}', 0.95), ('label', '^Gebäude: {Ort}', 0.95),
    ('folder', '{Gebäude}', 0.85), ('name', '{Gebäude}', 0.80), ('tag', '{Gebäude}', 0.85), ('label', '{Gebäude}', 0.85), ('subject', '{Gebäude}', 0.75),
    ('text', '{Gebäude}', 0.50)
) as r (reads, pattern, confidence) join read_names n using (reads)
order by r.confidence desc, r.reads, r.pattern;

-- Kinds of documents. What a file is called says more than where it lies, and that more than its extension; a mail is a mail whatever it is called.
-- Not *rechnung: so ends every Berechnung.
insert into public.link_rules (name, decides, reads, pattern, document_type_id, priority, confidence)
select t.name || ': ' || n.name || ' „' || r.pattern || '“', 'document_type', r.reads, r.pattern, t.id, r.priority, r.confidence
from (values
    ('E-Mail', 'extension', 'eml', 90, 0.98), ('E-Mail', 'extension', 'msg', 90, 0.98),
    ('Bildschirmfoto', 'name', 'Bildschirmfoto*', 80, 0.95), ('Bildschirmfoto', 'name', 'Screenshot*', 80, 0.95),
    ('Export', 'name', 'Export*', 75, 0.85), ('Vorlage', 'name', 'Vorlage*', 75, 0.85),
    ('Scan', 'name', '^Scan*', 75, 0.90), ('Scan', 'name', '^Fax', 75, 0.85),
    ('Prüfprotokoll', 'name', '*prüfprotokoll*', 70, 0.95), ('Prüfprotokoll', 'name', 'Prüfbericht*', 70, 0.85),
    ('Mängelliste', 'name', 'Mängelliste*', 70, 0.95), ('Mängelliste', 'name', 'Mängel*', 45, 0.70),
    ('Kostenberechnung', 'name', 'Kostenberechnung*', 70, 0.95), ('Kostenschätzung', 'name', 'Kostenschätzung*', 70, 0.95),
    ('Terminplan', 'name', '*terminplan*', 70, 0.95), ('Terminplan', 'name', 'Bauzeitenplan*', 70, 0.95),
    ('Preisspiegel', 'name', 'Preisspiegel*', 70, 0.95), ('Vergabevorschlag', 'name', 'Vergabevorschlag*', 70, 0.95),
    ('Raumbuch', 'name', 'Raumbuch*', 70, 0.90),
    ('Nachtrag', 'name', 'Nachtrag*', 65, 0.90),
    ('Aktennotiz', 'name', 'Aktennotiz*', 60, 0.95), ('Aktennotiz', 'name', 'Aktenvermerk*', 60, 0.95), ('Aktennotiz', 'name', 'Gesprächsnotiz*', 60, 0.90),
    ('Rechnung', 'name', 'Rechnung*', 60, 0.90), ('Rechnung', 'name', 'Abschlagsrechnung*', 60, 0.95), ('Rechnung', 'name', 'Schlussrechnung*', 60, 0.95),
    ('Rechnung', 'name', 'Teilrechnung*', 60, 0.95), ('Rechnung', 'name', 'AR', 50, 0.75),
    ('Angebot', 'name', '*angebot*', 55, 0.90), ('Auftrag', 'name', 'Auftrag*', 55, 0.85), ('Bestellung', 'name', 'Bestellung*', 55, 0.85),
    ('Lieferschein', 'name', 'Lieferschein*', 55, 0.90), ('Aufmaß', 'name', '*aufmaß*', 55, 0.90), ('Bürgschaft', 'name', '*bürgschaft*', 55, 0.90),
    ('Vertrag', 'name', '*vertrag*', 50, 0.85), ('Bescheid', 'name', '*bescheid', 50, 0.85), ('Bescheid', 'name', '*genehmigung', 45, 0.75),
    ('Gutachten', 'name', '*gutachten*', 55, 0.90), ('Stellungnahme', 'name', 'Stellungnahme*', 55, 0.90), ('Datenblatt', 'name', '*datenblatt*', 55, 0.90),
    ('Datenblatt', 'name', '*datenblätter', 55, 0.90), ('Anleitung', 'name', '*anleitung*', 50, 0.85),
    ('Dokumentation', 'name', 'Revisionsunterlagen*', 50, 0.85), ('Dokumentation', 'name', 'Bestandsunterlagen*', 50, 0.85),
    ('Protokoll', 'name', '*protokoll*', 55, 0.90), ('Bericht', 'name', '*bericht*', 50, 0.85),
    ('LV', 'name', 'LV', 55, 0.90), ('LV', 'name', 'Leistungsverzeichnis*', 55, 0.95), ('LV', 'name', 'Leistungsbeschreibung*', 55, 0.85),
    ('Plan', 'name', 'Strangschema*', 60, 0.85), ('Schema', 'name', '*schema', 50, 0.85), ('Schema', 'name', '*schemata', 50, 0.85),
    ('Plan', 'name', 'Grundriss*', 50, 0.90), ('Plan', 'name', '*plan', 45, 0.80), ('Plan', 'name', '*pläne', 45, 0.80),
    ('Berechnung', 'name', '*berechnung*', 50, 0.90), ('Präsentation', 'name', 'Präsentation*', 50, 0.90),
    ('Liste', 'name', '*liste', 45, 0.85), ('Notiz', 'name', 'Notiz', 45, 0.85), ('Notiz', 'name', 'Notizen', 45, 0.85),
    ('Schreiben', 'name', 'Schreiben*', 40, 0.70), ('Schreiben', 'name', 'Brief*', 35, 0.60),
    ('Angebot', 'folder', 'Angebot*', 30, 0.85), ('Rechnung', 'folder', 'Rechnung*', 30, 0.85), ('Nachtrag', 'folder', 'Nachträge', 30, 0.85),
    ('Nachtrag', 'folder', 'Nachtrag*', 30, 0.80), ('Prüfprotokoll', 'folder', '*prüfprotokolle', 32, 0.85), ('Protokoll', 'folder', 'Protokoll*', 30, 0.85),
    ('Datenblatt', 'folder', '*datenblätter', 30, 0.85), ('Gutachten', 'folder', '*gutachten', 30, 0.80), ('Vorlage', 'folder', 'Vorlagen', 40, 0.85),
    ('Foto', 'folder', 'Foto*', 30, 0.85), ('Foto', 'folder', 'Bilder', 30, 0.75), ('Plan', 'folder', '*pläne', 25, 0.75), ('Plan', 'folder', 'Grundrisse', 25, 0.75),
    ('Berechnung', 'folder', '*berechnungen', 20, 0.75), ('LV', 'folder', 'LV', 10, 0.60), ('LV', 'folder', 'Leistungsverzeichnis*', 15, 0.75),
    ('Vertrag', 'folder', '*verträge', 8, 0.60),
    ('Plan', 'extension', 'dwg', 28, 0.85), ('Plan', 'extension', 'dxf', 28, 0.85), ('Plan', 'extension', 'plt', 28, 0.85),
    ('Modell', 'extension', 'ifc', 28, 0.90), ('Modell', 'extension', 'rvt', 28, 0.90),
    ('Präsentation', 'extension', 'pptx', 28, 0.90), ('Präsentation', 'extension', 'ppt', 28, 0.90), ('Präsentation', 'extension', 'odp', 28, 0.90),
    ('Terminplan', 'extension', 'mpp', 28, 0.90), ('LV', 'extension', 'x81', 28, 0.85), ('LV', 'extension', 'x83', 28, 0.85), ('Angebot', 'extension', 'x84', 28, 0.85),
    ('Export', 'extension', 'xml', 28, 0.70), ('Export', 'extension', 'html', 28, 0.70),
    ('Foto', 'extension', 'jpg', 15, 0.75), ('Foto', 'extension', 'jpeg', 15, 0.75), ('Foto', 'extension', 'heic', 15, 0.85),
    ('Scan', 'extension', 'tif', 9, 0.60), ('Scan', 'extension', 'tiff', 9, 0.60), ('Notiz', 'extension', 'txt', 9, 0.60), ('Notiz', 'extension', 'md', 9, 0.60),
    ('Liste', 'extension', 'csv', 9, 0.60)
) as r (document_type, reads, pattern, priority, confidence) join read_names n using (reads) join public.document_types t on t.name = r.document_type
order by r.priority desc, t.name, r.reads, r.pattern;
