"""This is where maild decides what a bounce means: the enhanced status, and whether the address is gone for good (hard) or not.

Hard means: this address will not work by waiting. All else is soft, and so is every doubt, since a hard bounce stops
mail to a person. The words of the diagnostic come first (servers are careless with codes), then the status, then
the SMTP reply.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import re2

MAX_TEXT = 6_000
MAX_REASON = 1_000


class Cause(StrEnum):
    """Why a mail was not delivered, in the order in which the causes are looked for."""

    MAILBOX_FULL = "mailbox full"
    TOO_BIG = "too big"
    RATE = "too many mails"
    MOVED = "has moved"
    RELAYING = "relaying refused"
    AUTHENTICATION = "sender not authenticated"
    REVERSE_DNS = "no reverse DNS"
    SENDER = "sender refused"
    DISABLED = "account disabled"
    NO_MAIL = "host takes no mail"
    DNS = "DNS does not answer"
    HOST_UNKNOWN = "host unknown"
    USER_UNKNOWN = "user unknown"
    USER_UNKNOWN_MAYBE = "user said to be unknown"
    SPAM = "taken for spam"
    BLOCKED = "blocked"
    POLICY = "policy"
    EXPIRED = "expired"
    SYSTEM = "trouble at the other system"
    OTHER = "other"


# cause: (hard, the status where none is given, words in the diagnostic text)
_POLICY: dict[Cause, tuple[bool, str, str]] = {
    Cause.MAILBOX_FULL: (False, "5.2.2", (
        r"(mail|in)\s?(box|folder|drop|file)\S*( \S+)? (is |was |has |has been |are |too |over )*(currently )?(full|exceeded)|mailbox for user is full"
        r"|over\s?(the )?(maximum )?(disk )?(allowed )?quota|quota (is |has been |was )?(exceed|full|violation|limit)"
        r"|exceed\S* \S{0,12} ?\S{0,12} ?\S{0,12} ?(quota|storage|mailbox)|disk quota|out of quota|would exceed|mailbox .{0,30}(exceed|limit|size)"
        r"|exceeded .{0,24}(storage|space|limit) ?allo|out of storage|exhausted .{0,20}storage|storage .{0,20}exceed|user is over|account is (full|over)"
        r"|mailbox exceeded|in recipient'?s mailbox exceeded|mailbox has exceeded|too many messages (on|in)|insufficient (disk|storage|mailbox) ?(space|quota)?"
        r"|no space left (for|in) (mail|user)|not enough (storage|disk) ?space (in|for)|mail quota|bo[iî]te .{0,60}(pleine|satur)|postfach .{0,60}voll|(speicherplatz|kontingent) .{0,60}(überschritten|erschöpft)|buzón .{0,60}llen|casella .{0,60}piena|caixa .{0,60}cheia|skrzynka .{0,60}(pełn|przepełn)|brevlåda.{0,60} full|postboks.{0,60} (er )?fuld?l?|mailbox .{0,30}vol\b|posta kutusu .{0,30}dolu|переполнен|ящик .{0,20}заполнен|いっぱい|容量|已满|已滿|가득")),
    Cause.TOO_BIG: (False, "5.3.4", (
        r"(message|line|header|body) (is |was )?too long|(message|mail|data|size|length|body|header)\S* .{0,40}(too (big|large)|exceeds? .{0,50}(limit|maximum|size|value)|larger than)|size limit exceeded"
        r"|(message|mail) (size|length) (exceed|limit)|size exceeds|exceeds? (the )?(maximum|fixed|configured|size)|too large|too big|max(imum)? message size")),
    Cause.RATE: (False, "4.7.0", (
        r"too many (connections|recipients|messages|mails|errors|concurrent|sessions|hops? per)|rate.?limit|frequency limited|speeding|throttl|too (fast|frequent)"
        r"|unusual rate|receiving mail at a rate|exceeded .{0,30}(rate|per (hour|day|minute))|(connection|sending|message|hourly|daily) limit|limit .{0,20}per (hour|day|minute)")),
    Cause.MOVED: (True, "5.1.6", r"(has |have |was |been )moved\b.{0,60}(to|@|address)|user has moved|account .{0,20}has moved|has been replaced by|recipient.{0,20}no longer here.{0,30}forward"),
    Cause.RELAYING: (False, "5.7.1", (
        r"relay(ing)? (is |was )?(not |access )?(denied|permitted|prohibited|allowed|authorized|blocked|disabled)|unable to relay|(not|don'?t|cannot|won'?t) .{0,30}relay"
        r"|relaying denied|mail relay|insecure mail relay|open relay denied|not (a )?(local|our) (domain|host|gateway)|(isn'?t|is not|not) in my .{0,40}rcpthosts|no relay")),
    Cause.AUTHENTICATION: (False, "5.7.26", (
        r"\bdmarc\b|\bdkim\b|\bspf\b|sender policy framework|unauthenticated\b|not authenticated|authentication (is )?(required|failed|fail|check)"
        r"|(must|need to) (be )?authenticate|purported responsible address|multiple addresses in from|auth(entication)? failure|requires? authentication|please authenticate|smtp auth")),
    Cause.REVERSE_DNS: (False, "5.7.25", (
        r"reverse.?dns|\bhelo\b|\behlo\b|\bptr\b|reverse (name|lookup|host|address|hostname|map)|ip name lookup|\brdns\b|unverifiable sending ip|no reverse|forward.confirmed|cannot resolve your (address|ip)"
        r"|cannot find your (reverse )?hostname|client host rejected: cannot|unresolvable (sender|relay) host|all mail servers must have")),
    Cause.SENDER: (False, "5.1.8", (
        r"sender (address |was |e?-?mail |domain |is )*(rejected|refused|denied|not (accepted|allowed|exist|valid)|invalid|unknown|verif|blocked|blacklist)|(invalid|bad|unknown|fake) (sender|return|envelope.?from|from)"
        r"|(domain|address) of sender|sender (address|domain) .{0,80}(not exist|reject)|sending domain|(mail from|from address) .{0,60}(reject|not|invalid|denied)|backscatter|sender .{0,60}does not exist"
        r"|(could not|cannot|can'?t|unable to) verify sender|sender.?verify|server rejected mail from|you are not (allowed|permitted) to send|not allowed to send|from header|resent-from|no permission to send|may not have permission|google groups")),
    Cause.DISABLED: (False, "5.2.1", (
        r"(account|mailbox|user|recipient|address|e?mail)\S*( \S+){0,9} (is|are|has been|was|been|temporarily|currently|now)( \S+)? ?(disabled|suspended|inactive|deactivated|locked|on hold|frozen|blocked|closed|expired|discontinued|not active|unavailable due to inactivity)"
        r"|(account|mailbox|user|recipient) (disabled|suspended|inactive|deactivated|locked|closed|expired)|(disabled|suspended|inactive|deactivated|locked|closed|expired|frozen) (account|mailbox|user|recipient|address)"
        r"|no longer active|extended inactivity|vacationing|invalid/inactive user|not active|disabled or discontinued|said to be on hold|\bon hold\b")),
    Cause.NO_MAIL: (True, "5.1.10", (
        r"null ?mx|(domain|host|system|server|site) .{0,30}(does not|doesn'?t|do not|not) (currently )?(receive|receiving) .{0,24}(mail|messages)|no mx (record )?(was )?found"
        r"|not accept(ing)? (network messages|(any )?(e-?mail|mail|messages?)( for| at| to|[^a-z -]|\s*$))|(no|without) (valid )?mail ?(hosts?|exchangers?|servers?) (for|found|defined)|mail receiving disabled|smtp protocol returned a permanent|no mx or a|could not find a valid mx|host/domain does not accept")),
    Cause.DNS: (False, "4.4.3", (
        r"(dns|name ?server|name service|lookup|resolution) .{0,50}(temporar|try again|timed? ?out|timeout|failure|servfail|deferr|responded with code (noerror|servfail|refused))|temporary .{0,20}(dns|lookup|resol)|had no relevant answers|host not found, try again")),
    Cause.HOST_UNKNOWN: (True, "5.1.2", (
        r"host.{0,10}unknown|unknown (host|domain|mail host)|(host|domain)( or domain)?( name)?( was| is)? not (found|exist|known|reachable|registered|resol)|no such (domain|host)|(domain|host|hostname)\S* .{0,60}(does not|doesn'?t|not) (exist|resolve|reachable|registered|(appear|seem) to (exist|be registered))"
        r"|nxdomain|name or service not known|unrouteable|unroutable|(illegal|invalid|bad|non-?existent) (domain|host|destination (mail )?host|destination host)|no route to (host|domain) (for|found)|(couldn'?t|could not|cannot|can'?t|unable to) (find|resolve|locate) (any )?(a )?(host|domain|address for|the (domain|host))|domain is not reachable|bad destination system|bad destination (mail )?system address|host unreachable by name|domain isn'?t|address resolution|no mail (hosts?|servers?) found")),
    Cause.USER_UNKNOWN: (True, "5.1.1", (
        r"(mailbox|user|recipient|address|account|addressee|alias|group|name|inbox|e-?mail|local ?part|userid|this person|customer)\S*( \S+){0,10} (does ?n[o']t|does not|doesn'?t|do not|don'?t|did not|didn'?t|not|no longer|never) (seem to )?(be )?(currently )?(\S+ )?(exist|found|valid|known|recogni[sz]ed|available here|listed|match|registered|on (this|our) server|have an?|has an?|a known|there|our customer)"
        r"|no longer accepts? mail|no (mailbox|such (mailbox|recipient|address|account|alias|local|e?mail|person|subscriber|user here)|(account|user|address|one) (by that name|here|at this))|validrcptto|#5\.1\.0 address rejected|undeliverable[ _:-]{1,2}(recipient|address)|(invalid|unknown|bad|non-?existent|unrecogni[sz]ed|illegal|wrong)[ _:-]{1,2}(recipient|mailbox|address|e?-?mail|local|alias|account|destination mailbox|final delivery userid|rcpt|destination address)"
        r"|(user|recipient|mailbox|account|address)( \S+)? ?(is |was )?(unknown|invalid|rejected: (user )?(unknown|access denied|no such|undeliverable)|not found|nonexist)( in | to )|unknown in (virtual|local|relay)|unknown e-?mail|addressee unknown|address unknown|unknown addressee"
        r"|recipient address rejected: (access denied|user unknown|unknown|undeliverable|no such|invalid|not found)|not (listed|found) in .{0,40}(directory|address book|ldap|name & address)|recipientnotfound|not our customer|no longer (with|works|employed|at|on|here|valid|exists|available)"
        r"|(mail ?box|recipient|address|user) unavailable|requested action not taken: mailbox|not a (valid|known|current|local) (user|mailbox|recipient|address|account|customer)|isn'?t a (valid|known)|(has|have) (left|no account|no mailbox)|destination (user|mailbox|address) (un|not|does|re)"
        r"|unknown[ _]recipient|bad_recipient|not[ _]a[ _]user|inconnu|unbekannt|kein(e|en)? (solche[rsn]? |gültige[rsn]? )?(benutzer|empfänger|postfach|adresse)\S*|(postfach|adresse|empfänger|benutzer)\S* .{0,30}(nicht (gefunden|vorhanden|bekannt|verfügbar)|ungültig)|(aucun|pas de) (utilisateur|destinataire|compte)\S*|(adresse|destinataire|boîte)\S* .{0,30}(invalide|introuvable)|(destinatario|usuario|buzón|utente|casella|indirizzo|endereço|usuário|caixa)\S* .{0,30}(no (válid|encontrad)\S*|no fue encontrad\S*|non (trovat|valid)\S*|não (encontrad|válid)\S*|inválid\S*)|нет такого (пользователя|адреса|ящика|получателя)|(пользователь|ящик|адрес|получатель)\S* .{0,30}(не (найден|существует|зарегистрирован)|удал[её]н)|немає такого|(geen|onbekende) (gebruiker|ontvanger|mailbox|geadresseerde)|(gebruiker|ontvanger|mailbox|geadresseerde) (is )?onbekend|(användare|mottagare|bruger|modtager|bruker|mottaker)\S* (är |er )?(okänd|ukendt|ukjent|saknas)|tuntematon (käyttäjä|vastaanottaja)|okänd (användare|mottagare)|ukendt (bruger|modtager)|ukjent (bruker|mottaker)|brak (takiego )?(użytkownika|adresata|skrzynki|konta)|neznámý (uživatel|příjemce)|kullanıcı bulunam|in?exist[ae]nte?|nieznan|not? ?exist(s|ing)\b|no existe|n'existe pas|non esiste|não existe|existiert nicht|bestaat niet|nie istnieje|finns inte|findes ikke|finnes ikke|не существует|не найден|neexistuje|bulunamadı|존재하지|찾을 수 없|없는 (사용자|메일|주소)|存在しない|desconocid|sconosciut|存在しません|見つかりませんでした|不存在|invalid user|user invalid|unknown account|unable to find (recipient|user)|no valid recipients|cuenta no|user doesn'?t|(^|; )542 +rejected")),
    Cause.USER_UNKNOWN_MAYBE: (False, "5.1.1", r"(user|recipient|customer|id|name) (is |was )?(unknown|invalid|not found)|unknown\s+(user|recipient|customer|userid|local)|no such (user|person)"),
    Cause.SPAM: (False, "5.7.1", r"\bspam|\buce\b|\bube\b|unsolicited|\bjunk\b|bulk mail|mass mail|phish|content (filter|reject|block|is not)|blacklisted url|looks like|virus|malware|infected|suspicious"),
    Cause.BLOCKED: (False, "5.7.1", (
        r"block(ed|list|ing)?\b|black.?list|\brbl\b|dnsbl|spamhaus|spamcop|sorbs|barracuda|reputation|(access|connection|service|client|permission) (is |was |host )?(denied|refused|rejected)|refused|greylist|graylist|banned|denied|bloqu|gesperrt")),
    Cause.POLICY: (False, "5.7.1", r"polic(y|ies)|not permitted|not authori[sz]ed|prohibited|not allowed|administrative|rejected|recipient preferences|filtered|restricted|禁止"),
    Cause.EXPIRED: (False, "4.4.7", (
        r"expired|timed?[ -]?out|timeout|too long in|in (the )?queue too long|been failing for a long time|could not (be delivered|deliver) (for|in|within)|for the last \d+|will be retried|not yet been|deferred|delayed|giving up|retry time|\d+ (delivery )?attempts|after \d+ tries|lost connection|conversation with"
        r"|connection (refused|reset|lost|failed|dropped)|(unable|couldn'?t|could not|wasn'?t able) to (connect|establish)|no (answer|route)|unreachable|not responding|connect(ion)? to|did not accept our requests|delivery time|temporar")),
    Cause.OTHER: (False, "", ""),
    Cause.SYSTEM: (False, "5.3.0", r"system (error|problem|fail|full)|internal|service (currently )?(un|not )available|loop|too many hops|hop count|configuration|local error|disk full|no space|i/o error|lock|resources|protocol error|error|fail"),
}  # fmt: skip

# where the words say nothing: the status, longest beginning first
_BY_STATUS: dict[str, Cause] = {
    "5.1.0": Cause.USER_UNKNOWN, "5.1.1": Cause.USER_UNKNOWN, "5.1.2": Cause.HOST_UNKNOWN, "5.1.3": Cause.USER_UNKNOWN, "5.1.4": Cause.OTHER,
    "5.1.6": Cause.MOVED, "5.1.7": Cause.SENDER, "5.1.8": Cause.SENDER, "5.1.10": Cause.USER_UNKNOWN, "5.1.351": Cause.USER_UNKNOWN,
    "5.2.1": Cause.DISABLED, "5.2.2": Cause.MAILBOX_FULL, "5.2.3": Cause.TOO_BIG, "5.3.2": Cause.NO_MAIL, "5.3.4": Cause.TOO_BIG,
    "5.4.4": Cause.HOST_UNKNOWN, "5.7": Cause.POLICY,
    "4.2.2": Cause.MAILBOX_FULL, "4.3.4": Cause.TOO_BIG, "4.4": Cause.EXPIRED, "4.7": Cause.POLICY,
}  # fmt: skip
_BY_REPLY: dict[str, Cause] = {
    "521": Cause.NO_MAIL, "556": Cause.NO_MAIL, "551": Cause.USER_UNKNOWN, "552": Cause.TOO_BIG, "542": Cause.USER_UNKNOWN,
}  # fmt: skip

# causes that say little: other words may say more
VAGUE = frozenset({Cause.OTHER, Cause.SYSTEM})

_WORDS = [(cause, re2.compile("(?is)" + words)) for cause, (_, _, words) in _POLICY.items() if words]
_STATUS = re2.compile(r"(?:^|[^\w.])([245]\.[0-7]\.\d{1,3})(?:$|[^\d.]|\.(?:$|\D))")
_REPLY = re2.compile(r"(?:^|[^\d.:-])([45][0-7]\d)(?:$|[ :;,-])")
_NOISE = re2.compile(r"[\w.+%&'*/=?^~!#$-]+@[\w.-]+|[<>]|\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}")
_AT_SENDER = re2.compile(r"(?i)after (pipelined )?mail from|reply to mail from|>>> ?mail from|to mail from command")
_AT_RCPT = re2.compile(r"(?i)[45]\d\d[ :-]{1,3}([45]\.\d+\.\d+ )?<[^<>]+>(:|\.\.\.)|rcpt[ _]?to|does not like recipient|rejected recipient|recipient address rejected|after rcpt|rcpt command")
_SAID_AT_RCPT = re2.compile(r"(?i)rcpt[ _]?to|does not like recipient|rejected recipient|after rcpt|rcpt command")
_AT_DATA = re2.compile(r"(?i)end of data|\bdata\b( command)?\)?|after i sent the message|\(data\)")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a bounce says of one recipient: enhanced status ('' where nothing tells), hard or soft, and why."""

    status: str
    hard: bool
    cause: Cause


def judge(text: str, field_status: str = "", context: str = "", delayed: bool = False) -> Verdict:
    """The verdict on one recipient.

    ``text`` is the diagnostic, ``field_status`` the Status field as it stands, ``context`` other words of the report
    about this recipient (which SMTP command was answered), ``delayed`` whether it is still being tried.
    """
    text = " ".join(text[:MAX_TEXT].split())
    status = first_status(field_status)
    written = first_status(text)
    reply = _REPLY.search(text)
    if not status or is_generic(status):
        status = written if written and not (status and is_generic(written)) else status
    words = " ".join(_NOISE.sub(" ", text + " " + field_status).split())
    cause = next((cause for cause, pattern in _WORDS if pattern.search(words)), Cause.OTHER)
    if cause in (Cause.USER_UNKNOWN_MAYBE, Cause.USER_UNKNOWN):
        cause = _really_unknown(cause, status, text + " " + context)
    if _POLICY[cause][0] and (status in ("5.1.7", "5.1.8") or (_AT_SENDER.search(text) and not _SAID_AT_RCPT.search(text))):
        cause = Cause.SENDER
    if cause in (Cause.OTHER, Cause.POLICY, Cause.SYSTEM, Cause.BLOCKED):
        better = _by_status(status, reply.group(1) if reply else "")
        if better is Cause.USER_UNKNOWN and cause is Cause.POLICY:  # "550 5.1.1 rejected": the code says more
            cause = better
        cause = better if cause in VAGUE and better else cause
    hard = _POLICY[cause][0]
    if not status:
        status = _made_up(cause, reply.group(1) if reply else "")
    if hard and cause is Cause.NO_MAIL and status.startswith("4"):
        hard = False
    return Verdict(status, hard and not delayed, cause)


def first_status(text: str) -> str:
    """The first enhanced status in ``text`` (RFC 3463, 2), or ''."""
    found = _STATUS.search(text[:MAX_TEXT])
    return found.group(1) if found else ""


def is_generic(status: str) -> bool:
    """Whether a status says no more than its class: 5.0.0, or a made-up 5.0.911."""
    return status[1:4] == ".0."


def _really_unknown(cause: Cause, status: str, words: str) -> Cause:
    """Some filters answer "user unknown" to a mail that they do not want, after they took the address: that is soft."""
    if status[:4] in ("5.2.", "4.2."):
        return Cause.USER_UNKNOWN if _SAID_AT_RCPT.search(words) else Cause.USER_UNKNOWN_MAYBE
    if cause is Cause.USER_UNKNOWN:
        return cause
    if status[:4] in ("5.1.", "4.1.", "5.3.", "5.5."):
        return Cause.USER_UNKNOWN
    if not _REPLY.search(words):  # no SMTP reply: the reporting system itself knows its users
        return Cause.USER_UNKNOWN
    return Cause.USER_UNKNOWN if _AT_RCPT.search(words) and not _AT_DATA.search(words) else cause


def _by_status(status: str, reply: str) -> Cause | None:
    """The cause that a code alone tells."""
    for beginning in (status, status[:3]):
        if beginning in _BY_STATUS:
            return _BY_STATUS[beginning]
    return _BY_REPLY.get(reply)


def _made_up(cause: Cause, reply: str) -> str:
    """A status where the report gives none: that of the cause, in the class of the SMTP reply."""
    status = _POLICY[cause][1]
    if not status:
        return f"{reply[0]}.0.0" if reply else ""
    return f"{reply[0]}{status[1:]}" if reply else status


def tidy(text: str) -> str:
    """A reason on one line, short enough to show; ``smtp;`` and the like in front are taken off."""
    line = " ".join(text[:MAX_TEXT].split())
    kind, semicolon, rest = line.partition(";")
    if semicolon and " " not in kind and len(kind) < 20:
        line = rest.strip()
    return line[:MAX_REASON]
