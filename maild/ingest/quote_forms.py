"""This is where maild knows how mail clients introduce a quotation, in the languages that they speak.

All patterns are RE2 (linear time) and meet single lines or a few joined ones, never a whole mail.
"""

from __future__ import annotations

from functools import lru_cache

import re2

from maild.plain.patterns import Beginnings

MAX_LINE = 500  # characters of a line that are looked at
_AS_READ = {0xA0: " ", 0x202F: " ", 0x2009: " ", 0x3000: " ", 0x2019: "'", 0xFEFF: None} | dict.fromkeys([0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])

# verbs that end or carry an attribution: "On Monday Jo Doe wrote:"
_WROTE = (
    r"\bwrote\b|\bwrites\b|>,? sent\b|\bschrieb\b|\bschreibt\b|a écrit|a ecrit|écrivait|escribió|escribio|escribe|escreveu|escrito|ha scritto|scrive\b|scrisse|schreef|geschreven"
    r"|napisał|napisal|pisze\b|\bskrev\b|kirjoitti|napsal|píše|написа|пишет|писал|пише|yazdı|yazmış|写道|寫道|寫入|さんは書きました|さんが書きました|のメッセージ|のメール|작성|님이 쓴|쓴 글|έγραψε|a scris|írta|pisao|je napisa|napísal|geschrieben|napisane? przez|đã viết|menulis|เขียนว่า|rašė|rakstīja|kirjutas|missatge de|تمت كتابة|كتب|מאת|نوشت"
)
_DIGIT_DATE = r"\d{1,4}[./年-]\s?\d{1,2}[./月-]\s?\d{1,4}|\d{1,2}\s*[:.h時]\s*\d{2}|\b(19|20)\d\d\b"

_ATTRIBUTION = re2.compile(rf"(?i)^[\s\-*_]{{0,10}}\S.*({_WROTE}).*[:：]\s*\*?$")
_ATTRIBUTION_OPEN = re2.compile(r"(?i)^(on|le|il|am|op|el|em|den|w dniu|dnia)\b.*(wrote|a écrit|ha scritto|schrieb|schreef|escribió|escreveu|skrev|napisał(\(a\))?)\s*$")
_DATED = re2.compile(rf"(?i)({_DIGIT_DATE})")
_TIME = re2.compile(r"(?i)\b\d{1,2}\s?[:h時]\s?\d{2}\b|\d ?[ap]\.?m\b|\b(klo?|pukul)\.? ?\d")
_CLOCK = re2.compile(r"\b\d{1,2}\s?[:h時]\s?\d{2}(:\d{2})?\b|(^|[^\d.])\d{1,2}\.\d{2}($|[^\d.])")
_SENTENCE_END = re2.compile(r"(?i)[!?…]$|[^\d .]{2}\.$")
_NUMBER = re2.compile(r"\d+")
_ADDRESSED = re2.compile(r"\S@\S")
_WITH_ADDRESS = re2.compile(r"<\s*[^<>\s]+@[^<>\s]+>")
# no verb, but a date, a name and an address before the colon: "26.06.2014, 14:41, Jo <jo@a.example>:"
_DATE_AND_ADDRESS = re2.compile(r"^[^<>]+<\s*[^<>\s]+@[^<>\s]+>\s*[:：]$")
# the same with the verb of a language that is not known here behind the address, or with a bare address at the end
_TIME_AND_ADDRESS = re2.compile(r"^[^<>]{1,80}<\s*[^<>\s]+@[^<>\s]+>[^<>]{1,60}[:：]$|^\D{0,6}\d[^<>]{5,60} (by|von|de|da|van|fra|från|od|от|від) [^<>\s]+@[^<>\s]+\s*[:：]$")
# programs that name the person quoted, without a date
_QUOTING = re2.compile(r"(?i)^(quoting|zitat von|cita(ndo|zione)?( de| di| a)?|citerar|citat( af| fra)?|citaat van|cytowanie|cituj[iu]|цитирую|цитата)\b")
# what other trackers put above what they quote
_ABOVE_LINE = re2.compile(
    r"(?i)^[\s>*#=_–—|-]{1,20}(please |bitte |veuillez |por favor )?.{0,40}((reply|respond|response|answer|write|type) .{0,20}above (this|the) line|(antwort|schreib)\w* .{0,20}(oberhalb|über) (dieser|die) (linie|zeile)|au-dessus de cette ligne"
    r"|(por encima|encima|arriba) de esta l[íi]nea|acima d(esta|a) linha|sopra questa (riga|linea)|boven deze (regel|lijn)|powyżej tej linii|ovanför (denna|den här) (rad|linje)|over denne linj\w*|tämän rivin yläpuole|nad t[íe]m?to (řád|čár)\w*|выше этой (строки|линии|черты)|bu satırın üst).{0,40}$"
)
# a person who tells what they wrote themselves
_FIRST_PERSON = re2.compile(r"(?i)(^|[^\pL])(i|we|ich|wir|je|j'ai|nous|yo|io|eu|ik|wij|ja|jag|vi|jeg|minä|já|я|мы|ми|ben)([^\pL][^<>]{0,20})?(wrote|schrieb|écri\w*|escrib\w+|scritto|escrev\w+|schreef|geschreven|geschrieben|napisa\w+|skrev|kirjoitin|napsal\w*|писал\w*|напис\w+|yazd\w+)|(wrote|schrieb|schreef|skrev) (i|ich|wir|ik|wij|jag|vi|jeg)[^\pL]")
# "---- On Tue, 03 Nov 2026 10:04:00 +0100 Jo <jo@a.example> wrote ----", "-----jo@a.example wrote: -----"
_DASHED = re2.compile(rf"(?i)^[-_]{{2,}}\s*\S.*({_WROTE})\s*[:：]?\s*[-_]{{2,}}$")
# what marks a quotation that goes on without marks although it begins with one: GroupWise, La Poste
_MARKED_START = re2.compile(rf"(?i)^>{{2,3}} ?[^>\s].*({_DIGIT_DATE}).*>{{2,3}}\s*$|^> ?message du \d{{1,2}}/\d{{1,2}}/\d{{2,4}}")
_DATE_TIME = re2.compile(r"^\s*\d{1,4}[./-]\d{1,2}[./-]\d{2,4},? \d{1,2}:\d{2}(:\d{2})?( [AaPp][Mm])?\s*$")
# not even a colon: "03.11.2026 10:04 Jo Doe <jo@a.example>" alone on its line
_DATE_FIRST = re2.compile(r"^\s*\d{1,4}[./-]\d{1,2}[./-]\d{1,4},? \d{1,2}:\d{2}[^<>]*<[^<>\s]+@[^<>\s]+>$")
_STARTS = re2.compile(
    r"(?i)^[\s\-*_]{0,10}(on|at|am|le|il|el|em|op|den|the|in|w dniu|dnia|dne|dňa|tarihinde|kl\.?|on|mon|tue|wed|thu|fri|sat|sun|mo|di|mi|do|fr|sa|so|man|tir|ons|tor|fre|lør|søn|mån|tis|lör|sön|ma|ti|ke|to|pe|la|su|lun|mar|mer|jeu|ven|sam|dim|gio|sab|dom|pon|wt|śr|czw|pt|sob|nie|po|út|st|čt|pá|so|ne|pzt|sal|çar|per|cum|cmt|paz|mon\w+|tues\w+|wednes\w+|thurs\w+|fri\w+|satur\w+|sun\w+)\b|^[\s\-*_]{0,10}(pada tanggal |vào |στις |în |в |від |пн|вт|ср|чт|пт|сб|вс|понедельник|вторник|четверг|пятниц|воскресень|在|于|\d|\")"
)

_LABELS: dict[str, str] = {
    "from": r"from|von|de|da|van|od|från|fra|lähettäjä|от( кого)?|від( кого)?|kimden|gönderen|发件人|寄件者|寄件人|差出人|送信者|보낸ㅤ?\s?사람|보낸이|발신|발신자|expéditeur|remitente|remetente|mittente|afzender|avsändare|afsender|avsender|nadawca|odesílatel|feladó|de la|από|מאת|من|จาก|từ|dari|pengirim|nuo|no|saatja|فرستنده|از|de\s?",
    "date": r"sent|date( sent)?|gesendet( am)?|datum|envoyé( le| à)?|date d'envoi|enviad[oa]s?( el| em)?|fecha|inviato( il)?|data( invio)?|verzonden( op)?|wysłan[oey]|data wysłania|skickat|sendt|dato|lähetetty|päivämäärä|päiväys|odesláno|odoslané|dátum|отправлено|дата|надіслано|изпратено|gönderil(di|me|me tarihi)|tarih|gönderme tarihi|发送时间|发送日期|寄件日期|傳送時間|日期|日付|时\s{0,4}间|時間|送信日時|日時|送信日|보낸 날짜|보낸 시간|날짜|일시|data do envio|elküldve|küldve|trimis|στάλθηκε|ημερομηνία|נשלח|תאריך|تم الإرسال|التاريخ|تاريخ الإرسال|ส่ง|วันที่|ngày|đã gửi|tanggal|dikirim|poslano|enviat( el)?|išsiųsta|nosūtīts|saadetud|ارسال شده",
    "to": r"to|an|à|a|para|aan|do|til|till|vastaanottaja|komu|кому|до|kime|alıcı|收件人|收件者|宛先|받는ㅤ?\s?사람|받는이|수신|수신자|destinataire|destinatario|címzett|către|προς|אל|إلى|ถึง|tới|đến|kepada|prima|za|kam|per a|mottagare|modtager|mottaker|به",
    "cc": r"cc|kopie|copie( à)?|copia|cópia|kopia|kopi|kopio|копия|копія|bilgi|抄送|副本|참조|c\.c\.|bcc|másolat|kópia|κοιν\.?|עותק|نسخة|สำเนา",
    "subject": r"subject|betreff|thema|objet|asunto|oggetto|ogg|assunto|onderwerp|temat|ämne|emne|aihe|předmět|predmet|тема|относно|konu|主\s?题|主\s?題|主旨|标题|件名|제목|tárgy|subiect|θέμα|נושא|الموضوع|เรื่อง|chủ đề|subjek|perihal|zadeva|tema|assumpte|teema|موضوع",
    "reply": r"reply-to|antwort an|responder a|importance|wichtigkeit|priority|attachments?|anlagen|sender",
}
_LABEL = re2.compile(
    r"(?i)^[\s>*_|\x{feff}]{0,12}(?:" + "|".join(f"(?P<{name}>{words})" for name, words in _LABELS.items()) + r")[*_]{0,2}\s{0,3}[:：|]"
)

_ORIGINAL = re2.compile(
    r"(?i)^[\s>*]{0,8}[-_=*—–‐]{2,}\s*\**("
    r"original (message|mail|e-?mail|appointment)|(ursprüngliche|urspr\.?|original) ?-?(nachricht|e-?mail)|originalnachricht|original ?-?mail|(message|mail|courriel|e-?mail) (d'origine|original)|replied message|(mensaje|correo) original|mensagem original|messaggio originale|"
    r"oorspronkelijk bericht|origineel bericht|wiadomość oryginalna|oryginalna wiadomość|(ursprungligt|ursprungligt) meddelande|originalmeddelande|oprindelig (meddelelse|besked)|opprinnelig melding|alkuperäinen viesti|"
    r"původní (zpráva|e-?mail)|(исходное|оригинальное|первоначальное) (сообщение|письмо)|оригінальне повідомлення|вихідне повідомлення|orijinal (mesaj|ileti)|özgün ileti|原始邮件|原始郵件|原始信息|回复的原邮件|原邮件|元のメッセージ|元のメール|オリジナルメッセージ|원본 (메시지|메일|이메일)|원래 메시지|original"
    r")\**\s*[-_=*—–‐]{2,}"
)
_RUN_ON = re2.compile(r"(.{10,300}?[>)\]].{0,40}?:)\s{2,}\S")
_FORWARDED = re2.compile(
    r"(?i)^[\s>*]{0,8}(?:[-_=*—–]{2,}\s*)?\**("
    r"forwarded (message|mail|by .{1,80})|begin forwarded message|weitergeleitete (nachricht|e-?mail)|anfang der weitergeleiteten (nachricht|e-mail)|beginn der weitergeleiteten nachricht|message (transféré|réexpédié)e?|début du message (transféré|réexpédié)|"
    r"(mensaje|correo) reenviado|inicio del mensaje reenviado|messaggio inoltrato|inizio( del)? messaggio inoltrato|mensagem (encaminhada|reencaminhada)|início da mensagem (encaminhada|reencaminhada)|doorgestuurd bericht|begin doorgestuurd bericht|"
    r"(wiadomość przekazana|przekazana wiadomość|treść przekazanej wiadomości|początek przekazywanej wiadomości)|vidarebefordrat (meddelande|mejl|brev)|vidarebefordrat|videresendt (meddelelse|melding|besked)|start på videresendt besked|välitetty viesti|edelleenlähetetty viesti|"
    r"(přeposlaná|předaná) zpráva|пересланное (сообщение|письмо)|пересылаемое сообщение|начало переадресованного сообщения|переслане повідомлення|yönlendirilen (mesaj|ileti)|iletilmiş mesaj|转发的?邮件|轉寄的?郵件|転送されたメッセージ|転送メッセージ|전달된 메시지"
    r")\**\s*[:：]?\s*[-_=*—–]*\s*$"
)
_RULE = re2.compile(r"^[ \t]{0,4}([-_=—–‐*][ \t]?){5,}$")
_TITLED_RULE = re2.compile(r"^[ \t]{0,4}[-_=—–‐]{2,}\s*[^-_=—–‐\s].{0,60}?\s*[-_=—–‐]{2,}\s*$")
_DRAWN = frozenset("#=-_*—–|")
_TITLE_STARTS = frozenset(["--", "__", "==", "——", "––", "‐‐"])
_FOOTER = re2.compile(
    r"(?i)^\W*(reply to this email directly|you (are receiving|received) this ((message|e-?mail) )?because (you|your|this) |you (are receiving|received) this (message|e-?mail)\W*$|to (unsubscribe|respond|stop receiving)|unsubscribe(( from this \w+| here)?\W*$|\W*(https?:|<|mailto:))|view it on \S*(https?:|git|\.\w)|visit (this|the) (topic|group)( at|:|\W*$|.*https?:)|for more options, visit)"
)
_MARKER = re2.compile(r"(?i)^[ \t>|*＞]{0,20}[-—–_=]{2,}\s*answer above this line\b")
_BELOW = re2.compile(
    r"(?i)\b(in-?line|inline)\b|(answers?|answered|replies|replied|comments?|response|responses|responded|remarks|notes|see|cf\.?) [^.\n]*(below|in (red|blue|green|bold|colou?r|between|the text|your (text|mail|message)))|(below|in) (in )?(red|blue|green|bold)\b"
    r"|(antwort\w*|kommentar\w*|anmerkung\w*|siehe|s\.) ?[^.\n]*(unten|im text|unterhalb|rot|blau|dazwischen|in deine[rm]|in ihre[rm])|s\. ?u\.|direkt im text|(réponses?|commentaires?|voir) [^.\n]*(ci-dessous|dans le texte|en (rouge|bleu))"
    r"|(respuestas?|comentarios?|respondo|ver) [^.\n]*(abajo|debajo|en (rojo|azul)|en el texto)|(risposte|commenti|rispondo|vedi) [^.\n]*(sotto|in (rosso|blu)|nel testo)|(respostas?|comentários?|respondo|ver) [^.\n]*(abaixo|em (vermelho|azul))"
    r"|(antwoord\w*|zie|opmerking\w*) [^.\n]*(onder|hieronder|in (rood|blauw))|(odpowied\w+|komentarz\w*) [^.\n]*(poniżej|niżej)|(svar|se|kommentar\w*) [^.\n]*(nedan|nedenfor|i (rött|rødt|blått|blåt))|(vastaukset|ks\.?) [^.\n]*alla|(odpověd\w+|viz) [^.\n]*níže|(ответ\w*|см\.?) [^.\n]*ниже|в тексте|(відповід\w*|див\.?) [^.\n]*нижче|aşağıda"
    r"|见下|如下|在下面|下記|以下に|아래"
)


# Nearly no line begins like any of these, and one question says so.
_begins = lru_cache(maxsize=8)(Beginnings(_ORIGINAL, _FORWARDED, _STARTS).may_begin)


def is_quoted(line: str) -> bool:
    """Whether the line carries a quote mark of its own."""
    return line[:4].lstrip(" \t")[:1] in (">", "＞", "›")


def is_marker(line: str) -> bool:
    """Whether this is the line above which a reader of a notification answers."""
    return "answer above this line" in line.lower() and bool(_MARKER.match(line[:MAX_LINE]))


def as_read(line: str) -> str:
    """The line as the patterns here know it: no marks of writing direction, plain blanks and apostrophes."""
    return line if line.isascii() else line.translate(_AS_READ)


def is_original_separator(line: str) -> bool:
    """``-----Original Message-----`` in any of the languages, or a drawn line that says who wrote."""
    line = line[:MAX_LINE]
    if line[:1] == ">" and _MARKED_START.match(line):
        return True
    if line[:1] in _DRAWN and _ABOVE_LINE.match(line):
        return True
    return (_begins(line) and bool(_ORIGINAL.match(line))) or (line[:2] in ("--", "__") and bool(_DASHED.match(line)) and bool(_ADDRESSED.search(line) or _DATED.search(line)))


def is_bare_original(line: str) -> bool:
    """``Original Message`` without the drawn line around it; a quoted mail only where its header is right below."""
    return len(line) < 60 and line[:1] == " " and bool(_ORIGINAL.match(f"--{line.strip()}--"))


def is_forward_separator(line: str) -> bool:
    """``---------- Forwarded message ---------``, ``Begin forwarded message:`` and the like."""
    return len(line) < 120 and _begins(line) and bool(_FORWARDED.match(line))


def is_rule(line: str) -> bool:
    """A line drawn of dashes or underscores."""
    return len(line) < 200 and line.lstrip(" \t")[:1] in "-_=—–*" and bool(_RULE.match(line))


def is_titled_rule(line: str) -> bool:
    """A drawn line with a few words in it, as programs put above a quoted mail in any language."""
    return line[:3].lstrip()[:2] in _TITLE_STARTS and len(line) < 120 and bool(_TITLED_RULE.match(line))


def is_list_footer(line: str) -> bool:
    """A line that lists and trackers put under a mail: "You are receiving this because", "To unsubscribe"."""
    return bool(_FOOTER.match(line[:MAX_LINE]))


def label_of(line: str) -> str:
    """Which header a line like ``Gesendet: Montag`` names: from, date, to, cc, subject, reply; or ''."""
    if ":" not in line[:60] and "：" not in line[:60] and line[:1] != "|":
        return ""
    return _label(line[:60])


@lru_cache(maxsize=1024)  # each reader of a mail asks again
def _label(start: str) -> str:
    found = _LABEL.match(start)
    return next((name for name, value in found.groupdict().items() if value), "") if found else ""


def points_below(text: str) -> bool:
    """Whether the writer says that answers stand below or between the lines."""
    return bool(_BELOW.search(text[-2_000:]))


def attribution_length(lines: list[str], at: int) -> int:
    """How many lines from ``at`` are one attribution ("On … Jo Doe wrote:"); 0 for none. Looks at six lines at most.

    Broken over several lines it begins at the last line at which it can: what stands above is what the writer says.
    """
    length = _joined_length(lines, at)
    for later in range(at + 1, at + length):
        if _joined_length(lines, later) != at + length - later:
            continue
        above = " ".join(line[:MAX_LINE].strip() for line in lines[at:later])
        if not _DATED.search(above) or _SENTENCE_END.search(above) or _tells_the_day(" ".join(line[:MAX_LINE].strip() for line in lines[later : at + length])):
            return 0
    return length


def _tells_the_day(joined: str) -> bool:
    """Whether a possible attribution is complete: it begins like one and has the day in it, not only the year or the time."""
    if not _STARTS.match(joined) and not _WITH_ADDRESS.search(joined[: joined.rfind(">") + 1]):
        return False
    times = _CLOCK.findall(joined)
    numbers = _NUMBER.findall(_CLOCK.sub(" ", _WITH_ADDRESS.sub(" ", joined)))
    days = [number for number in numbers if len(number) < 3]
    return bool(days) and (len(numbers) > 1 or bool(times))


def _alone(line: str) -> str:
    """An attribution without the quoted text that Yahoo on phones puts behind it, in the same line after a gap."""
    line = line[:MAX_LINE].strip()
    said = _RUN_ON.match(line) if _begins(line) and "@" in line else None
    return said[1] if said and _is_attribution(said[1]) else line


def _joined_length(lines: list[str], at: int) -> int:
    """How many lines from ``at`` read as one attribution when they are joined; 0 for none."""
    first = _alone(lines[at])
    if not first or (first[-1] not in ":：" and not (_begins(first) and _STARTS.match(first)) and not ("@" in first and _WITH_ADDRESS.search(first)) and not (":" in first and _TIME.search(first) and _DATED.search(first))):
        return 0
    joined = ""
    for count, line in enumerate(lines[at : at + 6], 1):
        part = _alone(line) if count == 1 else line[:MAX_LINE].strip()
        if count > 1 and is_quoted(line):
            part = part.lstrip("> ")  # "> wrote:" is what is left of a broken line
            if not part.lower().startswith("wrote"):
                return 0
        if count > 1 and not lines[at + count - 2].strip() and part[:1] not in ("<", ""):
            return 0  # a blank line is crossed only within "Jo Doe / / <jo@a.example> wrote:"
        if not part and not joined[-1:].isalnum():
            return 0
        joined = f"{joined} {part}".strip()
        if len(joined) > MAX_LINE:
            return 0
        if joined[-1] in ":：*":
            return count if _is_attribution(joined) or _is_plain_attribution(joined, lines, at + count) else 0
        if count == 1 and joined[:1].isdigit() and _DATE_FIRST.match(joined):
            return 1
        if count <= 2 and any(map(str.isdigit, joined)) and _ATTRIBUTION_OPEN.match(joined) and _DATED.search(joined):
            following = next((line for line in lines[at + count : at + count + 3] if line.strip()), "")
            if is_quoted(following):
                return count
    return 0


def _is_attribution(joined: str) -> bool:
    if _ATTRIBUTION.match(joined):
        return bool(_DATED.search(joined) or _ADDRESSED.search(joined))
    if _DATE_AND_ADDRESS.match(joined):
        return bool(_DATED.search(joined))
    return bool(_TIME_AND_ADDRESS.match(joined) and _TIME.search(joined) and _DATED.search(joined))


def _is_plain_attribution(joined: str, lines: list[str], below: int) -> bool:
    """"Jo Doe wrote:" or an address with a date, taken for an attribution only right above a line with a quote mark."""
    following = next((line for line in lines[below : below + 3] if line.strip()), "")
    if len(joined) > 100 or not is_quoted(following):
        return False
    return bool(_ATTRIBUTION.match(joined) or (_ADDRESSED.search(joined) and _DATED.search(joined)) or _QUOTING.match(joined))


def is_bare_attribution(line: str) -> bool:
    """Whether a line says that somebody else wrote, and nothing more; without date and address it may be a sentence, too."""
    said = line.strip()
    return len(said) <= 120 and bool(_ATTRIBUTION.match(said)) and not _FIRST_PERSON.search(said)


def is_certain_attribution(lines: list[str]) -> bool:
    """Whether an attribution is one even if the text below carries no quote marks: it has an address or the time of day.

    "On 12.05. your colleague wrote:" can be somebody's own sentence, of which nothing may be cut; "I wrote" is one.
    """
    joined = " ".join(_alone(line) for line in lines)
    if _FIRST_PERSON.search(joined):
        return False
    return bool(_ADDRESSED.search(joined) or (_STARTS.match(joined) and _TIME.search(joined)))


def header_block_length(lines: list[str], at: int, under_rule: bool = False) -> int:
    """How many lines from ``at`` are a quoted mail's header ("From: … Sent: … To: … Subject: …"); 0 for none.

    Values may stand on the next line and blank lines between (HTML made text). A from, a date and a to are needed, and
    an address or the time of day: so the fields of a contact form or a journey are no header. Below a drawn line
    (``under_rule``) two of the fields are enough, in whatever language the labels are if the first names an address.
    """
    label = label_of(lines[at])
    known = _known_block_length(lines, at, under_rule) if label in ("from", "date", "subject") else 0
    if known and any(label_of(lines[n]) == label for n in range(at + 1, at + known)):
        for later in range(at + 1, at + known):
            if label_of(lines[later]) in ("from", "date", "subject") and later + _known_block_length(lines, later, under_rule) == at + known:
                return 0  # "Date: any", says the writer, and the quoted header below has such a field of its own
    return known or (_unknown_block_length(lines, at) if under_rule else 0)


def _known_block_length(lines: list[str], at: int, under_rule: bool) -> int:
    """The length of a block of known labels; at least from, date and one more, or less below a drawn line."""
    seen: set[str] = set()
    last = at
    strangers = 0
    words = ""
    for number in range(at, min(at + 40, len(lines))):
        line = lines[number]
        if not line.strip():
            if number - last > 6:
                break
            continue
        label = label_of(line)
        if label:
            if label in seen and label in ("from", "subject"):
                break
            seen.add(label)
            last, strangers = number, 0
        else:
            strangers += 1
            if strangers > 2:
                break
        words += " " + line[:200]
    if {"from", "date"} <= seen and (under_rule or "to" in seen):
        return last - at + 1 if "@" in words or ("subject" in seen and (under_rule or _TIME.search(words))) else 0
    return last - at + 1 if under_rule and "from" in seen and "subject" in seen and "@" in words else 0


def _unknown_block_length(lines: list[str], at: int) -> int:
    """The length of a block of three or more ``Label: value`` lines with an address and a date in it, else 0."""
    end = at
    while end < min(at + 8, len(lines)) and _is_labelled(lines[end]):
        end += 1
    words = " ".join(line[:200] for line in lines[at:end])
    return end - at if end - at >= 3 and "@" in lines[at] and _DATED.search(words) else 0


def notes_block_length(lines: list[str], at: int) -> int:
    """The length of Notes' table made text (name, then date and time, then bare labels of who got it and of the subject), else 0."""
    if not _DATE_TIME.match(lines[at + 1] if at + 1 < len(lines) else ""):
        return 0
    seen: set[str] = set()
    for number in range(at + 2, min(at + 20, len(lines))):
        label = label_of(lines[number].strip() + ":") if 0 < len(lines[number].strip()) < 20 else ""
        seen.add(label)
        if label == "subject" and "to" in seen:
            value = next((n for n in range(number + 1, min(number + 3, len(lines))) if lines[n].strip()), number)
            return value - at + 1
    return 0


def _is_labelled(line: str) -> bool:
    """Whether a line has the shape ``Label: value``, whatever the label."""
    label, colon, value = line[:MAX_LINE].replace("：", ":").partition(":")
    return bool(colon and value.strip()) and 1 < len(label.strip(" >*_")) < 30
