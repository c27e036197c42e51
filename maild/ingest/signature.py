"""This is where maild finds the signature below what a person wrote: the ``-- `` line, and what phones add."""

from __future__ import annotations

import re2

_DELIMITER = re2.compile(r"^[ \t]{0,2}(--|—|––|__|_{20,}|-- ?|--_)[ \t\x{a0}]*$")
_STRICT = "-- "
_FOOTER = re2.compile(r"(?i)mailing list|unsubscribe|lists?info|listinfo|https?://")
MAX_NAME = 72  # characters of the first line of a signature
MAX_SIGNATURE = 18  # lines below a delimiter that is not the strict one

_DEVICE = (
    r"i ?phon\w*|i ?pad|i ?pod|mobile|mobil\w*|handy|smartphone|phone|cell\w*|android\S*|samsung|galaxy|black ?berry|windows|outlook|mail\w*|yahoo|airmail|htc|huawei|xiaomi|redmi|nokia|sony|lg|motorola|moto|pixel|oneplus|oppo"
    r"|device|tablet\w*|ti-85|alcatel|proton\w*|gmx|web\.de|spark|thunderbird|k-9|aol|gmail|macbook|mac|imac|zte|honor|vivo|telefon\w*|téléphone|teléfono|dispositivo|appareil|gerät|portable|móvil|celular|cellulare|telefoon|toestel|telefonu|puhelime\w*|устройств\w*|айфон\w*|телефон\w*|смартфон\w*|bluemail|typeapp|mymail|hushmail|superhuman|missive|newton|edison|canary|mailspring|tuta\w*|posteo|zoho|zimbra|fairphone|boxer|fastmail|nine|mobiltelefon|mobilgerät|smartfon\w*|почт\w*|яндекс\S*|posta per|poczt\w+ dla|correo para|courrier pour|pošt\w+ pro|email para|e-post f[öo]r|sähköposti\w*|메일|メール|邮件|郵件|갤럭시|갤럭시\S*"
)
_PHONE = re2.compile(
    r"(?i)^[\s*_<(\[—–-]*("
    rf"sent (from|via|with|by|using) (my |the |a |an )?(\S+ ){{0,5}}?\[?({_DEVICE})\b[^,.]*([,.].*(typo|excuse|brevity|spelling|sorry|short).*)?"
    rf"|(someone )?from (my )?({_DEVICE})( \S+){{0,2}}|sent with .*"
    r"|(从|從|發自|发自|发送自|来自|來自)\s?.{0,12}(iphone|ipad|手机|手機|邮箱|郵箱|android|mail|outlook).{0,12}"
    r")[\s*_>)\]…!.]*$"
)
# an app that offers itself: the word for "get" stands first or, in other languages, last
_APP = r"outlook|bluemail|typeapp|yahoo|aol|spark|mymail"
_GET = re2.compile(
    rf"(?i)^\W{{0,3}}(get|download|hent|hämta|få|obten(ir|ez)|télécharge[rz]|obtener|obtén|descargar?|obter|obtenha|baixar?|scarica|ottieni|pobierz|uzyskaj|holen sie sich|hanki|lataa|stáhnout|získa(t|jte)|получит[ье]|скача(ть|йте)|отримати|завантажити|获取|下载|取得|獲取|下載)\b?[^.,]{{0,30}}({_APP})\b?[^.,]{{0,30}}$"
    rf"|^\W{{0,3}}.{{0,30}}({_APP}).{{0,30}}(edinin|indirin|beziehen|herunterladen|holen|downloaden|入手(してください)?|ダウンロード|다운로드|받기|가져오기)( voor \w+)?\W{{0,3}}$"
)
_PLATFORM = re2.compile(r"(?i)ios|android|iphone|ipad|windows|\bmac\b|macos|mobile|^\W*\S+\W+\S+\W*$")
_LINK = re2.compile(r"\(?<?https?://[^\s<>)]*[>)]?\)?")
_SENT = re2.compile(
    r"(?i)^[\s*_<(\[—–-]*((diese (nachricht|e-?mail|mail) wurde )?(von|mit|vom) .*(gesendet|geschickt|verschickt|gesandt|versandt)|gesendet (von|mit|über|vom)\b|envoyé (depuis|de|à partir de|par|avec|via)\b|provenance :"
    r"|enviad[oa] (desde|do|de|a partir d[oe]|via|pelo|con|com)\b|inviato (da|dal|con|tramite)\b|(verzonden|verstuurd) (vanaf|vanuit|met|via|van)\b|(wysłane|wysłano) (z|ze|przez)\b|skickat från\b|(sendt|sent) fra\b|lähetetty\b|(odesláno|odoslané|poslano|poslané) (z|ze|s|iz)\b"
    r"|отправлено (с|со|из)\s|надіслано (з|із|від)\s|изпратено от\s|trimis de pe\b|elküldve\b|στάλθηκε από\s|נשלח מ|(أُرسلت|أرسلت|تم الإرسال) من|được gửi từ|dikirim dari\b|ส่งจาก|(发送自|傳送自|從|从).{0,30}(发送|傳送|發送)\W*$)"
    r"|.*(gönderil(di|miştir)|から送信(されました)?|에서 (보냄|보냈습니다))\W{0,3}$"
)
_ANY_DEVICE = re2.compile(rf"(?i)(?:^|[^a-z])({_DEVICE})")

# formulas only: "thanks" is a word to the reader and stays
_CLOSING = re2.compile(
    r"(?i)^\W{0,3}((with |my |our )?((very )?(kind|best|warm|kindest|warmest)(est)? (personal )?(regards|wishes)|best|regards|sincerely( yours)?|yours (sincerely|faithfully|truly)|respectfully|cordially|brgds|br|rgds|kr)"
    r"|(mit )?(freundliche[nm]?|viele[n]?|beste[n]?|liebe[n]?|herzliche[n]?|schöne[n]?|sonnige[n]?) (gr(ü|ue)(ß|ss)en?|gruß|gruss)( aus \S+)?|(viele|liebe|beste) gr(ü|ue)(ß|ss)e|gr(u|ü)(ß|ss)e?|mfg|vg|lg|hochachtungsvoll|bg"
    r"|(bien |très )?cordialement( vôtre)?|(meilleures|sincères) salutations|salutations( distinguées)?|bien à vous|amicalement|cdlt|cdt"
    r"|(un )?(saludo|abrazo)s?( cordial(es)?)?|saludos( cordiales)?|atentamente|cordialmente|atte\.?|(cordiali|distinti) saluti|saluti|un (cordiale )?saluto|(com os )?(melhores |meus )?cumprimentos|atenciosamente|abraços?|att\.?"
    r"|(met )?(vriendelijke|hartelijke) groet(en)?|groet(en|jes)?|hoogachtend|mvg|(z )?(poważaniem|powazaniem)|(serdecznie )?pozdrawiam|pozdrowienia|(med )?(vänlig|vänliga|venlig|vennlig|bästa|bedste|beste|kærlig|de bedste|de beste) (hälsning(ar)?|hilsen(er)?)|hälsningar|(venlig )?hilsen|mvh|kh|vh|dbh|hilsner"
    r"|(ystävällisin|parhain|terveisin|hyvää) ?(terveisin|päivänjatkoa)?|terv\.?|(s )?(pozdravem|přátelským pozdravem|úctou)|(s|se) pozdravem|с (уважением|наилучшими пожеланиями)|з повагою|(saygılarımla|saygılar|sevgiler|iyi çalışmalar)"
    r"|此致|祝好|敬具|以上)[\s,.!;:。、-]{0,4}$"
)
_KANA = re2.compile(r"[ぁ-ゖ]")
_PARTICLES = frozenset(["von", "van", "de", "der", "den", "du", "da", "di", "la", "le", "dr", "zu", "al", "el", "bin", "and", "und", "et", "&", "y", "e", "i", "og", "och"])


# what opens a request below the formula, capital or not: "Bitte Rückruf"
_REQUESTS = frozenset(
    ["please", "pls", "plz", "call", "urgent", "asap", "thanks", "thank", "ps", "p.s", "bitte", "danke", "dringend", "eilt", "merci", "urgente", "svp", "gracias", "favor", "por", "grazie", "obrigado", "obrigada", "bedankt", "graag", "dank", "dziękuję", "proszę", "pilne", "tack", "tak", "takk", "kiitos", "děkuji", "prosím", "спасибо", "срочно", "пожалуйста", "дякую", "прошу", "терміново", "teşekkürler", "lütfen", "acil"]
)


def is_phone_line(line: str) -> bool:
    """Whether a line is what a phone or mail program adds by itself: "Sent from my iPhone"."""
    if len(line) > 300:
        return False
    words = _LINK.sub("", line)
    if len(words) >= 160:
        return False
    if _PHONE.match(words) or (len(words) < 100 and _SENT.match(words) and _ANY_DEVICE.search(words)):
        return True
    return len(words) < 80 and bool(_GET.match(words) and _PLATFORM.search(words))


def signature_start(text: str) -> int | None:
    """The offset in ``text`` at which its signature begins, None without one. Never 0: a signature needs a text above."""
    lines = text.split("\n")
    at = signature_line(lines)
    if at >= len(lines):
        return None
    return sum(len(line) + 1 for line in lines[:at])


def signature_line(lines: list[str]) -> int:
    """The number of the line at which the signature begins; ``len(lines)`` without one."""
    at = _delimiter(lines)
    end = len(lines) if at is None else at
    first = next((number for number, line in enumerate(lines) if line.strip()), end)
    while True:
        last = end
        while last > first and not lines[last - 1].strip():
            last -= 1
        if last - 1 <= first or not is_phone_line(lines[last - 1]):
            break
        end = last - 1
    return closing_line(lines, end)


def closing_line(lines: list[str], end: int | None = None) -> int:
    """The number of the line at which a closing formula with nothing but a name below begins; ``end`` without one.

    Looks at the lines before ``end`` (all, without it). Cuts only what carries no message: the formula alone on its line, at most three
    short lines of names, and a text above. "Thanks, Jo" stays.
    """
    end = len(lines) if end is None else end
    names = 0
    for number in range(end - 1, max(end - 12, 0), -1):
        line = lines[number]
        if not line.strip():
            continue
        if (len(line) < 60 and _CLOSING.match(line)) or (not names and _is_slash_name(line)):
            return number if any(above.strip() for above in lines[:number]) else end
        names += 1
        if names > 3 or not _is_name(line):
            break
    return end


def _delimiter(lines: list[str]) -> int | None:
    """The line of the delimiter: the strict one wherever it stands, a look-alike only near the end."""
    written = 0
    below = sum(1 for line in lines if line.strip())
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        below -= 1
        if written and len(line) < 100 and line.lstrip(" \t")[:1] in "-—–_" and _DELIMITER.match(line):
            strict = line.rstrip("\r") == _STRICT
            if strict or (below <= MAX_SIGNATURE and (_is_footer(lines[number + 1 :]) if line.strip("_ ") == "" else not _is_prose(lines[number + 1 :]))):
                return number
        written += 1
    return None


def _is_prose(lines: list[str]) -> bool:
    """Whether the first line below goes on as text does, not as a name or a company."""
    first = next((line.strip() for line in lines if line.strip()), "")
    return len(first) > MAX_NAME and not _FOOTER.search(first[:200])


def _is_footer(lines: list[str]) -> bool:
    """Whether the lines below underscores are a list's footer, not more text."""
    return any(_FOOTER.search(line[:200]) for line in lines[:8])


def _is_name(line: str) -> bool:
    """Whether a short line can be a name: at most five words, letters only, none of them in small letters."""
    words = line.strip(" \t*_/,.—–-").split()
    if not words or len(words) > 5 or len(line) > 50 or words[0].lower() in _REQUESTS:
        return False
    return all(word.lower() in _PARTICLES or _is_capitalised(word) for word in words)


def _is_slash_name(line: str) -> bool:
    """``/Jo`` alone on the last line, as some sign in the north."""
    text = line.strip()
    return 2 < len(text) < 30 and text[0] == "/" and text[1] != " " and _is_name(text)


def _is_capitalised(word: str) -> bool:
    plain = word.replace("'", "").replace("’", "").replace("-", "").replace(".", "")
    if not plain.isalpha() or plain[0].islower():
        return False
    # a script without capitals: a name is short there, and has no kana in it that sentences are built with
    return plain[0].isupper() or (len(plain) <= 4 and not _KANA.search(plain))
