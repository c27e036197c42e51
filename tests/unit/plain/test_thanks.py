"""What counts as nothing but thanks, and what says more."""

from __future__ import annotations

import pytest

from maild.plain.thanks import is_bare_thanks


@pytest.mark.parametrize(
    "text",
    [
        "Thanks!", "thx :)", "Thank you so much for your help!", "Hi Jo, thanks a lot!", "Thanks,\nJo Doe", "👍", ":-)", "Great, thank you 🙏🏽", "Merci beaucoup !",
        "Vielen Dank für die schnelle Antwort!", "Danke schön", "Hallo Frau Meier, vielen Dank!", "Muchas gracias por su ayuda.", "Grazie mille!", "Muito obrigado", "Hartelijk dank!",
        "Dziękuję bardzo", "Tack så mycket!", "Mange tak", "Tusen takk for hjelpen!", "Kiitos paljon", "Díky moc", "Большое спасибо!", "Щиро дякую", "Çok teşekkür ederim",
        "谢谢您的帮助！", "ありがとうございました。", "감사합니다!",
    ],
)  # fmt: skip
def test_thanks_alone(text: str) -> None:
    assert is_bare_thanks(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "No thanks", "Thanks for nothing", "Thanks, but it still fails", "Thank you. When will it come?", "Thanks, my number is 4711", "Danke, aber es geht nicht", "ok", "Nein danke",
        "Thanks\nplease cancel the order", "谢谢，但是还是不行", "ありがとうございます。まだ届きません", "gracias pero no funciona", "Thanks. " * 13, "status", "👍 but it broke", "merci de me rappeler demain",
    ],
)  # fmt: skip
def test_more_than_thanks(text: str) -> None:
    assert not is_bare_thanks(text)


def test_the_language_picks_the_list() -> None:
    assert is_bare_thanks("Tack!", "sv")
    assert is_bare_thanks("Thanks!", "sv")
    assert not is_bare_thanks("Kiitos!", "sv")
