"""This is where maild knows an absence note or automatic answer by its words alone, in the common languages.

Two things have to come together, so that no personal mail is taken for one: either the subject that mail servers put
in front (`Automatic reply: …`), or several of the phrases that such notes consist of.
"""

from __future__ import annotations

import re
import unicodedata

from maild.model.message import Message
from maild.plain.patterns import Phrases

# What servers and mail clients write in front of the subject that they answer: with a colon enough alone.
_PREFIX = re.compile(
    r"""^\s*(?:\[[^\]]{1,40}\]\s*)?[\[(]?(?:
      automatic\ (?:repl(?:y|ies)|response)|auto(?:mated)?[- ]?(?:reply|response|responder|answer|respons)|autoreply
      |out[- ]of[- ](?:the[- ])?office(?:\ (?:auto[- ]?reply|reply|response|notification|message|notice))?
      |(?P<who>[^:\n]{2,60})\ (?:is\ (?:currently\ )?(?:out\ of\ (?:the\ )?office|on\ (?:vacation|leave|holiday))|ist\ (?:zurzeit\ )?(?:au(?:ß|ss)er\ Haus|im\ Urlaub|abwesend|nicht\ im\ (?:Haus|Büro))
        |está\ (?:fuera\ de\ (?:la\ )?oficina|ausente)|est\ (?:absente?|en\ congés?)|è\ (?:fuori\ (?:sede|ufficio)|assente)|is\ (?:afwezig|niet\ aanwezig))
      |\[?auto\]?(?=\s*:?\s*(?:re|aw|sv|antw|rv|.{1,60}\b(?:out\ of|au(?:ß|ss)er\ haus|abwesend|absente?|fuera|ausente|assente|fuori|afwezig|away|fr[åa]nvarande|poissa|nieobecn\w+)\b))|vacation\ (?:reply|message|notice|response)
      |automatische\ (?:antwort|abwesenheits\w+|r[üu]ckmeldung|eingangsbest[äa]tigung)|abwesenheits(?:notiz|nachricht|meldung|info\w*|assistent)
      |automatisch\ antwoord|automatische\ (?:reactie|beantwoording)|afwezigheids(?:bericht|assistent|melding)
      |r[ée]ponse\ automatique(?:\ d'absence)?|absente?\ du\ bureau|absence\ du\ bureau|(?:message|avis)\ d'absence|resposta\ autom[àa]tica
      |automaatvastus|autom[āa]tisk[āa]\ atbilde|automatinis\ atsakymas|trả\ lời\ tự\ động|balasan\ otomatis|jawapan\ automatik|erantzun\ automatikoa|sjálfvirkt\ svar
      |ausência\ (?:do\ escritório|temporária)|aviso\ de\ ausencia|ofis\ dışında|поза\ офісом|вне\ офиса|автоматическое\ сообщение\ об\ отсутствии|پاسخ\ خودکار|(?:การ)?ตอบกลับอัตโนมัติ
      |respuesta\ autom[áa]tica|fuera\ de\ (?:la\ )?oficina|risposta\ automatica|fuori\ (?:sede|ufficio)
      |resposta\ autom[áa]tica|fora\ do\ escrit[óo]rio|odpowied[źz]\ automatyczna|automatyczna\ odpowied[źz]
      |autosvar|auto(?:matiskt|matisk)\ (?:svar|fr[åa]nvaromeddelande)|fr[åa]nvaromeddelande|fraværs(?:melding|besked)
      |automaattinen\ (?:vastaus|poissaoloviesti)|poissaoloviesti|automatick[áa]\ odpov[ěe][ďd]|automatick[áa]\ odpove[ďd]
      |samodejn[ia]\ odgovor|automatski\ odgovor|automatikus\ v[áa]lasz|r[ăa]spuns\ automat|otomatik\ (?:yan[ıi]t|cevap)
      |автоматический\ ответ|автоответ(?:чик)?|автоматична\ відповідь|автоматичен\ отговор|αυτόματη\ απάντηση
      |תשובה\ אוטומטית|מענה\ אוטומטי|الرد\ التلقائي|رد\ تلقائي|自动(?:回复|答复)|自動(?:回覆|回復|返信|応答)
      |不在(?:通知|の連絡)|자동\s?(?:회신|응답|답장)
    )\s*(?P<end>[:：\])]|(?<=\])|[\-–—!.(\[]|\Z)""",
    re.IGNORECASE | re.VERBOSE,
)
_ENOUGH = (":", "：", "]", ")")
_ANSWER = re.compile(
    r"\s*(?:re|aw|sv|vs|antw?|rv|rif|ynt|odp|ref|回复|答复|回覆|отв|на)\s*(?:\[\d+\])?\s*[:：]", re.IGNORECASE
)
# Words of a subject that a person might write too: one sign of several.
_SUBJECT = re.compile(
    r"out[- ]of[- ](?:the )?office|\booo\b|automatic(?:ally)? (?:generated )?(?:reply|response)|auto[- ]?(?:reply|response)|abwesen"
    r"|nicht im (?:büro|haus)|(?:im|in) urlaub|on (?:vacation|annual leave|holiday|leave)|réponse auto|absent|fuera de la"
    r" oficina|fuori ufficio|automática|afwezig|frånvaro|vacation|poissa|nieobecn|fravær|ikke til stede|au(?:ß|ss)er haus|ausente"
    r"|poza biurem|(?:ikke|inte) (?:til stede|på kontoret)|fraværende|ausência|nepřítom|нет на месте|отсутств|外出中|休假|távol|assente|mimo kancelář|házon kívül|автоответ|отпуск|вне офиса|不在|부재",
    re.IGNORECASE,
)


# A subject that is nothing but the word: a note, where the text too says that somebody is away, and whom to ask instead.
_BARE = re.compile(
    r"\s*(?:abwesen(?:d|heit)|absen(?:ce|te?)|ausen(?:cia|te)|ausência|assen(?:te|za)|afwezig(?:heid)?|nieobecno[śs][ćc]|frånvaro|fravær(?:ende)?"
    r"|(?:ikke|inte) (?:til stede|på kontoret)|poissa(?:olo)?|nepřítomn(?:ost|ý)|neprítomnosť|távollét|отсутствие|відсутність|ooo|away|부재\s?중|不在)\W*",
    re.IGNORECASE,
)


# What such notes say. Each table that is found counts once.
_AWAY = Phrases(
    r"\b(?:i am|i'm|i will be|i'll be|we are|am) (?:currently |presently |now |away )*(?:and )?(?:out of (?:the |my )?office|away from"
    r" (?:the |my )?(?:office|desk|e-?mail)|on (?:annual |sick |parental |maternity |paternity )?(?:leave|vacation|holidays?)"
    r"|travell?ing|not in the office|unavailable|away on (?:\w+ )?(?:leave|vacation|holidays?|business))",
    r"\bout of (?:the )?office (?:until|from|till|through|and)\b",
    r"\b(?:bin ich|ich bin|wir sind|ich werde|werde ich) [^\n]{0,60}?(?:nicht (?:im (?:büro|haus|dienst)|erreichbar|anwesend)|abwesend|au(?:ß|ss)er haus"
    r"|im urlaub|in elternzeit)",
    r"\b(?:befinde ich mich|ich befinde mich) [^\n]{0,40}?(?:urlaub|elternzeit|abwesenheit)",
    r"\bje (?:suis|serai) (?:actuellement |en ce moment )?(?:absente?|en congés?|hors du bureau|en déplacement|en vacances)",
    r"\b(?:estoy|estaré|me encuentro|estarei|estou) [^\n]{0,30}?(?:fuera de (?:la )?oficina|ausente|de vacaciones|fora do escritório"
    r"|de férias)",
    r"\b(?:sono|sarò) [^\n]{0,30}?(?:assente|fuori (?:ufficio|sede)|in ferie)",
    r"\bik ben [^\n]{0,40}?(?:afwezig|niet (?:aanwezig|op kantoor|bereikbaar)|op vakantie|met verlof|vrij)",
    r"\b(?:jestem|będę) [^\n]{0,40}?(?:nieobecn|poza biurem|na urlopie)|przebywam na urlopie",
    r"\bjag är [^\n]{0,40}?(?:ledig|inte på kontoret|på semester|frånvarande|tjänstledig|föräldraledig)",
    r"\bjeg er [^\n]{0,40}?(?:ikke (?:til stede|på kontoret)|på ferie|fraværende|bortrejst|bortreist)|\bjeg holder (?:sommer|jule|vinter|påske)?ferie",
    r"\bolen [^\n]{0,40}?(?:poissa|lomalla|vuosilomalla)",
    r"\b(?:jsem|budu) [^\n]{0,40}?(?:mimo kancelář|na dovolené|nepřítom)|\b(?:čerpám|mám) [^\n]{0,20}?dovolenou",
    r"(?:я )?(?:нахожусь|буду|сейчас) [^\n]{0,40}?(?:в отпуске|вне офиса|отсутств)",
    r"(?:irodán kívül|szabadságon) (?:vagyok|leszek)|(?:ofis dışında|izinde)y[iı]m|(?:休假|不在办公室|外出)中?[，,。]|不在にしており|(?:휴가|출장|부재) ?중(?:이|입)",
)
_RETURN = Phrases(
    r"\b(?:i will (?:be back|return|respond|reply|answer|get back)|i(?:'ll| shall) (?:be back|return)|returning on|back (?:in the office )?on"
    r"|upon my return|when i (?:return|am back|get back)|until (?:\w+day|\d))",
    r"\b(?:wieder (?:erreichbar|für sie|im büro|da\b|zurück)|nach meiner rückkehr|ab dem \d|(?:kehre|komme)[^\n.]{0,30} zurück|rückkehr (?:am|:)|bis (?:zum |einschlie(?:ß|ss)lich )?\d)",
    r"\b(?:de retour|dès mon retour|à mon retour|jusqu'au|regreso|volveré|a mi regreso|hasta el|rientro|al mio rientro|fino al"
    r"|retorno|retornarei|até o dia|terug (?:op|vanaf)|weer (?:aanwezig|bereikbaar)|tot en met|wracam|po powrocie|do dnia"
    r"|tillbaka|åter (?:på|den)|tilbake|tilbage|palaan|til og med|till och med|asti\b|saakka\b|복귀|zpět|po návratu|vrátím|вернусь|до \d)",
)
_INSTEAD = Phrases(
    r"\b(?:in (?:urgent|case of an? (?:urgent|emergency)) (?:cases|matters)?|for (?:urgent|immediate|emergency)|if (?:it is|this is|your"
    r" (?:request|matter|enquiry|message) is) urgent|if you (?:need|require) (?:immediate|urgent|assistance)|in my absence"
    r"|during (?:my absence|this time)|(?:mailbox|inbox|account|address) is not (?:monitored|read)|no access to|limited (?:access|e-?mail)|(?:not|n't) (?:be )?(?:checking|reading|monitoring) (?:my |this )?(?:e-?mails?|messages|inbox|mailbox)|please contact|will not be (?:forwarded|read|checked))",
    r"\b(?:in dringenden (?:fällen|angelegenheiten)|dringende[nr]? |wenden sie sich (?:bitte )?an|meine vertretung|vertritt mich|in meiner"
    r" abwesenheit|nicht weitergeleitet|während meiner abwesenheit)",
    r"\b(?:en cas d'urgence|en mon absence|veuillez contacter|asuntos? urgentes?|en caso de urgencia|em caso de urgência|por favor"
    r" contacte|in caso di urgenz|per urgenze|potete contattare|bij spoed|dringende zaken|neem (?:dan )?contact op met|w pilnych"
    r"|w sprawach pilnych|vid brådskande|kontakta|ved hastesaker|kontakt(?:es)? |kiireellisissä|v naléhavých|nemám přístup k|læser ikke (?:mine )?(?:e-?)?mails?|leser ikke (?:e-post|mail)|läser inte (?:min |mina )?(?:e-post|mejl|mail)|en lue sähköpost|acesso limitado|acceso limitado|accesso limitato|accès limité|급한 |긴급|в срочных|по срочным)",
)
_THANKS = Phrases(
    r"\A\W{0,20}(?:[^\n]{0,40}\n{1,4})?\W{0,20}(?:thank you for (?:your (?:e-?mail|message|note|mail)|contacting)|thanks for (?:your (?:e-?mail|message|mail)|getting in touch|reaching out)"
    r"|(?:vielen dank|danke|herzlichen dank) für (?:ihre|deine|die) (?:e-?mail|nachricht|mail|anfrage)|merci (?:de|pour) votre"
    r" (?:message|e-?mail|courriel)|gracias por (?:su|tu) (?:mensaje|correo)|grazie per (?:il tuo|la sua|il suo|la tua) (?:messaggio|e-?mail)"
    r"|obrigad[oa] pel[ao] (?:seu|sua) |bedankt voor (?:uw|je) (?:e-?mail|bericht)|dziękuję za (?:wiadomość|e-?mail)|tack för (?:ditt|din|er)"
    r"|tak for din|takk for (?:din|e-post)|kiitos (?:viestistä|sähköpost)|děkuji za)",
)
_ITSELF = Phrases(
    r"\bthis is (?:an? |the |my )?(?:\w+ )?auto[- ]?(?:responder|reply|responding)\b|\bthis is an? (?:automat(?:ic|ed)|auto(?:matically)?[- ]generated)[^\n]{0,20} (?:reply|response|message|e-?mail|answer)|this (?:message|e-?mail|reply)"
    r" (?:was|is|has been) (?:sent |generated )?automatically|do not (?:reply|respond) to this (?:message|e-?mail)",
    r"dies ist eine automatisch\w*[^\n]{0,20} (?:antwort|nachricht|e-?mail)|diese (?:nachricht|e-?mail) wurde automatisch",
    r"ceci est une? (?:réponse|message) automatique|este es un mensaje automático|questo è un messaggio automatico|esta é uma"
    r" (?:mensagem|resposta) automática|dit is een automatisch|to jest (?:automatyczna|wiadomość automatyczna)|detta är ett automat"
    r"|dette er et automat|это автоматическ|tämä on automaatti|toto je automatická",
)
_TABLES = (
    (_AWAY, 1, "text: says that the writer is away"),
    (_RETURN, 1, "text: says until when"),
    (_INSTEAD, 1, "text: says whom to ask instead"),
    (_THANKS, 1, "text: thanks for the message"),
    (_ITSELF, 2, "text: says itself that it is automatic"),
)
_READ, _SHORT, _NEED = 1500, 800, 3


def absence_signs(message: Message, machine: bool) -> tuple[str, ...]:
    """The words by which this is a machine's answer, each a line for the trace; () where it is none.

    ``machine`` says that headers already show that a machine made the mail; then less is enough.
    """
    subject = unicodedata.normalize("NFC", message.subject)
    shown = f"Subject: {subject[:80]}"
    prefix = _PREFIX.match(subject)
    if prefix is not None and ((prefix["end"] in _ENOUGH and not prefix["who"]) or machine):
        return (shown,)
    signs: list[str] = []
    points = 0
    if prefix is not None or (_SUBJECT.search(subject) and not _ANSWER.match(subject)):
        signs.append(shown)
        points += 2 if prefix is not None else 1
    text = unicodedata.normalize("NFC", _own_words(message))
    head = text[:_READ]
    found = {sign: match for table, _, sign in _TABLES if (match := table.search(head)) is not None}
    points += sum(worth for _, worth, sign in _TABLES if sign in found)
    points -= min(2, head.count("?") + 2 * (len(text) > _READ))  # a person asks, or tells a longer story
    if points < (2 if machine else _NEED):
        return ()
    away = found.get(_TABLES[0][2])
    itself = prefix is not None or _TABLES[4][2] in found
    if not (machine or itself) and "?" in head:
        return ()  # notes ask nothing
    formal = itself or _TABLES[3][2] in found
    bare = away is not None and _TABLES[2][2] in found and _BARE.fullmatch(subject) is not None
    if not (machine or formal or bare) and signs and points <= _NEED:
        return ()
    if not (machine or formal or bare):
        # nothing but sentences that a person might write too: then it has to be a short answer that begins with them
        answer = bool(message.in_reply_to or message.references or _ANSWER.match(subject))
        if not (answer and away is not None and away.start() < 150 and len(text) < _SHORT):
            return ()
    if away is None and _TABLES[4][2] not in found and prefix is None and not machine:
        return ()
    return (*signs, *found)


def _own_words(message: Message) -> str:
    """What this mail says itself, without what it quotes."""
    text = message.new_text or message.text
    return "\n".join(line for line in text.split("\n") if not line.startswith(">")).strip()
