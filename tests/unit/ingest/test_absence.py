from __future__ import annotations

import pytest

from maild.ingest.absence import absence_signs
from maild.model.message import Message

# Subjects that servers put in front of what they answer: enough alone.
PREFIXED = [
    "Automatic reply: Your order [#12]",
    "Out of Office: Re: invoice",
    "Out of office AutoReply: Re: invoice",
    "Auto: Re: [#1] Printer",
    "Autoreply: hello",
    "Auto-Reply: hello",
    "Abwesenheitsnotiz: Re: [#12] Drucker",
    "Automatische Antwort: Bestellung 77",
    "Réponse automatique : Re: [#3] Facture",
    "Absence du bureau : facture",
    "Respuesta automática: pedido",
    "Fuera de la oficina: pedido",
    "Risposta automatica: ordine",
    "Fuori sede: ordine",
    "Resposta automática: pedido",
    "Automatisch antwoord: bestelling",
    "Odpowiedź automatyczna: zamówienie",
    "Autosvar: ordre",
    "Automatiskt svar: order",
    "Automatisk svar: ordre",
    "Automaattinen vastaus: tilaus",
    "Automatická odpověď: objednávka",
    "Автоматический ответ: заказ",
    "Автоответ: заказ",
    "自動応答: 注文",
    "自动回复: 订单",
    "자동 회신: 주문",
    "Automatikus válasz: rendelés",
    "Otomatik yanıt: sipariş",
    "Răspuns automat: comandă",
    "Αυτόματη απάντηση: παραγγελία",
    "תשובה אוטומטית: הזמנה",
    "Automaatvastus: tellimus",
    "Automātiskā atbilde: pasūtījums",
    "Automatinis atsakymas: užsakymas",
    "Trả lời tự động: đơn hàng",
    "Balasan otomatis: pesanan",
    "ตอบกลับอัตโนมัติ: คำสั่งซื้อ",
    "پاسخ خودکار: سفارش",
    "Вне офиса: заказ",
    "Avis d'absence : facture",
    "Ausência temporária: pedido",
    "[Auto-Reply] Your order",
    "(Auto-Reply) Your order",
    "Automatic response: Your order",
    "AUTO: Jo Doe ist außer Haus (Rückkehr am 01.12.2026)",
]

# Notes without any header and with an ordinary subject.
NOTES = [
    "Thank you for your email. I am currently out of the office with limited access to my email. I will be back on"
    " Monday, 7 December. In urgent cases please contact my colleague Ann.",
    "Hello,\n\nI'm on annual leave until 3 May and will reply when I am back. For urgent matters please contact"
    " support@acme.example.",
    "Sehr geehrte Damen und Herren,\n\nvielen Dank für Ihre Nachricht. Ich bin bis zum 12.08. nicht im Büro. In dringenden"
    " Fällen wenden Sie sich bitte an Frau Weber. Ihre E-Mail wird nicht weitergeleitet.",
    "Guten Tag, ich bin derzeit im Urlaub und ab dem 5. Januar wieder erreichbar. Meine Vertretung ist Herr Krause.",
    "Bonjour,\n\nMerci pour votre message. Je suis actuellement en congés jusqu'au 15 août. En cas d'urgence, veuillez"
    " contacter Mme Petit.",
    "Gracias por su mensaje. Estoy fuera de la oficina hasta el lunes. Para asuntos urgentes, contacte con Ana.",
    "Grazie per il tuo messaggio. Sono fuori ufficio fino al 20 agosto. Per urgenze potete contattare Luca.",
    "Obrigado pela sua mensagem. Estou de férias até o dia 20. Em caso de urgência, contacte o João.",
    "Bedankt voor uw e-mail. Ik ben tot en met 12 mei niet aanwezig. Bij spoed kunt u contact opnemen met Piet.",
    "Dziękuję za wiadomość. Jestem na urlopie do dnia 15 lipca. W sprawach pilnych proszę o kontakt z Anną.",
    "Tack för ditt mejl. Jag är på semester och är tillbaka den 8 augusti. Vid brådskande ärenden kontakta Eva.",
    "Tak for din mail. Jeg er på ferie og er tilbage mandag. Kontakt Lars ved hastesager.",
    "Kiitos viestistä. Olen vuosilomalla ja palaan 5.8. Kiireellisissä asioissa ota yhteys Mattiin.",
    "Děkuji za e-mail. Jsem na dovolené, vrátím se 5. 8. V naléhavých případech volejte kolegu.",
    "Здравствуйте! Я сейчас в отпуске, вернусь 5 августа. По срочным вопросам обращайтесь к Анне.",
    "This is an automated reply. We have received your message and I am out of the office.",
    "Hi, I'm on holidays, and this is a dumb auto-responder.",
]

# Notes whose subject is nothing but the word, and that are no answer to anything.
BARE = [
    ("Nepřítomnost", "Dobrý den, do 15. 8. čerpám dovolenou a nemám přístup k e-mailu. V naléhavých případech kontaktujte info@x.example."),
    ("Ikke på kontoret", "Jeg holder ferie til og med den 5. august og læser ikke mails."),
    ("Poissa", "Olen lomalla 1.8. asti enkä lue sähköposteja. Kiireellisissä asioissa ota yhteyttä info@x.example."),
    ("Afwezig", "Ik ben afwezig tot 12 mei. Voor dringende zaken kunt u terecht bij info@x.example."),
    ("Fraværende", "Jeg er på ferie og tilbake 10. august. Ved hastesaker, kontakt post@x.example."),
    ("Ausência", "Estarei ausente do escritório até 10 de agosto, com acesso limitado ao e-mail."),
    ("부재중", "현재 휴가 중이며 8월 12일에 복귀합니다. 급한 용무는 info@x.example로 연락 바랍니다."),
]

# What people write, and what may never be taken for a machine's answer.
PERSONAL = [
    (
        "Out of office next week - can we move the meeting?",
        "Hi,\n\nI am out of the office next week. Could we meet on the 12th?",
    ),
    ("Urgent: printer", "Hello, I will be back in the office on Monday, please send the technician then. Regards, Jo"),
    ("Re: [#12] Printer", "Thanks for your message. I was on vacation, sorry for the late answer. It works now."),
    ("Automatic door broken", "The automatic door at our office does not open. Can you send someone?"),
    ("Auto insurance", "I would like to insure my car."),
    ("Absence management module", "The absence module shows wrong numbers for July."),
    ("Vacation request form is broken", "When I submit my vacation request I get error 500."),
    ("Re: Automatic reply: Your order", "Hi, I got your automatic reply, but when will a person answer me?"),
    ("Vacation rental inquiry", "Is the flat free in August? We will be back on the 20th."),
    ("Abwesend am Freitag", "Hallo, am Freitag bin ich nicht im Büro. Bitte rufen Sie mich am Montag an, ja?"),
    ("Frage", "Guten Tag, ich bin ab dem 5. wieder im Büro. Können Sie dann liefern?"),
    ("Rückruf", "Bitte um Rückruf. In dringenden Fällen erreichen Sie mich mobil. Vielen Dank für Ihre Hilfe!"),
    (
        "Autoresponder setup",
        "How do I set up an autoresponder for my mailbox? It should say that I am out of the office.",
    ),
    ("Out of office assistant does not work", "I set the out of office assistant, but nobody gets an answer."),
    ("Absence", "Hello, I need help with the report."),
    ("Re: Termin", "Ich bin im Urlaub und kann am 5. nicht kommen. Geht auch der 20.? Viele Grüße, Jo"),
    ("Question", ""),
    ("Out of office next week", "Hi, I am out of the office next week, back on the 12th. Please send the parts then."),
    ("Absence: Tom Miller, class 4b", "Tom is ill today and cannot come to school."),
    ("Vacation: August plan", "Please enter my vacation from 3 to 20 August."),
    ("OOO: Friday", "Please move my appointment, Friday does not work."),
    (
        "Broken laptop",
        "I am on vacation until 3 May. If you need access in my absence, please contact Ann. Please repair it meanwhile.",
    ),
    (
        "Re: Order 77",
        "Hi,\n\nthanks for your message. I am out of the office until Thursday, could we talk on Friday? In urgent cases"
        " please contact Al.",
    ),
    ("Unser Techniker ist im Urlaub: wer hilft jetzt?", "Bitte um Rückruf."),
    ("Vacation request", "I am on annual leave from 1 Dec. Please contact payroll. Until Monday I need access."),
    ("Re: [#12] Printer", "Thank you for your message. The printer works again."),
    ("Afwezig", "Ik ben afwezig tot 12 mei, dus kom graag met de levering daarna. Groet, Piet"),
    ("Ausência", "Estarei ausente até dia 10; por favor entreguem ao vizinho."),
    ("Ferie", "Jeg holder ferie til og med 5. august. Vent venligst med leveringen. Hilsen Bo"),
    (
        "Re: [#5] Printer",
        "I'm away until Tuesday, so please send the engineer on Wednesday. I will not be checking my emails, so call me.",
    ),
    (
        "Re: [#4] Termin",
        "Vielen Dank für Ihre Nachricht. Ich bin erst am Montag wieder erreichbar, bis dahin wenden Sie sich bitte an Frau"
        " Kurz, sie kennt den Auftrag.",
    ),
    ("Re: [#12] Order", "Danke für Ihre Nachricht. In dringenden Fällen rufe ich Sie an. Bis zum 5. reicht es."),
]


# What Notes writes by itself, without any header: its subject, and when the person comes back.
NOTES_CLIENT = [
    ("Jo Doe ist außer Haus. (Rückkehr am 05.11.2026)", "Ich werde ab 01.11.2026 nicht im Büro sein. Ich kehre zurück am 05.11.2026."),
    ("Jo Doe is out of the office (returning 05.11.2026)", "I will be out of the office starting 01.11.2026 and will not return until 05.11.2026."),
]


@pytest.mark.parametrize(("subject", "text"), NOTES_CLIENT)
def test_a_note_that_tells_when_the_person_comes_back_is_automatic(subject: str, text: str) -> None:
    assert absence_signs(Message(subject=subject, text=text), machine=False)


def _mail(subject: str, text: str) -> Message:
    return Message(subject=subject, text=text, new_text=text)


@pytest.mark.parametrize("subject", PREFIXED)
def test_a_servers_prefix_is_enough(subject: str) -> None:
    assert absence_signs(_mail(subject, "Bye."), machine=False)


@pytest.mark.parametrize("text", NOTES)
def test_notes_are_known_by_several_phrases(text: str) -> None:
    assert absence_signs(_mail("Re: [#12] Your order", text), machine=False)


@pytest.mark.parametrize(("subject", "text"), PERSONAL)
def test_personal_mail_is_never_taken_for_a_note(subject: str, text: str) -> None:
    assert absence_signs(_mail(subject, text), machine=False) == ()


@pytest.mark.parametrize(("subject", "text"), BARE)
def test_a_bare_word_as_the_subject_counts_where_the_text_says_whom_to_ask(subject: str, text: str) -> None:
    assert absence_signs(_mail(subject, text), machine=False)


def test_words_that_are_quoted_do_not_count() -> None:
    quoted = "\n".join("> " + line for line in NOTES[0].split(". "))
    assert absence_signs(Message(subject="Re: x", text="Thanks, I will call Ann.\n\n" + quoted), machine=False) == ()


def test_less_is_enough_where_a_machine_wrote_it() -> None:
    mail = _mail("Out of office", "I am on leave. Back on Monday.")
    assert absence_signs(mail, machine=True)
    assert absence_signs(_mail("Nightly backup", "42 files were saved."), machine=True) == ()
