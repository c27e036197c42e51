from __future__ import annotations

import pytest

from maild.ingest.language import language


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Hello, my printer does not work any more. Can you help me?", "en"),
        ("Guten Tag, mein Drucker funktioniert nicht mehr. Können Sie mir helfen?", "de"),
        ("Bonjour, mon imprimante ne fonctionne plus. Pouvez-vous m'aider ?", "fr"),
        ("Hola, mi impresora ya no funciona. ¿Me pueden ayudar?", "es"),
        ("Buongiorno, la mia stampante non funziona più. Potete aiutarmi?", "it"),
        ("Olá, a minha impressora já não funciona. Podem ajudar-me?", "pt"),
        ("Goedendag, mijn printer werkt niet meer. Kunt u mij helpen?", "nl"),
        ("Dzień dobry, moja drukarka nie działa. Czy możecie mi pomóc?", "pl"),
        ("Hej, min skrivare fungerar inte längre. Kan ni hjälpa mig?", "sv"),
        ("Hei, tulostimeni ei enää toimi. Voitteko auttaa minua?", "fi"),
        ("Dobrý den, moje tiskárna už nefunguje. Můžete mi pomoci?", "cs"),
        ("Здравствуйте, мой принтер больше не работает. Вы можете помочь?", "ru"),
        ("こんにちは、プリンターが動きません。助けてください。", "ja"),
        ("您好，我的打印机不能用了，请帮帮我。", "zh"),
        ("안녕하세요, 프린터가 작동하지 않습니다.", "ko"),
        ("Merhaba, yazıcım artık çalışmıyor. Yardım edebilir misiniz?", "tr"),
        ("", ""),
        ("OK", ""),
        ("4711 / 0815 -- #12", ""),
        ("https://example.com/das-ist-ein-link jo@example.com", ""),
    ],
)
def test_languages_are_known_by_a_sentence_and_not_guessed(text: str, code: str) -> None:
    assert language(text) == code
