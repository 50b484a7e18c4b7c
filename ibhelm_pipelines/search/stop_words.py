"""Function words, German and English: they give no lexeme.

Without those that name a thing in this office: `it` (Informationstechnik), `us`. Spelled as in search/analysis.py:
lower case, umlauts, and both spellings of what has one.
"""

from __future__ import annotations

_GERMAN = """
aber alle allem allen aller alles als also am an ander andere anderem anderen anderer anderes anders auch auf aus bei
beim bin bis bist bitte bzw da dabei dadurch dafür dagegen daher damit danach daran darauf daraus darf darum darunter
darüber das dass dasselbe davon dazu daß dein deine deinem deinen deiner dem demselben den denen denn denselben der
deren derer derselbe derselben des desselben dessen dich die dies diese dieselbe dieselben diesem diesen dieser dieses
dir doch dort du durch ein eine einem einen einer eines einig einige einigem einigen einiger einiges einmal er es
etwas euch euer eure eurem euren eurer für gegen gewesen gibt hab habe haben hat hatte hatten hier hin hinter ich ihm
ihn ihnen ihr ihre ihrem ihren ihrer ihres im in indem ins ist ja jede jedem jeden jeder jedes jedoch jene jenem jenen
jener jenes jetzt kann kein keine keinem keinen keiner keines können könnte man manche manchem manchen mancher manches
mein meine meinem meinen meiner meines mich mir mit muss musste muß müssen nach nicht nichts noch nun nur ob oder ohne
sehr sein seine seinem seinen seiner seines selbst sich sie sind so solche solchem solchen solcher solches soll sollen
sollte sondern sonst sowie um und uns unser unsere unserem unseren unserer unter vom von vor wann war waren warst
warum was weg weil weiter welche welchem welchen welcher welches wem wen wenn wer werde werden wessen wie wieder wieso
will wir wird wirst wo wobei wofür woher wohin wollen wollte womit worden wurde wurden während würde würden zu zum zur
zwar zwischen über
"""
_ENGLISH = """
a about after all also am an and any are as at be because been before being between both but by can could did do does
for from had has have having he her here him his how i if in into is its just me more most my no nor not of off on
once only or other our out over own she should so some such than that the their them then there these they this those
through to too under until up very was we were what when where which while who whom why will with would you your
"""
_WRITTEN_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})

STOP_WORDS = frozenset(
    spelling for word in (_GERMAN + _ENGLISH).split() for spelling in (word, word.translate(_WRITTEN_OUT))
) - {"weg", "a", "i", "over", "off"}
"""Weg is a road as well; A and I name houses and axes."""
