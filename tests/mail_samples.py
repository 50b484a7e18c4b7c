"""Mails as their programs write them, made up by hand, and which words of each belong where.

Each sample says a word of its own part in it: "eigen…" was written by its writer, "zitat…" is quoted, "gruss…" signs.
So a sample is right when every such word is where its name says, and a reader sees at once what a program does.
"""

# ruff: noqa: E501, W291 - lines and trailing spaces are as programs write them
from __future__ import annotations

WORD = """<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><meta charset="utf-8">
<style><!-- p.MsoNormal {mso-style-unhide:no; font-size:11pt} --></style>
<!--[if gte mso 9]><xml><o:shapedefaults v:ext="edit" spidmax="1026"/>unsichtbar</xml><![endif]--></head>
<body lang=DE link="#0563C1"><div class=WordSection1><p class=MsoNormal>Sehr geehrter Herr Muster,<o:p></o:p></p>
<p class=MsoNormal><o:p>&nbsp;</o:p></p><p class=MsoNormal>anbei die eigenpr&uuml;fung der L&uuml;f&shy;tung.<o:p></o:p>
</p><p class=MsoNormal style='mso-list:l0'><![if !supportLists]>·<![endif]>eigenliste</p>
<p class=MsoNormal>Mit freundlichen Gr&uuml;&szlig;en<o:p></o:p></p>
<p class=MsoNormal>i. A. Erika grussname<br>grussfirma GmbH</p>
<p class=MsoNormal>Diese E-Mail enth&auml;lt vertrauliche und/oder rechtlich gesch&uuml;tzte grussinformationen.</p>
<div><div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm'><p class=MsoNormal>
<b>Von:</b> Max zitatvon &lt;max@example.org&gt; <br><b>Gesendet:</b> Montag, 9. M&auml;rz 2026 10:12<br>
<b>An:</b> Erika zitatan<br><b>Betreff:</b> AW: Plan<o:p></o:p></p></div></div>
<p class=MsoNormal>zitattext von fr&uuml;her.</p><p>Mit freundlichen Gr&uuml;&szlig;en</p><p>zitatname</p></div></body></html>"""

SAMPLES: dict[str, str] = {
    "Outlook, German": WORD,
    "Outlook, English": """<div><p>eigentext</p><p>Kind regards,</p><p>Max grussname</p>
<div style="border:none;border-top:solid #B5C4DF 1.0pt;padding:3.0pt 0in 0in 0in"><p><b>From:</b> Ann zitatann<br>
<b>Sent:</b> Monday, March 9, 2026 10:12 AM<br><b>To:</b> Max<br><b>Subject:</b> RE: Plan</p></div><p>zitattext</p></div>""",
    "Outlook on the web": """<div dir="ltr"><div>eigentext.</div><div id="Signature"><p>grussname</p><p>grussort</p></div>
</div><div id="appendonsend"></div><hr style="display:inline-block;width:98%"><div id="divRplyFwdMsg"><b>Von:</b> X
zitatvon &lt;x@example.org&gt;<br><b>Gesendet:</b> Montag, 9. März 2026<br><b>An:</b> Y<br><b>Betreff:</b> Z</div>
<div>zitattext</div>""",
    "Outlook, old, plain": """<div>eigentext<br><br>-----Urspr&uuml;ngliche Nachricht-----<br>Von: X zitatvon<br>
Gesendet: Montag, 9. M&auml;rz 2026 10:12<br>An: Y<br>Betreff: Z<br><br>zitattext</div>""",
    "Apple Mail": """<div>eigentext</div><div><br><blockquote type="cite"><div>Am 12.03.2026 um 10:12 schrieb Max zitatmax
&lt;max@example.org&gt;:</div><br><div>zitattext<br><br>Mit freundlichen Grüßen<br>zitatname</div></blockquote></div>""",
    "iPhone": """<div dir="ltr">eigentext</div><div dir="ltr"><br></div><div id="AppleMailSignature">Von meinem grussiPhone
gesendet</div><div><br>Am 12.03.2026 um 10:12 schrieb zitatmax &lt;max@example.org&gt;:<br><br></div>
<blockquote type="cite"><div>zitattext</div></blockquote>""",
    "Gmail": """<div dir="ltr">eigentext<div><br></div><div>Viele Grüße</div><div>grussname</div></div><br>
<div class="gmail_quote"><div dir="ltr" class="gmail_attr">Am Do., 12. März 2026 um 10:12&nbsp;Uhr schrieb zitatmax &lt;
<a href="mailto:max@example.org">max@example.org</a>&gt;:<br></div><blockquote class="gmail_quote"
style="margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204);padding-left:1ex">zitattext</blockquote></div>""",
    "Gmail, an own paragraph indented": """<div>eigentext</div><blockquote style="margin:0 0 0 40px;border:none;padding:0">
<div>eigeneingerückt</div></blockquote>""",
    "Thunderbird, answered between": """<div class="moz-cite-prefix">Am 12.03.26 um 10:12 schrieb zitatmax:<br></div>
<blockquote type="cite" cite="mid:1@example.org"><p>zitateins?</p></blockquote><p>eigeneins.</p><blockquote type="cite">
<p>zitatzwei?</p></blockquote><p>eigenzwei.<br></p><pre class="moz-signature">-- 
grussname
grussort</pre>""",
    "Thunderbird, answered below": """<p>Am 12.03.26 um 10:12 schrieb zitatmax:<br></p><blockquote type="cite">zitattext
</blockquote><p>eigentext<br>Gruß<br>grussname</p>""",
    "plain, with arrows": """<pre>Hallo,

&gt; zitateins?
eigeneins.

Am 12.03.2026 um 10:12 schrieb Max
zitatmax &lt;max@example.org&gt;:
&gt; zitatzwei
&gt;&gt; zitatdrei

eigenzwei
-- 
grussname</pre>""",
    "plain, no tags at all": "eigentext\n\nMfG\ngrussname\n\nOn Mon, Apr 2, 2026 at 6:26 PM, A <a@example.org> wrote:\n> zitattext",
    "web mailer": """<div>eigentext</div><div name="quote" style="margin:10px 5px 5px 10px;border-left:2px solid #C3D9E5">
<div><b>Gesendet:</b> Donnerstag, 12. März 2026 um 10:12 Uhr<br><b>Von:</b> "Max zitatmax" &lt;max@example.org&gt;<br>
<b>An:</b> y@example.org<br><b>Betreff:</b> Plan</div><div>zitattext</div></div>""",
    "a postscript": "<p>eigentext</p><p>Viele Grüße</p><p>grussname</p><p>PS: eigennachtrag</p>",
    "no quote and no signature": "<p>eigentext</p><p>Viele Grüße an Ihre Frau soll ich ausrichten, eigensatz.</p>",
    "an invitation is no header": """<p>Betreff: eigenbesprechung</p><p>Datum: 12.03.2026</p><p>An: alle eigenteilnehmer</p>
<p>Ort: Baustelle</p><p>Bitte eigenkommen.</p>""",
    "a sentence about writing": "<p>Am Montag schrieb Herr Müller:</p><p>Das eigenrohr ist zu dünn.</p>",
    "the mail speaks of a mail": "<p>Diese E-Mail enthält die eigenpläne für das zweite Obergeschoss als PDF-Dateien.</p>",
    "Gmail, forwarded": """<div>eigenhinweis</div><div class="gmail_quote"><div class="gmail_attr">---------- Forwarded message
---------<br>Von: <b>Max</b> &lt;max@example.org&gt;<br>Date: Do., 12. März 2026<br>Subject: Plan<br>To: y<br></div>
eigeninhalt</div>""",
    "Thunderbird, forwarded": """<p>eigenhinweis</p><p>-------- Weitergeleitete Nachricht --------</p><table
class="moz-email-headers-table"><tr><th>Betreff: </th><td>Plan</td></tr><tr><th>Datum: </th><td>Thu, 12 Mar</td></tr>
<tr><th>Von: </th><td>eigenmax</td></tr><tr><th>An: </th><td>y</td></tr></table><p>eigeninhalt</p>""",
    "Apple Mail, forwarded": """<div>eigenhinweis</div><div>Anfang der weitergeleiteten Nachricht:</div><blockquote
type="cite"><div><b>Von: </b>eigenmax</div><div><b>Betreff: </b>Plan</div><div>eigeninhalt</div></blockquote>""",
    "Outlook, passed on without a word": """<p>Viele Grüße</p><p>grussname</p><p><b>Von:</b> eigenmax<br><b>Gesendet:</b>
Montag, 9. März 2026<br><b>An:</b> y<br><b>Betreff:</b> Plan</p><p>eigeninhalt</p>""",
}

BILL = """<table border=1><tr><th><p class=MsoNormal>Pos.</p></th><th><p>Text</p></th><th><p>Menge</p></th></tr>
<tr><td><p>1.1</p></td><td><p>Rohr DN&nbsp;100</p></td><td><p>25,00 m</p></td></tr><tr><td>1.2</td><td></td><td>3</td></tr></table>"""
