"""This is where maild knows an answer that is only thanks, or a smiley: nobody needs to open a case again for it."""

from __future__ import annotations

import unicodedata

MAX_WORDS = 12
MAX_CHARACTERS = 300

# language: (words of thanks, of which one is needed; words that may stand with them)
_WORDS: dict[str, tuple[str, str]] = {
    "en": ("thanks thank thx ty tx cheers thankyou tysm", "you u so very much many a lot again for your the all help support quick fast prompt reply response answer great perfect awesome wonderful excellent brilliant fantastic super nice good lovely ok okay got it that's thats was is helped really indeed everything hi hello hey dear team everyone in advance million once appreciated appreciate and kind regards best sincerely have day weekend great"),
    "de": ("danke dank dankeschön dankesehr merci herzlichen vielen besten", "dank schön sehr ihnen euch dir für die das ihre eure deine den rasche schnelle prompte super hilfe antwort rückmeldung unterstützung info information bemühungen nochmals nochmal noch einmal vielmals alles klar gut prima toll perfekt bestens wunderbar klasse ok okay passt hallo hi liebe lieber liebes guten tag team im voraus und freundliche freundlichen viele liebe beste grüße grüßen gruß mfg lg vg mit schönen"),
    "fr": ("merci mercis remercie remerciements", "beaucoup bien infiniment encore mille je vous te pour votre ta ton vos la le l les aide réponse retour rapide rapidité tout toute équipe parfait super génial excellent c est ok d accord très bonjour salut bonsoir cher chère et cordialement bien à bonne journée avance"),
    "es": ("gracias agradezco agradecido agradecida", "muchas mil muchísimas por su tu la el todo ayuda respuesta rápida atención apoyo perfecto genial excelente estupendo muy bien amable ok vale de nuevo hola buenos días buenas tardes equipo saludos y un saludo le les te lo antemano"),
    "it": ("grazie ringrazio ringraziamo", "mille tante molte molto di per il la l vostro vostra suo sua tuo tua aiuto risposta supporto rapida veloce assistenza tutto perfetto ottimo fantastico ok ancora ciao buongiorno salve cordiali saluti e vi la ti anticipatamente gentilissimi gentilissimo"),
    "pt": ("obrigado obrigada obrigadão agradeço grato grata brigado brigada valeu", "muito muitíssimo pela pelo por sua seu a o ajuda resposta rápida atenção suporte apoio perfeito ótimo excelente ok tudo olá oi bom dia boa tarde equipe equipa abraço abraços e cumprimentos desde já mais uma vez"),
    "nl": ("bedankt dank dankjewel dankuwel bedanken thanks merci", "je u wel voor de het uw jullie jouw hulp snelle reactie antwoord hartelijk heel erg nogmaals alvast veel top super prima perfect fijn goed ok oké hoi hallo beste team en met vriendelijke groet groeten allemaal vriendelijk"),
    "pl": ("dziękuję dziekuje dziękujemy dzięki dzieki dziękować", "bardzo serdecznie ślicznie za pomoc szybką odpowiedź wsparcie wielkie jeszcze raz z góry super świetnie doskonale ok dobrze dzień dobry cześć witam i pozdrawiam państwu"),
    "sv": ("tack tackar", "så mycket för hjälpen svaret snabba svar hjälp er din ert tusen stort toppen perfekt bra utmärkt ok hej igen på förhand och alla mvh hälsningar vänliga"),
    "da": ("tak takker", "så meget for hjælpen svaret hurtige svar hjælp din jeres mange tusind perfekt fint godt super ok hej igen på forhånd og skal du have alle mvh hilsen venlig"),
    "no": ("takk takker", "så mye for hjelpen hjelpa svaret raske svar hjelp din deres mange tusen perfekt flott fint bra supert ok hei igjen på forhånd og skal du ha alle mvh hilsen vennlig"),
    "fi": ("kiitos kiitokset kiitoksia kiitti kiittää", "paljon nopeasta vastauksesta vastaus avusta avustasi teille sinulle tuhannesti hienoa hyvä ok moi hei kaikille etukäteen vielä kerran ja terveisin ystävällisin erinomaista loistavaa"),
    "cs": ("děkuji děkuju děkujeme dekuji díky diky dík", "moc mockrát za pomoc rychlou odpověď vám vřele předem ještě jednou super skvělé perfektní výborně ok dobrý den ahoj a s pozdravem"),
    "ru": ("спасибо благодарю благодарим спс", "большое огромное вам тебе за помощь быстрый ответ поддержку оперативность заранее ещё еще раз всё все отлично супер хорошо замечательно прекрасно ок понятно здравствуйте добрый день привет и с уважением"),
    "uk": ("дякую дякуємо спасибі вдячний вдячна", "дуже щиро велике вам тобі за допомогу швидку відповідь підтримку наперед ще раз все чудово супер добре відмінно ок добрий день вітаю привіт і з повагою"),
    "tr": ("teşekkürler teşekkür tesekkurler tesekkur sağolun sağol sağolasın teşekkürlerimi", "ederim ederiz çok size için yardımınız yardım hızlı cevap yanıt tekrar her şey süper harika mükemmel tamam merhaba selam iyi günler çalışmalar ve saygılar saygılarımla"),
}  # fmt: skip

# scripts without blanks: what may make up the whole text, the longest first; the first of each is thanks
_PHRASES: dict[str, tuple[str, str]] = {
    "zh": ("非常感谢 十分感谢 太感谢 感谢 感謝 多谢 多謝 谢谢 謝謝 谢了 3q", "您 你 你们 您的 你的 帮助 幫助 帮忙 支持 回复 回覆 回信 了 啦 好的 好 收到 明白 太好了 非常 万分 大家 的 很 麻烦"),
    "ja": ("ありがとうございました ありがとうございます ありがとう 有難うございました 有難うございます 有難う 感謝いたします 感謝します 感謝申し上げます 助かりました お礼申し上げます", "本当に 誠に どうも 大変 早速の 迅速な ご対応 対応 ご回答 回答 ご返信 返信 ご連絡 連絡 ご協力 いただき 頂き 了解しました 承知しました 承知いたしました かしこまりました 確認しました よろしくお願いします よろしくお願いいたします お世話になっております を の に で は 、 です"),
    "ko": ("감사합니다 감사드립니다 감사해요 고맙습니다 고마워요 고마워 땡큐", "정말 대단히 너무 진심으로 빠른 답변 답장 도움 도와주셔서 주셔서 네 넵 예 안녕하세요 확인했습니다 알겠습니다 에 을 를 수고하세요 수고하셨습니다"),
}  # fmt: skip

_SMILEYS = frozenset([":)", ":-)", ";)", ";-)", ":D", ":-D", "=)", "(:", "^^", "^_^", "<3", ":P", ":-P", "xD", "XD", ":+1:", "+1", ":]", "(y)"])
_GREETINGS = frozenset(["hi", "hello", "hey", "dear", "hallo", "hej", "hei", "hoi", "liebe", "lieber", "bonjour", "salut", "cher", "chère", "hola", "ciao", "olá", "oi", "beste", "witam", "cześć", "ahoj", "merhaba", "moi", "guten", "здравствуйте", "привет", "привіт"])


def _sets() -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    return {key: (frozenset(one.split()), frozenset((one + " " + more).split())) for key, (one, more) in _WORDS.items()}


_SETS = _sets()


def is_bare_thanks(new_text: str, language: str = "") -> bool:
    """Whether ``new_text`` is only thanks or a smiley: at most 12 words, no question mark, no digit.

    ``language`` (ISO 639-1) picks the list of words; '' or an unknown one tries them all, since people thank in
    languages they do not write. A name may stand after a greeting or at the very end. A word that is on no list says
    more than thanks: then the answer is False, as it is for an empty text.
    """
    text = unicodedata.normalize("NFC", new_text).strip()
    if not text or len(text) > MAX_CHARACTERS:
        return False
    words = [word for word in text.split() if word not in _SMILEYS]
    had_smiley = len(words) < len(text.split()) or any(_is_picture(sign) for sign in text)
    bare = " ".join(words)
    if any(sign in "?？;؟" for sign in bare) or any(sign.isdigit() for sign in bare):
        return False
    tokens = _tokens(bare)
    if len(tokens) > MAX_WORDS:
        return False
    if not tokens:
        return had_smiley
    if any(_is_made_of(bare, phrases) for key, phrases in _PHRASES.items() if language in ("", key) or language not in _PHRASES):
        return True
    tried = [language, "en"] if language in _SETS else list(_SETS)
    return any(_only_thanks(tokens, *_SETS[key]) for key in tried)


def _only_thanks(tokens: list[str], thanks: frozenset[str], allowed: frozenset[str]) -> bool:
    folded = [token.lower() for token in tokens]
    if not any(token in thanks for token in folded):
        return False
    unknown = [number for number, token in enumerate(folded) if token not in allowed]
    last = max(number for number, token in enumerate(folded) if token in allowed)
    return all(_is_name_here(tokens, number, last) for number in unknown)


def _is_name_here(tokens: list[str], number: int, last: int) -> bool:
    """One of at most two capitalised words right after a greeting, or of at most two behind all other words."""
    if tokens[number][0].islower():
        return False
    if number > last:
        return len(tokens) - 1 - last <= 2
    before = [token.lower() for token in tokens[max(number - 2, 0) : number]]
    return bool(before) and (before[-1] in _GREETINGS or (before[0] in _GREETINGS and not tokens[number - 1][0].islower()))


def _is_made_of(text: str, phrases: tuple[str, str]) -> bool:
    """Whether nothing but these phrases, blanks and signs make up the text, thanks among them."""
    thanked = False
    for sort, group in enumerate(phrases):
        for phrase in sorted(group.split(), key=len, reverse=True):
            if phrase in text:
                thanked = thanked or sort == 0
                text = text.replace(phrase, " ")
    return thanked and not any(sign.isalpha() for sign in text)


def _tokens(text: str) -> list[str]:
    """The words of the text: runs of letters; an apostrophe within stays."""
    plain = "".join(sign if sign.isalpha() or sign in "'’" or unicodedata.category(sign) == "Mn" else " " for sign in text)
    words = (word.strip("'’").replace("’", "'") for word in plain.split())
    return [word for word in words if word]


def _is_picture(sign: str) -> bool:
    """Whether a sign is an emoji or the like."""
    return unicodedata.category(sign) == "So"
